/**
 * Puts the authenticators of a node together, from its settings and what it is handed. Decides nothing but their order:
 * the narrower shape first. Opens no connection: providers are asked when the first token of theirs comes, so that
 * a node starts whether they are there or not.
 */
import { ApiKeyAuthenticator } from '../../auth/authenticators/api-key.ts'
import type { ApiKeyStore } from '../../auth/authenticators/api-key-record.ts'
import { Authenticators } from '../../auth/authenticators/chain.ts'
import { IntrospectionAuthenticator } from '../../auth/authenticators/introspection.ts'
import {
  JwtAuthenticator,
  type SignatureAlgorithm,
  type TokenProfile,
} from '../../auth/authenticators/jwt.ts'
import { OidcIssuer } from '../../auth/authenticators/oidc-issuer.ts'
import { type RevocationStore, Revocations } from '../../auth/authenticators/revocations.ts'
import { type IssuerKeyStore, TokenIssuer } from '../../auth/authenticators/token-issuer.ts'
import { type ClaimsMapping, identifyByClaims } from '../../auth/claims.ts'
import { claimsPresets } from '../../auth/claims-presets.ts'
import { GuessThrottle } from '../../auth/guess-throttle.ts'
import type { GuessReport } from '../../auth/guess-watch.ts'
import { type Identify, throttled } from '../../auth/identify.ts'
import { isOfSecret } from '../../auth/identity.ts'
import type { Clock, Fetch, Random, Timers, TroubleReport } from '../../auth/ports.ts'
import type { IntrospectionSettings, IssuerSettings } from '../config/auth-settings.ts'
import { ConfigError } from '../config/config-error.ts'
import type { Config } from '../config/schema.ts'

export interface AuthenticatorPorts {
  readonly fetch: Fetch
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly apiKeys: ApiKeyStore
  readonly issuerKeys: IssuerKeyStore
  readonly revocations: RevocationStore
  /** The text of a file that holds a secret. Throws when it cannot be read. */
  readonly readSecretFile: (path: string) => string
  readonly report: TroubleReport
  /** Told of each wrong credential, and whether it was made to wait. */
  readonly onGuess: (isThrottled: boolean) => void
  /** Told now and then where wrong credentials come from or at which key they are aimed, without any secret. */
  readonly onGuessing: (report: GuessReport) => void
}

export interface NodeAuthentication {
  readonly identify: Identify
  readonly tokenIssuer: TokenIssuer
  readonly revocations: Revocations
  /** Whether what is called so, `key:ID` or `token:ID`, was revoked. */
  hasEnded(credentialId: string): boolean
}

/** Clocks of this node's own tokens are its own clock, or that of another node of the cluster. */
export const OWN_CLOCK_TOLERANCE_MS = 5_000
const SECRET_CHARACTERS_MAX = 4_096
const THROTTLED_SOURCES_MAX = 100_000
const THROTTLE_WAIT_MS_MAX = 60_000

/**
 * Throws {@link ConfigError} when the secret of the introspection client cannot be read.
 * @param ownName what stands as issuer and as audience in this node's own tokens; no other issuer's name
 */
export function buildAuthentication(
  settings: Config['auth'],
  ownName: string,
  ports: AuthenticatorPorts,
): NodeAuthentication {
  const { clock, random } = ports
  const isOver = (credentialId: string) => hasEnded(credentialId, ports)
  const revocations = new Revocations(ports.revocations, clock)
  const tokenIssuer = new TokenIssuer(
    {
      issuer: ownName,
      audience: ownName,
      lifetimeMaxMs: settings.tokenLifetimeMaxMs,
      clockToleranceMs: OWN_CLOCK_TOLERANCE_MS,
    },
    {
      store: ports.issuerKeys,
      revocations,
      clock,
      random,
      hasEnded: isOver,
    },
  )
  const prefixes = [...settings.issuers, ...(settings.introspection ? [settings.introspection] : [])]
    .map(({ prefix }) => prefix)
    .filter((prefix) => prefix !== '')
  const profiles = settings.issuers.map((issuer) => profileOf(issuer, prefixes, ports))
  const authenticators = new Authenticators([
    new ApiKeyAuthenticator(ports.apiKeys, clock),
    new JwtAuthenticator([tokenIssuer.profile, ...profiles], revocations, clock),
    ...(settings.introspection ? [introspecting(settings.introspection, prefixes, revocations, ports)] : []),
  ])
  const limits = {
    burst: settings.throttleBurst,
    refillMs: settings.throttleRefillMs,
    waitMsMax: Math.max(THROTTLE_WAIT_MS_MAX, settings.throttleRefillMs),
    sourcesMax: THROTTLED_SOURCES_MAX,
  }
  const identify = throttled(authenticators, new GuessThrottle(limits, ports.onGuessing), ports)
  return { identify, tokenIssuer, revocations, hasEnded: isOver }
}

/** A revoked key is one that is not there any more, and so is a secret that was replaced. */
function hasEnded(
  credentialId: string,
  { apiKeys, revocations, clock }: Pick<AuthenticatorPorts, 'apiKeys' | 'revocations' | 'clock'>,
): boolean {
  const [kind, id] = credentialId.split(':', 2)
  if (kind === 'key') return apiKeys.get(id) === undefined
  if (kind !== 'secret') return revocations.token(id) !== undefined
  const secrets = apiKeys.get(id)?.secretHashes ?? []
  return !secrets.some(
    ({ hash, expiresAtMs }) =>
      isOfSecret(credentialId, id, hash) && (expiresAtMs === null || clock.nowMs() < expiresAtMs),
  )
}

function profileOf(
  settings: IssuerSettings,
  prefixes: readonly string[],
  ports: AuthenticatorPorts,
): TokenProfile {
  const mapping = mappingOf(settings, prefixes)
  return {
    issuer: settings.issuer,
    method: 'oidc',
    audiences: settings.audience,
    // The schema let in no others.
    algorithms: settings.algorithms as SignatureAlgorithm[],
    type: settings.type,
    clockToleranceMs: settings.clockToleranceMs,
    keys: new OidcIssuer({ ...settings, jwksUri: settings.jwksUri }, ports),
    identify: (claims) => identifyByClaims(mapping, claims),
    hasOwnTokenIds: false,
  }
}

function introspecting(
  settings: IntrospectionSettings,
  prefixes: readonly string[],
  revocations: Revocations,
  ports: AuthenticatorPorts,
): IntrospectionAuthenticator {
  const config = {
    ...settings,
    issuer: settings.issuer,
    audiences: settings.audience,
    clientSecret: secretIn(settings.clientSecretFile, ports.readSecretFile),
    mapping: mappingOf(settings, prefixes),
  }
  return new IntrospectionAuthenticator(config, ports, revocations)
}

function mappingOf(
  settings: IssuerSettings | IntrospectionSettings,
  prefixes: readonly string[],
): ClaimsMapping {
  const preset = claimsPresets[settings.preset]
  return {
    principal: settings.principalClaim ?? preset.principal,
    groups: settings.groupsClaims ?? preset.groups,
    roles: settings.rolesClaims ?? preset.roles,
    prefix: settings.prefix,
    foreignPrefixes: prefixes.filter((prefix) => prefix !== settings.prefix),
    requiredScopes: settings.requiredScopes,
    scopePrefix: settings.scopePrefix,
  }
}

function secretIn(path: string, read: (path: string) => string): string {
  const refuse = (why: string) =>
    new ConfigError([`auth.introspection.clientSecretFile = ${JSON.stringify(path)}: ${why}`])
  let text: string
  try {
    text = read(path)
  } catch (error) {
    throw refuse(`cannot be read: ${(error as Error).message}`)
  }
  const secret = text.replace(/\r?\n$/, '')
  if (secret === '' || secret.length > SECRET_CHARACTERS_MAX || /[\r\n]/.test(secret))
    throw refuse(`must hold one line with the secret, of at most ${SECRET_CHARACTERS_MAX} characters`)
  return secret
}

/**
 * Signed tokens (JWS compact, RFC 7515 and 7519), of OpenID providers and of this node itself. Following RFC 8725:
 * the issuer named in the token only chooses whose rules apply; those say which algorithms, audience and type there
 * may be, and where the key comes from. Nothing in the token does. Signatures are asymmetric, always.
 */
import { createHash } from 'node:crypto'
import { type CryptoKey, errors, type JWSHeaderParameters, type JWTPayload, jwtVerify } from 'jose'
import { CredentialError } from '../credential-error.ts'
import type { AuthenticationMethod, Identity } from '../identity.ts'
import type { Clock } from '../ports.ts'
import { type Authenticator, TOKEN_CHARACTERS_MAX } from './authenticator.ts'
import type { RevocationCheck } from './revocations.ts'

export const signatureAlgorithms = [
  'EdDSA',
  'Ed25519',
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
] as const
export type SignatureAlgorithm = (typeof signatureAlgorithms)[number]

export interface KeySource {
  /** Rejects with CredentialError. */
  findKey(header: JWSHeaderParameters): Promise<CryptoKey>
  /** Whether a key is named that can be found without asking anybody. */
  hasAtHand(header: JWSHeaderParameters): boolean
}

/** What the tokens of one issuer must be like. */
export interface TokenProfile {
  /** Exactly as in `iss`. */
  readonly issuer: string
  readonly method: AuthenticationMethod
  /** One of them must be in `aud`. */
  readonly audiences: readonly string[]
  readonly algorithms: readonly SignatureAlgorithm[]
  /** The header's `typ`, where it is to be checked: `at+jwt`. */
  readonly type: string | undefined
  readonly clockToleranceMs: number
  readonly keys: KeySource
  /** Throws CredentialError. */
  identify(claims: JWTPayload): Pick<Identity, 'principal' | 'scope' | 'issuedWith'>
  /** What a token is called in lists of the revoked: its `jti`, where only this node gives them. */
  readonly hasOwnTokenIds: boolean
}

/** The last moment a Date can hold. */
const DATE_MS_MAX = 8.64e15

/** Three parts in base64url, of which the first begins as JSON objects do. The third is empty in unsigned ones. */
const FORM = /^e[w-z][A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/

export class JwtAuthenticator implements Authenticator {
  readonly name = 'signed tokens (JWT)'
  readonly #profiles: ReadonlyMap<string, TokenProfile>
  readonly #revoked: RevocationCheck
  readonly #clock: Clock

  /** One profile an issuer. */
  constructor(profiles: readonly TokenProfile[], revoked: RevocationCheck, clock: Clock) {
    this.#profiles = new Map(profiles.map((profile) => [profile.issuer, profile]))
    if (this.#profiles.size !== profiles.length) throw new RangeError('two profiles of one issuer')
    this.#revoked = revoked
    this.#clock = clock
  }

  matches(token: string): boolean {
    return FORM.test(token)
  }

  async authenticate(token: string): Promise<Identity> {
    if (token.length > TOKEN_CHARACTERS_MAX) throw tooLarge()
    const { header, payload } = partsOf(token)
    if (!header || !payload) throw malformed()
    const profile = this.#profileOf(payload)
    if (!profile) throw this.#wrongIssuer()
    if (!takesAlgorithm(profile, header))
      throw new CredentialError(
        'BAD_ALGORITHM',
        `the token is not signed with an algorithm that is taken of ${profile.issuer}: ${profile.algorithms.join(', ')}`,
      )
    const key = await profile.keys.findKey(header)
    const claims = await this.#verify(token, key, profile)
    // While the signature was looked at the key may have ended.
    if (profile.hasOwnTokenIds) await profile.keys.findKey(header)
    const identity = this.#identityOf(token, claims, profile)
    // Where the key is this node's own to end.
    return profile.hasOwnTokenIds && typeof header.kid === 'string'
      ? { ...identity, signingKeyId: header.kid }
      : identity
  }

  takesOneSignature(token: string): boolean {
    if (token.length > TOKEN_CHARACTERS_MAX) return false
    const { header, payload } = partsOf(token)
    if (!header || !payload) return false
    const profile = this.#profileOf(payload)
    return profile !== undefined && takesAlgorithm(profile, header) && profile.keys.hasAtHand(header)
  }

  #profileOf({ iss }: JWTPayload): TokenProfile | undefined {
    return typeof iss === 'string' ? this.#profiles.get(iss) : undefined
  }

  async #verify(token: string, key: CryptoKey, profile: TokenProfile): Promise<JWTPayload> {
    const nowMs = this.#clock.nowMs()
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [...profile.algorithms],
        issuer: profile.issuer,
        audience: [...profile.audiences],
        requiredClaims: ['exp'],
        clockTolerance: profile.clockToleranceMs / 1000,
        currentDate: new Date(nowMs),
        ...(profile.type === undefined ? {} : { typ: profile.type }),
      })
      if (typeof payload.iat === 'number' && payload.iat * 1000 > nowMs + profile.clockToleranceMs)
        throw new CredentialError('NOT_YET_VALID', 'the token was issued in the future; compare the clocks')
      return payload
    } catch (error) {
      throw error instanceof CredentialError ? error : refusalOf(error, profile)
    }
  }

  #identityOf(token: string, claims: JWTPayload, profile: TokenProfile): Identity {
    const { principal, scope, issuedWith } = profile.identify(claims)
    const tokenId = tokenIdOf(token, claims, profile)
    const issuedAtMs = claims.iat === undefined ? undefined : claims.iat * 1000
    if (this.#revoked.isRevoked(tokenId, principal.name, issuedAtMs))
      throw new CredentialError('REVOKED', 'the token was revoked')
    return {
      principal,
      method: profile.method,
      expiresAtMs: Math.min((claims.exp as number) * 1000 + profile.clockToleranceMs, DATE_MS_MAX),
      credentialId: `token:${tokenId}`,
      scope,
      ...(issuedWith && issuedWith.length > 0 && { issuedWith }),
    }
  }

  /** Says what would be right, and not what came. */
  #wrongIssuer(): CredentialError {
    const known = [...this.#profiles.keys()]
    const taken = known.length === 0 ? 'tokens of no issuer' : `those of ${known.join(', ')}`
    return new CredentialError(
      'WRONG_ISSUER',
      `the token is of an issuer this node does not know; it takes ${taken}`,
    )
  }
}

/** For a log or a list a token needs a short name that cannot be chosen to be that of another issuer's token. */
function tokenIdOf(token: string, claims: JWTPayload, { issuer, hasOwnTokenIds }: TokenProfile): string {
  if (hasOwnTokenIds && typeof claims.jti === 'string') return claims.jti
  // Without a `jti`, what was signed: signatures themselves have several spellings.
  const named =
    typeof claims.jti === 'string' ? `${issuer}\n${claims.jti}` : token.slice(0, token.lastIndexOf('.'))
  return createHash('sha256').update(named).digest('base64url').slice(0, 22)
}

function partsOf(token: string): {
  readonly header: JWSHeaderParameters | undefined
  readonly payload: JWTPayload | undefined
} {
  const [header, payload] = token.split('.', 2).map(jsonObjectOf)
  return { header: header as JWSHeaderParameters | undefined, payload }
}

function takesAlgorithm({ algorithms }: TokenProfile, { alg }: JWSHeaderParameters): boolean {
  return (algorithms as readonly unknown[]).includes(alg)
}

function jsonObjectOf(part: string): JWTPayload | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    return typeof json === 'object' && json !== null && !Array.isArray(json)
      ? (json as JWTPayload)
      : undefined
  } catch {
    // The parser's message quotes the token.
    return undefined
  }
}

function malformed(): CredentialError {
  return new CredentialError('MALFORMED', 'the token is no signed JWT that can be read')
}

export function tooLarge(): CredentialError {
  return new CredentialError('TOO_LARGE', `the credential has more than ${TOKEN_CHARACTERS_MAX} characters`)
}

/** The errors of the library hold the claims: only their kind is passed on. */
function refusalOf(
  error: unknown,
  { audiences, issuer, type, clockToleranceMs }: TokenProfile,
): CredentialError {
  if (error instanceof errors.JWTExpired) return new CredentialError('EXPIRED', 'the token has expired')
  if (error instanceof errors.JWTClaimValidationFailed)
    switch (error.claim) {
      case 'aud':
        return new CredentialError(
          'WRONG_AUDIENCE',
          `the token is not meant for this node: ${audiences.join(', ')}`,
        )
      case 'iss':
        return new CredentialError('WRONG_ISSUER', `the token is not of ${issuer}`)
      case 'nbf':
        return new CredentialError(
          'NOT_YET_VALID',
          `the token is not valid yet; clocks may differ by ${clockToleranceMs} ms`,
        )
      case 'typ':
        return new CredentialError('REFUSED', `the token is not of the type ${type}`)
      default:
        return new CredentialError(
          'MALFORMED',
          'the token lacks a time of expiry (exp), or has times that are none',
        )
    }
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return new CredentialError('BAD_SIGNATURE', 'the signature of the token does not fit')
  if (error instanceof errors.JOSEError) return malformed()
  // What the cryptography of the platform refuses: a key of another kind than the algorithm wants.
  return new CredentialError('BAD_SIGNATURE', 'the signature of the token cannot be checked with its key')
}

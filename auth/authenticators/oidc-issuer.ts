/**
 * The public keys of one OpenID provider: discovery (OpenID Connect Discovery 1.0) and its JWK Set (RFC 7517),
 * fetched when needed and kept. Whatever strangers send, the provider is asked once per cool-down at most, by one
 * exchange at a time.
 *
 *     age of the keys   0 ─────────── jwksMaxAgeMs ─────────── jwksMaxAgeMs + offlineMs ───▶
 *     provider answers  used          fetched anew first       fetched anew first
 *     provider is down  used          used                     UNAVAILABLE
 *
 * A token that names an unknown key has the keys fetched, so that a rotation at the provider is followed at once; if
 * they were fetched a moment ago, or cannot be, it is told to come again: the key may be a new one. A set that is
 * fetched replaces the one before, so that a key withdrawn there ends here.
 */
import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet, type JWSHeaderParameters } from 'jose'
import { CredentialError } from '../credential-error.ts'
import type { Clock, Fetch, Timers, TroubleReport } from '../ports.ts'
import { FetchFailure, fetchJson, type JsonObject } from './bounded-fetch.ts'
import type { KeySource } from './jwt.ts'
import { mayLeadTo } from './trusted-url.ts'

export interface OidcIssuerConfig {
  /** Exactly as tokens and the discovery document spell it. */
  readonly issuer: string
  /** Where the keys are, for a provider without discovery. */
  readonly jwksUri: string | undefined
  readonly jwksMaxAgeMs: number
  readonly jwksCooldownMs: number
  readonly offlineMs: number
  readonly fetchTimeoutMs: number
}

export interface OidcIssuerPorts {
  readonly fetch: Fetch
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly timers: Timers
  readonly report: TroubleReport
}

const DOCUMENT_BYTES_MAX = 512 * 1024
const KEYS_MAX = 256
/** Secret keys have no place in a public set: with one, the set could be used to make tokens. */
const PUBLIC_KEY_TYPES: readonly unknown[] = ['OKP', 'EC', 'RSA']

type FindKey = ReturnType<typeof createLocalJWKSet>

interface CachedKeys {
  readonly find: FindKey
  /** Most that strangers invent is not even looked for. */
  readonly ids: ReadonlySet<unknown>
  readonly fetchedAtMs: number
}
type Refreshed = 'fetched' | 'failed' | 'cooling'

export class OidcIssuer implements KeySource {
  readonly #config: OidcIssuerConfig
  readonly #ports: OidcIssuerPorts
  #keys: CachedKeys | undefined
  /** Where the discovery document says the keys are, until something fails. */
  #discovered: { readonly jwksUri: string; readonly fetchedAtMs: number } | undefined
  #attemptedAtMs = Number.NEGATIVE_INFINITY
  /** Whether the last attempt failed. */
  #isDown = false
  #underWay: Promise<Refreshed> | undefined

  constructor(config: OidcIssuerConfig, ports: OidcIssuerPorts) {
    this.#config = config
    this.#ports = ports
  }

  /** Rejects with CredentialError: BAD_SIGNATURE or UNAVAILABLE. */
  async findKey(header: JWSHeaderParameters): Promise<CryptoKey> {
    const { jwksMaxAgeMs, offlineMs, issuer } = this.#config
    if (this.#areUsedAsTheyAre()) {
      // Nobody has to wait for a provider that is known to be down.
      if (this.#ageMs() >= jwksMaxAgeMs) void this.#refresh()
      const key = await this.#cached(header)
      if (key) return key
    }
    const refreshed = await this.#refresh()
    const key = this.#ageMs() < jwksMaxAgeMs + offlineMs ? await this.#cached(header) : undefined
    if (key) return key
    if (refreshed === 'fetched')
      throw new CredentialError(
        'BAD_SIGNATURE',
        `the token is signed with a key that ${issuer} does not have`,
      )
    throw new CredentialError(
      'UNAVAILABLE',
      refreshed === 'failed' || this.#isDown
        ? `the keys of ${issuer} cannot be fetched now; try again later`
        : `the key of the token is not among those ${issuer} had a moment ago; try again later`,
      this.#coolingMs(),
    )
  }

  hasAtHand({ kid }: JWSHeaderParameters): boolean {
    return kid !== undefined && this.#areUsedAsTheyAre() && this.#keys?.ids.has(kid) === true
  }

  /** Whether the keys that were fetched serve before the provider is asked again. */
  #areUsedAsTheyAre(): boolean {
    const { jwksMaxAgeMs, offlineMs } = this.#config
    return this.#ageMs() < jwksMaxAgeMs + (this.#isDown ? offlineMs : 0)
  }

  #ageMs(): number {
    return this.#keys ? this.#ports.clock.monotonicMs() - this.#keys.fetchedAtMs : Number.POSITIVE_INFINITY
  }

  #coolingMs(): number {
    const sinceMs = this.#ports.clock.monotonicMs() - this.#attemptedAtMs
    return Math.ceil(Math.max(0, this.#config.jwksCooldownMs - sinceMs))
  }

  async #cached(header: JWSHeaderParameters): Promise<CryptoKey | undefined> {
    if (header.kid !== undefined && !this.#keys?.ids.has(header.kid)) return undefined
    try {
      return await this.#keys?.find(header as Parameters<FindKey>[0])
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys)
        throw new CredentialError('BAD_SIGNATURE', 'the token names no key (kid), and its issuer has several')
      // No such key, or one that cannot be used.
      return undefined
    }
  }

  /** Never rejects. */
  #refresh(): Promise<Refreshed> {
    if (this.#underWay) return this.#underWay
    if (this.#coolingMs() > 0) return Promise.resolve('cooling')
    this.#attemptedAtMs = this.#ports.clock.monotonicMs()
    this.#underWay = this.#attempt().finally(() => {
      this.#underWay = undefined
    })
    return this.#underWay
  }

  async #attempt(): Promise<Refreshed> {
    try {
      const jwksUri = this.#config.jwksUri ?? (await this.#discover())
      const keys = publicKeys(await this.#get(jwksUri), jwksUri)
      this.#keys = {
        find: createLocalJWKSet(keys),
        ids: new Set(keys.keys.map(({ kid }) => kid)),
        fetchedAtMs: this.#ports.clock.monotonicMs(),
      }
      this.#isDown = false
      return 'fetched'
    } catch (error) {
      this.#isDown = true
      this.#discovered = undefined
      const why = error instanceof FetchFailure ? error.message : 'has keys that cannot be read'
      this.#ports.report(`the keys of the issuer ${this.#config.issuer} could not be fetched: ${why}`)
      return 'failed'
    }
  }

  async #discover(): Promise<string> {
    const nowMs = this.#ports.clock.monotonicMs()
    const { issuer, jwksMaxAgeMs } = this.#config
    if (this.#discovered && nowMs - this.#discovered.fetchedAtMs < jwksMaxAgeMs)
      return this.#discovered.jwksUri
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const document = await this.#get(url)
    if (document.issuer !== issuer)
      throw new FetchFailure(
        `${url} is the document of another issuer; auth.issuers must spell it as it does`,
      )
    if (typeof document.jwks_uri !== 'string' || !mayLeadTo(issuer, document.jwks_uri))
      throw new FetchFailure(`${url} names no jwks_uri that is https`)
    this.#discovered = { jwksUri: document.jwks_uri, fetchedAtMs: nowMs }
    return document.jwks_uri
  }

  async #get(url: string): Promise<JsonObject> {
    try {
      return await fetchJson(
        this.#ports,
        url,
        { method: 'GET', headers: {} },
        {
          timeoutMs: this.#config.fetchTimeoutMs,
          bytesMax: DOCUMENT_BYTES_MAX,
        },
      )
    } catch (error) {
      throw error instanceof FetchFailure ? new FetchFailure(`${url} ${error.message}`) : error
    }
  }
}

/** What is no public key of a kind we take is left out. */
function publicKeys(document: JsonObject, url: string): JSONWebKeySet {
  if (!Array.isArray(document.keys)) throw new FetchFailure(`${url} is no JWK Set`)
  const keys = (document.keys as unknown[]).filter(
    (key): key is JSONWebKeySet['keys'][number] =>
      typeof key === 'object' &&
      key !== null &&
      'kty' in key &&
      PUBLIC_KEY_TYPES.includes(key.kty) &&
      !('d' in key),
  )
  if (keys.length > KEYS_MAX) throw new FetchFailure(`${url} has more than ${KEYS_MAX} keys`)
  return { keys }
}

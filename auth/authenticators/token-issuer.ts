/**
 * The built-in issuer, for sites without an OpenID provider: short-lived tokens signed with Ed25519, whose public keys
 * stand at `/.well-known/jwks.json`.
 *
 *     rotate:  key 2 is stored ──▶ key 2 signs, key 1 still verifies ──▶ all that key 1 signed has expired: key 1 is deleted
 *
 * A token lives `lifetimeMaxMs` at most, which is how long a retired key is kept. It can be revoked before by its
 * id, together with all of its user, or with all of its key by a rotation without overlap.
 *
 *     header   alg EdDSA, typ octopus+jwt, kid
 *     claims   iss, aud, sub (the user's ID), jti, iat, exp, groups, roles,
 *              octopus_scope (only where narrower): [{ operations, resource: "topic:lab.*" }],
 *              octopus_issued_with: ["key:ID", "secret:ID:…"], the credential it was asked for with, to the secret, and what
 *              that was asked for with: it ends when one of them is revoked or replaced
 */
import { type CryptoKey, importJWK, type JWK, type JWSHeaderParameters, type JWTPayload, SignJWT } from 'jose'
import { isOperation } from '../acl/operation.ts'
import { formatResourcePattern, parseResourcePattern } from '../acl/resource.ts'
import { CredentialError } from '../credential-error.ts'
import type { Identity, Scope, ScopeEntry } from '../identity.ts'
import type { Clock, Random } from '../ports.ts'
import { type Principal, principalIdProblem } from '../principal.ts'
import { TOKEN_CHARACTERS_MAX } from './authenticator.ts'
import type { KeySource, TokenProfile } from './jwt.ts'
import type { Revocations } from './revocations.ts'
import { type IssuerKey, makeSigningKey } from './signing-key.ts'

/** Reads are answered from memory; a write has happened when its promise resolves. */
export interface IssuerKeyStore {
  list(): readonly IssuerKey[]
  put(key: IssuerKey): Promise<void>
  delete(kid: string): Promise<void>
}

export interface TokenIssuerConfig {
  /** What stands in `iss`: the address of the node, or another name nobody else has. */
  readonly issuer: string
  /** What stands in `aud` unless another one is asked for, and what this node takes. */
  readonly audience: string
  readonly lifetimeMaxMs: number
  readonly clockToleranceMs: number
}

export interface TokenRequest {
  /** The user's ID, without `user:`. */
  readonly principal: string
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  readonly lifetimeMs: number
  readonly scope: Scope | undefined
  /** Of who asks: what he came with, and what that was issued with. */
  readonly issuedWith: readonly string[]
}

export interface IssuedToken {
  readonly token: string
  /** What `revokeToken` wants. */
  readonly tokenId: string
  readonly expiresAtMs: number
}

const TOKEN_TYPE = 'octopus+jwt'
const TOKEN_ID_BYTES = 16
/** Tokens that were asked for with tokens that were asked for with tokens …, and at the beginning a key and its secret. */
const ISSUED_WITH_MAX = 9

export class TokenIssuer implements KeySource {
  readonly #config: TokenIssuerConfig
  readonly #store: IssuerKeyStore
  readonly #revocations: Revocations
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #random: Random
  readonly #hasEnded: (credentialId: string) => boolean
  /** By key id; of keys that are in the store only. */
  readonly #imported = new Map<
    string,
    { readonly signs: Promise<CryptoKey>; readonly verifies: Promise<CryptoKey> }
  >()
  #changing: Promise<unknown> = Promise.resolve()

  constructor(
    config: TokenIssuerConfig,
    ports: {
      readonly store: IssuerKeyStore
      readonly revocations: Revocations
      readonly clock: Pick<Clock, 'nowMs'>
      readonly random: Random
      /** Whether what was called so, a key or a token, has been revoked. */
      readonly hasEnded: (credentialId: string) => boolean
    },
  ) {
    this.#config = config
    this.#store = ports.store
    this.#revocations = ports.revocations
    this.#clock = ports.clock
    this.#random = ports.random
    this.#hasEnded = ports.hasEnded
  }

  /** What tokens of this issuer must be like, for the authenticator of signed tokens. */
  get profile(): TokenProfile {
    return {
      issuer: this.#config.issuer,
      method: 'issuer',
      audiences: [this.#config.audience],
      algorithms: ['EdDSA'],
      type: TOKEN_TYPE,
      clockToleranceMs: this.#config.clockToleranceMs,
      keys: this,
      identify: (claims) => this.#identify(claims),
      hasOwnTokenIds: true,
    }
  }

  /** For `/.well-known/jwks.json`: the public halves of all keys that still verify. */
  jwks(): { readonly keys: readonly JWK[] } {
    return { keys: this.#verifying().map(({ publicJwk }) => publicJwk) }
  }

  /** Makes the first key where there is none. Throws RangeError for a request no token can be made of. */
  async issue({
    principal,
    groups,
    roles,
    lifetimeMs,
    scope,
    issuedWith,
  }: TokenRequest): Promise<IssuedToken> {
    const { issuer, audience, lifetimeMaxMs, clockToleranceMs } = this.#config
    if (!(lifetimeMs >= 1_000 && lifetimeMs <= lifetimeMaxMs))
      throw new RangeError(`a token lives from 1000 to ${lifetimeMaxMs} ms, not ${lifetimeMs}`)
    if (issuedWith.length > ISSUED_WITH_MAX)
      throw new RangeError(
        `a token is asked for with a token at most ${ISSUED_WITH_MAX - 2} times in a row; use the first credential`,
      )
    for (const id of [principal, ...groups, ...roles]) {
      const problem = principalIdProblem(id)
      if (problem !== undefined) throw new RangeError(`${JSON.stringify(id.slice(0, 80))} ${problem}`)
    }
    const signing =
      this.#signing() ?? (await this.#serially(async () => this.#signing() ?? this.#rotate(true)))
    const tokenId = Buffer.from(this.#random.bytes(TOKEN_ID_BYTES)).toString('base64url')
    // Times in tokens are whole seconds; one issued in the second of a revocation must come after it.
    const iat = Math.max(
      Math.floor(this.#clock.nowMs() / 1000),
      Math.ceil(this.#revocations.notBeforeMs(principal) / 1000),
    )
    const exp = Math.min(
      iat + Math.floor(lifetimeMs / 1000),
      // Where the issue is dated later, its end is not.
      Math.floor((this.#clock.nowMs() + lifetimeMs) / 1000),
    )
    const claims = {
      groups,
      roles,
      ...(issuedWith.length > 0 && { octopus_issued_with: issuedWith }),
      ...(scope && {
        octopus_scope: scope.map((part) => ({ ...part, resource: formatResourcePattern(part.resource) })),
      }),
    }
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', typ: TOKEN_TYPE, kid: signing.kid })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(principal)
      .setJti(tokenId)
      .setIssuedAt(iat)
      .setExpirationTime(exp)
      .sign(await this.#import(signing).signs)
    if (token.length > TOKEN_CHARACTERS_MAX)
      throw new RangeError(
        `the token would have ${token.length} characters, and ${TOKEN_CHARACTERS_MAX} are taken; with fewer groups, roles or parts of a scope it is shorter`,
      )
    return { token, tokenId, expiresAtMs: exp * 1000 + clockToleranceMs }
  }

  /**
   * A new key signs from now on. Keys all of whose tokens have expired are deleted; without overlap all former ones are,
   * which ends every token there is: what to do when a key may have leaked.
   */
  rotate({ overlap = true }: { readonly overlap?: boolean } = {}): Promise<IssuerKey> {
    return this.#serially(() => this.#rotate(overlap))
  }

  /** Rejects with CredentialError: BAD_SIGNATURE. */
  async findKey(header: JWSHeaderParameters): Promise<CryptoKey> {
    const key = this.#keyOf(header)
    if (!key)
      throw new CredentialError('BAD_SIGNATURE', 'the token is signed with a key this node does not have')
    return this.#import(key).verifies
  }

  hasAtHand(header: JWSHeaderParameters): boolean {
    return this.#keyOf(header) !== undefined
  }

  /** Whether what is signed with this key is taken. */
  hasKey(kid: string): boolean {
    return this.#keyOf({ kid }) !== undefined
  }

  #keyOf({ kid }: JWSHeaderParameters): IssuerKey | undefined {
    return this.#verifying().find((candidate) => candidate.kid === kid)
  }

  #identify(claims: JWTPayload): Pick<Identity, 'principal' | 'scope' | 'issuedWith'> {
    const identified = principalOf(claims)
    const { iat = 0, exp = 0 } = claims
    // Whoever has stolen a key may sign what he likes; times of issue may be rounded by a second.
    if ((exp - iat) * 1000 > this.#config.lifetimeMaxMs + 1_000)
      throw new CredentialError('EXPIRED', 'the token lives longer than this node lets tokens live')
    if (identified.issuedWith.some(this.#hasEnded))
      throw new CredentialError('REVOKED', 'the credential that the token was issued with was revoked')
    return identified
  }

  /** One change of the keys after the other. */
  #serially(change: () => Promise<IssuerKey>): Promise<IssuerKey> {
    const changed = this.#changing.then(change)
    // Whoever asked hears of it; the next change only waits.
    this.#changing = changed.catch(() => undefined)
    return changed
  }

  async #rotate(overlap: boolean): Promise<IssuerKey> {
    const nowMs = this.#clock.nowMs()
    const former = this.#store.list()
    const key = await makeSigningKey(this.#random, nowMs)
    await this.#store.put(key)
    for (const old of former)
      if (!overlap || this.#isOver(old)) await this.#store.delete(old.kid)
      else if (old.retiredAtMs === null) await this.#store.put({ ...old, retiredAtMs: nowMs })
    return key
  }

  /** The newest that is not retired; two only between the steps of a rotation, or after one was cut short. */
  #signing(): IssuerKey | undefined {
    let newest: IssuerKey | undefined
    for (const key of this.#store.list())
      if (key.retiredAtMs === null && (!newest || key.createdAtMs > newest.createdAtMs)) newest = key
    return newest
  }

  #verifying(): IssuerKey[] {
    return this.#store.list().filter((key) => !this.#isOver(key))
  }

  #isOver({ retiredAtMs }: IssuerKey): boolean {
    const { lifetimeMaxMs, clockToleranceMs } = this.#config
    // One second more: times of issue may be rounded up to the next.
    return (
      retiredAtMs !== null && retiredAtMs + lifetimeMaxMs + clockToleranceMs + 1_000 <= this.#clock.nowMs()
    )
  }

  #import(key: IssuerKey) {
    const known = this.#imported.get(key.kid)
    if (known) return known
    const kept = new Set(this.#store.list().map(({ kid }) => kid))
    for (const kid of this.#imported.keys()) if (!kept.has(kid)) this.#imported.delete(kid)
    const imported = {
      signs: importJWK(key.privateJwk, 'EdDSA') as Promise<CryptoKey>,
      verifies: importJWK(key.publicJwk, 'EdDSA') as Promise<CryptoKey>,
    }
    this.#imported.set(key.kid, imported)
    return imported
  }
}

/** We signed it; it is read strictly all the same, for a newer node may have written what this one cannot read. */
function principalOf(claims: JWTPayload): {
  principal: Principal
  scope: Scope | undefined
  issuedWith: readonly string[]
} {
  const { sub, groups, roles, octopus_scope, octopus_issued_with: issuedWith = [] } = claims
  if (typeof sub !== 'string' || !isTexts(groups) || !isTexts(roles) || !isTexts(issuedWith))
    throw unreadable()
  return {
    principal: { name: sub, isAnonymous: false, groups, roles },
    scope: octopus_scope === undefined ? undefined : scopeOf(octopus_scope),
    issuedWith,
  }
}

function scopeOf(value: unknown): Scope {
  if (!Array.isArray(value)) throw unreadable()
  return (value as unknown[]).map((part): ScopeEntry => {
    const { operations, resource: text } = (part ?? {}) as { operations?: unknown; resource?: unknown }
    const resource = typeof text === 'string' ? parseResourcePattern(text) : undefined
    if (!isTexts(operations) || !operations.every(isOperation) || !resource || 'problem' in resource)
      throw unreadable()
    return { operations, resource }
  })
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function unreadable(): CredentialError {
  return new CredentialError(
    'MALFORMED',
    'the token is of this node, but written in a way this version cannot read',
  )
}

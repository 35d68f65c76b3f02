/**
 * Opaque tokens, about which only the server that issued them can say anything (RFC 7662), as those of Globus Auth.
 * What it said is remembered by the token's SHA-256, no longer than the token lives and `cacheMaxMs`; that
 * an unknown token is none, a moment. When it does not answer, nothing new is taken.
 */
import { createHash } from 'node:crypto'
import { BoundedCache } from '../bounded-cache.ts'
import { type ClaimsMapping, identifyByClaims } from '../claims.ts'
import { CredentialError, type CredentialErrorCode } from '../credential-error.ts'
import type { Identity } from '../identity.ts'
import { looksLikeApiKey } from './api-key-token.ts'
import { type Authenticator, TOKEN_CHARACTERS_MAX } from './authenticator.ts'
import type { JsonObject } from './bounded-fetch.ts'
import {
  IntrospectionClient,
  type IntrospectionPorts,
  type IntrospectionServer,
} from './introspection-client.ts'
import { tooLarge } from './jwt.ts'
import type { RevocationCheck } from './revocations.ts'

export interface IntrospectionConfig extends IntrospectionServer {
  /** If the answer names an issuer it must be this one; undefined: not checked. */
  readonly issuer: string | undefined
  /** One of them must be in `aud`; empty: not checked, since not every server says. */
  readonly audiences: readonly string[]
  readonly clockToleranceMs: number
  readonly mapping: ClaimsMapping
  readonly cacheMaxMs: number
  readonly cacheNegativeMs: number
  readonly cacheEntriesMax: number
  /** After it a connection has to show its token again, which is when a revocation over there is seen. */
  readonly sessionMaxMs: number
}

/** The characters of a bearer token (RFC 6750, 2.1). */
const FORM = /^[A-Za-z0-9\-._~+/]+=*$/

interface Accepted {
  readonly identity: Identity
  readonly issuedAtMs: number | undefined
  readonly goodUntilMonotonicMs: number
}

interface Refused {
  readonly code: CredentialErrorCode
  readonly sentence: string
  readonly untilMonotonicMs: number
}

export class IntrospectionAuthenticator implements Authenticator {
  readonly name = 'opaque tokens (introspection)'
  readonly #config: IntrospectionConfig
  readonly #ports: IntrospectionPorts
  readonly #client: IntrospectionClient
  readonly #revoked: RevocationCheck
  readonly #accepted: BoundedCache<Accepted>
  /** Apart, so that a flood of inventions pushes out no good token. */
  readonly #refused: BoundedCache<Refused>
  readonly #underWay = new Map<string, Promise<Accepted>>()

  constructor(config: IntrospectionConfig, ports: IntrospectionPorts, revoked: RevocationCheck) {
    this.#config = config
    this.#ports = ports
    this.#client = new IntrospectionClient(config, ports)
    this.#revoked = revoked
    this.#accepted = new BoundedCache(config.cacheEntriesMax)
    this.#refused = new BoundedCache(config.cacheEntriesMax)
  }

  matches(token: string): boolean {
    return FORM.test(token) && !looksLikeApiKey(token)
  }

  async authenticate(token: string): Promise<Identity> {
    if (token.length > TOKEN_CHARACTERS_MAX) throw tooLarge()
    const digest = createHash('sha256').update(token).digest('base64url')
    const { identity, issuedAtMs } = this.#remembered(digest) ?? (await this.#asked(token, digest))
    const tokenId = (identity.credentialId as string).slice('token:'.length)
    if (this.#revoked.isRevoked(tokenId, identity.principal.name, issuedAtMs))
      throw new CredentialError('REVOKED', 'the token was revoked')
    return identity
  }

  #remembered(digest: string): Accepted | undefined {
    const nowMs = this.#ports.clock.monotonicMs()
    const refused = this.#refused.get(digest)
    if (refused && nowMs < refused.untilMonotonicMs) throw new CredentialError(refused.code, refused.sentence)
    const accepted = this.#accepted.get(digest)
    if (!accepted) return undefined
    const isOver = (accepted.identity.expiresAtMs as number) <= this.#ports.clock.nowMs()
    if (nowMs < accepted.goodUntilMonotonicMs && !isOver) return accepted
    this.#accepted.delete(digest)
    return undefined
  }

  /** One question a token, however many connections come with it. */
  #asked(token: string, digest: string): Promise<Accepted> {
    const underWay = this.#underWay.get(digest)
    if (underWay) return underWay
    const asked = this.#ask(token, digest).finally(() => this.#underWay.delete(digest))
    this.#underWay.set(digest, asked)
    return asked
  }

  async #ask(token: string, digest: string): Promise<Accepted> {
    const answer = await this.#client.ask(token)
    try {
      const accepted = this.#judge(answer, digest)
      this.#accepted.set(digest, accepted)
      return accepted
    } catch (error) {
      if (error instanceof CredentialError && error.code !== 'UNAVAILABLE' && error.code !== 'NOT_YET_VALID')
        this.#refused.set(digest, {
          code: error.code,
          sentence: error.message,
          untilMonotonicMs: this.#ports.clock.monotonicMs() + this.#config.cacheNegativeMs,
        })
      throw error
    }
  }

  #judge(answer: JsonObject, digest: string): Accepted {
    if (typeof answer.active !== 'boolean')
      throw this.#client.garbage('does not say whether a token is active')
    if (!answer.active)
      throw new CredentialError(
        'REFUSED',
        'the server that issues tokens does not know this one, or it is over',
      )
    const { clockToleranceMs, issuer, audiences, mapping, cacheMaxMs, sessionMaxMs } = this.#config
    const nowMs = this.#ports.clock.nowMs()
    const endMs = (this.#timeMs(answer, 'exp') ?? Number.POSITIVE_INFINITY) + clockToleranceMs
    if (endMs <= nowMs) throw new CredentialError('EXPIRED', 'the token has expired')
    if ((this.#timeMs(answer, 'nbf') ?? 0) > nowMs + clockToleranceMs)
      throw new CredentialError('NOT_YET_VALID', 'the token is not valid yet; compare the clocks')
    if (issuer !== undefined && answer.iss !== undefined && answer.iss !== issuer)
      throw new CredentialError('WRONG_ISSUER', `the token is not of ${issuer}`)
    const meantFor: readonly unknown[] = Array.isArray(answer.aud) ? answer.aud : [answer.aud]
    if (audiences.length > 0 && !audiences.some((audience) => meantFor.includes(audience)))
      throw new CredentialError(
        'WRONG_AUDIENCE',
        `the token is not meant for this node: ${audiences.join(', ')}`,
      )
    const { principal, scope } = identifyByClaims(mapping, answer)
    return {
      identity: {
        principal,
        method: 'introspection',
        expiresAtMs: Math.min(endMs, nowMs + sessionMaxMs),
        credentialId: `token:${digest.slice(0, 22)}`,
        scope,
      },
      issuedAtMs: this.#timeMs(answer, 'iat'),
      goodUntilMonotonicMs: this.#ports.clock.monotonicMs() + cacheMaxMs,
    }
  }

  /** Of a claim in seconds since 1970. */
  #timeMs(answer: JsonObject, claim: 'exp' | 'nbf' | 'iat'): number | undefined {
    const value = answer[claim]
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw this.#client.garbage(`gives as ${claim} what is no time`)
    return value * 1000
  }
}

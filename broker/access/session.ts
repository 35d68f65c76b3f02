/**
 * Who is at the other end of one connection, and what he may do now. Asked for every partition of every request, so
 * the rights on a topic are remembered until a rule changes, one of them expires, or he becomes somebody else.
 *
 *     waiting ──credential──▶ authenticated ──its time, or revoked──▶ ended ──newer credential──▶ authenticated
 *
 * An anonymous session exists only where the configuration wants one; it becomes authenticated by a credential. A
 * session never becomes another principal.
 */
import { type Access, compileAccess } from '../../auth/acl/access.ts'
import type { Operation, OperationBits } from '../../auth/acl/operation.ts'
import type { Policy } from '../../auth/acl/policy.ts'
import type { ResourceType } from '../../auth/acl/resource.ts'
import type { SecretHash } from '../../auth/authenticators/api-key-record.ts'
import {
  anonymousIdentity,
  type Identity,
  isOfSecret,
  secretIdOf,
  secretPrefixOf,
} from '../../auth/identity.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { RequestSession } from '../handlers/context.ts'
import type { Clock } from '../ports.ts'
import type { Topic } from '../topics/topic-table.ts'

/** Topics and names of producers whose rights are remembered; beyond it all of a kind are forgotten and asked anew. */
const REMEMBERED_MAX = 1_000

export interface SessionOptions {
  readonly policy: Policy
  readonly clock: Pick<Clock, 'nowMs'>
  /** Whether one may go on without a credential. */
  readonly isAnonymousAllowed: boolean
}

export class Session implements RequestSession {
  readonly #options: SessionOptions
  #identity: Identity = anonymousIdentity
  #isAuthenticated = false
  #endsAtMs = Number.POSITIVE_INFINITY
  #isRevoked = false
  #access: Access | undefined
  /** What {@link hasChanged} saw when it was last asked. */
  #seenAccess: Access | undefined
  #hasSeenEnd = false
  readonly #topics = new Map<Topic, OperationBits>()
  readonly #producers = new Map<string, OperationBits>()

  constructor(options: SessionOptions) {
    this.#options = options
  }

  get identity(): Identity {
    return this.#identity
  }

  get isAuthenticated(): boolean {
    return this.#isAuthenticated
  }

  /** Whether anything was asked of this identity yet. */
  get wasAsked(): boolean {
    return this.#access !== undefined
  }

  /** Infinity: never by itself. */
  get endsAtMs(): number {
    return this.#endsAtMs
  }

  get access(): Access {
    return this.refresh()
  }

  /** What the rules say now. */
  refresh(): Access {
    const { policy, clock } = this.#options
    let access = this.#access
    if (!access?.isCurrent() || this.#isPast(access.validUntilMs)) {
      access = compileAccess(policy, this.#identity, clock.nowMs())
      this.#access = access
      this.#topics.clear()
      this.#producers.clear()
    }
    return access
  }

  allows(operation: Operation, type: ResourceType, name: string): boolean {
    return this.access.allows(operation, type, name)
  }

  bitsOnTopic(topic: Topic): OperationBits {
    const access = this.refresh()
    return this.#topics.get(topic) ?? remember(this.#topics, topic, access.bitsOn('topic', topic.name))
  }

  bitsOnProducer(name: string): OperationBits {
    const access = this.refresh()
    return this.#producers.get(name) ?? remember(this.#producers, name, access.bitsOn('producer', name))
  }

  refusal(): ProtocolError | undefined {
    if (!this.#isAuthenticated)
      return this.#options.isAnonymousAllowed
        ? undefined
        : new ProtocolError(
            ErrorCode.AUTHENTICATION_REQUIRED,
            'this broker asks for a credential: authenticate first, with an API key or a token',
          )
    if (this.#isRevoked)
      return new ProtocolError(
        ErrorCode.CREDENTIAL_EXPIRED,
        'the credential of this connection was revoked or replaced; authenticate with another one',
      )
    if (this.#isPast(this.#endsAtMs))
      return new ProtocolError(
        ErrorCode.CREDENTIAL_EXPIRED,
        'the credential of this connection has expired; authenticate with a newer one',
      )
    return undefined
  }

  /** Whether its credential is good no more. */
  get hasEnded(): boolean {
    return this.#isRevoked || this.#isPast(this.#endsAtMs)
  }

  hasChanged(): boolean {
    const access = this.refresh()
    const { hasEnded } = this
    if (access === this.#seenAccess && hasEnded === this.#hasSeenEnd) return false
    this.#seenAccess = access
    this.#hasSeenEnd = hasEnded
    return true
  }

  /** Throws ProtocolError INVALID_REQUEST where the credential is somebody else's: nothing changes then. */
  authenticated(identity: Identity): void {
    const { name } = identity.principal
    if (this.#isAuthenticated && this.#identity.principal.name !== name)
      throw new ProtocolError(
        ErrorCode.INVALID_REQUEST,
        'this connection is another principal’s; connect anew to be somebody else',
      )
    this.#identity = identity
    this.#isAuthenticated = true
    this.#isRevoked = false
    this.#endsAtMs = identity.expiresAtMs ?? Number.POSITIVE_INFINITY
    this.#access = undefined
  }

  /** The credential is no good any more, from this moment on. */
  revoked(): void {
    this.#isRevoked = true
  }

  /**
   * A key has these secrets from now on. Who came with it, or with what was made with it, ends with the secret that was shown: at
   * once if that is gone.
   */
  secretsChanged(keyId: string, secrets: readonly SecretHash[]): void {
    const { credentialId, secretHash, issuedWith = [] } = this.#identity
    const shown = issuedWith.filter((id) => id.startsWith(secretPrefixOf(keyId)))
    if (credentialId === `key:${keyId}` && secretHash !== undefined) shown.push(secretIdOf(keyId, secretHash))
    for (const secretId of shown) {
      const secret = secrets.find(({ hash }) => isOfSecret(secretId, keyId, hash))
      if (!secret) this.revoked()
      else if (secret.expiresAtMs !== null) {
        this.#identity = { ...this.#identity, isReplaced: true }
        this.#endsAtMs = Math.min(this.#endsAtMs, secret.expiresAtMs)
      }
    }
  }

  /** Whether time alone has changed what this session may do since it was last asked. */
  hasLapsed(nowMs: number): boolean {
    return nowMs >= this.#endsAtMs || (this.#access !== undefined && nowMs >= this.#access.validUntilMs)
  }

  /** The clock is asked only where it can matter: this is done several times for every request. */
  #isPast(atMs: number): boolean {
    return atMs !== Number.POSITIVE_INFINITY && this.#options.clock.nowMs() >= atMs
  }
}

function remember<K>(known: Map<K, OperationBits>, key: K, bits: OperationBits): OperationBits {
  if (known.size >= REMEMBERED_MAX) known.clear()
  known.set(key, bits)
  return bits
}

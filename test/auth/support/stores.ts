/** What authenticators keep, in memory; and clocks that a test moves while real tokens are dated by the real one. */
import type { ApiKeyRecord, ApiKeyStore } from '../../../auth/authenticators/api-key-record.ts'
import type { RevocationStore, RevokedToken, RevokedUser } from '../../../auth/authenticators/revocations.ts'
import type { IssuerKey } from '../../../auth/authenticators/signing-key.ts'
import type { IssuerKeyStore } from '../../../auth/authenticators/token-issuer.ts'
import type { Clock } from '../../../auth/ports.ts'

export class MemoryApiKeys implements ApiKeyStore {
  readonly records = new Map<string, ApiKeyRecord>()
  readonly uses: [id: string, atMs: number][] = []

  get(id: string): ApiKeyRecord | undefined {
    return this.records.get(id)
  }

  used(id: string, atMs: number): void {
    this.uses.push([id, atMs])
  }
}

export class MemoryRevocations implements RevocationStore {
  readonly #tokens = new Map<string, RevokedToken>()
  readonly #users = new Map<string, RevokedUser>()

  get size(): number {
    return this.#tokens.size + this.#users.size
  }

  token(tokenId: string): RevokedToken | undefined {
    return this.#tokens.get(tokenId)
  }

  user(principal: string): RevokedUser | undefined {
    return this.#users.get(principal)
  }

  tokens(): Iterable<RevokedToken> {
    return this.#tokens.values()
  }

  async putToken(entry: RevokedToken): Promise<void> {
    this.#tokens.set(entry.tokenId, entry)
  }

  async putUser(entry: RevokedUser): Promise<void> {
    this.#users.set(entry.principal, entry)
  }

  async deleteToken(tokenId: string): Promise<void> {
    this.#tokens.delete(tokenId)
  }
}

export class MemoryIssuerKeys implements IssuerKeyStore {
  readonly keys = new Map<string, IssuerKey>()

  list(): readonly IssuerKey[] {
    return [...this.keys.values()]
  }

  async put(key: IssuerKey): Promise<void> {
    this.keys.set(key.kid, key)
  }

  async delete(kid: string): Promise<void> {
    this.keys.delete(kid)
  }
}

/** The real time, moved, since real providers date their tokens by it; what is cached ages only as the test says. */
export class MovedClock implements Clock {
  movedMs = 0

  nowMs(): number {
    return Date.now() + this.movedMs
  }

  monotonicMs(): number {
    return this.movedMs
  }
}

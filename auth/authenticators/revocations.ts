/**
 * Tokens that are not taken although they are signed and in time: single ones by their id until they would have
 * expired, and all that one user was given before a moment. Bounded: when it is full, a revocation fails aloud; to
 * forget one silently would bring a token back. Part of the room is kept for what users cannot fill by themselves: all
 * tokens of a user, and what administrators revoke.
 */
import type { Clock } from '../ports.ts'

export interface RevokedToken {
  readonly tokenId: string
  /** After it the token is refused as expired anyhow; ms since 1970. */
  readonly expiresAtMs: number
}

export interface RevokedUser {
  /** The user's ID, without `user:`. */
  readonly principal: string
  /** Tokens issued earlier, or without a time of issue, are not taken. */
  readonly notBeforeMs: number
}

/** Reads are answered from memory; a write has happened when its promise resolves. */
export interface RevocationStore {
  token(tokenId: string): RevokedToken | undefined
  user(principal: string): RevokedUser | undefined
  tokens(): Iterable<RevokedToken>
  /** Tokens and users together. */
  readonly size: number
  putToken(entry: RevokedToken): Promise<void>
  putUser(entry: RevokedUser): Promise<void>
  deleteToken(tokenId: string): Promise<void>
}

export interface RevocationCheck {
  /** @param issuedAtMs undefined where the token does not say */
  isRevoked(tokenId: string, principal: string, issuedAtMs: number | undefined): boolean
}

/** Of the room, what single tokens may take that their users have ended. */
const OWN_SHARE = 0.8

export class Revocations implements RevocationCheck {
  readonly #store: RevocationStore
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #entriesMax: number

  constructor(store: RevocationStore, clock: Pick<Clock, 'nowMs'>, entriesMax = 100_000) {
    this.#store = store
    this.#clock = clock
    this.#entriesMax = entriesMax
  }

  isRevoked(tokenId: string, principal: string, issuedAtMs: number | undefined): boolean {
    if (this.#store.token(tokenId)) return true
    const user = this.#store.user(principal)
    return user !== undefined && (issuedAtMs ?? 0) < user.notBeforeMs
  }

  /**
   * @param expiresAtMs of the token, tolerance included: until then it stays on the list
   * @param isOwn its user does it, who may have as many as he likes
   */
  async revokeToken(tokenId: string, expiresAtMs: number, { isOwn = false } = {}): Promise<void> {
    if (expiresAtMs <= this.#clock.nowMs()) return
    const max = isOwn ? Math.floor(this.#entriesMax * OWN_SHARE) : this.#entriesMax
    await this.#makeRoom(this.#store.token(tokenId) !== undefined, max)
    await this.#store.putToken({ tokenId, expiresAtMs: Math.ceil(expiresAtMs) })
  }

  /** All tokens the user was given until now. */
  async revokeUser(principal: string): Promise<void> {
    const known = this.#store.user(principal)
    await this.#makeRoom(known !== undefined, this.#entriesMax)
    const notBeforeMs = Math.max(this.#clock.nowMs(), known?.notBeforeMs ?? 0)
    await this.#store.putUser({ principal, notBeforeMs })
  }

  /** From which moment tokens of the user are good; 0: from ever. */
  notBeforeMs(principal: string): number {
    return this.#store.user(principal)?.notBeforeMs ?? 0
  }

  async #makeRoom(isThere: boolean, entriesMax: number): Promise<void> {
    if (isThere || this.#store.size < entriesMax) return
    const nowMs = this.#clock.nowMs()
    const over = [...this.#store.tokens()].filter(({ expiresAtMs }) => expiresAtMs <= nowMs)
    for (const { tokenId } of over) await this.#store.deleteToken(tokenId)
    if (this.#store.size >= entriesMax)
      throw new RangeError(
        `${entriesMax} revocations are kept, which is all there may be of this kind; all tokens of a user can be revoked together`,
      )
  }
}

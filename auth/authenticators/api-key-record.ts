/** What is kept of an API key, and how its secret is changed without a moment in which no secret works. */
import type { Scope } from '../identity.ts'

export interface SecretHash {
  /** SHA-256 in hex. */
  readonly hash: string
  /** Set while a newer secret takes over; ms since 1970. */
  readonly expiresAtMs: number | null
}

export interface ApiKeyRecord {
  readonly id: string
  /** The user's ID, without `user:`. */
  readonly principal: string
  /** For people: what the key is for. */
  readonly name: string
  /** The newest first; at most {@link SECRETS_MAX}. A revoked key is deleted, never marked. */
  readonly secretHashes: readonly SecretHash[]
  readonly createdAtMs: number
  readonly expiresAtMs: number | null
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  readonly scope: Scope | null
}

/** Keys as the authenticator sees them. */
export interface ApiKeyStore {
  /** From memory, at once. */
  get(id: string): ApiKeyRecord | undefined
  /** Called for every accepted key; what is made durable of it, and how often, is the store's affair. */
  used(id: string, atMs: number): void
}

/** The present one, and the one before it while both work. */
export const SECRETS_MAX = 2

/**
 * The record with a new secret, and the former one good for `overlapMs` more; 0 ends it at once. A secret that was
 * ending already ends now: there are never more than two.
 */
export function rotateSecret(
  record: ApiKeyRecord,
  secretHash: string,
  nowMs: number,
  overlapMs: number,
): ApiKeyRecord {
  const former = record.secretHashes[0]
  const untilMs = Math.min(nowMs + overlapMs, former?.expiresAtMs ?? Number.POSITIVE_INFINITY)
  const overlapping = former && overlapMs > 0 ? [{ hash: former.hash, expiresAtMs: untilMs }] : []
  return { ...record, secretHashes: [{ hash: secretHash, expiresAtMs: null }, ...overlapping] }
}

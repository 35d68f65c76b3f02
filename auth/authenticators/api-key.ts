/**
 * API keys, for agents and services. Whether a key exists cannot be told from outside: an unknown id and a wrong
 * secret take the same work and get the same answer. Only who has the secret learns that it has expired.
 */
import { timingSafeEqual } from 'node:crypto'
import { CredentialError } from '../credential-error.ts'
import type { Identity } from '../identity.ts'
import type { Clock } from '../ports.ts'
import { type ApiKeyRecord, type ApiKeyStore, SECRETS_MAX, type SecretHash } from './api-key-record.ts'
import { hashSecret, looksLikeApiKey, parseApiKey } from './api-key-token.ts'
import type { Authenticator } from './authenticator.ts'

/** No secret has this hash that anybody knows. */
const NO_HASH = '0'.repeat(64)

export class ApiKeyAuthenticator implements Authenticator {
  readonly name = 'API keys'
  readonly #store: ApiKeyStore
  readonly #clock: Clock

  constructor(store: ApiKeyStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  matches(token: string): boolean {
    return looksLikeApiKey(token)
  }

  async authenticate(token: string): Promise<Identity> {
    const key = parseApiKey(token)
    if (!key)
      throw new CredentialError('MALFORMED', 'the API key is not of the form oct_ID_SECRET; is it complete?')
    const record = this.#store.get(key.id)
    const secret = matchingSecret(hashSecret(key.secret), record)
    if (!record || !secret)
      throw new CredentialError('REFUSED', 'the API key is not known here, or was revoked or replaced')
    const nowMs = this.#clock.nowMs()
    const expiresAtMs = earliest(record.expiresAtMs, secret.expiresAtMs)
    if (expiresAtMs !== undefined && expiresAtMs <= nowMs)
      throw new CredentialError('EXPIRED', 'the API key has expired; create or rotate one')
    this.#store.used(record.id, nowMs)
    return {
      principal: {
        name: record.principal,
        isAnonymous: false,
        groups: record.groups,
        roles: record.roles,
      },
      method: 'api-key',
      expiresAtMs,
      credentialId: `key:${record.id}`,
      secretHash: secret.hash,
      scope: record.scope ?? undefined,
      ...(secret.expiresAtMs !== null && { isReplaced: true }),
    }
  }
}

/** Compares as often for no record, for one secret and for two. */
function matchingSecret(hash: string, record: ApiKeyRecord | undefined): SecretHash | undefined {
  let found: SecretHash | undefined
  const given = Buffer.from(hash, 'latin1')
  for (let i = 0; i < SECRETS_MAX; i++) {
    const secret = record?.secretHashes[i]
    const kept = Buffer.from(secret?.hash.length === hash.length ? secret.hash : NO_HASH, 'latin1')
    if (timingSafeEqual(given, kept) && secret) found ??= secret
  }
  return found
}

function earliest(a: number | null, b: number | null): number | undefined {
  if (a === null || b === null) return a ?? b ?? undefined
  return Math.min(a, b)
}

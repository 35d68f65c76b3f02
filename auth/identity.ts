/** What an accepted credential says: who, for how long, and how much of what that principal may do. */
import type { Operation } from './acl/operation.ts'
import type { ResourcePattern } from './acl/resource.ts'
import { anonymousPrincipal, type Principal } from './principal.ts'

/** One part of what a credential is good for. */
export interface ScopeEntry {
  readonly operations: readonly Operation[]
  readonly resource: ResourcePattern
}

/** Narrower than the principal: an operation is allowed only if the access entries and one of these allow it. */
export type Scope = readonly ScopeEntry[]

export type AuthenticationMethod = 'api-key' | 'oidc' | 'issuer' | 'introspection' | 'anonymous'

export interface Identity {
  readonly principal: Principal
  readonly method: AuthenticationMethod
  /** Wall clock, ms since 1970, after which the credential has to be shown anew; undefined: never. */
  readonly expiresAtMs: number | undefined
  /** What can be revoked: `key:ID` or `token:ID`. */
  readonly credentialId: string | undefined
  /**
   * Of an API key, the SHA-256 in hex of the secret that was shown: a key may have two, which end apart. Tells nobody
   * anything, but is nobody's business either.
   */
  readonly secretHash?: string
  /** Undefined: all that the principal may. */
  readonly scope: Scope | undefined
  /** A newer secret takes its place, and it is good for a while only: it makes and changes no credentials. */
  readonly isReplaced?: boolean
  /** Of a token of this node: the key that signed it, with which it ends. */
  readonly signingKeyId?: string
  /** What can be revoked and was used to have this credential made, or was used to have that made: it ends with any of them. */
  readonly issuedWith?: readonly string[]
}

export const anonymousIdentity: Identity = {
  principal: anonymousPrincipal,
  method: 'anonymous',
  expiresAtMs: undefined,
  credentialId: undefined,
  scope: undefined,
}

/** The ID of `key:ID`; undefined where it is no key's. */
export function keyIdOf(credentialId: string): string | undefined {
  return credentialId.startsWith('key:') ? credentialId.slice('key:'.length) : undefined
}

/** What a credential that was made with one secret of a key names beside the key: the secret, by a part of its hash. */
export function secretIdOf(keyId: string, secretHash: string): string {
  return `${secretPrefixOf(keyId)}${secretHash.slice(0, SECRET_ID_DIGITS)}`
}

/** Whether the id is of a secret with this hash, of the same key. */
export function isOfSecret(secretId: string, keyId: string, secretHash: string): boolean {
  return secretId === secretIdOf(keyId, secretHash)
}

export function secretPrefixOf(keyId: string): string {
  return `secret:${keyId}:`
}

/** 88 bits: nobody finds another secret with the same. */
const SECRET_ID_DIGITS = 22

/** All that can be revoked and ends it. */
export function credentialsOf({ credentialId, issuedWith = [] }: Identity): readonly string[] {
  return credentialId === undefined ? issuedWith : [...issuedWith, credentialId]
}

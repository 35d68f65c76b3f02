/**
 * The one interface of all ways to prove who one is. Which of them a credential belongs to is told by its shape
 * alone: trying one after the other would show a secret of one system to another.
 */
import type { Identity } from '../identity.ts'

/** Characters of the largest credential that is looked at. */
export const TOKEN_CHARACTERS_MAX = 16 * 1024

export interface Authenticator {
  /** As an error message names what is configured: `API keys`. */
  readonly name: string
  /** By shape, cheap, for every text. */
  matches(token: string): boolean
  /** Rejects with CredentialError and nothing else, whatever the text. */
  authenticate(token: string): Promise<Identity>
  /** Whether it takes one signature to tell, with a key that is at hand, and nobody is asked; absent: never. */
  takesOneSignature?(token: string): boolean
}

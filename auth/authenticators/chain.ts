/**
 * All configured ways to prove who one is, of which the shape of the credential chooses one. What came is checked
 * before anything else sees it: its size, and that it is text as credentials are.
 */
import { CredentialError } from '../credential-error.ts'
import type { Identity } from '../identity.ts'
import { type Authenticator, TOKEN_CHARACTERS_MAX } from './authenticator.ts'
import { tooLarge } from './jwt.ts'

const VISIBLE_ASCII = /^[!-~]+$/

export class Authenticators {
  readonly #authenticators: readonly Authenticator[]

  /** The first that matches is asked, and no other: narrower shapes come first. */
  constructor(authenticators: readonly Authenticator[]) {
    this.#authenticators = authenticators
  }

  /** Rejects with CredentialError and nothing else, whatever the text. */
  async authenticate(token: string): Promise<Identity> {
    if (token.length > TOKEN_CHARACTERS_MAX) throw tooLarge()
    if (!VISIBLE_ASCII.test(token))
      throw new CredentialError(
        'MALFORMED',
        token === ''
          ? 'the credential is empty'
          : 'the credential holds white space or other characters no credential has',
      )
    const chosen = this.#choose(token)
    if (chosen) return chosen.authenticate(token)
    const names = this.#authenticators.map(({ name }) => name).join(', ')
    throw new CredentialError(
      'NO_METHOD',
      `this node takes no credentials of this form; it takes ${names || 'none at all'}`,
    )
  }

  /** Whether it takes one signature to tell what the credential is, with a key that is at hand, and nobody is asked. */
  takesOneSignature(token: string): boolean {
    if (token.length > TOKEN_CHARACTERS_MAX) return false
    return this.#choose(token)?.takesOneSignature?.(token) ?? false
  }

  #choose(token: string): Authenticator | undefined {
    return this.#authenticators.find((authenticator) => authenticator.matches(token))
  }
}

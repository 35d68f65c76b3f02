/**
 * Why a credential was not accepted. The sentence is meant for whoever showed it and for the log: it says what
 * would be right, and never holds the credential, a part of it, or what an issuer answered. For the same reason
 * there is no `cause`: the errors of libraries carry the claims of tokens.
 *
 * An unknown key and a wrong secret are one code and one sentence, so that nobody learns which keys exist.
 */

export type CredentialErrorCode =
  /** No credential this node could read. */
  | 'MALFORMED'
  /** Not known, or its secret is another one. */
  | 'REFUSED'
  | 'EXPIRED'
  | 'NOT_YET_VALID'
  | 'WRONG_ISSUER'
  | 'WRONG_AUDIENCE'
  | 'BAD_ALGORITHM'
  | 'BAD_SIGNATURE'
  | 'REVOKED'
  | 'TOO_LARGE'
  /** Nothing here is configured that takes credentials of this shape. */
  | 'NO_METHOD'
  /** Who could tell does not answer; the same credential may be good later. */
  | 'UNAVAILABLE'
  /** Too many failures from there. */
  | 'THROTTLED'

export class CredentialError extends Error {
  readonly code: CredentialErrorCode
  /** After which it makes sense to try the same credential again; undefined: never. */
  readonly retryAfterMs: number | undefined

  constructor(code: CredentialErrorCode, sentence: string, retryAfterMs?: number) {
    super(sentence)
    this.name = 'CredentialError'
    this.code = code
    this.retryAfterMs = retryAfterMs
  }
}

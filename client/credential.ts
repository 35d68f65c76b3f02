/** Credentials as a connection has them. Where they come from is the user’s; what they are, is never part of a sentence. */

/** What the option `token` becomes. */
export type CredentialSource = () => string | Promise<string>

/** Rejects with what the source throws, or when it gives no text. */
export async function credentialOf(source: CredentialSource): Promise<string> {
  const token: unknown = await source()
  // A file that is being replaced may be empty for a moment.
  if (typeof token === 'string' && token !== '') return token
  throw new TypeError(`the option token gave ${token === '' ? 'an empty text' : 'no text'}`)
}

/** What the broker has accepted. */
export interface AcceptedCredential {
  readonly token: string
  /** By the broker's clock, ms since 1970; null: never. */
  readonly expiresAtMs: number | null
  /** Id of the last request before it was accepted. */
  readonly sinceId: number
}

/** Whether a request was sent under this credential; the ids are uint32 and wrap. */
export function isUnder({ sinceId }: AcceptedCredential, correlationId: number): boolean {
  return ((correlationId - sinceId) | 0) > 0
}

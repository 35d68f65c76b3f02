/** How a credential fared, for comparisons. */
import { CredentialError, type CredentialErrorCode } from '../../../auth/credential-error.ts'
import type { Identity } from '../../../auth/identity.ts'

/** The code it was refused with, or who it is. Throws whatever is no CredentialError. */
export async function outcome(attempt: Promise<Identity>): Promise<string> {
  try {
    return `user:${(await attempt).principal.name}`
  } catch (error) {
    if (error instanceof CredentialError) return error.code
    throw error
  }
}

export async function refusal(attempt: Promise<unknown>): Promise<CredentialError> {
  try {
    await attempt
  } catch (error) {
    if (error instanceof CredentialError) return error
    throw error
  }
  throw new Error('it was accepted')
}

/** Pieces of a credential that are long enough to be one, which a message must not hold. */
export function holdsPartOf(text: string, credential: string, partLength = 12): string | undefined {
  for (let i = 0; i + partLength <= credential.length; i++) {
    const part = credential.slice(i, i + partLength)
    if (text.includes(part)) return part
  }
  return undefined
}

export type Code = CredentialErrorCode

/**
 * JSON as the value of a metadata key. It is checked against its description on the way in, strictly: what
 * is not described was written by a newer program, and guessing at it would lose it.
 */
import { z } from 'zod'
import type { MetadataEntry } from '../storage/metadata-store.ts'

export function encodeMetadataJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

/** The message names the key and what is wrong with its value, never the value, which may be a secret. */
export class MetadataValueError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'MetadataValueError'
  }
}

/**
 * Throws a {@link MetadataValueError} that names the key and what is wrong with its value.
 * @param what the value should be: `topic`
 */
export function decodeMetadataJson<T>({ key, value }: MetadataEntry, type: z.ZodType<T>, what: string): T {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value))
  } catch {
    // The parser's own words quote the text.
    throw new MetadataValueError(`metadata ${key} is no JSON text`)
  }
  const parsed = type.safeParse(json)
  if (!parsed.success)
    throw new MetadataValueError(`metadata ${key} is no ${what}: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

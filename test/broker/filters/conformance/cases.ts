/**
 * What a case of the conformance table is: a pattern, events that match it and events that do not. Written
 * from the public rules of EventBridge (AWS's pages on event patterns; README and tests of event-ruler),
 * and from broker/filters/README.md where those say nothing or we differ.
 */
import type { TestRecord } from '../support/slow-matcher.ts'

/** Events are text, since how a number or a name is written may be what the case is about. */
export interface ValueCases {
  readonly says: string
  /** The pattern of the value. */
  readonly value: unknown
  readonly matches?: readonly string[]
  readonly not?: readonly string[]
  /** Where event-ruler says something else, and we mean it: why. */
  readonly differs?: string
}

export interface RecordCases {
  readonly says: string
  /** The whole filter. */
  readonly pattern: unknown
  readonly matches?: readonly RecordText[]
  readonly not?: readonly RecordText[]
}

/** Text stands for its UTF-8; what is left out is null, or 0, or none. */
export interface RecordText {
  readonly key?: string | Uint8Array | null
  readonly value?: string | Uint8Array | null
  readonly headers?: readonly (readonly [name: string, value: string | Uint8Array | null])[]
  readonly timestampMs?: number
}

export function recordOf({ key, value, headers, timestampMs }: RecordText): TestRecord {
  const bytes = (part: string | Uint8Array | null | undefined) =>
    typeof part === 'string' ? new TextEncoder().encode(part) : (part ?? null)
  return {
    key: bytes(key),
    value: bytes(value),
    headers: (headers ?? []).map(([name, part]) => ({ name, value: bytes(part) })),
    timestampMs: timestampMs ?? 0,
  }
}

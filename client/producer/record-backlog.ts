/**
 * Records that cannot be taken yet, in order and with bytes of their own: their topic is not known, its sequences
 * are not, or the memory for batches is used up. Bounded: who goes on without waiting is refused.
 */
import type { RecordField } from '../../storage/record/batch-encoder.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import { recordBytes } from './record-fields.ts'
import type { TopicRoute, WaitingRecord } from './topic-route.ts'

export class RecordBacklog {
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** What waits takes about so many bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** Throws {@link ProtocolError} BUFFER_FULL when there is no room for a record. Returns what it takes. */
  room(record: WaitingRecord['record'] | { readonly value: unknown }, value: RecordField): number {
    const bytes = recordBytes(record, value)
    if (this.#bytes + bytes > this.#bytesMax)
      throw new ProtocolError(
        ErrorCode.BUFFER_FULL,
        `${this.#bytes} bytes wait already; await the promise that append returns`,
      )
    return bytes
  }

  push(route: TopicRoute, record: WaitingRecord): void {
    route.waiting.push(record)
    this.#bytes += record.bytes
  }

  /** The next record of a route, which waits no more; only if it came at `upToMs` or before. */
  shift(route: TopicRoute, upToMs = Number.POSITIVE_INFINITY): WaitingRecord | undefined {
    const first = route.waiting.peek()
    if (!first || first.sinceMs > upToMs) return undefined
    this.#bytes -= first.bytes
    return route.waiting.shift()
  }
}

/**
 * Records that cannot be taken yet, in order and with bytes of their own: their topic is not known, its sequences
 * are not, or the memory for batches is used up. Bounded: who goes on without waiting is refused.
 */
import type { RecordField } from '../../storage/record/batch-encoder.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { ProducerRecord } from './options.ts'
import { recordBytes } from './record-fields.ts'
import type { TopicRoute, WaitingRecord } from './topic-route.ts'

export interface RecordBacklogHost {
  /** Records of the route can be taken, as far as there is memory. */
  takesRecords(route: TopicRoute): boolean
  hasMemory(): boolean
  take(route: TopicRoute, record: WaitingRecord): void
  /** Nothing more is taken for now. */
  taken(): void
  /** New records are refused, also where nothing waits any more. */
  isClosed(): boolean
}

export class RecordBacklog {
  readonly #bytesMax: number
  readonly #host: RecordBacklogHost
  /** Routes whose records have to wait. */
  readonly #blocked = new Set<TopicRoute>()
  #bytes = 0

  constructor(bytesMax: number, host: RecordBacklogHost) {
    this.#bytesMax = bytesMax
    this.#host = host
  }

  /** What waits takes about so many bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** What a record takes. Throws {@link ProtocolError} BUFFER_FULL when there is no room for it. */
  roomFor(record: ProducerRecord<unknown>, value: RecordField): number {
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
    this.block(route)
  }

  /** Records of `route` have to wait until {@link drain} finds that they can be taken. */
  block(route: TopicRoute): void {
    route.isBlocked = true
    this.#blocked.add(route)
  }

  /** Nothing is sent to `route` any more. */
  forget(route: TopicRoute): void {
    route.isBlocked = true
    this.#blocked.delete(route)
  }

  /** Takes the records that waited, as far as they can be taken. */
  drain(): void {
    for (const route of this.#blocked) this.#drain(route)
  }

  /** The next record of a route, which waits no more; only if it came at `upToMs` or before. */
  shift(route: TopicRoute, upToMs = Number.POSITIVE_INFINITY): WaitingRecord | undefined {
    const first = route.waiting.peek()
    if (!first || first.sinceMs > upToMs) return undefined
    this.#bytes -= first.bytes
    return route.waiting.shift()
  }

  #drain(route: TopicRoute): void {
    const host = this.#host
    const takesRecords = host.takesRecords(route)
    while (takesRecords && host.hasMemory()) {
      const record = this.shift(route)
      if (!record) break
      host.take(route, record)
    }
    host.taken()
    if (route.waiting.length > 0 || !host.takesRecords(route)) return
    this.#blocked.delete(route)
    route.isBlocked = host.isClosed()
  }
}

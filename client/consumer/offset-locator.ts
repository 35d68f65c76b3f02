/**
 * Finds the offsets that cursors wait for: beginnings, ends, the first record at or after a time. One
 * question to the broker at a time, for all cursors together; whoever asks meanwhile is in the next one.
 */
import { backoffDelayMs } from '../backoff.ts'
import type { BrokerLink } from '../broker-link.ts'
import { DelayGroup } from '../delay-group.ts'
import type { ClientPorts } from '../ports.ts'
import { apis } from '../protocol/api.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import { type ListedOffset, OFFSET_EARLIEST, OFFSET_LATEST } from '../protocol/messages/list-offsets.ts'
import { RETRY_BACKOFF, staleMetadataCodes } from '../retry.ts'
import type { Cursor } from './cursor.ts'

/** The consumer, as its locator sees it. */
export interface LocateHost {
  cursors(): readonly Cursor[]
  /** One of the offsets the cursor waited for is known. */
  located(cursor: Cursor): void
  /** The topic must be asked for again. */
  stale(cursor: Cursor): void
  failed(cursor: Cursor, error: ProtocolError): void
}

export class OffsetLocator {
  readonly #link: BrokerLink
  readonly #ports: ClientPorts
  readonly #isolationLevel: number
  readonly #host: LocateHost
  readonly #delays: DelayGroup
  #running = false
  #attempts = 0
  #closed = false

  constructor(link: BrokerLink, ports: ClientPorts, isolationLevel: number, host: LocateHost) {
    this.#link = link
    this.#ports = ports
    this.#isolationLevel = isolationLevel
    this.#host = host
    this.#delays = new DelayGroup(ports.timers)
  }

  /** Starts unless it runs; it runs until no cursor waits for an offset. */
  poke(): void {
    if (this.#running) return
    this.#running = true
    void this.#run()
  }

  close(): void {
    this.#closed = true
    this.#delays.cancelAll()
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const asked = this.#host.cursors().filter((cursor) => cursor.timestampWanted !== undefined)
        if (this.#closed || asked.length === 0) return
        const retryAfterMs = await this.#ask(asked)
        if (retryAfterMs === undefined) this.#attempts = 0
        else await this.#pause(retryAfterMs)
      }
    } finally {
      // Nothing may come between the last look at the cursors and this, or a poke there would be lost.
      this.#running = false
    }
  }

  /** Asks once. Undefined when every offset came, else for how long at least to wait. */
  async #ask(asked: readonly Cursor[]): Promise<number | undefined> {
    const epochs = asked.map((cursor) => cursor.epoch)
    const partitions = asked.map((cursor) => ({
      topicId: cursor.topic.topicId,
      partition: cursor.partition,
      leaderEpoch: cursor.leaderEpoch,
      timestamp: cursor.timestampWanted as number,
    }))
    let listed: readonly ListedOffset[]
    try {
      const request = { isolationLevel: this.#isolationLevel, partitions }
      listed = (await this.#link.call(apis.listOffsets, request, { repeatable: true })).partitions
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      if (error.retriable) return error.retryAfterMs
      if (!this.#closed) for (const cursor of asked) this.#host.failed(cursor, error)
      return undefined
    }
    let again: number | undefined
    for (let i = 0; i < asked.length && !this.#closed; i++) {
      // A cursor that was sought meanwhile waits for something else.
      if (asked[i].epoch !== epochs[i]) continue
      if (!this.#answer(asked[i], listed[i], partitions[i].timestamp)) again = 0
    }
    return again
  }

  /** False when the cursor must be asked for again. */
  #answer(cursor: Cursor, entry: ListedOffset | undefined, timestamp: number): boolean {
    const { topic, partition } = cursor.source
    const where = `the offset of topic ${topic}, partition ${partition}`
    if (!entry || entry.partition !== partition) {
      const sentence = `${where}: the broker answered for another partition`
      this.#host.failed(cursor, new ProtocolError(ErrorCode.UNKNOWN_SERVER_ERROR, sentence))
      return true
    }
    if (entry.error === ErrorCode.NONE) {
      const isEdge = timestamp === OFFSET_EARLIEST || timestamp === OFFSET_LATEST
      if (isEdge && entry.offset < 0) return false
      cursor.located(entry.offset)
      this.#host.located(cursor)
      return true
    }
    const cause = new ProtocolError(entry.error, entry.message ?? undefined)
    if (staleMetadataCodes.has(entry.error)) this.#host.stale(cursor)
    if (cause.retriable) return false
    this.#host.failed(cursor, new ProtocolError(entry.error, `${where}: ${cause.message}`))
    return true
  }

  #pause(atLeastMs: number): Promise<void> {
    const delayMs = backoffDelayMs(RETRY_BACKOFF, ++this.#attempts, this.#ports.random.unit(), atLeastMs)
    return new Promise((resolve) => {
      this.#delays.after(delayMs, resolve)
    })
  }
}

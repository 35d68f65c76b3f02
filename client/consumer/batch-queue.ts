/**
 * What was fetched and waits to be handed out, in order of arrival, with its size: the bound on prefetching.
 * Batches that a seek has made nobody's stay until they are reached, and are dropped there.
 */
import { Queue } from '../queue.ts'
import type { ConsumedBatch, PlacedRecord } from './consumed-batch.ts'
import type { Cursor } from './cursor.ts'

export interface Arrived<R extends PlacedRecord> {
  readonly cursor: Cursor
  readonly epoch: number
  /** An error: the cursor has failed here. */
  readonly what: ConsumedBatch<R> | Error
}

/** What waits to be handed out, in some order. */
export interface WaitingBatches<R extends PlacedRecord> {
  /** Bytes of all batches that wait, those for nobody included. */
  readonly bytes: number
  /** Something waits for this to pass, ms; undefined: time alone brings nothing. As it was at the last {@link shift}. */
  readonly dueInMs: number | undefined
  push(cursor: Cursor, what: ConsumedBatch<R> | Error): void
  /**
   * The next batch, or part of one, that somebody waits for, with records or standing for lost ones, or the error
   * that stands in its place. Moves the cursor's position behind it.
   */
  shift(): Arrived<R> | undefined
  /** Partitions were added or are gone. */
  cursorsChanged(): void
  /** Somebody went elsewhere or goes on: times count anew from what comes next. */
  restart(): void
  clear(): void
}

export class BatchQueue<R extends PlacedRecord> implements WaitingBatches<R> {
  readonly dueInMs = undefined
  readonly #queue = new Queue<Arrived<R>>()
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  push(cursor: Cursor, what: ConsumedBatch<R> | Error): void {
    this.#queue.push({ cursor, epoch: cursor.epoch, what })
    this.#bytes += bytesOf(what)
  }

  shift(): Arrived<R> | undefined {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      const { cursor, epoch, what } = next
      this.#bytes -= bytesOf(what)
      // A failure holds until a seek has healed it; a batch only as long as nothing moved the cursor.
      if (what instanceof Error ? cursor.failure === what : cursor.epoch === epoch) {
        if (what instanceof Error) return next
        cursor.handedOut(what.lastOffset)
        return next
      }
    }
    return undefined
  }

  cursorsChanged(): void {
    // Whatever is here knows whose it is.
  }

  restart(): void {
    // Nothing here depends on time.
  }

  clear(): void {
    while (this.#queue.length > 0) this.#queue.shift()
    this.#bytes = 0
  }
}

function bytesOf(what: { readonly bytes: number } | Error): number {
  return what instanceof Error ? 0 : what.bytes
}

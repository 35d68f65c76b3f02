/** A finished batch on its way, and the accounts it is booked on. */

import type { ProtocolError } from '../protocol/errors.ts'
import type { RecordPlace } from './options.ts'
import type { PartitionQueue } from './partition-queue.ts'

/** A record whose sender waits for its place. */
export interface WaitingSend {
  /** Which record of its batch it is. */
  index: number
  timestampMs: number
  /** The batch holds this record because it was given before. */
  isDuplicate: boolean
  readonly resolve: (place: RecordPlace) => void
  readonly reject: (error: unknown) => void
}

/**
 * What was taken between two calls of flush. Batches and waiting records are `open` until it is known what
 * became of them; records are counted when it is.
 */
export class FlushAccount {
  acknowledged = 0
  /** Records among the acknowledged that were stored before. */
  duplicates = 0
  failed = 0
  error: Error | undefined
  #open = 0
  #whenEmpty: (() => void) | undefined

  opened(): void {
    this.#open++
  }

  closed(): void {
    if (--this.#open === 0) this.#whenEmpty?.()
  }

  failedWith(error: Error, records: number): void {
    this.failed += records
    this.error ??= error
  }

  /** Resolves when nothing is open. Nothing may be opened afterwards. */
  empty(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#open === 0) resolve()
      else this.#whenEmpty = resolve
    })
  }
}

export interface Batch {
  readonly queue: PartitionQueue
  /** The whole batch, with headroom before it in the same buffer. */
  readonly bytes: Uint8Array
  /** The pool's buffer that {@link bytes} lies in. */
  readonly buffer: Uint8Array
  readonly count: number
  /** When its first record came, on the monotonic clock. */
  readonly createdAtMs: number
  sends: WaitingSend[] | undefined
  readonly account: FlushAccount
  /** Without sequences: position in the order of sending of its partition; a new one each time it is sent. */
  sentOrder: number
  /** Sequence of its first record, not wrapped. */
  baseSequence: number
  /** Producer id, epoch and base sequence stand in its bytes. */
  isStamped: boolean
  /** A record in it says its own number: it can stand nowhere else. */
  readonly isNumberedBySender: boolean
  /** It was sent, and what became of that is not known for certain. */
  mayBeStored: boolean
  /** Why it was refused the last time. */
  refusal: ProtocolError | undefined
}

/** How a consumer hands out: iterators that leave it where it is, and what names a place in what it reads. */

import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import { type Cursor, UNKNOWN_OFFSET } from './cursor.ts'
import type { ConsumerSettings, PartitionName } from './options.ts'

/** One event of one partition: a record, or what names one. */
export interface CommitPoint extends PartitionName {
  readonly offset: number
}

export const done = { value: undefined, done: true } as const

/** `left` is called when a loop over it is left early. */
export function iterator<T>(
  next: () => Promise<IteratorResult<T, undefined>>,
  left: () => void = () => undefined,
): AsyncIterableIterator<T, undefined> {
  return {
    next,
    // The consumer stays where it is.
    return: () => {
      left()
      return Promise.resolve(done)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/** Of the first record that is handed out. */
export function firstOffsetOf({
  baseOffset,
  fromOffset,
}: {
  readonly baseOffset: number
  readonly fromOffset: number
}): number {
  return Math.max(baseOffset, fromOffset)
}

/** None of its records are wanted: they lie outside the window, or before or behind what is read. */
export function hasNoneWanted(batch: { readonly count: number }): boolean {
  try {
    return batch.count === 0
  } catch {
    // It is damaged: whoever looks at the records gets that error, as always.
    return false
  }
}

/** What to commit when this is done. */
export function pointBehind(
  upTo: CommitPoint | (PartitionName & { readonly lastOffset: number }),
): CommitPoint {
  const { topic, partition } = upTo
  return { topic, partition, offset: ('lastOffset' in upTo ? upTo.lastOffset : upTo.offset) + 1 }
}

export function nameOf({ topic, partition }: PartitionName): string {
  return `${topic}/${partition}`
}

export function outOfRange(cursor: Cursor, logStartOffset: number, highWatermark: number): ProtocolError {
  const { topic, partition } = cursor.source
  return new ProtocolError(
    ErrorCode.OFFSET_OUT_OF_RANGE,
    `offset ${cursor.fetchOffset} of topic ${topic}, partition ${partition} is out of range: ` +
      `the partition holds ${logStartOffset} to ${highWatermark}; ` +
      'seek, or choose with the option onOutOfRange where to go on',
  )
}

/** Undefined where it is {@link UNKNOWN_OFFSET}. */
export function known(offset: number): number | undefined {
  return offset === UNKNOWN_OFFSET ? undefined : offset
}

/**
 * Of records that are lost. The position is behind them already: whoever goes on after the error reads what follows. Throws
 * {@link ProtocolError} CORRUPT_MESSAGE unless there is somebody to be told.
 */
export function tellLost(
  {
    topic,
    partition,
    baseOffset,
    fromOffset,
    lastOffset,
  }: PartitionName & {
    readonly baseOffset: number
    readonly fromOffset: number
    readonly lastOffset: number
  },
  onLost: ConsumerSettings['onLost'],
): void {
  const firstOffset = Math.max(baseOffset, fromOffset)
  if (onLost !== 'fail') {
    onLost({ topic, partition, firstOffset, lastOffset })
    return
  }
  throw new ProtocolError(
    ErrorCode.CORRUPT_MESSAGE,
    `offsets ${firstOffset} to ${lastOffset} of topic ${topic}, partition ${partition}, were lost to damage on the broker's disk; ` +
      'iterate again to read on behind them, or give the option onLost to be told and go on',
  )
}

/** Calls `abort` with the reason once the signal aborts. Returns what ends that. */
export function obey(signal: AbortSignal, abort: (reason: unknown) => void): () => void {
  const onAbort = () => abort(signal.reason)
  signal.addEventListener('abort', onAbort)
  // Whoever makes a consumer is to have it first.
  if (signal.aborted) queueMicrotask(onAbort)
  return () => signal.removeEventListener('abort', onAbort)
}

/**
 * Where a group is to go on reading: what was asked for, against what a partition holds, as the offset to commit. Pure.
 *
 * What lies outside the partition is brought to its nearer end, with a note that says so: a group must not be sent
 * where nothing can be read.
 */
import { wholeNumber } from '../options.ts'

/**
 * To the oldest event that is kept; behind the newest; to an offset; to the first event that is not older than a time (ms since
 * 1970; none that young: behind the newest); so many events on from where the group is, negative: back; or to an offset
 * of each partition.
 */
export type OffsetTarget =
  | 'earliest'
  | 'latest'
  | { readonly offset: number }
  | { readonly timeMs: number }
  | { readonly by: number }
  | {
      readonly offsets: readonly {
        readonly topic: string
        readonly partition: number
        readonly offset: number
      }[]
    }

/** What a partition holds, and where the group is in it. */
export interface ResetPlace {
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** Null: the group has none there. */
  readonly committed: number | null
  /** Of the first event that is not older than the time asked for; -1: there is none, or no time was asked for. */
  readonly atTime: number
}

export interface ResetDecision {
  /** Null: it stays as it is. */
  readonly newOffset: number | null
  /** Why it is not what was asked for; null: it is. */
  readonly note: string | null
}

/** Throws RangeError naming what is wrong. */
export function checkTarget(to: OffsetTarget): OffsetTarget {
  const { MAX_SAFE_INTEGER: max } = Number
  if (to === 'earliest' || to === 'latest') return to
  if (typeof to === 'object' && to !== null) {
    if ('offset' in to) wholeNumber('to.offset', to.offset, 0, max)
    else if ('timeMs' in to) wholeNumber('to.timeMs', to.timeMs, 0, max)
    else if ('by' in to) wholeNumber('to.by', to.by, -max, max)
    else if ('offsets' in to && Array.isArray(to.offsets) && to.offsets.length > 0)
      for (const { offset, partition } of to.offsets) {
        wholeNumber('to.offsets.offset', offset, 0, max)
        wholeNumber('to.offsets.partition', partition, 0, 2 ** 31 - 1)
      }
    else throw wrongTarget(to)
    return to
  }
  throw wrongTarget(to)
}

function wrongTarget(to: unknown): RangeError {
  return new RangeError(
    `option to: expected earliest, latest, { offset }, { timeMs }, { by } or { offsets }, got ${JSON.stringify(to)}`,
  )
}

/** @param asked of `to: { offsets }`, the one of this partition */
export function decideReset(to: OffsetTarget, place: ResetPlace, asked = 0): ResetDecision {
  const { logStartOffset, logEndOffset, committed, atTime } = place
  if (to === 'earliest') return { newOffset: logStartOffset, note: null }
  if (to === 'latest') return { newOffset: logEndOffset, note: null }
  if ('timeMs' in to)
    return atTime === -1
      ? { newOffset: logEndOffset, note: 'no event is that young: to the end' }
      : within(atTime, place)
  if ('by' in to)
    return committed === null
      ? { newOffset: null, note: 'the group has no offset here to go on from' }
      : within(committed + to.by, place)
  return within('offset' in to ? to.offset : asked, place)
}

function within(offset: number, { logStartOffset, logEndOffset }: ResetPlace): ResetDecision {
  if (offset < logStartOffset)
    return {
      newOffset: logStartOffset,
      note: `${offset} is before what is kept: to the oldest, ${logStartOffset}`,
    }
  if (offset > logEndOffset)
    return { newOffset: logEndOffset, note: `${offset} is behind the end: to the end, ${logEndOffset}` }
  return { newOffset: offset, note: null }
}

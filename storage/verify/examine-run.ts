/**
 * Is every batch of a run what was stored? And where not: which offsets are lost, and what is whole.
 *
 * Base offset, length, leader epoch and magic stand outside the checksum of a batch, but each has one right value only,
 * which its neighbours and the directory tell: a batch whose content is whole is never given up for them.
 * Nothing is ever guessed of what the checksum covers. Pure.
 */

import type { Entry } from '../log/value.ts'
import {
  BATCH_HEADER_BYTES,
  baseOffsetAt,
  lastOffsetAt,
  lastOffsetDeltaAt,
  leaderEpochAt,
  MAGIC,
  MAGIC_AT,
  maxTimestampAt,
  nextBatchEnd,
  setBatchBytes,
  setMagic,
  stampBatch,
} from '../record/batch-header.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { isLostRangeAt } from '../record/lost-range.ts'
import { checkCrc, checkFrame, checkStoredBatch } from '../record/validate.ts'

/** A stretch of a run: whole batches, or offsets of which nothing is left. */
export interface Piece {
  readonly kind: 'batches' | 'lost'
  readonly offset: number
  /** Exclusive. */
  readonly endOffset: number
  /** Place in the value, from its start. */
  readonly start: number
  readonly end: number
  readonly batchCount: number
  /** -1 of what is lost. */
  readonly maxTimestampMs: number
}

/** One thing that is wrong with a run. */
export interface RunDamage {
  readonly offset: number
  readonly endOffset: number
  readonly bytes: number
  readonly sentence: string
  /** Nothing is lost by it: the right value of the field is known. */
  readonly isMendable: boolean
}

export interface RunExamination {
  /** In order, together the whole run. */
  readonly pieces: readonly Piece[]
  readonly damages: readonly RunDamage[]
  /** Offsets that an earlier repair marked as lost. */
  readonly fenced: readonly OffsetRange[]
}

export interface OffsetRange {
  readonly offset: number
  /** Exclusive. */
  readonly endOffset: number
}

/** What a run says of itself, in a directory or an index. */
export type RunClaim = Pick<
  Entry,
  'offset' | 'endOffset' | 'maxTimestampMs' | 'leaderEpoch' | 'position' | 'length' | 'batchCount'
>

/**
 * Undefined: all is well, and nothing was ever lost.
 * @param value mended in place where the right bytes are known, so it must be the caller's own when `mends`
 */
export function examineRun(
  value: Uint8Array,
  run: RunClaim,
  crc32c: Crc32c,
  mends: boolean,
): RunExamination | undefined {
  return new RunWalk(mends ? value : undefined, value, run, crc32c).walk()
}

class RunWalk {
  readonly #mine: Uint8Array | undefined
  #bytes: Uint8Array
  readonly #run: RunClaim
  readonly #crc32c: Crc32c
  readonly #pieces: Piece[] = []
  readonly #damages: RunDamage[] = []
  readonly #fenced: OffsetRange[] = []
  #batches = { start: 0, offset: 0, count: 0, maxTimestampMs: -1 }

  constructor(mine: Uint8Array | undefined, bytes: Uint8Array, run: RunClaim, crc32c: Crc32c) {
    this.#mine = mine
    this.#bytes = bytes
    this.#run = run
    this.#crc32c = crc32c
  }

  walk(): RunExamination | undefined {
    const { position, length, offset, endOffset } = this.#run
    const end = position + length
    let at = position
    let next = offset
    this.#begin(at, next)
    while (at < end) {
      const batchEnd = this.#soundEnd(at, end, next)
      if (batchEnd > 0) {
        this.#batches.count++
        this.#batches.maxTimestampMs = Math.max(this.#batches.maxTimestampMs, maxTimestampAt(this.#bytes, at))
        const endsAt = lastOffsetAt(this.#bytes, at) + 1
        if (isLostRangeAt(this.#bytes, at)) this.#fenced.push({ offset: next, endOffset: endsAt })
        next = endsAt
        at = batchEnd
        continue
      }
      this.#finish(at, next)
      const resumed = this.#resume(at, end, next)
      const resumedOffset = resumed < end ? baseOffsetAt(this.#bytes, resumed) : endOffset
      this.#lose(at, resumed, next, resumedOffset)
      at = resumed
      next = resumedOffset
      this.#begin(at, next)
    }
    this.#finish(at, next)
    if (next < endOffset) {
      this.#damages.push({
        offset: next,
        endOffset,
        bytes: 0,
        sentence: `the run should end before offset ${endOffset}, its batches end before ${next}`,
        isMendable: false,
      })
      this.#pieces.push(lost(next, endOffset, at, at))
    }
    if (this.#damages.length === 0) this.#checkSums(next)
    if (this.#damages.length === 0 && this.#fenced.length === 0) return undefined
    return { pieces: this.#pieces, damages: this.#damages, fenced: this.#fenced }
  }

  /** End of the batch at `at` if its content is whole, its stamps mended where they were wrong; else 0. */
  #soundEnd(at: number, end: number, next: number): number {
    const { leaderEpoch, endOffset } = this.#run
    const batchEnd = nextBatchEnd(this.#bytes, at, end)
    const problem = checkStoredBatch(this.#bytes, at, end, this.#crc32c)
    const isWhole =
      problem === undefined || (problem.reason === 'offset-delta' && baseOffsetAt(this.#bytes, at) !== next)
    if (!isWhole || batchEnd < 0) return this.#frameMended(at, end, next)
    const baseOffset = baseOffsetAt(this.#bytes, at)
    const epoch = leaderEpochAt(this.#bytes, at)
    if (baseOffset === next && epoch === leaderEpoch) return batchEnd
    const delta = lastOffsetDeltaAt(this.#bytes, at)
    if (next + delta >= endOffset) return 0
    const is = `base offset ${baseOffset} and leader epoch ${epoch}`
    this.#mend(at, next, batchEnd - at, `a batch has ${is} instead of ${next} and ${leaderEpoch}`)
    return checkStoredBatch(this.#bytes, at, end, this.#crc32c) === undefined ? batchEnd : 0
  }

  /** Tries whether only length or magic are wrong: then the checksum is right once they are. */
  #frameMended(at: number, end: number, next: number): number {
    const frame = checkFrame(this.#bytes, at, end)
    const resumed = this.#resume(at, end, next)
    if (resumed - at < BATCH_HEADER_BYTES) return 0
    const trial = new Uint8Array(this.#bytes.subarray(at, resumed))
    setMagic(trial, 0)
    setBatchBytes(trial, 0, trial.length)
    stampBatch(trial, 0, next, this.#run.leaderEpoch)
    if (checkStoredBatch(trial, 0, trial.length, this.#crc32c) !== undefined) return 0
    if (lastOffsetAt(trial, 0) >= this.#run.endOffset) return 0
    this.#mend(
      at,
      next,
      trial.length,
      frame?.sentence ?? `the batch says it ends elsewhere than after ${trial.length} bytes`,
    )
    return resumed
  }

  /** Sets what stands outside the checksum. */
  #mend(at: number, baseOffset: number, batchBytes: number, sentence: string): void {
    // What was handed in may be somebody else's memory.
    if (this.#bytes !== this.#mine) this.#bytes = this.#mine ?? new Uint8Array(this.#bytes)
    setMagic(this.#bytes, at)
    setBatchBytes(this.#bytes, at, batchBytes)
    stampBatch(this.#bytes, at, baseOffset, this.#run.leaderEpoch)
    const endOffset = lastOffsetAt(this.#bytes, at) + 1
    this.#damages.push({ offset: baseOffset, endOffset, bytes: batchBytes, sentence, isMendable: true })
  }

  /**
   * Where behind a damaged batch the next whole one begins; the end of the run where there is none. The place its length
   * tells is tried first; else every byte is, since its length may be what is damaged.
   */
  #resume(at: number, end: number, next: number): number {
    const told = nextBatchEnd(this.#bytes, at, end)
    if (told === end || (told > 0 && this.#isWhole(told, end, next))) return told
    for (let place = at + BATCH_HEADER_BYTES; place + BATCH_HEADER_BYTES <= end; place++) {
      if (this.#bytes[place + MAGIC_AT] === MAGIC && this.#isWhole(place, end, next)) return place
    }
    return end
  }

  #isWhole(at: number, end: number, next: number): boolean {
    if (checkFrame(this.#bytes, at, end) !== undefined) return false
    const baseOffset = baseOffsetAt(this.#bytes, at)
    if (baseOffset <= next || lastOffsetAt(this.#bytes, at) >= this.#run.endOffset) return false
    return checkCrc(this.#bytes, at, this.#crc32c) === undefined
  }

  #begin(start: number, offset: number): void {
    this.#batches = { start, offset, count: 0, maxTimestampMs: -1 }
  }

  #finish(end: number, endOffset: number): void {
    const { start, offset, count, maxTimestampMs } = this.#batches
    if (count > 0)
      this.#pieces.push({ kind: 'batches', offset, endOffset, start, end, batchCount: count, maxTimestampMs })
  }

  #lose(at: number, end: number, offset: number, endOffset: number): void {
    const problem = checkStoredBatch(this.#bytes, at, end, this.#crc32c)
    const sentence =
      problem?.sentence ??
      `a batch with offset ${baseOffsetAt(this.#bytes, at)} stands where ${offset} should`
    this.#damages.push({ offset, endOffset, bytes: end - at, sentence, isMendable: false })
    this.#pieces.push(lost(offset, endOffset, at, end))
  }

  /** The batches are whole; does the run say of them what is true? */
  #checkSums(next: number): void {
    const { endOffset, batchCount, maxTimestampMs, offset, length } = this.#run
    const [piece] = this.#pieces
    const count = piece?.batchCount ?? 0
    const latest = piece?.maxTimestampMs ?? -1
    if (next === endOffset && count === batchCount && latest === maxTimestampMs) return
    const is = `${count} batches up to offset ${next}, the latest of ${latest}`
    const said = `${batchCount} up to ${endOffset}, of ${maxTimestampMs}`
    this.#damages.push({
      offset,
      endOffset: Math.max(next, endOffset),
      bytes: length,
      sentence: `the directory says of a run: ${said}; there are ${is}`,
      isMendable: true,
    })
  }
}

function lost(offset: number, endOffset: number, start: number, end: number): Piece {
  return { kind: 'lost', offset, endOffset, start, end, batchCount: 0, maxTimestampMs: -1 }
}

/**
 * What a filling disk means for the node: everything as usual, a warning, or no more events.
 *
 * It promises that the node stops taking events while there is still room to keep a disk usable: for the
 * segment the next roll prepares and for one more that relocation writes aside, above the bytes the store
 * itself never touches. And that it does not flutter: each state is left only with clearly more room than it was
 * entered with. Pure: free bytes and time come in, a state comes out.
 */
import { DiskForecast } from './disk-forecast.ts'

export const diskStates = ['ok', 'warning', 'read-only'] as const
export type DiskState = (typeof diskStates)[number]

/** Free bytes at which the state changes. */
export interface DiskThresholds {
  /** Below it no more events are taken. */
  readonly stopBytes: number
  /** From it on they are taken again. */
  readonly resumeBytes: number
  /** Below it operators are warned. */
  readonly warnBytes: number
  /** From it on the warning ends. */
  readonly calmBytes: number
  /** At most so many bytes are committed between two looks: a fraction of what lies below `stopBytes`. */
  readonly lookBytes: number
}

/** A warning comes at the latest so long before the disk would be full, and ends with twice as long. */
const WARN_BEFORE_MS = 3_600_000

export function diskThresholds({
  freeBytesMin,
  segmentBytes,
}: {
  /** What the store refuses to go below. */
  readonly freeBytesMin: number
  readonly segmentBytes: number
}): DiskThresholds {
  const stopBytes = freeBytesMin + 2 * segmentBytes
  const warnBytes = freeBytesMin + 8 * segmentBytes
  return {
    stopBytes,
    resumeBytes: stopBytes + segmentBytes,
    warnBytes,
    calmBytes: warnBytes + segmentBytes,
    lookBytes: Math.min(freeBytesMin, segmentBytes) / 4,
  }
}

export class DiskSpace {
  readonly thresholds: DiskThresholds
  readonly #forecast: DiskForecast
  #state: DiskState = 'ok'
  #freeBytes = Number.POSITIVE_INFINITY
  /** A node that starts does not know whether it had stopped before, and is about to reserve a segment. */
  #isFirst = true

  /** @param segmentBytes the step in which the node itself takes space */
  constructor(thresholds: DiskThresholds, segmentBytes: number) {
    this.thresholds = thresholds
    this.#forecast = new DiskForecast(segmentBytes)
  }

  get state(): DiskState {
    return this.#state
  }

  /** At the last look; Infinity where there is no limit. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Until no more events are taken, at the rate of late; undefined: the disk is not filling, or it is not known yet. */
  get fullInMs(): number | undefined {
    const { bytesPerMs } = this.#forecast
    if (this.#state === 'read-only') return 0
    if (bytesPerMs === undefined) return undefined
    return Math.max(0, this.#freeBytes - this.thresholds.stopBytes) / bytesPerMs
  }

  /**
   * How much is free now.
   * @param nowMs of a clock that never goes back
   */
  look(freeBytes: number, nowMs: number): DiskState {
    this.#freeBytes = freeBytes
    if (Number.isFinite(freeBytes)) this.#forecast.observe(freeBytes, nowMs)
    this.#state = this.#next(freeBytes)
    return this.#state
  }

  #next(freeBytes: number): DiskState {
    const { stopBytes, resumeBytes, warnBytes, calmBytes } = this.thresholds
    const wasWarned = this.#state !== 'ok'
    const isFull = freeBytes < (this.#state === 'read-only' || this.#isFirst ? resumeBytes : stopBytes)
    this.#isFirst = false
    if (isFull) return 'read-only'
    const { bytesPerMs } = this.#forecast
    const leftMs = bytesPerMs === undefined ? Number.POSITIVE_INFINITY : (freeBytes - stopBytes) / bytesPerMs
    const isTight = freeBytes < (wasWarned ? calmBytes : warnBytes)
    return isTight || leftMs < (wasWarned ? 2 : 1) * WARN_BEFORE_MS ? 'warning' : 'ok'
  }
}

/**
 * How fast a disk fills, from free bytes seen at times. Pure.
 *
 * Free space goes in steps, a segment at a time, and comes back in steps when retention deletes; so what counts is
 * the least that was free within each of a row of short spans, and only a loss of several segments is a
 * rate. The shortest time in which so much went gives it: the rate of now rather than of an hour ago.
 */

/** Longer than retention takes to come round again. */
const SPAN_MS = 10_000
/** An hour. */
const SPANS_MAX = 360
/** With fewer steps the rate could be wrong by more than a quarter. */
const STEPS_MIN = 4

export class DiskForecast {
  readonly #lossBytesMin: number
  /** Oldest first; a minimum of free bytes for each span. */
  readonly #spans: { readonly startMs: number; freeBytesMin: number }[] = []
  #bytesPerMs: number | undefined

  constructor(stepBytes: number) {
    this.#lossBytesMin = STEPS_MIN * stepBytes
  }

  /** Undefined: the disk is not filling, or so slowly that it cannot be told within the hour. */
  get bytesPerMs(): number | undefined {
    return this.#bytesPerMs
  }

  observe(freeBytes: number, nowMs: number): void {
    const last = this.#spans.at(-1)
    if (last !== undefined && nowMs - last.startMs < SPAN_MS) {
      last.freeBytesMin = Math.min(last.freeBytesMin, freeBytes)
      return
    }
    this.#bytesPerMs = this.#rate()
    this.#spans.push({ startMs: nowMs, freeBytesMin: freeBytes })
    if (this.#spans.length > SPANS_MAX) this.#spans.shift()
  }

  /** From spans that are over. */
  #rate(): number | undefined {
    const last = this.#spans.at(-1)
    if (last === undefined) return undefined
    for (let index = this.#spans.length - 2; index >= 0; index--) {
      const before = this.#spans[index]
      const lostBytes = before.freeBytesMin - last.freeBytesMin
      if (lostBytes >= this.#lossBytesMin) return lostBytes / (last.startMs - before.startMs)
    }
    return undefined
  }
}

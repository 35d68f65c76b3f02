/** Events per second over the last moments, from samples of a counter. Pure: times come in. */

const WINDOW_MS = 1500

export class RateMeter {
  readonly #samples: { readonly atMs: number; readonly count: number }[] = []

  /** Notes the value of the counter at a time; returns the rate over the window that ends there. */
  sample(atMs: number, count: number): number {
    this.#samples.push({ atMs, count })
    while (this.#samples.length > 2 && this.#samples[1].atMs <= atMs - WINDOW_MS) this.#samples.shift()
    const oldest = this.#samples[0]
    return atMs > oldest.atMs ? ((count - oldest.count) * 1000) / (atMs - oldest.atMs) : 0
  }
}

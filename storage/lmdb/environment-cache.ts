/**
 * Keeps sealed segments open: at most `openMax`, the least recently used closed first.
 *
 * An open environment costs three descriptors and about 135 KB, so not all can stay open; opening costs 0.1 ms, so
 * not each read can open one. A segment with a prefetch under way is never closed to make room: the number
 * may be exceeded for so long.
 */

import type { LmdbEnvironment } from './environment.ts'

interface Entry {
  readonly environment: LmdbEnvironment
  /** Uses across turns of the event loop. */
  pins: number
  lastUse: number
}

export class EnvironmentCache {
  readonly #openMax: number
  readonly #open: (segment: number) => LmdbEnvironment
  readonly #entries = new Map<number, Entry>()
  readonly #closing = new Set<Promise<void>>()
  #uses = 0

  constructor(openMax: number, open: (segment: number) => LmdbEnvironment) {
    this.#openMax = openMax
    this.#open = open
  }

  get size(): number {
    return this.#entries.size
  }

  /** To be used in this turn only. */
  get(segment: number): LmdbEnvironment {
    return this.#entry(segment).environment
  }

  /** The environment stays open until `use` settles. */
  async withOpen<T>(segment: number, use: (environment: LmdbEnvironment) => Promise<T>): Promise<T> {
    const entry = this.#entry(segment)
    entry.pins++
    try {
      return await use(entry.environment)
    } finally {
      entry.pins--
      this.#makeRoom()
    }
  }

  /** Takes over an open environment. */
  adopt(segment: number, environment: LmdbEnvironment): void {
    this.#entries.set(segment, { environment, pins: 0, lastUse: ++this.#uses })
    this.#makeRoom()
  }

  /** Closes an environment without waiting; {@link close} and {@link release} do. */
  discard(environment: LmdbEnvironment): void {
    const closing = environment.close().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  /** Resolves when nobody has the segment open; the caller sees to it that nobody asks for it again. */
  async release(segment: number): Promise<void> {
    const entry = this.#entries.get(segment)
    this.#entries.delete(segment)
    if (entry !== undefined) await entry.environment.close()
    // One that was evicted may still be closing, and it may be this one.
    await Promise.all(this.#closing)
  }

  async close(): Promise<void> {
    for (const segment of this.#entries.keys()) this.#evict(segment)
    await Promise.all(this.#closing)
  }

  #entry(segment: number): Entry {
    let entry = this.#entries.get(segment)
    if (entry === undefined) {
      entry = { environment: this.#open(segment), pins: 0, lastUse: 0 }
      this.#entries.set(segment, entry)
      this.#makeRoom(segment)
    }
    entry.lastUse = ++this.#uses
    return entry
  }

  #makeRoom(except?: number): void {
    while (this.#entries.size > this.#openMax) {
      let oldest: number | undefined
      let oldestUse = Number.POSITIVE_INFINITY
      for (const [segment, { pins, lastUse }] of this.#entries) {
        if (pins > 0 || segment === except || lastUse >= oldestUse) continue
        oldest = segment
        oldestUse = lastUse
      }
      if (oldest === undefined) return
      this.#evict(oldest)
    }
  }

  #evict(segment: number): void {
    const entry = this.#entries.get(segment)
    if (entry === undefined) return
    this.#entries.delete(segment)
    this.discard(entry.environment)
  }
}

/**
 * Looks at the free space of the data's disk, several times a second and whenever enough was committed, and
 * tells what that means for the node.
 *
 * A disk whose free space cannot be asked is told once and keeps its state: what writing to it brings is seen
 * by whoever writes.
 */
import prettyBytes from 'pretty-bytes'
import { StorageError } from '../../storage/segment-store.ts'
import type { Clock, Timer, Timers } from '../ports.ts'
import { DiskSpace, type DiskState, diskThresholds } from './disk-space.ts'

export interface DiskWatchOptions {
  /** Free bytes now; Infinity where there is no limit. May throw. */
  readonly freeBytes: () => number
  /** Of the data, for sentences. */
  readonly directory: string
  readonly freeBytesMin: number
  readonly segmentBytes: number
  readonly clock: Clock
  readonly timers: Timers
  /** Told of every change, once; `sentence` says how it stands now. */
  readonly onChange: (state: DiskState, sentence: string) => void
  readonly onProblem: (error: unknown) => void
}

/** Other programs fill a disk without telling; at 1 GB/s this is what they get in between. */
const LOOK_INTERVAL_MS = 250

export class DiskWatch {
  readonly #options: DiskWatchOptions
  readonly #space: DiskSpace
  #timer: Timer | undefined
  #bytesSinceLook = 0
  #isBlind = false

  constructor(options: DiskWatchOptions) {
    this.#options = options
    this.#space = new DiskSpace(diskThresholds(options), options.segmentBytes)
  }

  /** Looks, and looks again until it is stopped. Before the first look all is taken to be well. */
  start(): void {
    this.look()
    this.#timer = this.#options.timers.after(LOOK_INTERVAL_MS, () => this.start())
  }

  get state(): DiskState {
    return this.#space.state
  }

  get freeBytes(): number {
    return this.#space.freeBytes
  }

  /** See {@link DiskSpace.fullInMs}. */
  get fullInMs(): number | undefined {
    return this.#space.fullInMs
  }

  /** Why the state is not ok: how much is free, how much is needed, where. Undefined while it is ok. */
  get reason(): string | undefined {
    return this.state === 'ok' ? undefined : this.#sentence()
  }

  /** Why events cannot be taken now; undefined: they can. */
  get refusal(): StorageError | undefined {
    if (this.state !== 'read-only') return undefined
    return new StorageError('NO_SPACE', this.#sentence(), { path: this.#options.directory })
  }

  /** So many bytes more were committed. */
  committed(bytes: number): void {
    this.#bytesSinceLook += bytes
    if (this.#timer && this.#bytesSinceLook >= this.#space.thresholds.lookBytes) this.look()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Looks once. */
  look(): void {
    const { clock, freeBytes, onChange, onProblem } = this.#options
    this.#bytesSinceLook = 0
    let bytes: number
    try {
      bytes = freeBytes()
      this.#isBlind = false
    } catch (error) {
      if (!this.#isBlind) onProblem(error)
      this.#isBlind = true
      return
    }
    const before = this.state
    const state = this.#space.look(bytes, clock.monotonicMs())
    if (state !== before) onChange(state, this.#sentence())
  }

  #sentence(): string {
    const { freeBytes, thresholds, state, fullInMs } = this.#space
    const free = `${this.#options.directory} has ${binaryBytes(freeBytes)} free`
    switch (state) {
      case 'ok':
        return free
      case 'warning': {
        const when =
          fullInMs === undefined ? '' : `, which is in about ${minutes(fullInMs)} at the present rate`
        return `${free}; below ${binaryBytes(thresholds.stopBytes)} no more events are taken${when}`
      }
      case 'read-only':
        return `${free}, too little to take events: ${binaryBytes(thresholds.resumeBytes)} are needed; free some, or let topics keep less`
    }
  }
}

function binaryBytes(count: number): string {
  return Number.isFinite(count) ? prettyBytes(count, { binary: true }) : 'any number of bytes'
}

function minutes(ms: number): string {
  const count = Math.max(1, Math.round(ms / 60_000))
  return count === 1 ? 'a minute' : `${count} minutes`
}

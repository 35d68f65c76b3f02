/**
 * The segment store on LMDB: one environment, in one preallocated file, for each segment; a manifest names the live ones.
 *
 * It keeps the promises of {@link SegmentStore} and two of its own: the file of a segment never grows, and nothing
 * is written where the disk could refuse it, because a refused write may abort the process inside lmdb-js.
 * Blocks are reserved one segment ahead, and before each write the free space is looked at.
 *
 * It must never write to an environment after a commit failed, never delete a file the manifest names, never shorten
 * one that somebody has mapped. The caller keeps other processes and other stores out of the directory.
 */

import { closeGivenUp, Failure, type FailureOptions } from '../failure.ts'
import {
  type AsideSegment,
  type SegmentDescriptor,
  type SegmentId,
  type SegmentStore,
  StorageError,
} from '../segment-store.ts'
import { checkAsideBytes, checkIndexRange } from '../segment-store-checks.ts'
import { storageError } from './accidents.ts'
import { type AsideHost, LmdbAsideSegment } from './aside-segment.ts'
import { DiskGuard } from './disk-guard.ts'
import { LmdbEnvironment } from './environment.ts'
import { EnvironmentCache } from './environment-cache.ts'
import { LiveSegments } from './live-segments.ts'
import { PAGE_BYTES, segmentBytesFor, valueCostBytes } from './page-budget.ts'
import type { Preallocation } from './prepare-segment.ts'
import { RetiredSegments } from './retired-segments.ts'
import { SegmentAhead } from './segment-ahead.ts'
import { SegmentAppender } from './segment-appender.ts'
import { diskFreeBytes, segmentPath } from './segment-files.ts'
import { SEQUENCE_MAX, type SegmentTrailer, TRAILER_KEY, valueKey } from './segment-layout.ts'
import { SegmentMaker } from './segment-maker.ts'
import { checkHeader, prefetchIndex, readStoredIndex, sealedTrailer } from './segment-records.ts'

export interface LmdbSegmentStoreOptions extends FailureOptions {
  /** Created, for this user only, if it is missing. */
  readonly directory: string
  /** Size of the segments made from now on: a multiple of 4,096, at least 1 MiB. */
  readonly segmentBytes?: number
  /** What must stay free on the disk: below it appends and rolls are refused with NO_SPACE. */
  readonly freeBytesMin?: number
  /** Sealed segments kept open for reading. */
  readonly sealedOpenMax?: number
  readonly preallocation?: Preallocation
  /**
   * Whether the files of removed segments are overwritten as new ones, which is faster than deleting them; their old bytes stay on
   * the disk until then. On by default.
   */
  readonly recycle?: boolean
  /** Spares take at most this share of what the segments take: in a small log they would be most of what is dead. Default: no bound. */
  readonly sparesShareMax?: number
  /** Free bytes of the disk a directory is on. Replaced by tests only. */
  readonly diskFreeBytes?: (directory: string) => number
  /** Told at once what goes wrong in the background: a segment ahead not made, a removed file not deleted. */
  readonly onBackgroundError?: (error: StorageError) => void
}

const SEGMENT_BYTES_MIN = 1024 * 1024
/** Beside them are open the active segment, the next, one written aside and one that is about to be closed: 64 in all. */
const SEALED_OPEN_MAX = 60
/** Retention removes about as many segments as appends take; of more than that the disk gets the bytes back. */
const SPARES_MAX = 2
/** Of more, a prefetch brings only the first so many: 256 MB of values of the usual size. */
const PREFETCH_VALUES_MAX = 4096

interface Opened {
  readonly live: LiveSegments
  readonly active: SegmentAppender
}

export class LmdbSegmentStore implements SegmentStore {
  readonly kind = 'lmdb'
  readonly #directory: string
  readonly #guard: DiskGuard
  readonly #onBackgroundError: (error: StorageError) => void
  readonly #maker: SegmentMaker
  readonly #ahead: SegmentAhead
  /** Every one that was begun, until it is no more or live. */
  readonly #asides = new Set<Promise<LmdbAsideSegment>>()
  readonly #sealed: EnvironmentCache
  /** What sealed segments say of themselves, as far as they were asked. */
  readonly #trailers = new Map<SegmentId, SegmentTrailer>()
  #opened: Opened | undefined
  #opening: Promise<void> | undefined
  #writing: Promise<void> | undefined
  readonly #retired: RetiredSegments
  readonly #failure: Failure
  #closed: Promise<void> | undefined

  constructor(options: LmdbSegmentStoreOptions) {
    const segmentBytes = options.segmentBytes ?? 256 * 1024 * 1024
    if (segmentBytes < SEGMENT_BYTES_MIN || segmentBytes % PAGE_BYTES !== 0) {
      throw misuse(
        `segmentBytes is ${segmentBytes}; it must be a multiple of ${PAGE_BYTES}, at least ${SEGMENT_BYTES_MIN}`,
      )
    }
    this.#directory = options.directory
    this.#failure = new Failure(options)
    this.#onBackgroundError = options.onBackgroundError ?? (() => {})
    this.#sealed = new EnvironmentCache(options.sealedOpenMax ?? SEALED_OPEN_MAX, (id) =>
      this.#openSealed(id),
    )
    this.#retired = new RetiredSegments({
      directory: options.directory,
      segmentBytes,
      sparesMax: () => ((options.recycle ?? true) ? this.#sparesMax(options.sparesShareMax) : 0),
      mayKeep: () => this.#guard.maySpare(),
      report: this.#onBackgroundError,
    })
    this.#guard = new DiskGuard({
      directory: options.directory,
      segmentBytes,
      freeBytesMin: options.freeBytesMin ?? 64 * 1024 * 1024,
      diskFreeBytes: options.diskFreeBytes ?? diskFreeBytes,
      spares: this.#retired,
    })
    this.#maker = new SegmentMaker({
      directory: options.directory,
      preallocation: options.preallocation ?? 'auto',
      reserve: (bytes, what) => this.#guard.reserve(bytes, what),
      takeSpare: async (bytes) => (bytes === segmentBytes ? this.#retired.take() : undefined),
    })
    this.#ahead = new SegmentAhead({
      directory: options.directory,
      segmentBytes,
      maker: this.#maker,
      erase: (path) => this.#retired.erase(path),
      report: this.#onBackgroundError,
    })
  }

  get failure(): StorageError | undefined {
    return this.#failure.error
  }

  open(): Promise<void> {
    if (this.#opening !== undefined || this.#closed !== undefined) {
      return Promise.reject(misuse('a store can be opened only once'))
    }
    this.#opening = this.#openDirectory()
    return this.#opening
  }

  segments(): readonly SegmentDescriptor[] {
    return this.#usable().live.descriptors
  }

  costBytes(valueBytes: number): number {
    return valueCostBytes(valueBytes)
  }

  roomBytes(): number {
    return this.#usable().active.roomBytes
  }

  /** The largest index {@link roll} takes now: at least 8 % of the segment, more while there is room for values. */
  indexRoomBytes(): number {
    return this.#usable().active.indexRoomBytes
  }

  append(
    firstSequence: number,
    values: readonly Uint8Array[],
    { isUrgent } = { isUrgent: false },
  ): Promise<void> {
    return this.#write(async ({ active }) => {
      active.checkAppend(firstSequence, values)
      if (!isUrgent) this.#guard.check('an append')
      await this.#committing(() => active.append(firstSequence, values))
    })
  }

  read(segment: SegmentId, sequence: number): Uint8Array | undefined {
    const { active } = this.#usable()
    const environment = segment === active.id ? active.environment : this.#sealed.get(segment)
    return isSequence(sequence) ? environment.get(valueKey(sequence)) : undefined
  }

  valueCount(segment: SegmentId): number {
    const { active } = this.#usable()
    return segment === active.id ? active.valueCount : this.#trailer(segment).valueCount
  }

  async prefetch(segment: SegmentId, sequence: number, count = 1): Promise<void> {
    const { active, live } = this.#usable()
    if (live.find(segment) === undefined) return
    const end = Math.min(sequence + Math.min(count, PREFETCH_VALUES_MAX), SEQUENCE_MAX + 1)
    const keys: number[] = []
    for (let at = Math.max(sequence, 0); at < end; at++) keys.push(valueKey(at))
    if (segment === active.id) await active.environment.prefetch(keys)
    else await this.#sealed.withOpen(segment, (environment) => environment.prefetch(keys))
  }

  roll(index: Uint8Array): Promise<SegmentId> {
    return this.#write(async ({ active, live }) => {
      active.checkIndex(index)
      // It has its blocks already, so that a roll takes no space: the entries that free some may need it.
      const take = async (next: SegmentAppender) => {
        await this.#committing(() => active.seal(index))
        await this.#changing(this.#activate(live, next))
      }
      const next = await this.#making(this.#ahead.handOver(() => live.takeId(), take))
      this.#ahead.start(live.takeId())
      return next.id
    })
  }

  indexBytes(segment: SegmentId): number | undefined {
    return segment === this.#usable().active.id ? undefined : this.#trailer(segment).indexBytes
  }

  async readIndex(segment: SegmentId, start = 0, end?: number): Promise<Uint8Array | undefined> {
    if (segment === this.#usable().active.id) return undefined
    return this.#sealed.withOpen(segment, async (environment) => {
      if (!this.#trailers.has(segment)) await environment.prefetch([TRAILER_KEY])
      const trailer = this.#trailer(segment)
      const until = end ?? trailer.indexBytes
      checkIndexRange(segment, trailer.indexBytes, start, until)
      await prefetchIndex(environment, trailer, start, until)
      return readStoredIndex(environment, trailer, start, until)
    })
  }

  readIndexNow(segment: SegmentId, start: number, end: number): Uint8Array | undefined {
    if (segment === this.#usable().active.id) return undefined
    const trailer = this.#trailer(segment)
    checkIndexRange(segment, trailer.indexBytes, start, end)
    return readStoredIndex(this.#sealed.get(segment), trailer, start, end)
  }

  async remove(segment: SegmentId): Promise<void> {
    const { live } = this.#usable()
    this.#failure.check()
    await this.#retire([segment], this.#changing(live.remove(segment)))
  }

  async beginAside(bytes: number): Promise<AsideSegment> {
    const { live } = this.#usable()
    this.#failure.check()
    checkAsideBytes(bytes)
    const id = live.takeId()
    const host = this.#asideHost(live, () => this.#asides.delete(making))
    const making = this.#maker
      .make(id, segmentBytesFor(bytes), 'a segment aside')
      .then((environment) => new LmdbAsideSegment(SegmentAppender.empty(id, environment), host))
    this.#asides.add(making)
    // Without one there is nothing to discard at the end; the caller is told below.
    making.catch(() => this.#asides.delete(making))
    return this.#making(making)
  }

  #sparesMax(shareMax = Number.POSITIVE_INFINITY): number {
    if (this.#closed) return 0
    const segments = this.segments()
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
    return Math.min(SPARES_MAX, Math.floor((bytes * shareMax) / segments[segments.length - 1].bytes))
  }

  /** Spares count as free: they are given back when the disk runs short. */
  freeBytes(): number {
    return this.#guard.freeBytes
  }

  /** Rejects, after everything was released, if the file of a removed segment could not be deleted. */
  close(): Promise<void> {
    this.#closed ??= this.#closeInTime()
    return this.#closed
  }

  async #closeInTime(): Promise<void> {
    if (await this.#failure.outlast(this.#close())) return
    this.#onBackgroundError(closeGivenUp(this.#directory))
  }

  async #close(): Promise<void> {
    // Whoever opened the store was told if that failed; what it had open by then is closed like the rest.
    await this.#opening?.catch(() => {})
    await this.#writing
    this.#maker.abort()
    await this.#ahead.close()
    await Promise.all(
      [...this.#asides].map((making) =>
        making
          .then((aside) => aside.discard())
          .catch(() => {
            // It was never made, and its caller knows.
          }),
      ),
    )
    await this.#opened?.live.settled()
    await this.#sealed.close()
    await this.#opened?.active.environment.close()
    await this.#retired.close()
  }

  async #openDirectory(): Promise<void> {
    const live = await LiveSegments.load(this.#directory, {
      makeRoom: () => this.#makeRoom(),
      failed: (error) => this.#fail(error),
    })
    const last = live.descriptors.at(-1)
    const activate = (first: SegmentAppender) => this.#activate(live, first)
    if (last === undefined) await this.#ahead.handOver(() => live.takeId(), activate)
    else this.#opened = { live, active: this.#openActive(last.id) }
    this.#ahead.start(live.takeId())
  }

  /** Gives a full disk back what no segment needs. */
  async #makeRoom(): Promise<boolean> {
    return (await this.#retired.giveBack()) || (await this.#ahead.giveUp())
  }

  #usable(): Opened {
    if (this.#closed !== undefined) throw misuse('the store is closed')
    if (this.#opened === undefined) throw misuse('the store is not open')
    return this.#opened
  }

  /** Runs an append or a roll, of which there may be only one at a time. */
  async #write<T>(write: (opened: Opened) => Promise<T>): Promise<T> {
    const opened = this.#usable()
    this.#failure.check()
    if (this.#writing !== undefined) throw misuse('an append or roll is still in flight')
    let finish = () => {}
    this.#writing = new Promise((resolve) => {
      finish = resolve
    })
    try {
      return await write(opened)
    } finally {
      this.#writing = undefined
      finish()
    }
  }

  /** An error in here leaves in doubt what the disk has: the store refuses to write from then on. */
  async #committing<T>(commit: () => Promise<T>): Promise<T> {
    try {
      return await commit()
    } catch (error) {
      throw this.#fail(error)
    }
  }

  /** A change of the live segments, which a full disk or a misuse leaves as they were. */
  async #changing(change: Promise<void>): Promise<void> {
    try {
      await change
    } catch (error) {
      const isUnchanged = error instanceof StorageError && ['MISUSE', 'NO_SPACE'].includes(error.code)
      throw isUnchanged ? error : this.#fail(error)
    }
  }

  /** A new segment that is asked for: if the disk fails at it, it fails. */
  async #making<T>(made: Promise<T>): Promise<T> {
    try {
      return await made
    } catch (error) {
      if (this.#maker.isAborted) throw misuse('the store is closed')
      throw error instanceof StorageError && error.code === 'WRITE_FAILED' ? this.#fail(error) : error
    }
  }

  #fail(error: unknown): StorageError {
    const { message, path, cause } = storageError(error, this.#directory, 'WRITE_FAILED')
    const failure = new StorageError('WRITE_FAILED', message, { path: path ?? this.#directory, cause })
    return this.#failure.set(failure)
  }

  /** What a sealed segment says of itself; read from the disk at once the first time. */
  #trailer(segment: SegmentId): SegmentTrailer {
    const { live } = this.#usable()
    const known = this.#trailers.get(segment)
    if (known !== undefined && live.find(segment) !== undefined) return known
    const trailer = sealedTrailer(this.#sealed.get(segment), segment)
    this.#trailers.set(segment, trailer)
    return trailer
  }

  #openActive(id: SegmentId): SegmentAppender {
    const environment = LmdbEnvironment.open(segmentPath(this.#directory, id), { readOnly: false })
    try {
      return SegmentAppender.resume(id, environment)
    } catch (error) {
      this.#sealed.discard(environment)
      throw error
    }
  }

  #openSealed(id: SegmentId): LmdbEnvironment {
    if (this.#usable().live.find(id) === undefined) throw misuse(`segment ${id} is not live`)
    const environment = LmdbEnvironment.open(segmentPath(this.#directory, id), { readOnly: true })
    try {
      checkHeader(environment, id)
      return environment
    } catch (error) {
      this.#sealed.discard(environment)
      throw error
    }
  }

  /** Makes a prepared segment the active one, by the manifest. */
  async #activate(live: LiveSegments, next: SegmentAppender): Promise<void> {
    await live.activate(next.id, next.environment.bytes)
    const sealed = this.#opened?.active
    // In one go with the change below: no read in between may open the sealed file a second time.
    if (sealed) this.#adopt(sealed)
    this.#opened = { live, active: next }
  }

  /** From now on it is read as a sealed one. */
  #adopt(sealed: SegmentAppender): void {
    if (sealed.trailer !== undefined) this.#trailers.set(sealed.id, sealed.trailer)
    this.#sealed.adopt(sealed.id, sealed.environment)
  }

  /** @param ended called when there is nothing left of it to care for */
  #asideHost(live: LiveSegments, ended: () => void): AsideHost {
    return {
      checkWritable: () => {
        this.#usable()
        this.#failure.check()
        this.#guard.check('a segment aside')
      },
      checkReplaceable: (replaced) => live.checkReplaceable(replaced),
      committing: (write) => this.#committing(write),
      publish: async (segment, replaced, onLive) => {
        const change = live.replace(replaced, segment.id, segment.environment.bytes, () => {
          this.#adopt(segment)
          ended()
          onLive()
        })
        await this.#retire(replaced, this.#changing(change))
      },
      discard: async (segment) => {
        await segment.environment.close()
        await this.#retired.erase(segment.environment.path)
        ended()
      },
      leave: async (segment) => {
        await segment.environment.close()
        ended()
      },
    }
  }

  /** After the change that takes them out of the set: closes the segments, then their files may go. */
  async #retire(segments: readonly SegmentId[], change: Promise<void>): Promise<void> {
    const released = change.then(() => {
      for (const segment of segments) this.#trailers.delete(segment)
      return Promise.all(segments.map((segment) => this.#sealed.release(segment)))
    })
    this.#retired.retire(segments, released)
    await released
  }
}

function isSequence(sequence: number): boolean {
  return sequence >= 0 && sequence <= SEQUENCE_MAX
}

function misuse(sentence: string): StorageError {
  return new StorageError('MISUSE', sentence)
}

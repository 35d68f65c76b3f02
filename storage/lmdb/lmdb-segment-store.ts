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

import { type SegmentDescriptor, type SegmentId, type SegmentStore, StorageError } from '../segment-store.ts'
import { storageError } from './accidents.ts'
import { LmdbEnvironment } from './environment.ts'
import { EnvironmentCache } from './environment-cache.ts'
import { LiveSegments } from './live-segments.ts'
import { indexRoomBytes, PAGE_BYTES, valueCostBytes, valueRoomBytes } from './page-budget.ts'
import type { Preallocation } from './prepare-segment.ts'
import { SegmentAhead } from './segment-ahead.ts'
import { diskFreeBytes, eraseSegment, segmentPath } from './segment-files.ts'
import { SEQUENCE_MAX, valueKey } from './segment-layout.ts'
import {
  checkHeader,
  countValues,
  putIndex,
  readStoredIndex,
  readTrailer,
  sealedTrailer,
} from './segment-records.ts'

export interface LmdbSegmentStoreOptions {
  /** Created, for this user only, if it is missing. */
  readonly directory: string
  /** Size of the segments made from now on: a multiple of 4,096, at least 1 MiB. */
  readonly segmentBytes?: number
  /** What must stay free on the disk: below it appends and rolls are refused with NO_SPACE. */
  readonly freeBytesMin?: number
  /** Sealed segments kept open for reading. */
  readonly sealedOpenMax?: number
  readonly preallocation?: Preallocation
  /** Told at once what goes wrong in the background: a segment ahead not made, a removed file not deleted. */
  readonly onBackgroundError?: (error: StorageError) => void
}

/** Above 16 MB lmdb-js would hand out mapped memory instead of a copy. */
const VALUE_BYTES_MAX = 12 * 1024 * 1024
const SEGMENT_BYTES_MIN = 1024 * 1024

interface ActiveSegment {
  readonly id: SegmentId
  readonly environment: LmdbEnvironment
  valueCount: number
  lastPage: number
  /** A crash came between index and manifest: the segment takes nothing more, and the next roll keeps this index. */
  readonly isIndexStored: boolean
}

interface Opened {
  readonly live: LiveSegments
  readonly active: ActiveSegment
}

export class LmdbSegmentStore implements SegmentStore {
  readonly kind = 'lmdb'
  readonly #directory: string
  readonly #freeBytesMin: number
  readonly #onBackgroundError: (error: StorageError) => void
  readonly #ahead: SegmentAhead
  readonly #sealed: EnvironmentCache
  readonly #valueCounts = new Map<SegmentId, number>()
  #opened: Opened | undefined
  #opening: Promise<void> | undefined
  #writing: Promise<void> | undefined
  #erasing: Promise<void> = Promise.resolve()
  #eraseError: StorageError | undefined
  #failure: StorageError | undefined
  #closed: Promise<void> | undefined

  constructor(options: LmdbSegmentStoreOptions) {
    const segmentBytes = options.segmentBytes ?? 256 * 1024 * 1024
    if (segmentBytes < SEGMENT_BYTES_MIN || segmentBytes % PAGE_BYTES !== 0) {
      throw misuse(
        `segmentBytes is ${segmentBytes}; it must be a multiple of ${PAGE_BYTES}, at least ${SEGMENT_BYTES_MIN}`,
      )
    }
    this.#directory = options.directory
    this.#freeBytesMin = options.freeBytesMin ?? 64 * 1024 * 1024
    this.#onBackgroundError = options.onBackgroundError ?? (() => {})
    this.#sealed = new EnvironmentCache(options.sealedOpenMax ?? 64, (id) => this.#openSealed(id))
    this.#ahead = new SegmentAhead({
      directory: options.directory,
      segmentBytes,
      preallocation: options.preallocation ?? 'auto',
      checkDisk: (bytes, what) => this.#checkDisk(bytes, what),
      report: this.#onBackgroundError,
    })
  }

  get failure(): StorageError | undefined {
    return this.#failure
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
    return room(this.#usable().active)
  }

  /** The largest index {@link roll} takes now: at least 8 % of the segment, more while there is room for values. */
  indexRoomBytes(): number {
    const { environment, lastPage } = this.#usable().active
    return indexRoomBytes(environment.bytes, lastPage)
  }

  append(
    firstSequence: number,
    values: readonly Uint8Array[],
    { isUrgent } = { isUrgent: false },
  ): Promise<void> {
    return this.#write(async ({ active }) => {
      checkAppend(active, firstSequence, values)
      // The blocks of the segment are reserved already; the guard is for what else the disk is needed for.
      if (!isUrgent) this.#checkDisk(0, 'an append')
      await this.#committing(() => {
        for (let index = 0; index < values.length; index++) {
          active.environment.put(valueKey(firstSequence + index), values[index])
        }
        return active.environment.commit()
      })
      active.valueCount += values.length
      active.lastPage = active.environment.lastPage
    })
  }

  read(segment: SegmentId, sequence: number): Uint8Array | undefined {
    const { active } = this.#usable()
    const environment = segment === active.id ? active.environment : this.#sealed.get(segment)
    return isSequence(sequence) ? environment.get(valueKey(sequence)) : undefined
  }

  valueCount(segment: SegmentId): number {
    const { active } = this.#usable()
    if (segment === active.id) return active.valueCount
    let count = this.#valueCounts.get(segment)
    if (count === undefined) {
      count = sealedTrailer(this.#sealed.get(segment), segment).valueCount
      this.#valueCounts.set(segment, count)
    }
    return count
  }

  async prefetch(segment: SegmentId, sequence: number): Promise<void> {
    const { active, live } = this.#usable()
    if (!isSequence(sequence) || live.find(segment) === undefined) return
    const keys = [valueKey(sequence)]
    if (segment === active.id) await active.environment.prefetch(keys)
    else await this.#sealed.withOpen(segment, (environment) => environment.prefetch(keys))
  }

  roll(index: Uint8Array): Promise<SegmentId> {
    return this.#write(async ({ active, live }) => {
      const indexRoom = indexRoomBytes(active.environment.bytes, active.lastPage)
      if (!active.isIndexStored && index.length > indexRoom) {
        throw misuse(
          `an index of ${index.length} bytes does not fit: segment ${active.id} has room for ${indexRoom}`,
        )
      }
      // It has its blocks already, so that a roll takes no space: the entries that free some may need it.
      const next = await this.#ahead.prepared(live.nextId)
      await this.#committing(async () => {
        if (!active.isIndexStored) {
          putIndex(active.environment, active.id, active.valueCount, index)
          await active.environment.commit()
        }
        await this.#activate(live, next)
      })
      const id = live.nextId - 1
      this.#ahead.start(live.nextId)
      return id
    })
  }

  async readIndex(segment: SegmentId): Promise<Uint8Array | undefined> {
    if (segment === this.#usable().active.id) return undefined
    return this.#sealed.withOpen(segment, (environment) => readStoredIndex(environment, segment))
  }

  async remove(segment: SegmentId): Promise<void> {
    const { live } = this.#usable()
    if (this.#failure !== undefined) throw this.#failure
    const released = live.remove(segment).then(() => {
      this.#valueCounts.delete(segment)
      return this.#sealed.release(segment)
    })
    const before = this.#erasing
    this.#erasing = released.then(
      () => before.then(() => this.#erase(segment)),
      () => before, // It was not removed, which the caller hears from below.
    )
    await released
  }

  freeBytes(): number {
    try {
      return diskFreeBytes(this.#directory)
    } catch (error) {
      throw storageError(error, this.#directory, 'INACCESSIBLE')
    }
  }

  /** Rejects, after everything was released, if the file of a removed segment could not be deleted. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    // Whoever opened the store was told if that failed; what it had open by then is closed like the rest.
    await this.#opening?.catch(() => {})
    await this.#writing
    await this.#ahead.close()
    await this.#opened?.live.settled()
    await this.#erasing
    await this.#sealed.close()
    await this.#opened?.active.environment.close()
    if (this.#eraseError !== undefined) throw this.#eraseError
  }

  async #openDirectory(): Promise<void> {
    const live = await LiveSegments.load(this.#directory)
    const last = live.descriptors.at(-1)
    if (last === undefined) await this.#activate(live, await this.#ahead.prepared(live.nextId))
    else this.#opened = { live, active: this.#openActive(last.id) }
    this.#ahead.start(live.nextId)
  }

  #usable(): Opened {
    if (this.#closed !== undefined) throw misuse('the store is closed')
    if (this.#opened === undefined) throw misuse('the store is not open')
    return this.#opened
  }

  /** Runs an append or a roll, of which there may be only one at a time. */
  async #write<T>(write: (opened: Opened) => Promise<T>): Promise<T> {
    const opened = this.#usable()
    if (this.#failure !== undefined) throw this.#failure
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
  async #committing(commit: () => Promise<void>): Promise<void> {
    try {
      await commit()
    } catch (error) {
      const cause = storageError(error, this.#directory, 'WRITE_FAILED')
      this.#failure = new StorageError('WRITE_FAILED', cause.message, {
        path: cause.path ?? this.#directory,
        cause,
      })
      throw this.#failure
    }
  }

  #checkDisk(bytes: number, what: string): void {
    const free = this.freeBytes()
    if (free - bytes >= this.#freeBytesMin) return
    const need = bytes === 0 ? '' : `it takes ${bytes} and `
    const sentence = `${this.#directory} has ${free} bytes free, too few for ${what}: ${need}${this.#freeBytesMin} must stay free`
    throw new StorageError('NO_SPACE', sentence, { path: this.#directory })
  }

  #openActive(id: SegmentId): ActiveSegment {
    const environment = LmdbEnvironment.open(segmentPath(this.#directory, id), { readOnly: false })
    try {
      checkHeader(environment, id)
      const trailer = readTrailer(environment, id)
      const valueCount = countValues(environment, trailer)
      return {
        id,
        environment,
        valueCount,
        lastPage: environment.lastPage,
        isIndexStored: trailer !== undefined,
      }
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
  async #activate(live: LiveSegments, environment: LmdbEnvironment): Promise<void> {
    const id = live.nextId
    await live.activate(environment.bytes)
    this.#ahead.handOver()
    const sealed = this.#opened?.active
    // In one go with the change below: no read in between may open the sealed file a second time.
    if (sealed) {
      this.#sealed.adopt(sealed.id, sealed.environment)
      this.#valueCounts.set(sealed.id, sealed.valueCount)
    }
    const active = { id, environment, valueCount: 0, lastPage: environment.lastPage, isIndexStored: false }
    this.#opened = { live, active }
  }

  async #erase(id: SegmentId): Promise<void> {
    const path = segmentPath(this.#directory, id)
    try {
      await eraseSegment(path)
    } catch (error) {
      const accident = storageError(error, path, 'WRITE_FAILED')
      this.#eraseError ??= accident
      this.#onBackgroundError(accident)
    }
  }
}

function checkAppend(active: ActiveSegment, firstSequence: number, values: readonly Uint8Array[]): void {
  if (firstSequence !== active.valueCount || firstSequence + values.length - 1 > SEQUENCE_MAX) {
    throw misuse(`the next sequence of segment ${active.id} is ${active.valueCount}, not ${firstSequence}`)
  }
  let cost = 0
  for (let index = 0; index < values.length; index++) {
    const { length } = values[index]
    if (length > VALUE_BYTES_MAX)
      throw misuse(`a value of ${length} bytes is too large: at most ${VALUE_BYTES_MAX}`)
    cost += valueCostBytes(length)
  }
  if (cost > room(active)) {
    throw misuse(
      `values that cost ${cost} bytes do not fit: segment ${active.id} has room for ${room(active)}; roll first`,
    )
  }
}

function room({ environment, lastPage, isIndexStored }: ActiveSegment): number {
  return isIndexStored ? 0 : valueRoomBytes(environment.bytes, lastPage)
}

function isSequence(sequence: number): boolean {
  return sequence >= 0 && sequence <= SEQUENCE_MAX
}

function misuse(sentence: string): StorageError {
  return new StorageError('MISUSE', sentence)
}

/**
 * A segment that values are appended to: the active one, or one beside the live ones. It knows what there is room for
 * and what comes next, and refuses what does not fit before anything is written.
 *
 * It never decides whether to write (the free space of the disk, an earlier failure): its owner does. After a
 * rejected append or seal it must not be written again.
 */

import { type SegmentId, StorageError } from '../segment-store.ts'
import type { LmdbEnvironment } from './environment.ts'
import { indexRoomBytes, valueCostBytes, valueRoomBytes } from './page-budget.ts'
import { SEQUENCE_MAX, type SegmentTrailer, valueKey } from './segment-layout.ts'
import { checkHeader, countValues, putIndex, readTrailer } from './segment-records.ts'

/** Above 16 MB lmdb-js would hand out mapped memory instead of a copy. */
const VALUE_BYTES_MAX = 12 * 1024 * 1024

export class SegmentAppender {
  readonly id: SegmentId
  readonly environment: LmdbEnvironment
  #valueCount: number
  #lastPage: number
  #trailer: SegmentTrailer | undefined

  private constructor(
    id: SegmentId,
    environment: LmdbEnvironment,
    content: { readonly valueCount: number; readonly trailer: SegmentTrailer | undefined },
  ) {
    this.id = id
    this.environment = environment
    this.#valueCount = content.valueCount
    this.#trailer = content.trailer
    this.#lastPage = environment.lastPage
  }

  /** On a new segment. */
  static empty(id: SegmentId, environment: LmdbEnvironment): SegmentAppender {
    return new SegmentAppender(id, environment, { valueCount: 0, trailer: undefined })
  }

  /** On one that may hold values. Throws StorageError DAMAGED or FOREIGN if it is not that segment. */
  static resume(id: SegmentId, environment: LmdbEnvironment): SegmentAppender {
    checkHeader(environment, id)
    const trailer = readTrailer(environment, id)
    return new SegmentAppender(id, environment, { valueCount: countValues(environment, trailer), trailer })
  }

  get valueCount(): number {
    return this.#valueCount
  }

  /**
   * Set when the index is stored: the segment takes nothing more. Of an active segment, that a crash came
   * between index and manifest; the next roll keeps this index.
   */
  get trailer(): SegmentTrailer | undefined {
    return this.#trailer
  }

  /** What the values of the next append may cost. */
  get roomBytes(): number {
    return this.#trailer === undefined ? valueRoomBytes(this.environment.bytes, this.#lastPage) : 0
  }

  /** The largest index that can be stored now. */
  get indexRoomBytes(): number {
    return indexRoomBytes(this.environment.bytes, this.#lastPage)
  }

  /** Throws StorageError MISUSE unless these values may be appended now. */
  checkAppend(firstSequence: number, values: readonly Uint8Array[]): void {
    const { id, roomBytes } = this
    if (firstSequence !== this.#valueCount || firstSequence + values.length - 1 > SEQUENCE_MAX)
      throw misuse(`the next sequence of segment ${id} is ${this.#valueCount}, not ${firstSequence}`)
    let cost = 0
    for (let index = 0; index < values.length; index++) {
      const { length } = values[index]
      if (length > VALUE_BYTES_MAX)
        throw misuse(`a value of ${length} bytes is too large: at most ${VALUE_BYTES_MAX}`)
      cost += valueCostBytes(length)
    }
    if (cost > roomBytes)
      throw misuse(
        `values that cost ${cost} bytes do not fit: segment ${id} has room for ${roomBytes}; roll first`,
      )
  }

  checkIndex(index: Uint8Array): void {
    const { id, indexRoomBytes } = this
    if (this.#trailer === undefined && index.length > indexRoomBytes)
      throw misuse(
        `an index of ${index.length} bytes does not fit: segment ${id} has room for ${indexRoomBytes}`,
      )
  }

  /** Resolves when the values, which were checked, are durable. */
  async append(firstSequence: number, values: readonly Uint8Array[]): Promise<void> {
    for (let index = 0; index < values.length; index++)
      this.environment.put(valueKey(firstSequence + index), values[index])
    await this.environment.commit()
    this.#valueCount += values.length
    this.#lastPage = this.environment.lastPage
  }

  /** Stores the index, unless there is one already; what was stored. */
  async seal(index: Uint8Array): Promise<SegmentTrailer> {
    if (this.#trailer !== undefined) return this.#trailer
    const trailer = putIndex(this.environment, this.id, this.#valueCount, index)
    await this.environment.commit()
    this.#trailer = trailer
    return trailer
  }
}

function misuse(sentence: string): StorageError {
  return new StorageError('MISUSE', sentence)
}

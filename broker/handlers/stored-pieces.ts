/**
 * Several stored values of a partition as one piece: what is looked through on another thread goes there in few journeys,
 * each of which costs about as much as looking at a hundred records.
 *
 * A piece is good until the next one is read.
 */
import { DamageError } from '../../storage/log/log-error.ts'
import type { ReadSlice } from '../../storage/log/log-reader.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'

/** Less goes nowhere: it is looked at where it lies. */
const VALUE_BYTES_MIN = 16 * 1024

export class StoredPieces {
  readonly #shard: Pick<ShardLog, 'read'>
  readonly #bytesMax: number
  readonly #headroomBytes: number
  /** Taken with the first piece that is put together. */
  #buffer: Uint8Array | undefined

  /** @param headroomBytes free in front of a piece */
  constructor(shard: Pick<ShardLog, 'read'>, bytesMax: number, headroomBytes: number) {
    this.#shard = shard
    this.#bytesMax = bytesMax
    this.#headroomBytes = headroomBytes
  }

  /**
   * As `ShardLog.read`, of as many values as fit. What is damaged behind the first is left for the next piece to find.
   */
  read(log: PartitionLog, offset: number, upTo: number, bytesMax: number): ReadSlice | undefined {
    const first = this.#shard.read(log, offset, upTo, bytesMax)
    if (!first || first.nextOffset >= upTo) return first
    const roomBytes = Math.min(bytesMax, this.#bytesMax)
    const firstBytes = first.end - first.start
    if (firstBytes < VALUE_BYTES_MIN || 2 * firstBytes > roomBytes) return first

    this.#buffer ??= new Uint8Array(this.#headroomBytes + this.#bytesMax)
    const value = this.#buffer
    const start = this.#headroomBytes
    let end = start
    let { nextOffset } = first
    // Each at once: what was read is good until the next is.
    for (let slice: ReadSlice | undefined = first; slice; ) {
      value.set(slice.value.subarray(slice.start, slice.end), end)
      end += slice.end - slice.start
      nextOffset = slice.nextOffset
      slice = this.#next(log, nextOffset, upTo, start + roomBytes - end)
    }
    return { value, start, end, nextOffset }
  }

  #next(log: PartitionLog, offset: number, upTo: number, roomBytes: number): ReadSlice | undefined {
    if (offset >= upTo || roomBytes <= 0) return undefined
    try {
      const slice = this.#shard.read(log, offset, upTo, roomBytes)
      return slice && slice.end - slice.start <= roomBytes ? slice : undefined
    } catch (error) {
      if (error instanceof DamageError) return undefined
      throw error
    }
  }
}

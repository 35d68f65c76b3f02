/**
 * Single batches unpacked and packed for readers: at once where that is little, in the pool where it is much. Answers are values
 * or promises, so that what is done at once stays in the same turn.
 */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import { baseOffsetAt, lastOffsetAt } from '../../storage/record/batch-header.ts'
import type { CompressionName } from '../../storage/record/compression.ts'
import type { BatchProblem } from '../../storage/record/record-error.ts'
import type { CodecPool } from '../codec-pool/codec-pool.ts'
import { owned } from '../codec-pool/owned-bytes.ts'
import { topicIdHex } from '../topics/topic-id.ts'

/** A few bytes may be many unpacked: beyond this the pool goes on with them. */
export const INLINE_UNPACKED_BYTES_MAX = 64 * 1024

export class PackedBatches {
  readonly #pool: CodecPool
  readonly #decompressedBytesMax: number

  constructor(pool: CodecPool, decompressedBytesMax: number) {
    this.#pool = pool
    this.#decompressedBytesMax = decompressedBytesMax
  }

  /** Whether unpacking a batch of so many bytes is for the pool. */
  isMuch(bytes: number): boolean {
    return this.#pool.shouldOffload('unpack', bytes)
  }

  /**
   * The stored batch without compression, in a buffer of its own. `batch` may be used again when this returns. Throws or rejects
   * with ProtocolError CORRUPT_MESSAGE when it cannot be unpacked.
   */
  unpack(log: PartitionLog, batch: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const baseOffset = baseOffsetAt(batch, 0)
    const lastOffset = lastOffsetAt(batch, 0)
    const refused = (problem: BatchProblem) => unreadable(log, baseOffset, lastOffset, problem)
    if (!this.isMuch(batch.length)) {
      const bytesMax = Math.min(this.#decompressedBytesMax, INLINE_UNPACKED_BYTES_MAX)
      const { bytes, problem } = this.#pool.performNow({
        kind: 'unpack',
        bytes: batch,
        limits: { decompressedBytesMax: bytesMax },
      })
      if (bytes) return bytes
      if (problem.reason !== 'too-large' || bytesMax === this.#decompressedBytesMax) throw refused(problem)
    }
    return this.#pool
      .run({
        kind: 'unpack',
        bytes: new Uint8Array(batch),
        limits: { decompressedBytesMax: this.#decompressedBytesMax },
      })
      .then(({ bytes, problem }) => {
        if (bytes) return bytes
        throw refused(problem)
      })
  }

  /** The uncompressed batch in a compression, if that makes it smaller. Takes `batch` away. */
  pack(batch: Uint8Array, compression: CompressionName): Uint8Array | Promise<Uint8Array> {
    const task = { kind: 'pack', bytes: owned(batch), compression } as const
    if (this.#pool.shouldOffload('pack', batch.length))
      return this.#pool.run(task).then(({ bytes, problem }) => bytes ?? refusePacking(problem))
    const { bytes, problem } = this.#pool.performNow(task)
    return bytes ?? refusePacking(problem)
  }
}

/** What was unpacked with a codec can be packed with it. */
function refusePacking({ sentence }: BatchProblem): never {
  throw new Error(`a batch cannot be packed again: ${sentence}`)
}

/** As the log's own words for damage: which offsets, and what is wrong. */
export function unreadable(
  { topicId, partition }: PartitionLog,
  firstOffset: number,
  lastOffset: number,
  { sentence }: BatchProblem,
): ProtocolError {
  return new ProtocolError(
    ErrorCode.CORRUPT_MESSAGE,
    `partition ${partition} of topic ${topicIdHex(topicId)}, offsets ${firstOffset} to ${lastOffset} cannot be read: ${sentence}`,
  )
}

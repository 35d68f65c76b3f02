/** Batches of idempotent producers, and a log that takes them, for tests. */
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'

export interface IdempotentBatch {
  readonly producerId: number
  readonly epoch?: number
  /** Sequence of the first record. */
  readonly first: number
  readonly records?: number
  readonly valueBytes?: number
  readonly timestampMs?: number
}

export function idempotentBatch({
  producerId,
  epoch = 0,
  first,
  records = 10,
  valueBytes = 10,
  timestampMs = 1_000,
}: IdempotentBatch): Uint8Array {
  const encoder = new BatchEncoder({ crc32c: crc32cTable, bytesMax: 10_000_000 })
  for (let i = 0; i < records; i++) encoder.append(timestampMs, null, new Uint8Array(valueBytes).fill(i))
  return encoder.finish({ producerId, producerEpoch: epoch, baseSequence: first })
}

/** Record batches of given events, as a producer would build them: for what is measured without a broker. */
import { BatchEncoder } from '../../storage/record/batch-encoder.ts'
import type { CompressionCodecs, CompressionName } from '../../storage/record/compression.ts'
import type { Crc32c } from '../../storage/record/crc32c.ts'

export interface BatchesPlan {
  readonly crc32c: Crc32c
  /** Of the batch before compression. */
  readonly batchBytes: number
  readonly compression?: CompressionName
  readonly level?: number
  readonly codecs?: CompressionCodecs
}

export interface EventBatch {
  readonly bytes: Uint8Array
  readonly events: number
  /** Before compression, header included. */
  readonly plainBytes: number
}

/** All that these events fill; each batch in a buffer of its own. */
export function batchesOf(
  values: readonly Uint8Array[],
  { crc32c, batchBytes, compression = 'none', level, codecs = {} }: BatchesPlan,
): EventBatch[] {
  const encoder = new BatchEncoder({ crc32c, bytesMax: batchBytes, codecs })
  const batches: EventBatch[] = []
  const finish = () => {
    const { recordCount: events, byteLength: plainBytes } = encoder
    const finished = encoder.finish({
      compression,
      ...(level !== undefined && { compressionLevel: level }),
    })
    batches.push({ bytes: finished.slice(), events, plainBytes })
  }
  for (const value of values)
    if (!encoder.append(FIRST_TIMESTAMP_MS, null, value)) {
      finish()
      encoder.append(FIRST_TIMESTAMP_MS, null, value)
    }
  if (encoder.recordCount > 0) finish()
  // The last one is smaller than the others.
  return batches.length > 1 ? batches.slice(0, -1) : batches
}

const FIRST_TIMESTAMP_MS = 1_700_000_000_000

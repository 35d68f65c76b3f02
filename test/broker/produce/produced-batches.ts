/** Batches as producers send them, and such as they must not. */
import { BatchEncoder, type FinishOptions } from '../../../storage/record/batch-encoder.ts'
import * as header from '../../../storage/record/batch-header.ts'
import { type CompressionName, compressionCodes } from '../../../storage/record/compression.ts'
import { tools } from './held-pool.ts'
import { NOW_MS } from './intake-world.ts'

/** A value that compresses well and says which it is. */
export const event = (n: number, bytes = 100) => `event ${n} `.padEnd(bytes, 'x')

interface EventOptions extends FinishOptions {
  readonly valueBytes?: number
  readonly timestampMs?: number
  /** By event, counted from 0; a millisecond apart unless it says otherwise. */
  readonly deltas?: (n: number) => number
}

/** Events `from` to `from + count - 1`. */
export function eventsBatch(from: number, count: number, options: EventOptions = {}): Uint8Array {
  const { valueBytes = 100, timestampMs = NOW_MS, deltas = (n) => n, ...finish } = options
  const encoder = new BatchEncoder({ ...tools, bytesMax: 8 * 1024 * 1024 })
  for (let n = 0; n < count; n++) encoder.append(timestampMs + deltas(n), null, event(from + n, valueBytes))
  return encoder.finish(finish)
}

interface Forgery extends EventOptions {
  /** Changes the records before they are packed. */
  readonly section?: (bytes: Uint8Array) => Uint8Array
  /** Changes them after that. */
  readonly packed?: (bytes: Uint8Array) => Uint8Array
  /** Changes the finished batch. */
  readonly header?: (bytes: Uint8Array) => void
  /** Whether the checksum is that of what came out. */
  readonly sign?: boolean
}

/** Ten events, compressed even where that does not help, and changed on the way. */
export function packedBatch(
  compression: CompressionName,
  {
    section: changeSection,
    packed: changePacked,
    header: changeHeader,
    sign = true,
    ...events
  }: Forgery = {},
): Uint8Array {
  const plain = eventsBatch(0, 10, events)
  const section = plain.slice(header.BATCH_HEADER_BYTES)
  const packed = tools.codecs[compression]?.compress(changeSection ? changeSection(section) : section)
  if (!packed) throw new Error(`no codec for ${compression}`)
  const body = changePacked?.(packed) ?? packed
  const batch = new Uint8Array(header.BATCH_HEADER_BYTES + body.length)
  batch.set(plain.subarray(0, header.BATCH_HEADER_BYTES))
  batch.set(body, header.BATCH_HEADER_BYTES)
  header.setBatchBytes(batch, 0, batch.length)
  header.setAttributes(batch, 0, compressionCodes[compression])
  if (sign) {
    changeHeader?.(batch)
    return signed(batch)
  }
  signed(batch)
  changeHeader?.(batch)
  return batch
}

/** Gives it the checksum of what it is. */
export function signed(batch: Uint8Array): Uint8Array {
  header.setCrc(batch, 0, tools.crc32c(batch.subarray(header.CRC_FROM)))
  return batch
}

/**
 * All producers of a shard as bytes, complete, as they stand at the end of a segment: part of the index of
 * every sealed segment. A restart reads the newest and the batches after it.
 *
 *     bytes, little endian
 *      0  u32   magic "OPS1"
 *      4  u32   length in bytes, checksum included
 *      8  u32   partition count P
 *     12  u32   producer count N
 *     16  P * 20 bytes: topic id, i32 partition number
 *         N producers, the longest unused first:
 *          0  u32  which of the partitions, from 0
 *          4  i16  producer epoch
 *          6  u16  batch count B, 1 to 5
 *          8  f64  producer id
 *         16  f64  next sequence (a count, see producer-row.ts)
 *         24  f64  last timestamp, ms since 1970
 *         32  B * 12 bytes, the oldest batch first: u32 records, f64 base offset
 *         u32   CRC-32C over everything before
 */
import type { Crc32c } from '../record/crc32c.ts'
import { StorageError } from '../segment-store.ts'
import { BATCHES_MAX, ProducerColumn, ROW_NUMBERS } from './producer-row.ts'
import type { ProducerState } from './producer-state.ts'

const MAGIC = 0x3153504f
const HEAD_BYTES = 16
const PARTITION_BYTES = 20
const PRODUCER_BYTES = 32
const BATCH_BYTES = 12
const CRC_BYTES = 4
const EPOCH_MAX = 2 ** 15 - 1
const RECORDS_MAX = 2 ** 31

/** A partition as a snapshot names it. */
export interface SnapshotPartition {
  readonly topicId: Uint8Array
  readonly partition: number
}

const { producerId, epoch, nextSequence, lastTimestampMs, batchCount, batches } = ProducerColumn

/** Most bytes one producer takes in a snapshot, its partition included. */
export const SNAPSHOT_BYTES_PER_PRODUCER_MAX = PARTITION_BYTES + PRODUCER_BYTES + BATCHES_MAX * BATCH_BYTES

/** Most bytes the snapshot of so many producers in so many partitions takes. */
export function snapshotBytesMax(producers: number, partitions: number): number {
  return (
    HEAD_BYTES +
    partitions * PARTITION_BYTES +
    producers * (PRODUCER_BYTES + BATCHES_MAX * BATCH_BYTES) +
    CRC_BYTES
  )
}

export function encodeProducerSnapshot<P extends SnapshotPartition>(
  state: ProducerState<P>,
  crc32c: Crc32c,
): Uint8Array {
  const { cells } = state
  const rowOf = new Map<P, number>()
  let batchesOfAll = 0
  // Looked up once: with very many producers this is most of the work.
  const rows = new Uint32Array(state.size)
  let index = 0
  state.forEachRow((partition, at) => {
    let row = rowOf.get(partition)
    if (row === undefined) {
      row = rowOf.size
      rowOf.set(partition, row)
    }
    rows[index++] = row
    batchesOfAll += cells[at + batchCount]
  })
  const bytes = new Uint8Array(
    HEAD_BYTES +
      rowOf.size * PARTITION_BYTES +
      state.size * PRODUCER_BYTES +
      batchesOfAll * BATCH_BYTES +
      CRC_BYTES,
  )
  const data = new DataView(bytes.buffer)
  data.setUint32(0, MAGIC, true)
  data.setUint32(4, bytes.length, true)
  data.setUint32(8, rowOf.size, true)
  data.setUint32(12, state.size, true)
  let to = HEAD_BYTES
  for (const { topicId, partition } of rowOf.keys()) {
    bytes.set(topicId, to)
    data.setInt32(to + 16, partition, true)
    to += PARTITION_BYTES
  }
  index = 0
  state.forEachRow((_partition, at) => {
    const count = cells[at + batchCount]
    data.setUint32(to, rows[index++], true)
    data.setInt16(to + 4, cells[at + epoch], true)
    data.setUint16(to + 6, count, true)
    data.setFloat64(to + 8, cells[at + producerId], true)
    data.setFloat64(to + 16, cells[at + nextSequence], true)
    data.setFloat64(to + 24, cells[at + lastTimestampMs], true)
    to += PRODUCER_BYTES
    for (let i = 0; i < count; i++, to += BATCH_BYTES) {
      data.setUint32(to, cells[at + batches + i * 2], true)
      data.setFloat64(to + 4, cells[at + batches + i * 2 + 1], true)
    }
  })
  data.setUint32(to, crc32c(bytes.subarray(0, to)), true)
  return bytes
}

/**
 * Puts every producer of the snapshot into `state`.
 * @param partitionOf the partition with that name, made if there is none yet
 * @throws StorageError DAMAGED when the bytes are not what was written; `state` holds a part of them then
 */
export function decodeProducerSnapshot<P extends object>(
  bytes: Uint8Array,
  state: ProducerState<P>,
  partitionOf: (topicId: Uint8Array, partition: number) => P,
  crc32c: Crc32c,
): void {
  if (bytes.length < HEAD_BYTES + CRC_BYTES) throw damaged(`${bytes.length} bytes are fewer than its head`)
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (data.getUint32(0, true) !== MAGIC) throw damaged('it does not begin with "OPS1"')
  if (data.getUint32(4, true) !== bytes.length)
    throw damaged(`it has ${bytes.length} bytes and says ${data.getUint32(4, true)}`)
  const end = bytes.length - CRC_BYTES
  if (data.getUint32(end, true) !== crc32c(bytes.subarray(0, end)))
    throw damaged('its checksum does not match')

  const partitionCount = data.getUint32(8, true)
  const producerCount = data.getUint32(12, true)
  let from = HEAD_BYTES + partitionCount * PARTITION_BYTES
  if (from > end) throw damaged(`${partitionCount} partitions do not fit into it`)
  const partitions = Array.from({ length: partitionCount }, (_, i) => {
    const at = HEAD_BYTES + i * PARTITION_BYTES
    return partitionOf(new Uint8Array(bytes.subarray(at, at + 16)), data.getInt32(at + 16, true))
  })
  const row = new Float64Array(ROW_NUMBERS)
  for (let i = 0; i < producerCount; i++) {
    const next = readProducer(data, from, end, row)
    const partition = partitions[data.getUint32(from, true)]
    if (!partition || !state.restore(partition, row))
      throw damaged(`producer ${row[producerId]} stands in no partition, or twice in one`)
    from = next
  }
  if (from !== end) throw damaged(`${end - from} bytes follow its last producer`)
}

/** Fills `row` with the producer at `from`; returns where the next one begins. */
function readProducer(data: DataView, from: number, end: number, row: Float64Array): number {
  const count = from + PRODUCER_BYTES <= end ? data.getUint16(from + 6, true) : 0
  const next = from + PRODUCER_BYTES + count * BATCH_BYTES
  if (count < 1 || count > BATCHES_MAX || next > end)
    throw damaged(`no whole producer stands at byte ${from}`)
  row.fill(0)
  row[epoch] = data.getInt16(from + 4, true)
  row[batchCount] = count
  row[producerId] = data.getFloat64(from + 8, true)
  row[nextSequence] = data.getFloat64(from + 16, true)
  row[lastTimestampMs] = data.getFloat64(from + 24, true)
  let records = 0
  let offset = -1
  for (let i = 0, at = from + PRODUCER_BYTES; i < count; i++, at += BATCH_BYTES) {
    const recordsOfBatch = data.getUint32(at, true)
    const baseOffset = data.getFloat64(at + 4, true)
    row[batches + i * 2] = recordsOfBatch
    row[batches + i * 2 + 1] = baseOffset
    if (recordsOfBatch < 1 || recordsOfBatch > RECORDS_MAX || !isCount(baseOffset) || baseOffset <= offset)
      throw damaged(`batch ${i} of producer ${row[producerId]} makes no sense`)
    records += recordsOfBatch
    offset = baseOffset
  }
  const isSound =
    isCount(row[producerId]) &&
    row[epoch] >= 0 &&
    row[epoch] <= EPOCH_MAX &&
    isCount(row[nextSequence]) &&
    row[nextSequence] >= records &&
    Number.isSafeInteger(row[lastTimestampMs])
  if (!isSound) throw damaged(`producer ${row[producerId]} makes no sense`)
  return next
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function damaged(why: string): StorageError {
  return new StorageError('DAMAGED', `a snapshot of producers is damaged: ${why}`)
}

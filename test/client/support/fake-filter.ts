/** What a filter leaves of stored batches, whose records are not packed: as the broker sends it, with its gaps. */
import { crc32c } from '@node-rs/crc32'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import { BATCH_HEADER_BYTES, isControlAt, recordCountAt } from '../../../storage/record/batch-header.ts'
import { selectRecords } from '../../../storage/record/batch-selection.ts'
import { emptyBatch } from '../../../storage/record/empty-batch.ts'
import type { ConsumedRecord } from '../../../storage/record/record.ts'
import { varintAt, varintEndAt } from '../../../storage/record/varint.ts'

/** What the text of a filter means to a test. */
export type FakeMatch = (filter: string, record: ConsumedRecord) => boolean

/** Undefined: nothing of it is for the reader. */
export function filteredBatch(
  batch: Uint8Array,
  partition: number,
  isWanted: (record: ConsumedRecord) => boolean,
): Uint8Array | undefined {
  if (isControlAt(batch, 0)) return batch
  const positions = [0]
  for (let i = 0; i < recordCountAt(batch, 0); i++) {
    const at = BATCH_HEADER_BYTES + positions[i]
    const length = varintAt(batch, at)
    positions.push(varintEndAt(batch, at) + length - BATCH_HEADER_BYTES)
  }
  const records = decodeBatch(batch, 0, { topic: '', partition })
  const selected = Uint32Array.from(records.keys()).filter((i) => isWanted(records[i]))
  if (selected.length === 0) return undefined
  const section = { section: batch, sectionAt: BATCH_HEADER_BYTES, positions: Uint32Array.from(positions) }
  return selectRecords({ bytes: batch, at: 0, ...section }, selected, crc32c)
}

/** Says that everything from `offset` up to, without, `endOffset` was looked at. */
export function lookedAt(offset: number, endOffset: number): Uint8Array {
  return emptyBatch({ offset, endOffset, leaderEpoch: 0 }, crc32c)
}

/**
 * From what a scan knows to what a reader gets of its batches: stored ones as they are, selections of them, nothing.
 *
 * A part of a compressed batch is compressed again with the same codec where the reader takes it and it gets smaller. What has to
 * wait for the pool ends the slice: what comes behind it is asked for again.
 */
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import { BATCH_HEADER_BYTES, batchBytesAt, compressionAt } from '../../storage/record/batch-header.ts'
import { type SelectionSource, selectRecords } from '../../storage/record/batch-selection.ts'
import { type CompressionName, compressionName } from '../../storage/record/compression.ts'
import type { Crc32c } from '../../storage/record/crc32c.ts'
import { offsetDeltaAt } from '../../storage/record/record-cursor.ts'
import type { ReaderWish, ShapedSlice } from './fetch-shaper.ts'
import type { LiveFilter } from './live-filters.ts'
import { type PackedBatches, unreadable } from './packed-batches.ts'
import type { ScannedBatch } from './scan.ts'
import { SliceParts } from './slice-parts.ts'

/** Who asks, and for what. */
export interface Reader {
  readonly log: PartitionLog
  readonly filter: LiveFilter
  readonly wish: ReaderWish
  readonly fromOffset: number
  /** Where the slice he read ends. */
  readonly upTo: number
}

/** The bytes of the batches of a scan, from one of them on. */
export interface ScannedBytes {
  readonly value: Uint8Array
  readonly start: number
  /** Whether the reader may have them, and what lies before may be overwritten. */
  readonly areOwn: boolean
}

export interface DeliveryTools {
  readonly packed: PackedBatches
  readonly crc32c: Crc32c
  /** Told of records that are handed out because they match. */
  readonly onMatched: (records: number) => void
}

/** Whether the reader can unpack what is compressed with the codec of this number. */
export function takes({ compressions }: ReaderWish, compressionCode: number): boolean {
  if (compressions === undefined || compressionCode === 0) return true
  const name = compressionName(compressionCode)
  return name !== undefined && compressions.has(name)
}

/** Of the batches from the one at hand on, which are known and begin below the end of the reader's slice. */
export function deliver(
  reader: Reader,
  scanned: ScannedBatch,
  { value, start, areOwn }: ScannedBytes,
  tools: DeliveryTools,
): ShapedSlice | Promise<ShapedSlice> {
  const { scan, batch: first } = scanned
  const { stretch } = scan
  const { log, filter, wish, fromOffset, upTo } = reader
  const parts = new SliceParts()
  let endOffset = fromOffset
  let nextOffset = fromOffset
  let examined = 0
  let notJson = 0
  const finish = (lends: boolean): ShapedSlice => ({
    ...parts.finish(tools.crc32c, lends),
    endOffset,
    nextOffset,
    examined,
    notJson,
  })

  for (let batch = first; batch < scan.known && stretch.baseOffset(batch) < upTo; batch++) {
    const stop = scan.stopAt(batch)
    if (stop === 'too-many-matches' || (stop !== undefined && batch > first)) break
    if (stop !== undefined)
      throw unreadable(log, stretch.baseOffset(batch), stretch.endOffsets[batch] - 1, stop)

    nextOffset = stretch.endOffsets[batch]
    const looked = scan.examined(batch, filter, fromOffset)
    examined += looked.examined
    notJson += looked.notJson
    if (scan.isNothing(batch, filter)) continue

    const at = start + stretch.positions[batch] - stretch.positions[first]
    const end = at + batchBytesAt(value, at)
    const isWhole = scan.isControl(batch) || scan.count(batch, filter) === scan.table.recordCount(batch)
    const code = compressionAt(value, at)
    if (isWhole && takes(wish, code)) {
      parts.addRange(value, at, end)
      tools.onMatched(scan.isControl(batch) ? 0 : scan.table.recordCount(batch))
      endOffset = nextOffset
      continue
    }
    const records = scan.table.records(batch, scan.group.numberOf(filter))
    const positions = scan.table.positions(batch)
    if (code === 0) {
      const source = { bytes: value, at, section: value, sectionAt: at + BATCH_HEADER_BYTES, positions }
      const wanted = wantedOf(source, records, fromOffset - stretch.baseOffset(batch))
      if (wanted.length === 0) continue
      parts.addSelection(source, wanted)
      tools.onMatched(wanted.length)
      endOffset = nextOffset
      continue
    }

    const again = takes(wish, code) ? compressionName(code) : undefined
    const fromDelta = fromOffset - stretch.baseOffset(batch)
    const section = scan.table.section(batch)
    const made = section
      ? packedPart({ bytes: value, at, section, sectionAt: 0, positions }, records, fromDelta, again, tools)
      : after(tools.packed.unpack(log, value.subarray(at, end)), (bytes) =>
          packedPart(
            { bytes, at: 0, section: bytes, sectionAt: BATCH_HEADER_BYTES, positions },
            records,
            fromDelta,
            again,
            tools,
          ),
        )
    if (!(made instanceof Promise)) {
      if (made.length === 0) continue
      parts.addRange(made, 0, made.length)
      endOffset = nextOffset
      continue
    }
    // What the parts are made of may be gone when the promise resolves.
    const before = parts.settle(tools.crc32c)
    return made.then((bytes) => {
      before.addRange(bytes, 0, bytes.length)
      if (bytes.length > 0) endOffset = nextOffset
      return { ...before.finish(tools.crc32c, false), endOffset, nextOffset, examined, notJson }
    })
  }
  return finish(areOwn)
}

/** The batch with these records, of a batch that is stored compressed; no bytes: there are none from the delta on. */
function packedPart(
  source: SelectionSource,
  records: Uint32Array,
  fromDelta: number,
  compression: CompressionName | undefined,
  { packed, crc32c, onMatched }: DeliveryTools,
): Uint8Array | Promise<Uint8Array> {
  const wanted = wantedOf(source, records, fromDelta)
  if (wanted.length === 0) return new Uint8Array(0)
  onMatched(wanted.length)
  const batch = selectRecords(source, wanted, crc32c)
  return compression === undefined ? batch : packed.pack(batch, compression)
}

/** Those of the records with at least this offset delta. */
function wantedOf(
  { section, sectionAt, positions }: SelectionSource,
  records: Uint32Array,
  fromDelta: number,
): Uint32Array {
  if (fromDelta <= 0) return records
  let first = 0
  while (first < records.length && offsetDeltaAt(section, sectionAt + positions[records[first]]) < fromDelta)
    first++
  return records.subarray(first)
}

/** `next` of the value, at once if it is there. */
function after<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

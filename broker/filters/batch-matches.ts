/**
 * Walks the records of stored batches, unpacked first where they are compressed, and holds a set of patterns against each.
 * Control batches and batches without records are not looked into.
 *
 * However large the batches are unpacked and however much matches, the memory it takes is bounded: it stops behind the batch
 * with which one of its bounds is reached, and says how far it came. One batch is always looked at, unless
 * it gives more matches than may be: then the patterns have to come one by one.
 */
import {
  BATCH_HEADER_BYTES,
  batchBytesAt,
  compressionAt,
  isControlAt,
  lastOffsetDeltaAt,
  nextBatchEnd,
  recordCountAt,
} from '../../storage/record/batch-header.ts'
import { type RecordTools, type UnpackLimits, unpackRecords } from '../../storage/record/batch-rebuild.ts'
import { compressionCodes } from '../../storage/record/compression.ts'
import { RecordCursor } from '../../storage/record/record-cursor.ts'
import type { BatchProblem } from '../../storage/record/record-error.ts'
import { RecordWalk } from '../../storage/record/record-walk.ts'
import { checkCount } from '../../storage/record/validate.ts'
import { owned } from '../codec-pool/owned-bytes.ts'
import { MatchTableWriter, NOT_JSON } from './match-table.ts'
import type { PatternSet } from './pattern-set.ts'

/** Behind the batch that reaches it no other is begun. */
const TABLE_BYTES_ENOUGH = 1024 * 1024

export interface MatchLimits extends UnpackLimits {
  /** Bytes of records: behind the batch that reaches it no other is begun. */
  readonly recordBytesEnough: number
}

export interface BatchMatches {
  /** A `MatchTable` of the batches that were looked at: of all of them, or of the first ones. */
  readonly table: Uint32Array
  /** Unpacked records of the compressed batches in which anything matches. */
  readonly sections: Uint8Array
  /**
   * Why the batch behind those could not be looked at; undefined: it was simply enough, or all.
   */
  readonly stop: BatchProblem | 'too-many-matches' | undefined
}

/** @param bytes whole batches with good checksums, and nothing else */
export function matchBatches(
  bytes: Uint8Array,
  set: PatternSet,
  tools: Pick<RecordTools, 'codecs'>,
  limits: MatchLimits,
): BatchMatches {
  const writer = new MatchTableWriter(set.size, countBatches(bytes))
  const sections: Uint8Array[] = []
  let sectionsBytes = 0
  let recordBytes = 0
  let stop: BatchMatches['stop']
  for (let at = 0; at < bytes.length; at += batchBytesAt(bytes, at)) {
    const count = recordCountAt(bytes, at)
    if (isControlAt(bytes, at) || count === 0) {
      writer.plainBatch(count)
      continue
    }
    if (recordBytes >= limits.recordBytesEnough || writer.bytes >= TABLE_BYTES_ENOUGH) break

    const isPacked = compressionAt(bytes, at) !== compressionCodes.none
    const section = isPacked ? unpackRecords(bytes, at, tools.codecs, limits.decompressedBytesMax) : bytes
    if (!(section instanceof Uint8Array)) {
      stop = section
      break
    }
    const start = isPacked ? 0 : at + BATCH_HEADER_BYTES
    const end = isPacked ? section.length : at + batchBytesAt(bytes, at)
    stop = checkSection(bytes, at, section, start, end) ?? walk(bytes, at, section, start, set, writer)
    if (stop !== undefined) {
      writer.dropBatch()
      break
    }
    const isKept = isPacked && writer.hasRows
    writer.endBatch(end - start, isKept ? sectionsBytes : -1, end - start)
    recordBytes += end - start
    if (!isKept) continue
    // At once: the memory of a codec may be used again for the next batch.
    sections.push(owned(section))
    sectionsBytes += section.length
  }
  return { table: writer.finish(), sections: joined(sections, sectionsBytes), stop }
}

function countBatches(bytes: Uint8Array): number {
  let batches = 0
  for (let at = 0; at < bytes.length; batches++) {
    at = nextBatchEnd(bytes, at, bytes.length)
    if (at < 0) throw new RangeError('what is to be looked at is not whole batches')
  }
  return batches
}

/** As the decoder does: what it would refuse is refused, and nothing else. */
function checkSection(
  bytes: Uint8Array,
  at: number,
  section: Uint8Array,
  start: number,
  end: number,
): BatchProblem | undefined {
  const count = recordCountAt(bytes, at)
  return (
    checkCount(count, end - start) ??
    new RecordWalk().walk(section, start, end, count, lastOffsetDeltaAt(bytes, at), undefined)
  )
}

function walk(
  bytes: Uint8Array,
  at: number,
  section: Uint8Array,
  start: number,
  set: PatternSet,
  writer: MatchTableWriter,
): 'too-many-matches' | undefined {
  const count = recordCountAt(bytes, at)
  const { matched } = set
  const cursor = new RecordCursor()
  cursor.open(section, start, bytes, at)
  for (let index = 0, position = start; index < count; index++) {
    writer.record(position - start)
    position = cursor.next()
    const matches = set.match(cursor)
    if (set.notJson && !writer.match(NOT_JSON)) return 'too-many-matches'
    for (let i = 0; i < matches; i++) if (!writer.match(matched[i])) return 'too-many-matches'
  }
  return undefined
}

function joined(sections: readonly Uint8Array[], bytes: number): Uint8Array {
  if (sections.length === 1) return sections[0]
  const all = new Uint8Array(bytes)
  let at = 0
  for (const section of sections) {
    all.set(section, at)
    at += section.length
  }
  return all
}

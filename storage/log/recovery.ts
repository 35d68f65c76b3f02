/**
 * Start-up: sealed segments tell what they hold by their index, the active one by the directories of
 * its values. A sealed segment whose index is missing or damaged is read like an active one.
 */
import type { Crc32c } from '../record/crc32c.ts'
import { type SegmentId, StorageError } from '../segment-store.ts'
import type { LogReader } from './log-reader.ts'
import type { SegmentCatalog } from './segment-catalog.ts'
import { SegmentIndex } from './segment-index.ts'
import { readDirectory } from './value.ts'

/**
 * Rejects with StorageError DAMAGED, naming segment and value, when a directory is not what was
 * written: which partitions it spoke of cannot be known then, so nothing after it can be trusted.
 */
export async function recover(
  catalog: SegmentCatalog,
  reader: LogReader,
  crc32c: Crc32c,
  warning: (sentence: string) => void,
): Promise<void> {
  for (const { id, sealed } of catalog.store.segments()) {
    catalog.enter(id)
    if (!sealed) {
      scan(catalog, reader, id, crc32c)
      continue
    }
    const index = await sealedIndex(catalog, id, crc32c, warning)
    if (index) {
      catalog.applySealed(id, index, (log, offset) => reader.keptBytes(log, offset))
      continue
    }
    scan(catalog, reader, id, crc32c)
    const summary = catalog.summarizeActive()
    catalog.adoptSealed(id, new SegmentIndex(summary.partitions, summary.droppedTopics, 0))
  }
}

async function sealedIndex(
  catalog: SegmentCatalog,
  segment: SegmentId,
  crc32c: Crc32c,
  warning: (sentence: string) => void,
): Promise<SegmentIndex | undefined> {
  const bytes = await catalog.store.readIndex(segment)
  if (!bytes) {
    warning(`segment ${segment} is sealed but has no index: reading its values instead`)
    return undefined
  }
  try {
    return SegmentIndex.decode(bytes, segment, crc32c)
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    warning(`${error.message}: reading its values instead`)
    return undefined
  }
}

function scan(catalog: SegmentCatalog, reader: LogReader, segment: SegmentId, crc32c: Crc32c): void {
  const count = catalog.store.valueCount(segment)
  for (let sequence = 0; sequence < count; sequence++) {
    const value = catalog.store.read(segment, sequence)
    if (!value) throw new StorageError('DAMAGED', `segment ${segment} lacks value ${sequence} of ${count}`)
    const directory = readDirectory(value, segment, sequence, crc32c)
    if ('problem' in directory)
      throw new StorageError('DAMAGED', `segment ${segment}, value ${sequence}: ${directory.problem}`)
    catalog.appended(sequence)
    for (const entry of directory.entries)
      catalog.apply(entry, sequence, (log, offset) => reader.keptBytes(log, offset))
  }
}

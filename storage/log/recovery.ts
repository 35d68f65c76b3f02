/**
 * Start-up: sealed segments tell what they hold by the summaries of their indexes, the active one by the
 * directories of its values. A sealed segment whose index is missing or damaged is read like an active one.
 */
import type { Crc32c } from '../record/crc32c.ts'
import { type SegmentId, StorageError } from '../segment-store.ts'
import { IndexSummary } from './index-summary.ts'
import type { LogReader } from './log-reader.ts'
import type { PartitionLog } from './partition-log.ts'
import type { SegmentCatalog } from './segment-catalog.ts'
import { decodeIndexHead, INDEX_HEAD_BYTES, producersAt } from './segment-index.ts'
import { type Entry, readDirectory } from './value.ts'

/** Told of what a start meets, in journal order. */
export interface RecoveryListener {
  warning(sentence: string): void
  /**
   * The producer snapshot of the newest sealed segment that has a usable index, as it was given to
   * `roll`; undefined: it has none. It replaces an older one; what is scanned after it is younger.
   */
  producers(snapshot: Uint8Array | undefined): void
  /** An entry of a value that was read has been applied to its partition; `value` is good until this returns. */
  applied(entry: Entry, log: PartitionLog | undefined, value: Uint8Array, committedAtMs: number): void
}

/**
 * Rejects with StorageError DAMAGED, naming segment and value, when a directory is not what was
 * written: which partitions it spoke of cannot be known then, so nothing after it can be trusted.
 */
export async function recover(
  catalog: SegmentCatalog,
  reader: LogReader,
  crc32c: Crc32c,
  listener: RecoveryListener,
): Promise<void> {
  const segments = [...catalog.store.segments()]
  const summaryOf = (at: number) => {
    const reading = segments[at]?.sealed
      ? readSummary(catalog, segments[at].id, crc32c, listener)
      : Promise.resolve(undefined)
    // Awaited below, unless the segment before it ends the start.
    reading.catch(() => {})
    return reading
  }
  let newest: { readonly segment: SegmentId; readonly summary: IndexSummary } | undefined
  let reading = summaryOf(0)
  for (let at = 0; at < segments.length; at++) {
    const { id, sealed } = segments[at]
    const summary = await reading
    // The disk brings the next summary while this one is applied.
    reading = summaryOf(at + 1)
    catalog.enter(id)
    if (summary) {
      catalog.applySealed(id, summary, (log, offset) => reader.keptBytes(log, offset))
      newest = { segment: id, summary }
      continue
    }
    if (newest) listener.producers(await readProducers(catalog, newest.segment, newest.summary))
    newest = undefined
    scan(catalog, reader, id, crc32c, listener)
    if (sealed) catalog.adoptScanned(id)
  }
}

/** Undefined, after a warning, where the segment's values have to be read instead. */
async function readSummary(
  catalog: SegmentCatalog,
  segment: SegmentId,
  crc32c: Crc32c,
  listener: RecoveryListener,
): Promise<IndexSummary | undefined> {
  const { store } = catalog
  try {
    const indexBytes = store.indexBytes(segment)
    const headBytes = Math.min(indexBytes ?? 0, INDEX_HEAD_BYTES)
    const first = indexBytes === undefined ? undefined : await store.readIndex(segment, 0, headBytes)
    if (indexBytes === undefined || !first) {
      listener.warning(`segment ${segment} is sealed but has no index: reading its values instead`)
      return undefined
    }
    const { summaryBytes } = decodeIndexHead(first, indexBytes, segment)
    const bytes = await store.readIndex(segment, 0, summaryBytes)
    return bytes && IndexSummary.decode(bytes, indexBytes, segment, crc32c)
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'DAMAGED') throw error
    listener.warning(`${error.message}: reading its values instead`)
    return undefined
  }
}

async function readProducers(
  { store }: SegmentCatalog,
  segment: SegmentId,
  { head }: IndexSummary,
): Promise<Uint8Array | undefined> {
  if (head.producerBytes === 0) return undefined
  const start = producersAt(head)
  return store.readIndex(segment, start, start + head.producerBytes)
}

function scan(
  catalog: SegmentCatalog,
  reader: LogReader,
  segment: SegmentId,
  crc32c: Crc32c,
  listener: RecoveryListener,
): void {
  const count = catalog.store.valueCount(segment)
  for (let sequence = 0; sequence < count; sequence++) {
    const value = catalog.store.read(segment, sequence)
    if (!value) throw new StorageError('DAMAGED', `segment ${segment} lacks value ${sequence} of ${count}`)
    const directory = readDirectory(value, segment, sequence, crc32c)
    if ('problem' in directory)
      throw new StorageError('DAMAGED', `segment ${segment}, value ${sequence}: ${directory.problem}`)
    catalog.appended(sequence)
    for (const entry of directory.entries) {
      const log = catalog.apply(entry, sequence, (log, offset) => reader.keptBytes(log, offset))
      listener.applied(entry, log, value, directory.committedAtMs)
    }
  }
}

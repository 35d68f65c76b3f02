/**
 * Verifies the segments of one shard, one value at a time: files against the manifest, every page, value and batch,
 * every index against its values, and the offsets of every partition over all of them.
 *
 * It reads and reports; it changes nothing, trusts nothing, and survives everything it meets. What it learns beside the
 * findings is what a repair has to know: which segments are to be rewritten, and where lost offsets belong.
 */
import type { ManifestSegment } from '../lmdb/manifest.ts'
import { payloadOf } from '../log/directory-repair.ts'
import { type Entry, EntryKind } from '../log/value.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { StorageError } from '../segment-store.ts'
import {
  compareIndexes,
  indexedRuns,
  producersOf,
  type ReadIndex,
  readIndex,
  startsBeforeTruncation,
} from './compare-index.ts'
import { type ExaminedValue, examineValue, type ValueContext } from './examine-value.ts'
import { type Finding, hex, type KnownTopics, namesOf } from './finding.ts'
import { JournalOffsets, journalPlace, placeParts } from './journal-offsets.ts'
import { judgeOffsets, type LostOffsets, type UnknownValue } from './judge-offsets.ts'
import type { PageSource } from './page-tree.ts'
import { IndexBuilder } from './rebuild-index.ts'
import { producerSnapshotProblem } from './rebuild-producers.ts'
import { SegmentScan } from './segment-scan.ts'

export interface VerifyOptions {
  readonly crc32c: Crc32c
  readonly topics: KnownTopics
  /** The segment's file; throws StorageError where it cannot be read. */
  readonly openFile: (segment: number) => PageSource & { close(): void }
  /** Name of the file for findings. */
  readonly fileName: (segment: number) => string
  readonly onFinding: (finding: Finding) => void
  /** Told now and then of bytes that were read; what it resolves with is awaited. */
  readonly onProgress: (bytes: number) => Promise<void>
}

/** Offsets to be marked as lost in, or beside, a value of the segment. */
export interface LostRange extends LostOffsets {
  readonly sequence: number
}

export interface SegmentVerdict {
  readonly id: number
  readonly sealed: boolean
  readonly bytes: number
  /** Something in it is to be mended: it is rewritten. */
  isDamaged: boolean
  readonly lost: LostRange[]
  /** Where the logs of partitions that are truncated in this segment started before it; by {@link partitionKey}. */
  readonly logStarts: Map<string, number>
}

export function partitionKey(topicId: Uint8Array, partition: number): string {
  return `${hex(topicId)}/${partition}`
}

export interface ShardVerdict {
  readonly segments: readonly SegmentVerdict[]
  readonly journal: JournalOffsets
  readonly values: number
  readonly valueBytes: number
}

/** Bytes between two words of progress. */
const PROGRESS_BYTES = 16 * 1024 * 1024

export async function verifyShard(
  segments: readonly ManifestSegment[],
  options: VerifyOptions,
): Promise<ShardVerdict> {
  return new ShardVerifier(segments, options).run()
}

class ShardVerifier {
  readonly #options: VerifyOptions
  readonly #verdicts: SegmentVerdict[]
  readonly #journal = new JournalOffsets()
  /** In journal order. */
  readonly #unknown: UnknownValue[] = []
  #values = 0
  #valueBytes = 0
  #untold = 0

  constructor(segments: readonly ManifestSegment[], options: VerifyOptions) {
    this.#options = options
    this.#verdicts = segments.map(({ id, sealed, bytes }) => ({
      id,
      sealed,
      bytes,
      isDamaged: false,
      lost: [],
      logStarts: new Map(),
    }))
  }

  async run(): Promise<ShardVerdict> {
    for (const [number, verdict] of this.#verdicts.entries()) await this.#segment(number, verdict)
    this.#checkOffsets()
    await this.#options.onProgress(this.#untold)
    return {
      segments: this.#verdicts,
      journal: this.#journal,
      values: this.#values,
      valueBytes: this.#valueBytes,
    }
  }

  async #segment(number: number, verdict: SegmentVerdict): Promise<void> {
    const { id } = verdict
    const file = this.#options.fileName(id)
    const lose = (code: 'file-missing' | 'file-unreadable', sentence: string) => {
      this.#damage(verdict, { code, sentence, file, remedy: 'fence' })
      this.#unknown.push({ place: journalPlace(number, 0), payload: { kind: 'unknown' } })
    }
    let source: ReturnType<VerifyOptions['openFile']>
    try {
      source = this.#options.openFile(id)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      lose(error.code === 'DAMAGED' ? 'file-missing' : 'file-unreadable', error.message)
      return
    }
    try {
      if (source.bytes < verdict.bytes)
        this.#damage(verdict, {
          code: 'file-short',
          sentence: `it has ${source.bytes} bytes instead of ${verdict.bytes}`,
          file,
          remedy: 'fence',
        })
      const scan = new SegmentScan(source, verdict, this.#options.crc32c)
      await new SegmentVerifier(number, verdict, scan, this).run()
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      lose('file-unreadable', error.message)
    } finally {
      source.close()
    }
  }

  get options(): VerifyOptions {
    return this.#options
  }

  get journal(): JournalOffsets {
    return this.#journal
  }

  unknown(value: UnknownValue): void {
    this.#unknown.push(value)
  }

  async read(value: Uint8Array | undefined): Promise<void> {
    this.#values++
    this.#untold += value?.length ?? 0
    this.#valueBytes += value?.length ?? 0
    if (this.#untold < PROGRESS_BYTES) return
    await this.#options.onProgress(this.#untold)
    this.#untold = 0
  }

  #damage(verdict: SegmentVerdict, finding: Omit<Finding, 'severity' | 'segment'>): void {
    if (finding.remedy !== 'none') verdict.isDamaged = true
    this.#options.onFinding({ ...finding, severity: 'damage', segment: verdict.id })
  }

  /** What can be judged only when all has been read. */
  #checkOffsets(): void {
    for (const { finding, place, lost } of judgeOffsets(this.#journal, this.#unknown, this.#options.topics)) {
      if (place === undefined) {
        this.#options.onFinding(finding)
        continue
      }
      const { segmentNumber, sequence } = placeParts(place)
      const verdict = this.#verdicts[segmentNumber]
      this.#options.onFinding({ ...finding, segment: verdict.id })
      if (lost === undefined) continue
      verdict.isDamaged = true
      verdict.lost.push({ ...lost, sequence })
    }
  }
}

/** One segment of a shard. */
class SegmentVerifier {
  readonly #number: number
  readonly #verdict: SegmentVerdict
  readonly #scan: SegmentScan
  readonly #shard: ShardVerifier
  /** All entries are known as they were stored. */
  #isComplete = true
  #hasIndex = false
  #startsByIndex: ReadonlyMap<string, number> = new Map()
  /** Of partitions that are met in this segment, as they stood before it. */
  readonly #logStarts = new Map<string, number>()

  constructor(number: number, verdict: SegmentVerdict, scan: SegmentScan, shard: ShardVerifier) {
    this.#number = number
    this.#verdict = verdict
    this.#scan = scan
    this.#shard = shard
  }

  async run(): Promise<void> {
    const { crc32c } = this.#shard.options
    const scan = this.#scan
    for (const { page, sentence } of scan.pageProblems)
      this.#damage({ code: 'page-damaged', sentence: `page ${page}: ${sentence}`, remedy: 'mend' })
    for (const sentence of scan.problems) this.#damage({ code: 'segment-damaged', sentence, remedy: 'mend' })
    const index = this.#verdict.sealed ? readIndex(scan.index(), scan.segment, crc32c) : undefined
    if (index?.problem !== undefined)
      this.#damage({ code: 'index-damaged', sentence: index.problem, remedy: 'mend' })
    this.#startsByIndex = startsBeforeTruncation(index)
    this.#hasIndex = index !== undefined && index.problem === undefined
    const builder = await IndexBuilder.begin(scan.segment, (sequence) => scan.value(sequence), crc32c)
    const hints = index === undefined ? new Map() : indexedRuns(index, crc32c)
    for (let sequence = 0; sequence < scan.valueCount; sequence++) {
      const value = scan.value(sequence)
      const sentence = scan.lengthProblem(sequence)
      if (sentence !== undefined)
        this.#damage({ code: 'page-damaged', sentence, remedy: 'mend', value: sequence })
      const examined = examineValue(value, valueContext(scan.segment, sequence, hints, this.#shard.options))
      this.#report(sequence, examined)
      builder.add(sequence, examined.entries, (topicId, partition) => this.#logStartOf(topicId, partition))
      for (const entry of examined.entries) this.#apply(entry, sequence)
      await this.#shard.read(value)
    }
    if (index?.problem !== undefined) return
    if (index !== undefined) this.#checkIndex(index, builder)
  }

  #checkIndex(index: ReadIndex & { problem: undefined }, builder: IndexBuilder): void {
    const { crc32c, topics } = this.#shard.options
    const producers = producersOf(index)
    const problem = producers && producerSnapshotProblem(producers, crc32c)
    if (problem !== undefined)
      this.#damage({ code: 'index-damaged', sentence: `its producer snapshot: ${problem}`, remedy: 'mend' })
    if (!this.#isComplete) {
      // The values do not tell all any more; the index may.
      for (const entry of controlEntries(index))
        this.#shard.journal.apply(entry, journalPlace(this.#number, this.#scan.valueCount))
      return
    }
    const rebuilt = readIndex(builder.finish(), this.#scan.segment, crc32c)
    if (rebuilt.problem !== undefined)
      throw new Error(`an index made anew cannot be read: ${rebuilt.problem}`)
    for (const { topicId, partition, sentence } of compareIndexes(index, rebuilt, crc32c))
      this.#damage({
        code: 'index-differs',
        sentence,
        remedy: 'mend',
        ...namesOf(topics, topicId, partition),
      })
  }

  #report(sequence: number, { source, problem, entries, runs }: ExaminedValue): void {
    const { topics, onFinding } = this.#shard.options
    const place = { value: sequence }
    if (source !== 'directory' && source !== 'mended') {
      this.#isComplete = false
      this.#shard.unknown({ place: journalPlace(this.#number, sequence), payload: this.#payload(sequence) })
    }
    if (problem !== undefined) {
      const isMissing = this.#scan.value(sequence) === undefined
      const what = {
        directory: '',
        mended: 'what it says is known all the same',
        index: 'the index of the segment says what it held',
        batches: 'what agrees with whole batches is kept',
        none: 'what it held is not known',
      }[source]
      this.#damage({
        code: isMissing ? 'value-missing' : 'value-damaged',
        sentence: `${problem}: ${what}`,
        remedy: source === 'mended' || (source === 'index' && runs.size === 0) ? 'mend' : 'fence',
        ...place,
      })
    }
    for (const [index, { damages, fenced }] of runs) {
      const { topicId, partition } = entries[index]
      const names = namesOf(topics, topicId, partition)
      for (const { offset, endOffset, bytes, sentence, isMendable } of damages)
        this.#damage({
          code: isMendable ? 'batch-header-damaged' : 'batch-damaged',
          sentence,
          remedy: isMendable ? 'mend' : 'fence',
          ...names,
          firstOffset: offset,
          lastOffset: endOffset - 1,
          bytes,
          ...place,
        })
      for (const { offset, endOffset } of fenced)
        onFinding({
          code: 'range-lost',
          severity: 'note',
          sentence: 'these offsets were lost to damage earlier, and are marked as lost',
          remedy: 'nothing-to-do',
          ...names,
          firstOffset: offset,
          lastOffset: endOffset - 1,
          segment: this.#verdict.id,
          ...place,
        })
    }
  }

  /** Asked once for each partition, before its first entry in this segment is applied. */
  #logStartOf(topicId: Uint8Array, partition: number): number {
    const key = partitionKey(topicId, partition)
    const { journal } = this.#shard
    journal.startAtLeast(topicId, partition, this.#startsByIndex.get(key) ?? 0)
    const logStart = journal.logStartOf(topicId, partition)
    if (logStart > 0) this.#logStarts.set(key, logStart)
    return logStart
  }

  #apply(entry: Entry, sequence: number): void {
    if (entry.kind === EntryKind.truncate) {
      const key = partitionKey(entry.topicId, entry.partition)
      const logStart = this.#logStarts.get(key)
      if (logStart !== undefined) this.#verdict.logStarts.set(key, logStart)
    }
    this.#shard.journal.apply(entry, journalPlace(this.#number, sequence))
  }

  /** What can be known of a value without its directory. All runs of a segment are in its index. */
  #payload(sequence: number): UnknownValue['payload'] {
    if (this.#hasIndex) return undefined
    const value = this.#scan.value(sequence)
    return value === undefined ? { kind: 'unknown' } : payloadOf(value, this.#shard.options.crc32c)
  }

  #damage(finding: Omit<Finding, 'severity' | 'segment' | 'file'>): void {
    this.#verdict.isDamaged = true
    const { options } = this.#shard
    const file = options.fileName(this.#verdict.id)
    options.onFinding({ ...finding, severity: 'damage', file, segment: this.#verdict.id })
  }
}

/** The same for verifying and for repairing, so that both come to the same conclusions. */
export function valueContext(
  segment: number,
  sequence: number,
  hints: ReadonlyMap<number, ValueContext['indexed']>,
  { crc32c, topics }: Pick<VerifyOptions, 'crc32c' | 'topics'>,
): ValueContext {
  return {
    segment,
    sequence,
    crc32c,
    indexed: hints.get(sequence) ?? [],
    isKnown: (topicId, partition) => partition < (topics.get(hex(topicId))?.partitions ?? 0),
  }
}

/** What an index says besides runs, as the entries that said it. */
export function controlEntries({ summary }: ReadIndex & { problem: undefined }): Entry[] {
  const blank = { maxTimestampMs: 0, leaderEpoch: -1, position: 0, length: 0, batchCount: 0 }
  const entries: Entry[] = []
  for (let row = 0; row < summary.partitions; row++) {
    const logStart = summary.logStart(row)
    if (logStart === undefined) continue
    const { offset, endOffset, deadBytes, leaderEpoch } = logStart
    entries.push({
      ...blank,
      kind: EntryKind.logStart,
      topicId: summary.topicId(row),
      partition: summary.partition(row),
      offset,
      endOffset,
      maxTimestampMs: deadBytes,
      leaderEpoch,
    })
  }
  for (const topicId of summary.droppedTopics())
    entries.push({ ...blank, kind: EntryKind.topicDrop, topicId, partition: -1, offset: 0, endOffset: 0 })
  return entries
}

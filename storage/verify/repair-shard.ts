/**
 * Repairs a shard: each damaged segment is written anew beside the old one, with everything of it that is whole, and takes
 * its place by one change of the manifest.
 *
 * Undamaged segments are not touched. The damaged file is kept under another name, so that a repair destroys nothing. A
 * crash at any moment leaves the segment before or the one after; then verify and repair simply run again. No damaged
 * file is ever opened by LMDB, which it could kill. The caller holds the lock of the data directory.
 */
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../durable-file.ts'
import { errorName, storageError } from '../lmdb/accidents.ts'
import { type Manifest, type ManifestSegment, writeManifest } from '../lmdb/manifest.ts'
import { PAGE_BYTES } from '../lmdb/page-budget.ts'
import { SegmentAppender } from '../lmdb/segment-appender.ts'
import { damagedPath, diskFreeBytes, leftoverFiles, lockPath, segmentPath } from '../lmdb/segment-files.ts'
import { valueKey } from '../lmdb/segment-layout.ts'
import { SegmentMaker } from '../lmdb/segment-maker.ts'
import { readDirectory } from '../log/value.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { lostRangeBytes } from '../record/lost-range.ts'
import { StorageError } from '../segment-store.ts'
import { indexedRuns, producersOf, type ReadIndex, readIndex } from './compare-index.ts'
import { examineValue } from './examine-value.ts'
import type { KnownTopics } from './finding.ts'
import { PageFile } from './page-file.ts'
import { IndexBuilder } from './rebuild-index.ts'
import { ProducerReplay, producerSnapshotProblem } from './rebuild-producers.ts'
import { type NewValue, rewriteValue } from './rewrite-value.ts'
import { SegmentScan } from './segment-scan.ts'
import type { ShardState } from './verify-directory.ts'
import {
  controlEntries,
  type LostRange,
  partitionKey,
  type SegmentVerdict,
  valueContext,
} from './verify-shard.ts'

export interface RepairOptions {
  readonly crc32c: Crc32c
  readonly topics: KnownTopics
  /** Wall clock, ms since 1970: the commit time of values that had lost theirs. */
  readonly nowMs: number
  /** Told of bytes that were read to be written anew. */
  readonly onProgress: (bytes: number) => Promise<void>
}

export interface RewrittenSegment {
  readonly id: number
  /** Undefined: nothing was left of it, so nothing took its place. */
  readonly newId: number | undefined
  /** The damaged file; undefined: there was none. */
  readonly keptAs: string | undefined
}

/** Bytes handed to LMDB as one commit. */
const COMMIT_BYTES = 2 * 1024 * 1024
/** More room than the old file had: for marks of what was lost, and an index with more runs. */
const SLACK_BYTES = 1024 * 1024

/** Rejects with StorageError NO_SPACE where the disk has no room for the new segment; nothing is changed then. */
export async function repairShard(
  { directory, manifest, verdict }: ShardState,
  options: RepairOptions,
): Promise<RewrittenSegment[]> {
  let current = manifest
  const rewritten: RewrittenSegment[] = []
  await clearLeftovers(directory, manifest)
  for (const segment of verdict.segments) {
    if (!segment.isDamaged) continue
    const id = current.nextId
    const older = current.segments.slice(
      0,
      current.segments.findIndex((live) => live.id === segment.id),
    )
    const made = await new Rewrite(directory, segment, older, id, options).run()
    const newId = made === undefined ? undefined : id
    current = replaceSegment(current, segment.id, made === undefined ? undefined : { id, bytes: made })
    await writeManifest(directory, current)
    rewritten.push({ id: segment.id, newId, keptAs: await keepDamaged(directory, segment.id) })
  }
  return rewritten
}

function replaceSegment(
  { nextId, segments }: Manifest,
  old: number,
  made: { readonly id: number; readonly bytes: number } | undefined,
): Manifest {
  return {
    nextId: made === undefined ? nextId : made.id + 1,
    segments: segments.flatMap((segment) =>
      segment.id !== old ? [segment] : made === undefined ? [] : [{ ...made, sealed: segment.sealed }],
    ),
  }
}

/** What a repair that was killed, or a broker, left: its file names may be needed again. */
async function clearLeftovers(directory: string, { segments }: Manifest): Promise<void> {
  const live = new Set(segments.map(({ id }) => id))
  for (const name of leftoverFiles(await readdir(directory), (segment) => live.has(segment)))
    await rm(join(directory, name), { force: true })
}

async function keepDamaged(directory: string, id: number): Promise<string | undefined> {
  const path = segmentPath(directory, id)
  const kept = damagedPath(directory, id)
  try {
    await rename(path, kept)
  } catch (error) {
    if (errorName(error) === 'ENOENT') return undefined
    throw storageError(error, path, 'WRITE_FAILED')
  } finally {
    await rm(lockPath(path), { force: true })
  }
  await syncDirectory(directory)
  return kept
}

class Rewrite {
  readonly #directory: string
  readonly #verdict: SegmentVerdict
  /** Before it in journal order, and sound by now. */
  readonly #older: readonly ManifestSegment[]
  readonly #id: number
  readonly #options: RepairOptions
  #appender: SegmentAppender | undefined
  #waiting: NewValue[] = []
  #waitingBytes = 0
  #sequence = 0
  #builder: IndexBuilder | undefined

  constructor(
    directory: string,
    verdict: SegmentVerdict,
    older: readonly ManifestSegment[],
    id: number,
    options: RepairOptions,
  ) {
    this.#directory = directory
    this.#verdict = verdict
    this.#older = older
    this.#id = id
    this.#options = options
  }

  /** Bytes of the new segment's file, which is durable; undefined: there is nothing to be stored. */
  async run(): Promise<number | undefined> {
    const source = this.#open()
    try {
      return await this.#write(source)
    } finally {
      source?.close()
      await this.#appender?.environment.close()
    }
  }

  /** Undefined: there is nothing to be read. */
  #open(): PageFile | undefined {
    try {
      return new PageFile(segmentPath(this.#directory, this.#verdict.id))
    } catch (error) {
      if (error instanceof StorageError) return undefined
      throw error
    }
  }

  async #write(source: PageFile | undefined): Promise<number | undefined> {
    const { sealed, id, lost } = this.#verdict
    const { crc32c, nowMs, onProgress } = this.#options
    const scan = source && new SegmentScan(source, this.#verdict, crc32c)
    const index = sealed && scan !== undefined ? readIndex(scan.index(), id, crc32c) : undefined
    const hints = index === undefined ? new Map() : indexedRuns(index, crc32c)
    const bytes = this.#bytesNeeded()
    this.#builder = await IndexBuilder.begin(this.#id, (at) => this.#written(at), crc32c)
    let isComplete = true
    const count = Math.max(scan?.valueCount ?? 0, ...lost.map(({ sequence }) => sequence + 1))
    for (let sequence = 0; sequence < count; sequence++) {
      const stored = scan?.value(sequence)
      const old = stored && new Uint8Array(stored)
      const context = valueContext(id, sequence, hints, this.#options)
      const examined = examineValue(old, context, true)
      isComplete &&= examined.source === 'directory' || examined.source === 'mended'
      const here = lost.filter((range) => range.sequence === sequence)
      await this.#add(bytes, old, examined, here, examined.committedAtMs || nowMs)
      await onProgress(old?.length ?? 0)
    }
    const controls =
      isComplete || index === undefined || index.problem !== undefined ? [] : controlEntries(index)
    if (controls.length > 0)
      await this.#add(bytes, undefined, { entries: controls, runs: new Map() }, [], nowMs)
    // The active segment there must always be.
    if (this.#appender === undefined && sealed && this.#waiting.length === 0) return undefined
    await this.#flush(bytes)
    if (sealed) await this.#seal(index)
    return bytes
  }

  async #add(
    bytes: number,
    old: Uint8Array | undefined,
    examined: Parameters<typeof rewriteValue>[1],
    lost: readonly LostRange[],
    committedAtMs: number,
  ): Promise<void> {
    const header = { segment: this.#id, sequence: this.#sequence, committedAtMs }
    const value = rewriteValue(old, examined, lost, header, this.#options.crc32c)
    if (value === undefined) return
    this.#builder?.add(
      this.#sequence,
      value.entries,
      (topicId, partition) => this.#verdict.logStarts.get(partitionKey(topicId, partition)) ?? 0,
    )
    this.#sequence++
    this.#waiting.push(value)
    this.#waitingBytes += value.bytes.length
    if (this.#waitingBytes >= COMMIT_BYTES) await this.#flush(bytes)
  }

  /** A value of the new segment. */
  #written(sequence: number): Uint8Array | undefined {
    const waiting = this.#waiting[sequence - (this.#sequence - this.#waiting.length)]
    return waiting?.bytes ?? this.#appender?.environment.get(valueKey(sequence))
  }

  async #flush(bytes: number): Promise<void> {
    this.#appender ??= await this.#make(bytes)
    const values = this.#waiting.map((value) => value.bytes)
    if (values.length === 0) return
    const first = this.#sequence - values.length
    this.#appender.checkAppend(first, values)
    await this.#appender.append(first, values)
    this.#waiting = []
    this.#waitingBytes = 0
  }

  async #seal(index: ReadIndex | undefined): Promise<void> {
    const { crc32c } = this.#options
    const stored = index === undefined || index.problem !== undefined ? undefined : producersOf(index)
    // An index that can be read and has no snapshot was written when there were no producers.
    const isUsable =
      index?.problem === undefined &&
      index !== undefined &&
      (stored === undefined || producerSnapshotProblem(stored, crc32c) === undefined)
    const producers = isUsable ? stored : await this.#replayProducers()
    const made: Uint8Array = this.#builder?.finish(producers) ?? new Uint8Array(0)
    this.#appender?.checkIndex(made)
    await this.#appender?.seal(made)
  }

  /** What is known of the producers at the end of this segment, from the newest snapshot before it on. */
  async #replayProducers(): Promise<Uint8Array | undefined> {
    const { crc32c } = this.#options
    let from = this.#older.length
    let snapshot: Uint8Array | undefined
    while (from > 0 && snapshot === undefined) {
      from--
      const index = this.#withScan(this.#older[from], (scan) => readIndex(scan.index(), scan.segment, crc32c))
      if (index.problem === undefined) snapshot = producersOf(index)
    }
    // Without one, everything there is is read.
    const replay = await ProducerReplay.begin(snapshot, crc32c)
    for (const segment of this.#older.slice(snapshot === undefined ? from : from + 1))
      this.#withScan(segment, (scan) => {
        for (let sequence = 0; sequence < scan.valueCount; sequence++)
          this.#replay(replay, scan.segment, sequence, scan.value(sequence))
      })
    for (let sequence = 0; sequence < this.#sequence; sequence++)
      this.#replay(replay, this.#id, sequence, this.#written(sequence))
    return replay.snapshot()
  }

  #replay(replay: ProducerReplay, segment: number, sequence: number, value: Uint8Array | undefined): void {
    if (value === undefined) return
    const directory = readDirectory(value, segment, sequence, this.#options.crc32c)
    if ('problem' in directory) return
    replay.add(sequence, value, directory.entries, directory.committedAtMs)
  }

  #withScan<T>(segment: ManifestSegment, use: (scan: SegmentScan) => T): T {
    const source = new PageFile(segmentPath(this.#directory, segment.id))
    try {
      return use(new SegmentScan(source, segment, this.#options.crc32c))
    } finally {
      source.close()
    }
  }

  async #make(bytes: number): Promise<SegmentAppender> {
    const directory = this.#directory
    const maker = new SegmentMaker({
      directory,
      preallocation: 'auto',
      reserve: async (needed) => {
        const free = diskFreeBytes(directory)
        if (free >= needed) return
        const sentence = `${directory} has ${free} bytes free; to write segment ${this.#verdict.id} anew takes ${needed}`
        throw new StorageError('NO_SPACE', `${sentence}: free some space and run the repair again`, {
          path: directory,
        })
      },
      takeSpare: async () => undefined,
    })
    return SegmentAppender.empty(this.#id, await maker.make(this.#id, bytes, 'a repair'))
  }

  #bytesNeeded(): number {
    const { bytes, lost } = this.#verdict
    const marks = lost.reduce(
      (sum, { offset, endOffset }) => sum + lostRangeBytes(offset, endOffset) + PAGE_BYTES,
      0,
    )
    return Math.ceil((bytes + marks + SLACK_BYTES) / PAGE_BYTES) * PAGE_BYTES
  }
}

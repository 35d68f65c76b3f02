/**
 * Rewrites sealed segments, neighbours in journal order, into one that holds only what is alive, aside;
 * one change of the set of segments puts it in their place.
 *
 * It promises that nothing a reader can see changes: offsets, epochs and bytes of batches stay, and a
 * crash shows the old segments or the new one. What is alive of a partition in a segment is copied whole,
 * also what lies below its log start: the entry that moved the log start counts it. Every batch is checked
 * before it is copied; where one is damaged nothing is replaced.
 *
 * What dies while it copies is copied all the same: the entry that killed it stands in a later segment.
 * It must never write to the active segment.
 */
import {
  baseOffsetAt,
  lastOffsetAt,
  leaderEpochAt,
  maxTimestampAt,
  nextBatchEnd,
} from '../record/batch-header.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { checkCrc, checkFrame } from '../record/validate.ts'
import { type AsideSegment, type SegmentId, type SegmentStore, StorageError } from '../segment-store.ts'
import { type LaidValue, Layout, type Run } from './commit.ts'
import type { IndexSummary } from './index-summary.ts'
import type { EpochStart } from './leader-epochs.ts'
import { LogError } from './log-error.ts'
import type { PartitionLog } from './partition-log.ts'
import { planRelocation, rewrittenBytes } from './relocation-plan.ts'
import { INDEX_BYTES_PER_PARTITION, SegmentCatalog } from './segment-catalog.ts'
import { EPOCH_NUMBERS, type LogStart, RUN_BYTES } from './segment-index.ts'
import { type Slab, Slabs } from './slabs.ts'
import {
  ENTRY_BYTES,
  type Entry,
  EntryKind,
  entryOf,
  readDirectory,
  SINGLE_RUN_PREFIX_BYTES,
  VALUE_BYTES_TARGET,
  writeDirectory,
} from './value.ts'

export interface Relocated {
  readonly replaced: readonly SegmentId[]
  readonly segment: SegmentId
  readonly copiedBytes: number
}

export interface RelocationReport {
  readonly relocated: readonly Relocated[]
  /** Damage that was met; it is not met again. */
  readonly failures: readonly Error[]
}

/**
 * Rewrites one group of segments, if that is worthwhile and `signal` allows. Whoever wants more asks again, and sees in
 * between to what has to leave.
 * @param unmovable segments not to be touched; those in which damage is met are added
 */
export async function relocateNext(
  catalog: SegmentCatalog,
  unmovable: Set<SegmentId>,
  signal: AbortSignal,
): Promise<RelocationReport> {
  const relocated: Relocated[] = []
  const failures: Error[] = []
  while (!signal.aborted && relocated.length === 0) {
    const segments = catalog.store.segments()
    const segmentBytes = segments[segments.length - 1].bytes
    const group = planRelocation(catalog.sealedUse(), segmentBytes, unmovable)
    if (!group) break
    try {
      const done = await relocate(catalog, group, signal)
      if (!done) break
      relocated.push(done)
      // A store may take much more for a small segment than the plan expects: then this is as small as it gets.
      if (fileBytes(catalog, [done.segment]) > 1.5 * rewrittenBytes(done.copiedBytes, segmentBytes))
        unmovable.add(done.segment)
    } catch (error) {
      const isDamage =
        (error instanceof LogError || error instanceof StorageError) && error.code === 'DAMAGED'
      if (!isDamage) throw error
      for (const segment of group) unmovable.add(segment)
      failures.push(error)
    }
  }
  return { relocated, failures }
}

/** What the replaced segments say of one partition and is still true, besides its runs. */
interface Statement {
  readonly log: PartitionLog
  hasRuns: boolean
  truncatedTo: number | undefined
  logStart: LogStart | undefined
  epochs: EpochStart[]
}

/** A run to be copied. */
interface Source {
  readonly log: PartitionLog
  readonly sequence: number
  readonly position: number
  readonly length: number
  /** Nothing at or above this is alive. */
  readonly endOffset: number
}

/** What is to be copied out of one segment, in the order of its values. */
interface Part {
  readonly segment: SegmentId
  readonly sources: readonly Source[]
}

/** What is read, and held in memory, before it is written. */
const STEP_BYTES = 1024 * 1024
/** So many of the newest sealed segments keep their producer snapshot. */
const SNAPSHOTS_KEPT = 2
const SLAB_BYTES = 2 * 1024 * 1024
const SPARE_SLABS_MAX = 2
/** What packing into values may cost besides the bytes. */
const PACKING_FACTOR = 1.03

function fileBytes({ store }: SegmentCatalog, segments: readonly SegmentId[]): number {
  return store
    .segments()
    .filter(({ id }) => segments.includes(id))
    .reduce((sum, { bytes }) => sum + bytes, 0)
}

/**
 * Rejects with LogError DAMAGED, naming what is, and with what the store rejects with; the old segments
 * stay then. Undefined: the signal asked for an end.
 */
async function relocate(
  catalog: SegmentCatalog,
  group: readonly SegmentId[],
  signal: AbortSignal,
): Promise<Relocated | undefined> {
  const { store } = catalog
  const isOldest = store.segments()[0].id === group[0]
  const sealed = catalog.sealedSegments().map(({ id }) => id)
  const later = new Set(sealed.slice(sealed.indexOf(group[group.length - 1]) + 1))
  const statements = new Map<PartitionLog, Statement>()
  const droppedTopics: Uint8Array[] = []
  const parts: Part[] = []
  for (const segment of group) {
    const summary = await catalog.indexes.summary(segment)
    droppedTopics.push(...summary.droppedTopics())
    parts.push({ segment, sources: await survey(catalog, segment, summary, statements, later) })
  }
  // A start needs the snapshot of the newest sealed segment, or, should that be damaged, the one before.
  const last = group[group.length - 1]
  const isLate = store
    .segments()
    .slice(-SNAPSHOTS_KEPT - 1)
    .some(({ id }) => id === last)
  if (isLate && catalog.indexes.isRebuilt(last))
    throw damaged(last, -1, 'what it knew of producers is known here, but no more in its index')
  const producers = isLate ? await catalog.indexes.producers(last) : undefined
  // They hide what older segments say; behind the oldest there is nothing to hide.
  if (isOldest) droppedTopics.length = 0
  if (isOldest) for (const statement of statements.values()) statement.truncatedTo = undefined
  const said = [...statements.values()].filter(saysSomething)
  if (signal.aborted) return undefined

  const aside = await store.beginAside(
    costOf(store, parts, said, droppedTopics.length, producers?.length ?? 0),
  )
  try {
    const copy = new Copy(aside, catalog)
    copy.begin(said, droppedTopics)
    await copy.write()
    for (const part of parts)
      for (let next = 0; next < part.sources.length; ) {
        if (signal.aborted) return undefined
        next = await readStep(store, part, next, copy)
        await copy.write()
      }
    const index = copy.index(producers)
    await aside.publish(index, group, () => catalog.relocated(group, aside.id, index))
    return { replaced: group, segment: aside.id, copiedBytes: copy.bytes }
  } finally {
    await aside.discard()
  }
}

/**
 * Adds what the segment says to `statements`; returns the runs of it that are alive, in the order of its values.
 * @param saidLater sealed segments whose word on a log start makes that of this one superfluous
 */
async function survey(
  catalog: SegmentCatalog,
  segment: SegmentId,
  summary: IndexSummary,
  statements: Map<PartitionLog, Statement>,
  saidLater: ReadonlySet<SegmentId>,
): Promise<Source[]> {
  const sources: Source[] = []
  let epochAt = 0
  for (let row = 0; row < summary.partitions; row++) {
    const firstEpoch = epochAt
    while (epochAt < summary.epochs && summary.epochRow(epochAt) === row) epochAt++
    const log = catalog.partition(summary.topicId(row), summary.partition(row))
    if (!log) continue
    let statement = statements.get(log)
    if (!statement) {
      statement = { log, hasRuns: false, truncatedTo: undefined, logStart: undefined, epochs: [] }
      statements.set(log, statement)
    }
    const truncatedTo = summary.truncatedTo(row)
    if (truncatedTo >= 0) {
      statement.truncatedTo = Math.min(truncatedTo, statement.truncatedTo ?? truncatedTo)
      statement.epochs = statement.epochs.filter(({ startOffset }) => startOffset < truncatedTo)
      const { logStart } = statement
      if (logStart && logStart.endOffset > truncatedTo)
        statement.logStart = { ...logStart, endOffset: truncatedTo }
    }
    for (let at = firstEpoch; at < epochAt; at++) {
      const epoch = summary.epoch(at)
      if (epoch > (statement.epochs.at(-1)?.epoch ?? -1))
        statement.epochs.push({ epoch, startOffset: summary.epochStartOffset(at) })
    }
    if (!saidLater.has(log.logStartSegment)) statement.logStart = summary.logStart(row) ?? statement.logStart
    const end = log.endIn(segment)
    if (end === undefined) continue
    if (end < 0) throw damaged(segment, -1, `what it held of partition ${log.partition} is lost`)
    statement.hasRuns = true
    await catalog.indexes.load(segment, row)
    const runs = catalog.indexes.runs(segment, row)
    for (let run = 0; run < runs.count && runs.baseOffset(run) < end; run++) {
      if (runs.isLost(run))
        throw damaged(segment, runs.container(run), `partition ${log.partition}: it is lost`)
      sources.push({
        log,
        sequence: runs.container(run),
        position: runs.position(run),
        length: runs.length(run),
        endOffset: Math.min(runs.endOffset(run), end),
      })
    }
  }
  return sources.sort((a, b) => a.sequence - b.sequence || a.position - b.position)
}

function saysSomething({ log, hasRuns, truncatedTo, logStart, epochs }: Statement): boolean {
  const tellsEpoch = epochs.some(({ epoch }) => epoch > log.epochs.epochAt(log.logStartOffset))
  return hasRuns || truncatedTo !== undefined || logStart !== undefined || tellsEpoch
}

/** Copies the runs of about {@link STEP_BYTES}, whole values, so that each is read once. Returns the next source. */
async function readStep(
  store: SegmentStore,
  { segment, sources }: Part,
  first: number,
  copy: Copy,
): Promise<number> {
  let end = first
  for (let bytes = 0; end < sources.length; end++) {
    const isNewValue = end === first || sources[end].sequence !== sources[end - 1].sequence
    if (isNewValue && bytes >= STEP_BYTES) break
    bytes += sources[end].length
  }
  for (let at = first; at < end; at++)
    if (at === first || sources[at].sequence > sources[at - 1].sequence + 1)
      await store.prefetch(segment, sources[at].sequence, span(sources, at, end))
  for (let at = first; at < end; ) {
    const { sequence } = sources[at]
    const value = store.read(segment, sequence)
    if (!value) throw damaged(segment, sequence, 'it is missing')
    const directory = readDirectory(value, segment, sequence, copy.crc32c)
    if ('problem' in directory) throw damaged(segment, sequence, directory.problem)
    for (; at < end && sources[at].sequence === sequence; at++)
      copy.take(sources[at], value, segment, directory.committedAtMs)
  }
  return end
}

/** How many values, without a gap, follow from the source at `at` on. */
function span(sources: readonly Source[], at: number, end: number): number {
  let last = at
  while (last + 1 < end && sources[last + 1].sequence <= sources[last].sequence + 1) last++
  return sources[last].sequence - sources[at].sequence + 1
}

/** @param sequence of the value; -1: the segment as a whole */
function damaged(segment: SegmentId, sequence: number, why: string): LogError {
  if (sequence < 0) return new LogError('DAMAGED', `segment ${segment}: ${why}; it is not rewritten`)
  return new LogError('DAMAGED', `segment ${segment}, value ${sequence}: ${why}; it is not rewritten`)
}

/** What the new segment must have room for. */
function costOf(
  store: SegmentStore,
  parts: readonly Part[],
  statements: readonly Statement[],
  droppedTopics: number,
  producerBytes: number,
): number {
  let bytes = (droppedTopics + 1) * ENTRY_BYTES
  let indexBytes = producerBytes + droppedTopics * 16
  let steps = 2
  for (const { epochs } of statements) {
    bytes += (2 + epochs.length) * ENTRY_BYTES
    indexBytes += INDEX_BYTES_PER_PARTITION + epochs.length * EPOCH_NUMBERS * 8
  }
  for (const { sources } of parts) {
    const lengths = sources.reduce((sum, { length }) => sum + length, 0)
    steps += 1 + Math.ceil(lengths / STEP_BYTES)
    bytes += lengths + sources.length * ENTRY_BYTES
    indexBytes += sources.length * RUN_BYTES
  }
  // A value is closed when the next run does not fit: it is at least half full.
  const values = steps + Math.ceil((2 * bytes) / VALUE_BYTES_TARGET)
  return Math.ceil(bytes * PACKING_FACTOR) + values * store.costBytes(2048) + Math.ceil(indexBytes * 1.1)
}

/** Lays runs and what goes with them out as values of the new segment, writes them, and makes its index of them. */
class Copy {
  readonly crc32c: Crc32c
  readonly #aside: AsideSegment
  /** The index is made of the entries, by the code that makes those of all segments. */
  readonly #catalog: SegmentCatalog
  readonly #slabs = new Slabs(SLAB_BYTES, SPARE_SLABS_MAX, (bytes) => new Uint8Array(bytes))
  #layout = new Layout(this.#slabs)
  /** Runs taken and not laid out, by partition: those of a partition stand together. */
  #taken = new Map<PartitionLog, Run[]>()
  #held: Slab[] = []
  #sequence = 0
  #committedAtMs = 0
  bytes = 0

  constructor(aside: AsideSegment, { store, crc32c }: SegmentCatalog) {
    this.crc32c = crc32c
    this.#aside = aside
    this.#catalog = new SegmentCatalog(store, crc32c, 0)
    this.#catalog.enter(aside.id)
  }

  /**
   * Statements come before the runs: what hides things hides older ones, and a log start that came behind the runs
   * would drop those below it, which its own count of dead bytes includes.
   */
  begin(statements: readonly Statement[], droppedTopics: readonly Uint8Array[]): void {
    for (const topicId of droppedTopics) this.#control(EntryKind.topicDrop, { topicId, partition: -1 }, {})
    for (const { log, truncatedTo, logStart, epochs, hasRuns } of statements) {
      if (truncatedTo !== undefined) this.#control(EntryKind.truncate, log, { offset: truncatedTo })
      if (logStart)
        this.#control(EntryKind.logStart, log, {
          offset: logStart.offset,
          endOffset: logStart.endOffset,
          maxTimestampMs: logStart.deadBytes,
          leaderEpoch: logStart.leaderEpoch,
        })
      // Runs tell their own epoch.
      if (epochs.length === 1 && hasRuns) continue
      for (const { epoch, startOffset } of epochs)
        this.#control(EntryKind.leaderEpoch, log, { offset: startOffset, leaderEpoch: epoch })
    }
  }

  #control(
    kind: EntryKind,
    of: { readonly topicId: Uint8Array; readonly partition: number },
    fields: Partial<Entry>,
  ): void {
    this.#layout.control({ log: undefined, entry: entryOf(kind, of, fields) })
  }

  /** Copies the live batches of a run out of its value, after checking each. */
  take(source: Source, value: Uint8Array, segment: SegmentId, committedAtMs: number): void {
    const { log, sequence, position, length, endOffset } = source
    const limit = position + length
    const first = baseOffsetAt(value, position)
    let end = position
    let next = first
    let maxTimestampMs = -1
    let batchCount = 0
    while (end < limit) {
      const problem = checkFrame(value, end, limit) ?? checkCrc(value, end, this.crc32c)
      if (problem) throw damaged(segment, sequence, `partition ${log.partition}: ${problem.sentence}`)
      if (baseOffsetAt(value, end) >= endOffset) break
      next = lastOffsetAt(value, end) + 1
      maxTimestampMs = Math.max(maxTimestampMs, maxTimestampAt(value, end))
      batchCount++
      end = nextBatchEnd(value, end, limit)
    }
    const bytes = end - position
    const { slab, start } = this.#slabs.take(SINGLE_RUN_PREFIX_BYTES + bytes)
    this.#held.push(slab)
    slab.bytes.set(value.subarray(position, end), start + SINGLE_RUN_PREFIX_BYTES)
    const runs = this.#taken.get(log) ?? []
    if (runs.length === 0) this.#taken.set(log, runs)
    runs.push({
      log,
      parts: [{ slab, start: start + SINGLE_RUN_PREFIX_BYTES, bytes }],
      hasHeadroom: true,
      offset: first,
      endOffset: next,
      maxTimestampMs,
      leaderEpoch: leaderEpochAt(value, position),
      batchCount,
      bytes,
    })
    this.#committedAtMs = Math.max(this.#committedAtMs, committedAtMs)
    this.bytes += bytes
  }

  /** Writes what was taken; resolves when it is durable. */
  async write(): Promise<void> {
    for (const runs of this.#taken.values()) for (const run of runs) this.#layout.run(run)
    const values = this.#layout.finish()
    const slabs = [...this.#layout.slabs, ...this.#held]
    this.#taken = new Map()
    this.#held = []
    this.#layout = new Layout(this.#slabs)
    if (values.length > 0) await this.#append(values)
    for (const slab of slabs) this.#slabs.release(slab)
  }

  async #append(values: readonly LaidValue[]): Promise<void> {
    const first = this.#sequence
    this.#sequence += values.length
    values.forEach(({ bytes, placed }, index) => {
      const header = {
        segment: this.#aside.id,
        sequence: first + index,
        committedAtMs: this.#committedAtMs,
      }
      const entries = placed.map(({ entry }) => entry)
      writeDirectory(bytes, header, entries, this.crc32c)
      // Nothing of the partitions' own segments is cut: what is dead was left out.
      for (const entry of entries) this.#catalog.apply(entry, header.sequence, () => 0, header.committedAtMs)
      this.#catalog.appended(header.sequence)
    })
    await this.#aside.append(
      first,
      values.map(({ bytes }) => bytes),
    )
  }

  index(producers: Uint8Array | undefined): Uint8Array {
    return this.#catalog.encodeActive(producers)
  }
}

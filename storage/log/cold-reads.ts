/**
 * Brings into memory what readers are about to read, so that the event loop never waits for the disk: the
 * runs of an index and the values of one step, and the next step while a reader is busy with the first.
 *
 * One step is under way at a time in the whole node, in the order in which they were asked for; a reader asks for
 * no more than one ahead, so readers take turns. Steps that really come from the disk are paced by what commits suffer
 * (`read-pace.ts`). All of it is a hint: what was not brought in is read all the same, and whatever goes wrong here
 * goes wrong there, where somebody is told.
 */
import type { DiskPace } from '../ports.ts'
import type { SegmentId } from '../segment-store.ts'
import { BroughtIn } from './brought-in.ts'
import { CommitLatency } from './commit-latency.ts'
import type { LiveRuns } from './live-runs.ts'
import type { PartitionLog } from './partition-log.ts'
import type { RangeView } from './ranges.ts'
import { ReadPace } from './read-pace.ts'
import type { SegmentCatalog } from './segment-catalog.ts'
import { WarmTail } from './warm-tail.ts'

export interface ColdReadStats {
  /** Steps brought in since the start, and the bytes of them that really came from the disk. */
  readonly prefetches: number
  readonly diskBytes: number
  /** Time in which a step waited for its turn on the disk so as not to disturb commits, ms. */
  readonly pausedMs: number
  /** Steps that wait at this moment. */
  readonly waiting: number
}

/** What one step brings in, about. */
const STEP_BYTES = 1024 * 1024
const FIRST_STEP_BYTES_MIN = 64 * 1024
/** What was appended last is in memory. */
const WARM_BYTES = 64 * 1024 * 1024
/** A step is trusted to be in memory still for so long. */
const STEP_TRUSTED_MS = 10_000
/** Steps remembered for each partition, and partitions with any. */
const STEPS_PER_PARTITION_MAX = 16
const PARTITIONS_MAX = 1_024
/** Values brought in lately that are remembered: 256 MB of the usual size. */
const VALUES_MAX = 4_096

class Step {
  readonly log: PartitionLog
  readonly fromOffset: number
  readonly bytesMax: number
  /** The first offset that is not brought in; undefined until that is known. */
  upTo: number | undefined
  /** Undefined: not done yet. */
  doneAtMs: number | undefined
  /** It goes on where another one ended: its reader reads on and on. */
  readonly continues: boolean
  /** The next one has been asked for. */
  isFollowed = false
  readonly done: Promise<void>
  finish: () => void = () => {}

  constructor(log: PartitionLog, fromOffset: number, bytesMax: number, continues: boolean) {
    this.log = log
    this.fromOffset = fromOffset
    this.bytesMax = bytesMax
    this.continues = continues
    this.done = new Promise((resolve) => {
      this.finish = resolve
    })
  }

  holds(offset: number): boolean {
    return offset === this.fromOffset || (offset > this.fromOffset && offset < (this.upTo ?? 0))
  }
}

export class ColdReads {
  readonly #catalog: SegmentCatalog
  readonly #runs: LiveRuns
  readonly #disk: DiskPace | undefined
  readonly #pace = new ReadPace()
  readonly #latency = new CommitLatency()
  readonly #tail = new WarmTail(WARM_BYTES)
  /** Batches of many partitions lie in one value, and their readers come one after the other. */
  readonly #values = new BroughtIn(VALUES_MAX, STEP_TRUSTED_MS)
  readonly #steps = new Map<PartitionLog, Step[]>()
  readonly #queue: Step[] = []
  #isWorking = false
  #isClosed = false
  #prefetches = 0
  #diskBytes = 0
  #pausedMs = 0

  /** @param disk without it nothing is paced */
  constructor(catalog: SegmentCatalog, runs: LiveRuns, disk: DiskPace | undefined) {
    this.#catalog = catalog
    this.#runs = runs
    this.#disk = disk
  }

  /** Values were appended and became durable after `durationMs`, where that is known. */
  appended(segment: SegmentId, firstSequence: number, bytes: number, durationMs: number | undefined): void {
    this.#tail.appended(segment, firstSequence, bytes)
    if (durationMs !== undefined && this.#disk) this.#latency.committed(this.#disk.monotonicMs(), durationMs)
  }

  /**
   * Undefined when a read at `offset` does not wait for the disk, as far as is known; else resolves when
   * the values of about the next `bytesMax` bytes are in memory. Never rejects.
   */
  prepare(log: PartitionLog, offset: number, bytesMax: number): Promise<void> | undefined {
    if (this.#isClosed) return undefined
    const step = this.#stepAt(log, offset)
    if (!step && this.#isWarm(log, offset)) return undefined
    if (!step)
      return this.#begin(log, offset, Math.min(STEP_BYTES, Math.max(bytesMax, FIRST_STEP_BYTES_MIN))).done
    // Whoever reads on within a step, or from one to the next, reads on behind it.
    const readsOn = offset > step.fromOffset || step.continues
    if (step.upTo !== undefined && readsOn && !step.isFollowed) {
      step.isFollowed = true
      if (!this.#isWarm(log, step.upTo) && !this.#stepAt(log, step.upTo))
        this.#begin(log, step.upTo, STEP_BYTES)
    }
    return step.doneAtMs === undefined ? step.done : undefined
  }

  stats(): ColdReadStats {
    const { length: waiting } = this.#queue
    return { prefetches: this.#prefetches, diskBytes: this.#diskBytes, pausedMs: this.#pausedMs, waiting }
  }

  /** Whoever waits goes on without. */
  close(): void {
    this.#isClosed = true
    for (const step of this.#queue.splice(0)) step.finish()
  }

  /** What was appended lately, or is not there at all. */
  #isWarm(log: PartitionLog, offset: number): boolean {
    if (offset >= log.durableOffset) return true
    const extents = log.extents.view()
    const at = extents.find(offset)
    if (at < extents.count) {
      if (extents.isLost(at)) return true
      const segment = extents.container(at)
      // The index of a segment that was sealed a moment ago is in memory as well.
      const isKnown =
        this.#tail.reaches(segment) || this.#catalog.indexes.isLoaded(segment, extents.position(at))
      if (!isKnown) return false
    }
    const run = this.#runs.locate(log, offset)
    return run?.sequence === undefined || this.#isInMemory(run.segment, run.sequence)
  }

  #isInMemory(segment: SegmentId, sequence: number): boolean {
    return this.#tail.has(segment, sequence) || this.#values.has(segment, sequence, this.#nowMs())
  }

  #stepAt(log: PartitionLog, offset: number): Step | undefined {
    const steps = this.#steps.get(log)
    if (!steps) return undefined
    const oldestMs = this.#nowMs() - STEP_TRUSTED_MS
    return steps.findLast(
      (step) => step.holds(offset) && (step.doneAtMs ?? Number.POSITIVE_INFINITY) >= oldestMs,
    )
  }

  #begin(log: PartitionLog, offset: number, bytesMax: number): Step {
    const steps = this.#steps.get(log) ?? []
    const continues = steps.some(({ upTo }) => upTo === offset)
    const step = new Step(log, offset, continues ? STEP_BYTES : bytesMax, continues)
    this.#steps.delete(log)
    this.#steps.set(log, steps)
    steps.push(step)
    if (steps.length > STEPS_PER_PARTITION_MAX) steps.shift()
    if (this.#steps.size > PARTITIONS_MAX)
      for (const oldest of this.#steps.keys()) {
        this.#steps.delete(oldest)
        break
      }
    this.#queue.push(step)
    if (!this.#isWorking) void this.#work()
    return step
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    while (this.#queue.length > 0) {
      await this.#pause()
      const step = this.#queue.shift()
      if (!step) break
      const startedAtMs = this.#nowMs()
      const before = this.#disk?.diskBytesRead() ?? 0
      await this.#bringIn(step)
      this.#account(startedAtMs, (this.#disk?.diskBytesRead() ?? 0) - before)
      step.doneAtMs = this.#nowMs()
      step.finish()
    }
    this.#isWorking = false
  }

  async #pause(): Promise<void> {
    const disk = this.#disk
    const pauseMs = disk ? this.#pace.pauseMs(disk.monotonicMs()) : 0
    if (!disk || pauseMs <= 0) return
    await new Promise<void>((resolve) => disk.after(pauseMs, resolve))
    this.#pausedMs += pauseMs
  }

  #account(startedAtMs: number, diskBytes: number): void {
    this.#prefetches++
    this.#diskBytes += diskBytes
    const nowMs = this.#nowMs()
    const commitMs = this.#latency.now(nowMs)
    this.#pace.stepped({ startedAtMs, diskBytes, commitMs, quietCommitMs: this.#latency.quietMs })
    if (diskBytes > 0) this.#latency.read(nowMs)
  }

  async #bringIn(step: Step): Promise<void> {
    const { log, fromOffset } = step
    try {
      const extents = log.extents.view()
      const at = extents.find(fromOffset)
      const endOffset = at < extents.count ? extents.endOffset(at) : log.durableOffset
      if (at < extents.count && !extents.isLost(at)) await this.#loadIndex(log, extents, at)
      const { upTo, values } = this.#plan(log, fromOffset, endOffset, step.bytesMax)
      step.upTo = upTo
      for (const { segment, sequence, count } of values) {
        await this.#catalog.store.prefetch(segment, sequence, count)
        this.#values.add(segment, sequence, count, this.#nowMs())
      }
    } catch {
      // Damaged, removed or closed meanwhile: the read that follows says so to whoever asks.
      step.upTo ??= fromOffset + 1
    }
  }

  #loadIndex(log: PartitionLog, extents: RangeView, at: number): Promise<void> {
    const { topicId, partition } = log
    const baseOffset = extents.baseOffset(at)
    const endOffset = extents.endOffset(at)
    const wanted = { topicId, partition, baseOffset, endOffset, bytes: extents.length(at) }
    return this.#catalog.indexes.load(extents.container(at), extents.position(at), wanted)
  }

  /** The values of the runs from an offset on that are worth one step, neighbours taken together. */
  #plan(log: PartitionLog, fromOffset: number, endOffset: number, bytesMax: number) {
    const values: { segment: SegmentId; sequence: number; count: number }[] = []
    let bytes = 0
    let upTo = fromOffset
    while (upTo < endOffset && bytes < bytesMax) {
      const run = this.#runs.locate(log, upTo)
      if (!run) break
      upTo = run.endOffset
      const { segment, sequence } = run
      if (sequence === undefined || run.damage !== undefined) continue
      // The value is read whole; how much lies behind the run is not known.
      bytes += run.runs.position(run.index) + run.runs.length(run.index)
      const last = values[values.length - 1]
      if (last?.segment === segment && last.sequence + last.count === sequence) last.count++
      else if (last?.segment !== segment || last.sequence + last.count !== sequence + 1)
        values.push({ segment, sequence, count: 1 })
    }
    return { upTo: Math.max(upTo, fromOffset + 1), values }
  }

  #nowMs(): number {
    return this.#disk?.monotonicMs() ?? 0
  }
}

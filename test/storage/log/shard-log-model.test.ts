/**
 * The log against a model, by random operations: append (of a leader, of a follower), read, by time,
 * roll, retention, relocation, truncation, epochs, topics dropped and made again, flipped bits, clean
 * restarts, and crashes of a disk that forgets what was not synced, also in the middle of a relocation.
 *
 * OCTOPUS_SEED repeats a run; OCTOPUS_SOAK makes it long.
 */
import t from 'tap'
import { DamageError } from '../../../storage/log/log-error.ts'
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import { ShardLog } from '../../../storage/log/shard-log.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { MemorySegmentStore } from '../../../storage/memory/memory-segment-store.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import {
  baseOffsetAt,
  batchBytesAt,
  lastOffsetAt,
  leaderEpochAt,
  maxTimestampAt,
  stampBatch,
} from '../../../storage/record/batch-header.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { roundsOf } from '../../support/rounds.ts'
import { randomOf, type SeededRandom, seededRandom } from '../../support/seeded-random.ts'
import { type ModelBatch, ModelLog } from './log-model.ts'

const SEGMENT_BYTES = 256 * 1024

interface Subject {
  readonly topicId: Uint8Array
  readonly partition: number
  readonly model: ModelLog
  log: PartitionLog
}

class Run {
  readonly random: SeededRandom
  readonly disk = new MemoryDisk()
  readonly sources = [{}, {}, {}]
  subjects: Subject[] = []
  shard!: ShardLog
  store!: MemorySegmentStore
  nowMs = 1_700_000_000_000
  nextTopic = 1
  /** Syncs do not come back any more: the power is about to go. */
  hangs = false
  relocations = 0

  constructor(seed: number) {
    this.random = randomOf(seed)
  }

  async open(): Promise<void> {
    this.hangs = false
    const wait = () => (this.hangs ? new Promise<void>(() => {}) : Promise.resolve())
    this.store = new MemorySegmentStore({ disk: this.disk, segmentBytes: SEGMENT_BYTES, syncs: { wait } })
    await this.store.open()
    this.shard = await ShardLog.open({
      store: this.store,
      clock: { nowMs: () => this.nowMs },
      crc32c: crc32cTable,
      soon: (run) => queueMicrotask(run),
      commitBytesMax: 60_000,
      // Sometimes so small that nothing stays in it.
      indexCacheBytesMax: this.random.pick([0, 2_000, 1_000_000]),
    })
    for (const subject of this.subjects) {
      subject.log = this.shard.createPartition(subject.topicId, subject.partition)
      // A truncation forgets the epochs it cut off; who leads in which is told anew after a start.
      subject.model.leaderEpoch = subject.log.leaderEpoch
    }
  }

  addTopic(): void {
    const topicId = new Uint8Array(16)
    new DataView(topicId.buffer).setUint32(0, this.nextTopic++)
    for (let partition = 0; partition < 3; partition++)
      this.subjects.push({
        topicId,
        partition,
        model: new ModelLog(),
        log: this.shard.createPartition(topicId, partition),
      })
  }

  batch(): Uint8Array {
    const encoder = new BatchEncoder({ crc32c: crc32cTable, bytesMax: 100_000 })
    const count = 1 + this.random.below(4)
    for (let i = 0; i < count; i++) {
      const length = this.random.below(30) === 0 ? 20_000 + this.random.below(25_000) : this.random.below(600)
      encoder.append(
        this.nowMs - this.random.below(5_000),
        null,
        new Uint8Array(length).fill(this.random.below(256)),
      )
    }
    return encoder.finish()
  }

  /** What the log will have made of the batches: stamped copies, entered in the model. */
  enter(model: ModelLog, bytes: Uint8Array, stamp: boolean): void {
    for (let at = 0; at < bytes.length; ) {
      const batch = bytes.slice(at, at + batchBytesAt(bytes, at))
      if (stamp) stampBatch(batch, 0, model.logEndOffset, model.leaderEpoch)
      model.append({
        baseOffset: baseOffsetAt(batch, 0),
        lastOffset: lastOffsetAt(batch, 0),
        maxTimestampMs: maxTimestampAt(batch, 0),
        leaderEpoch: leaderEpochAt(batch, 0),
        bytes: batch,
      })
      at += batch.length
    }
  }

  async appendSome(): Promise<void> {
    const waiting: Promise<void>[] = []
    for (let i = 0; i < 1 + this.random.below(12); i++) {
      const { log, model } = this.random.pick(this.subjects)
      const batches = Array.from({ length: 1 + this.random.below(3) }, () => this.batch())
      const bytes = new Uint8Array(Buffer.concat(batches))
      // One source per partition: between sources the order is the log's to choose.
      const source = this.sources[log.partition]
      waiting.push(
        this.shard.append(source, log, bytes).then(({ baseOffset }) => {
          if (baseOffset !== model.logEndOffset)
            throw new Error(`acknowledged at ${baseOffset}, model ${model.logEndOffset}`)
          this.enter(model, bytes, true)
        }),
      )
    }
    await Promise.all(waiting)
  }

  async followerAppend(): Promise<void> {
    const { log, model } = this.random.pick(this.subjects)
    let offset = model.logEndOffset
    let epoch = model.leaderEpoch
    const batches: Uint8Array[] = []
    for (let i = 0; i < 1 + this.random.below(3); i++) {
      const batch = this.batch()
      offset += this.random.below(3) === 0 ? this.random.below(5) : 0
      epoch += this.random.below(8) === 0 ? 1 : 0
      stampBatch(batch, 0, offset, epoch)
      offset = lastOffsetAt(batch, 0) + 1
      batches.push(batch)
    }
    const bytes = new Uint8Array(Buffer.concat(batches))
    await this.shard.appendAsFollower(this.sources[0], log, bytes)
    this.enter(model, bytes, false)
    const stale = this.batch()
    stampBatch(stale, 0, Math.max(0, model.logEndOffset - 1), epoch)
    const error = await this.shard.appendAsFollower(this.sources[0], log, stale).then(
      () => undefined,
      (reason) => reason,
    )
    if (error?.code !== 'NOT_CONTIGUOUS') throw new Error('an overlapping follower append was taken')
  }

  async truncate(): Promise<void> {
    const { log, model } = this.random.pick(this.subjects)
    const back = this.random.below(3) === 0 ? this.random.below(400) : this.random.below(8)
    const offset = Math.max(0, model.logEndOffset - back)
    const end = await this.shard.truncateTo(log, offset)
    const expected = model.truncateTo(offset)
    if (end !== expected) throw new Error(`truncated to ${end}, model ${expected}`)
  }

  async beginEpoch(): Promise<void> {
    const { log, model } = this.random.pick(this.subjects)
    model.leaderEpoch += 1 + this.random.below(2)
    await this.shard.beginLeaderEpoch(log, model.leaderEpoch)
  }

  async retain(): Promise<void> {
    this.nowMs += this.random.below(3_000)
    const retentionMs = this.random.below(2) === 0 ? -1 : this.random.below(12_000)
    const retentionBytes = this.random.below(2) === 0 ? -1 : this.random.below(300_000)
    // One partition of each topic is kept for ever, and pins the segments of the others.
    const isKept = ({ partition }: { readonly partition: number }) => partition === 2
    const policy = { retentionMs, retentionBytes }
    await this.shard.enforceRetention(this.nowMs, (log) => (isKept(log) ? undefined : policy))
    for (const { model } of this.subjects.filter((subject) => !isKept(subject)))
      model.retain(this.nowMs, retentionMs, retentionBytes)
  }

  /** Alone, or with everything else going on meanwhile; also given up in the middle. */
  async relocate(): Promise<void> {
    const giveUp = new AbortController()
    if (this.random.below(6) === 0) giveUp.abort()
    const relocating = this.shard.relocate(giveUp.signal)
    if (this.random.below(2) === 0)
      for (let i = this.random.below(4); i > 0; i--) {
        const dice = this.random.below(10)
        if (dice < 6) await this.appendSome()
        else if (dice < 8) await this.truncate()
        else if (dice < 9) await this.dropTopic()
        else giveUp.abort()
        this.read()
      }
    const { relocated, failures } = await relocating
    if (failures.length > 0) throw failures[0]
    this.relocations += relocated.length
  }

  async dropTopic(): Promise<void> {
    const { topicId } = this.random.pick(this.subjects)
    await this.shard.dropTopic(topicId)
    this.subjects = this.subjects.filter((subject) => subject.topicId !== topicId)
    this.addTopic()
  }

  async restart(): Promise<void> {
    await this.shard.close()
    await this.store.close()
    await this.open()
  }

  /** Appends are under way when the power goes: each is there or not, none in part, none acknowledged lost. */
  async crash(): Promise<void> {
    const flying = new Map<Subject, Uint8Array[]>()
    this.hangs = this.random.below(2) === 0
    if (this.random.below(3) === 0)
      this.shard.relocate(new AbortController().signal).catch(() => {
        // The same.
      })
    for (let i = 0; i < this.random.below(10); i++) {
      const subject = this.random.pick(this.subjects)
      const bytes = this.batch()
      flying.set(subject, [...(flying.get(subject) ?? []), bytes])
      this.shard.append(this.sources[subject.log.partition], subject.log, bytes).catch(() => {
        // The process is gone: nobody is there to be told.
      })
    }
    for (let i = this.random.below(4); i > 0; i--) await Promise.resolve()
    this.disk.crash(() => this.random.unit())
    await this.open()
    for (const subject of this.subjects) this.settleCrash(subject, flying.get(subject) ?? [])
  }

  settleCrash({ log, model }: Subject, flying: readonly Uint8Array[]): void {
    for (const bytes of flying) {
      if (model.logEndOffset >= log.durableOffset) break
      this.enter(model, bytes, true)
    }
  }

  check(): void {
    for (const subject of this.subjects) {
      const { log, model } = subject
      log.invariants()
      const same = (what: string, actual: unknown, expected: unknown) => {
        if (actual !== expected)
          throw new Error(`${what} of ${log.topicId[3]}/${log.partition} is ${actual}, model ${expected}`)
      }
      same('log start', log.logStartOffset, model.logStartOffset)
      same('log end', log.logEndOffset, model.logEndOffset)
      same('durable', log.durableOffset, model.logEndOffset)
      same('high watermark', log.highWatermark, model.logEndOffset)
      same('leader epoch', log.leaderEpoch, model.leaderEpoch)
      same('bytes', log.bytes, model.bytes)
      for (const { baseOffset, leaderEpoch } of model.from(model.logStartOffset).slice(-3))
        same(
          `epoch at ${baseOffset}`,
          log.epochs.epochAt(Math.max(baseOffset, model.logStartOffset)),
          leaderEpoch,
        )
    }
  }

  /** Reads one partition from a random offset to its end, in slices of a random size. */
  read(subject: Subject = this.random.pick(this.subjects)): void {
    const { log, model } = subject
    let offset = model.logStartOffset + this.random.below(model.logEndOffset - model.logStartOffset + 1)
    const expected = model.from(offset)
    const bytesMax = 1 + this.random.below(100_000)
    let index = 0
    for (;;) {
      const slice = this.shard.read(log, offset, log.highWatermark, bytesMax)
      if (!slice) break
      if (
        slice.end - slice.start > bytesMax &&
        batchBytesAt(slice.value, slice.start) !== slice.end - slice.start
      )
        throw new Error(`a slice of ${slice.end - slice.start} bytes, asked for ${bytesMax}`)
      for (let at = slice.start; at < slice.end; index++) {
        const batch: ModelBatch | undefined = expected[index]
        const bytes = slice.value.subarray(at, at + batchBytesAt(slice.value, at))
        if (!batch || Buffer.compare(bytes, batch.bytes) !== 0)
          throw new Error(
            `batch ${index} from ${offset} of ${log.topicId[3]}/${log.partition} is not the model's`,
          )
        at += bytes.length
      }
      slice.value.fill(0)
      offset = slice.nextOffset
    }
    if (index !== expected.length)
      throw new Error(
        `read ${index} batches of ${expected.length} from ${log.topicId[3]}/${log.partition}, slices of ${bytesMax}, to ${offset}`,
      )
  }

  /** A bit is flipped somewhere, and back: what is read meanwhile is the model's, or told to be damaged. */
  readDamaged(): void {
    const stored = this.disk.segments.flatMap(({ values, index }) => (index ? [...values, index] : values))
    const bytes = stored.length > 0 ? this.random.pick(stored) : new Uint8Array()
    if (bytes.length === 0) return
    const at = this.random.below(bytes.length)
    const bit = 1 << this.random.below(8)
    bytes[at] ^= bit
    for (const { log, model } of this.subjects) {
      const expected = new Map(model.from(model.logStartOffset).map((batch) => [batch.baseOffset, batch]))
      for (let offset = model.logStartOffset; ; ) {
        try {
          const slice = this.shard.read(log, offset, log.highWatermark, 50_000)
          if (!slice) break
          for (let start = slice.start; start < slice.end; start += batchBytesAt(slice.value, start)) {
            const batch = expected.get(baseOffsetAt(slice.value, start))
            const served = slice.value.subarray(start, start + batchBytesAt(slice.value, start))
            if (!batch || Buffer.compare(served, batch.bytes) !== 0)
              throw new Error(
                `a batch that is not the model's at ${offset} of ${log.topicId[3]}/${log.partition}`,
              )
            expected.delete(batch.baseOffset)
          }
          offset = slice.nextOffset
        } catch (error) {
          if (!(error instanceof DamageError)) throw error
          const { firstOffset, lastOffset } = error.damage
          for (const [baseOffset, batch] of expected)
            if (batch.lastOffset >= firstOffset && baseOffset <= lastOffset) expected.delete(baseOffset)
          offset = Math.max(offset, lastOffset) + 1
        }
      }
      if (expected.size > 0)
        throw new Error(`${[...expected.keys()]} of ${log.topicId[3]}/${log.partition} were skipped silently`)
    }
    bytes[at] ^= bit
  }

  findTimestamp(): void {
    const { log, model } = this.random.pick(this.subjects)
    const timestampMs = this.nowMs - this.random.below(30_000)
    const found = this.shard.findTimestamp(log, timestampMs, log.highWatermark)
    const holder = model.from(model.logStartOffset).find((batch) => batch.maxTimestampMs >= timestampMs)
    if (!holder) {
      // A batch across the log start may hold it only below the log start.
      if (found) throw new Error(`found ${found.offset} where nothing is`)
      return
    }
    if (found && (found.timestampMs < timestampMs || found.offset < holder.baseOffset))
      throw new Error(`found ${found.offset} at ${found.timestampMs} for ${timestampMs}`)
    if (found && holder.baseOffset >= model.logStartOffset && found.offset > holder.lastOffset)
      throw new Error(`found ${found.offset} behind ${holder.lastOffset}`)
  }

  async step(): Promise<void> {
    const dice = this.random.below(100)
    if (dice < 50) await this.appendSome()
    else if (dice < 56) await this.followerAppend()
    else if (dice < 62) await this.truncate()
    else if (dice < 65) await this.beginEpoch()
    else if (dice < 70) await this.retain()
    else if (dice < 72) await this.relocate()
    else if (dice < 74) await this.dropTopic()
    else if (dice < 77) await this.restart()
    else if (dice < 84) await this.crash()
    else if (dice < 90) this.findTimestamp()
    else if (dice < 94) this.readDamaged()
    for (let i = 0; i < 3; i++) this.read()
    this.check()
  }
}

const runs = process.env.OCTOPUS_SOAK ? 200 : 12
const steps = process.env.OCTOPUS_SOAK ? 1_000 : 150

t.test(`${runs} runs of ${steps} random operations agree with the model`, async (t) => {
  const random = seededRandom(t)
  let relocations = 0
  for (const number of roundsOf(t, runs)) {
    const seed = number === 0 ? random.seed : random.below(2 ** 31)
    const run = new Run(seed)
    await run.open()
    run.addTopic()
    run.addTopic()
    let step = 0
    try {
      for (; step < steps; step++) await run.step()
      for (const subject of run.subjects) run.read(subject)
    } catch (error) {
      t.fail(`seed ${seed}, step ${step}: ${error}`, { error })
      return
    }
    relocations += run.relocations
    t.ok(run.store.segments().length >= 1, `seed ${seed}: ${run.store.segments().length} segments at the end`)
  }
  t.ok(relocations > 0, `${relocations} segments rewritten`)
})

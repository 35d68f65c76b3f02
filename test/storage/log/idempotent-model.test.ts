/**
 * Producers of a whole log against the slow model, by random operations: batches of all kinds in commits of many
 * partitions, commits that fail, rolls, retention, truncations, deleted topics, time that passes, clean
 * restarts, and crashes of a disk that forgets what was not synced. Whatever happened, what a restart
 * knows is what was known before it.
 *
 * OCTOPUS_SEED repeats a run; OCTOPUS_SOAK makes it long.
 */
import t from 'tap'
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import { SEQUENCES } from '../../../storage/log/producer-row.ts'
import { NAMELESS } from '../../../storage/log/sequence-check.ts'
import { ShardLog } from '../../../storage/log/shard-log.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { MemorySegmentStore } from '../../../storage/memory/memory-segment-store.ts'
import { stampBatch } from '../../../storage/record/batch-header.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { roundsOf } from '../../support/rounds.ts'
import { randomOf, type SeededRandom, seededRandom } from '../../support/seeded-random.ts'
import { idempotentBatch } from './idempotent-batches.ts'
import { type ModelBatch, ProducerModel } from './producer-model.ts'

const SEGMENT_BYTES = 128 * 1024
const EXPIRATION_MS = 10_000
const IDS = [2, 4, 6, 8, 1, 3]

interface Subject {
  readonly name: string
  readonly topicId: Uint8Array
  readonly partition: number
  log: PartitionLog
}

interface Sent {
  readonly subject: Subject
  readonly batch: Omit<ModelBatch, 'baseOffset'>
  readonly bytes: Uint8Array
}

class Run {
  readonly random: SeededRandom
  readonly disk = new MemoryDisk()
  readonly idsMax: number
  readonly epochs = new Map<number, number>([
    [1, 0],
    [3, 0],
  ])
  readonly source = {}
  model: ProducerModel
  subjects: Subject[] = []
  shard!: ShardLog
  store!: MemorySegmentStore
  nowMs = 1_700_000_000_000
  hangs = false
  #topics = 0

  constructor(seed: number) {
    this.random = randomOf(seed)
    this.idsMax = 4 + this.random.below(30)
    this.model = new ProducerModel(this.idsMax, EXPIRATION_MS)
  }

  standingOf(id: number): number {
    return this.epochs.get(id) ?? NAMELESS
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
      producers: {
        idsMax: this.idsMax,
        expirationMs: EXPIRATION_MS,
        standingOf: (id) => this.standingOf(id),
      },
    })
    for (const subject of this.subjects)
      subject.log = this.shard.createPartition(subject.topicId, subject.partition)
  }

  addTopic(): void {
    const topicId = new Uint8Array(16)
    new DataView(topicId.buffer).setUint32(0, ++this.#topics)
    for (let partition = 0; partition < 3; partition++)
      this.subjects.push({
        name: `${this.#topics}-${partition}`,
        topicId,
        partition,
        log: this.shard.createPartition(topicId, partition),
      })
  }

  /** Mostly what makes sense, seen from what the model knows. */
  batchFor(subject: Subject, known: ProducerModel): Sent {
    const { random } = this
    const producerId = random.pick(IDS)
    const entry = known
      .shown(this.nowMs)
      .find((row) => row.partition === subject.name && row.producerId === producerId)
    let records = 1 + random.below(5)
    const next = entry?.standing.nextSequence ?? 0
    const newest = Math.max(this.standingOf(producerId), entry?.standing.producerEpoch ?? 0, 0)
    const epoch = random.below(10) === 0 ? Math.max(0, newest - 1 + random.below(3)) : newest
    let first = next
    const choice = random.below(10)
    if (choice < 2 && entry) {
      const again = random.below(entry.batches.length)
      records = entry.batches[again][0]
      first = next - entry.batches.slice(again).reduce((sum, [count]) => sum + count, 0)
    } else if (choice === 2) first = 0
    else if (choice === 3) first = next + random.below(4)
    else if (choice === 4) first = Math.max(0, next - random.below(30))
    first %= SEQUENCES
    const valueBytes = random.pick([10, 10, 10, 3_000])
    const bytes = idempotentBatch({ producerId, epoch, first, records, valueBytes, timestampMs: this.nowMs })
    return { subject, batch: { partition: subject.name, producerId, epoch, first, records }, bytes }
  }

  /**
   * What one commit of these batches should answer, and the model after it. Batches are taken partition by
   * partition, in the order in which each partition first appears.
   */
  predict(sent: readonly Sent[]): { answers: Map<Sent, string>; after: ProducerModel } {
    const draft = this.model.copy()
    draft.entriesMax = Number.POSITIVE_INFINITY
    const after = this.model.copy()
    const answers = new Map<Sent, string>()
    for (const subject of new Set(sent.map((one) => one.subject))) {
      let end = subject.log.logEndOffset
      for (const one of sent.filter((other) => other.subject === subject)) {
        const batch = { ...one.batch, baseOffset: end }
        const verdict = draft.verdict(batch, this.standingOf(batch.producerId), this.nowMs)
        answers.set(one, verdict === 'append' ? `at ${end}` : verdict.replace('duplicate', 'at'))
        if (verdict !== 'append') continue
        draft.store(batch, this.nowMs)
        after.store(batch, this.nowMs)
        end += batch.records
      }
    }
    return { answers, after }
  }

  /** Batches that share one commit. */
  someBatches(): Sent[] {
    const draft = this.model.copy()
    const sent: Sent[] = []
    for (let i = 1 + this.random.below(8); i > 0; i--) {
      const one = this.batchFor(this.random.pick(this.subjects), draft)
      sent.push(one)
      const batch = { ...one.batch, baseOffset: 0 }
      // A guess, so that batches which follow each other meet in one commit.
      if (draft.verdict(batch, this.standingOf(batch.producerId), this.nowMs) === 'append')
        draft.store(batch, this.nowMs)
    }
    return sent
  }

  async commit(): Promise<void> {
    const sent = this.someBatches()
    const { answers, after } = this.predict(sent)
    const isFull = this.random.below(10) === 0
    if (isFull) this.disk.capacityBytes = 0
    const endsBefore = new Map(this.subjects.map((subject) => [subject, subject.log.logEndOffset]))
    const outcomes = await Promise.allSettled(
      sent.map(({ subject, bytes }) => this.shard.append(this.source, subject.log, bytes)),
    )
    this.disk.capacityBytes = Number.POSITIVE_INFINITY
    const isWritten = outcomes.some(
      (outcome, i) =>
        outcome.status === 'fulfilled' &&
        outcome.value.baseOffset >= (endsBefore.get(sent[i].subject) as number),
    )
    outcomes.forEach((outcome, i) => {
      const told =
        outcome.status === 'fulfilled' ? `at ${outcome.value.baseOffset}` : reasons[outcome.reason.code]
      const right = answers.get(sent[i])
      if (told !== right && !(isFull && told === 'full'))
        throw new Error(`${told} for ${right}: ${JSON.stringify(sent[i].batch)}`)
    })
    if (isWritten) this.model = after
  }

  pass(durationMs: number): void {
    this.nowMs += durationMs
  }

  /** The name is claimed by a newcomer. */
  claim(): void {
    const id = this.random.pick([...this.epochs.keys()])
    this.epochs.set(id, this.standingOf(id) + 1)
  }

  /** A leader's batch as it is: of a producer that goes on, or of one nobody has heard of. */
  async follow(): Promise<void> {
    const subject = this.random.pick(this.subjects)
    const { batch, bytes } = this.batchFor(subject, this.model)
    const baseOffset = subject.log.logEndOffset + this.random.below(3)
    stampBatch(bytes, 0, baseOffset, subject.log.leaderEpoch)
    await this.shard.appendAsFollower(this.source, subject.log, bytes)
    this.model.store({ ...batch, baseOffset }, this.nowMs)
  }

  async truncate(): Promise<void> {
    const { log, name } = this.random.pick(this.subjects)
    const back = this.random.pick([1, 10, 100])
    const end = await this.shard.truncateTo(log, Math.max(0, log.logEndOffset - this.random.below(back)))
    this.model.truncate(name, end)
  }

  async retain(): Promise<void> {
    const retentionBytes = this.random.pick([0, 2_000, 50_000])
    const { failures } = await this.shard.enforceRetention(this.nowMs, () => ({
      retentionMs: -1,
      retentionBytes,
    }))
    if (failures.length > 0) throw failures[0]
    this.model.expire(this.nowMs)
  }

  async drop(): Promise<void> {
    const { topicId } = this.random.pick(this.subjects)
    await this.shard.dropTopic(topicId)
    for (const subject of this.subjects) if (subject.topicId === topicId) this.model.forget(subject.name)
    this.subjects = this.subjects.filter((subject) => subject.topicId !== topicId)
    if (this.subjects.length < 6) this.addTopic()
  }

  /** The power goes while a commit is on its way to the disk: all of it is there afterwards, or nothing. */
  async crash(): Promise<void> {
    const sent = this.someBatches()
    const { after } = this.predict(sent)
    const ends = sent.map(({ subject }) => subject.log.logEndOffset)
    this.hangs = true
    // Refused or never answered: the power is gone first.
    for (const { subject, bytes } of sent) this.shard.append(this.source, subject.log, bytes).catch(() => {})
    for (let i = 0; i < 30; i++) await Promise.resolve()
    this.disk.crash(this.random.unit)
    await this.open()
    const isWritten = sent.some(({ subject }, i) => subject.log.logEndOffset > ends[i])
    if (isWritten) this.model = after
  }

  check(): void {
    for (const subject of this.subjects)
      for (const id of IDS) {
        const is = this.shard.describeProducer(subject.log, id)
        const should = this.model
          .shown(this.nowMs)
          .find((row) => row.partition === subject.name && row.producerId === id)?.standing
        if (JSON.stringify(is) !== JSON.stringify(should))
          throw new Error(
            `${subject.name}, producer ${id}: ${JSON.stringify(is)} and should be ${JSON.stringify(should)}`,
          )
      }
  }
}

const reasons: Readonly<Record<string, string>> = {
  NO_SPACE: 'full',
  SEQUENCE_GAP: 'gap',
  SEQUENCE_STORED: 'old',
  PRODUCER_FENCED: 'fenced',
  UNKNOWN_PRODUCER: 'unknown',
}

t.test('random operations, as the model has them', async (t) => {
  const { seed } = seededRandom(t)
  const runs = process.env.OCTOPUS_SOAK === '1' ? 300 : 12
  const done = new Map<string, number>()
  for (const number of roundsOf(t, runs)) {
    const run = new Run(seed + number)
    await run.open()
    run.addTopic()
    run.addTopic()
    const steps: [string, number, () => Promise<void> | void][] = [
      ['commit', 60, () => run.commit()],
      ['follow', 3, () => run.follow()],
      ['time', 8, () => run.pass(run.random.below(2_000))],
      ['long', 1, () => run.pass(EXPIRATION_MS)],
      ['claim', 4, () => run.claim()],
      ['truncate', 3, () => run.truncate()],
      ['retain', 3, () => run.retain()],
      ['drop', 1, () => run.drop()],
      ['restart', 4, () => restart(run)],
      ['crash', 4, () => run.crash()],
    ]
    const weights = steps.flatMap(([, weight], index) => Array<number>(weight).fill(index))
    let name = ''
    try {
      for (let i = 0; i < 200; i++) {
        const step = steps[run.random.pick(weights)]
        name = `step ${i}, ${step[0]}`
        await step[2]()
        run.check()
        done.set(step[0], (done.get(step[0]) ?? 0) + 1)
      }
      name = 'the last restart'
      await restart(run)
      run.check()
    } catch (error) {
      throw new Error(`seed ${run.random.seed}, ${name}: ${(error as Error).message}`, { cause: error })
    }
    if (run.store.segments().length > 3) done.set('many segments', (done.get('many segments') ?? 0) + 1)
    if (run.shard.stats().producers.evicted > 0) done.set('evicted', (done.get('evicted') ?? 0) + 1)
  }
  t.comment(JSON.stringify(Object.fromEntries(done)))
  for (const what of ['crash', 'restart', 'truncate', 'retain', 'drop', 'many segments'])
    t.ok((done.get(what) ?? 0) > 0, `${what} came up`)
})

async function restart(run: Run): Promise<void> {
  await run.shard.close()
  await run.store.close()
  await run.open()
}

/**
 * Idempotent producers, as pure state: each rule once, then random commits against a slow model. OCTOPUS_SEED
 * repeats a run; OCTOPUS_SOAK makes it long.
 */
import t from 'tap'
import { SEQUENCES } from '../../../storage/log/producer-row.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from '../../../storage/log/producer-snapshot.ts'
import { ProducerState } from '../../../storage/log/producer-state.ts'
import { NAME_EXPIRED, NAMELESS, SequenceCheck } from '../../../storage/log/sequence-check.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { roundsOf } from '../../support/rounds.ts'
import { randomOf, seededRandom } from '../../support/seeded-random.ts'
import { type ModelBatch, ProducerModel } from './producer-model.ts'

class Partition {
  readonly name: string
  readonly topicId = new Uint8Array(16)
  readonly partition: number

  constructor(number: number) {
    this.name = `p${number}`
    this.partition = number
    this.topicId.fill(number)
  }
}

const EXPIRATION_MS = 1_000

/** State and check with commits of one batch each, each durable at once. */
function fresh(
  standingOf: (id: number) => number = () => NAMELESS,
  entriesMax = 100,
  oldestEpochOf: (id: number) => number = () => 0,
) {
  const state = new ProducerState<Partition>({ entriesMax, expirationMs: EXPIRATION_MS })
  const check = new SequenceCheck(state, standingOf, oldestEpochOf)
  const partition = new Partition(0)
  let end = 0
  const send = (producerId: number, epoch: number, first: number, records = 10, nowMs = 0) => {
    check.begin(partition, nowMs)
    const verdict = check.check(producerId, epoch, first, records, end)
    if (verdict === 'append') {
      state.record(partition, producerId, epoch, first, records, end, nowMs)
      end += records
    }
    return verdict === 'duplicate' ? check.originalOffset : verdict
  }
  return { state, check, partition, send }
}

t.test('the next batch, the last five again, what is older and what leaves a gap', async (t) => {
  const { send, state, partition } = fresh()
  t.equal(send(4, 0, 10), 'unknown')
  for (let i = 0; i < 7; i++) t.equal(send(4, 0, i * 10), 'append')
  for (let i = 2; i < 7; i++) t.equal(send(4, 0, i * 10), i * 10, 'the original offset')
  t.equal(send(4, 0, 10), 'old')
  t.equal(send(4, 0, 60, 9), 'old', 'other records from the same sequence on are another batch')
  t.equal(send(4, 0, 65, 20), 'old', 'and so is one that overlaps')
  t.equal(send(4, 0, 71), 'gap')
  t.equal(send(4, 0, 70), 'append')
  t.same(state.describe(partition, 4, 0), {
    producerEpoch: 0,
    lastSequence: 79,
    nextSequence: 80,
    lastOffset: 79,
    lastTimestampMs: 0,
  })
  t.equal(state.describe(partition, 6, 0), undefined)
})

t.test('without a name a newer epoch begins at 0, an older one is over', async (t) => {
  const { send, state, partition } = fresh()
  t.equal(send(4, 3, 0), 'append', 'any epoch may be the first')
  t.equal(send(4, 5, 10), 'gap')
  t.equal(send(4, 5, 0), 'append')
  t.equal(send(4, 3, 10), 'fenced')
  t.equal(send(4, 5, 0), 10, 'a duplicate of the newer epoch, not of the older')
  t.equal(state.describe(partition, 4, 0)?.nextSequence, 10)
})

t.test(
  'without a name an epoch that was given up is over in partitions that know nothing newer',
  async (t) => {
    let oldest = 0
    const { send, check } = fresh(
      () => NAMELESS,
      100,
      () => oldest,
    )
    t.equal(send(4, 0, 0), 'append')
    oldest = 2
    t.equal(send(4, 0, 0), 'fenced', 'also what is stored already')
    t.equal(send(4, 1, 0), 'fenced')
    t.equal(check.expectedEpoch, 2)
    t.equal(send(6, 1, 0), 'fenced', 'also where nothing is known of it')
    t.equal(send(4, 2, 10), 'gap')
    t.equal(send(4, 3, 0), 'append', 'a newer one is good')
  },
)

t.test('with a name only the present epoch is good, and sequences go on', async (t) => {
  let epoch = 2
  const { send } = fresh((id) => (id === 5 ? epoch : id === 7 ? NAME_EXPIRED : NAMELESS))
  t.equal(send(5, 2, 0), 'append')
  epoch = 3
  t.equal(send(5, 2, 10), 'fenced')
  t.equal(send(5, 4, 10), 'fenced', 'an epoch nobody was given')
  t.equal(send(5, 3, 0), 0, 'what the predecessor stored is a duplicate')
  t.equal(send(5, 3, 20), 'gap')
  t.equal(send(5, 3, 10), 'append')
  epoch = 0
  t.equal(send(5, 3, 20), 'fenced', 'also after the last epoch')
  t.equal(send(5, 0, 20), 'append')
  t.equal(send(7, 0, 0), 'unknown', 'a name that has expired')
})

t.test('sequences wrap after 2^31 - 1, the count does not', async (t) => {
  const { send, state, partition } = fresh()
  const half = 2 ** 30
  t.equal(send(4, 0, 0, half), 'append')
  t.equal(send(4, 0, half, half - 5), 'append')
  t.equal(send(4, 0, SEQUENCES - 5, 10), 'append', 'over the end')
  t.equal(send(4, 0, SEQUENCES - 5, 10), SEQUENCES - 5, 'the same again')
  t.equal(send(4, 0, SEQUENCES - 5, 5), 'old')
  t.equal(send(4, 0, 6, 1), 'gap')
  t.equal(send(4, 0, 4, 1), 'old')
  t.equal(send(4, 0, 5, 5), 'append')
  t.match(state.describe(partition, 4, 0), { lastSequence: 9, nextSequence: SEQUENCES + 10 })
  for (let i = 0; i < 2; i++) t.equal(send(4, 0, (10 + i * half) % SEQUENCES, half), 'append')
  t.equal(state.describe(partition, 4, 0)?.nextSequence, 2 * SEQUENCES + 10)
})

t.test('batches of one commit see each other; a failed commit leaves no trace', async (t) => {
  const { state, check, partition } = fresh()
  check.begin(partition, 0)
  t.equal(check.check(4, 0, 0, 10, 100), 'append')
  t.equal(check.check(4, 0, 10, 10, 110), 'append')
  t.equal(check.check(4, 0, 0, 10, 120), 'duplicate')
  t.equal(check.originalOffset, 100)
  t.equal(check.check(4, 1, 0, 10, 120), 'append')
  t.equal(check.check(4, 0, 20, 10, 130), 'fenced')
  t.equal(state.size, 0, 'nothing is durable yet')
  check.begin(partition, 0)
  t.equal(check.check(4, 0, 10, 10, 100), 'unknown')
  t.equal(check.check(4, 0, 0, 10, 100), 'append')
  check.begin(new Partition(1), 0)
  t.equal(check.check(4, 0, 10, 10, 100), 'unknown', 'partitions know nothing of each other')
  for (let id = 0; id < 200; id += 2) t.equal(check.check(id, 0, 0, 1, id), 'append')
  for (let id = 0; id < 200; id += 2)
    t.equal(check.check(id, 0, 1, 1, 200 + id), 'append', 'the overlay grows')
})

t.test('who sends nothing for long is unknown, exactly then', async (t) => {
  const { send, state, partition } = fresh()
  t.equal(send(4, 0, 0, 10, 100), 'append')
  t.equal(send(4, 0, 0, 10, 500), 0)
  t.equal(send(4, 0, 10, 10, 1_100), 'append', 'a duplicate is no sign of life, the last moment is')
  t.equal(send(4, 0, 20, 10, 2_101), 'unknown')
  t.equal(state.describe(partition, 4, 2_101), undefined)
  t.same([...state.producerIds(2_100)], [4])
  t.same([...state.producerIds(2_101)], [])
  t.equal(send(4, 0, 0, 10, 2_101), 'append')
  t.equal(state.describe(partition, 4, 2_101)?.nextSequence, 10)
  t.equal(send(6, 0, 0, 10, 2_200), 'append')
  state.expire(3_102)
  t.equal(state.size, 1)
  state.expire(3_201)
  t.equal(state.size, 0)
})

t.test('of too many the longest unused goes', async (t) => {
  const { send, state } = fresh(undefined, 3)
  for (const id of [2, 4, 6]) send(id, 0, 0)
  t.equal(send(2, 0, 10), 'append')
  t.equal(send(8, 0, 0), 'append')
  t.equal(state.size, 3)
  t.equal(state.evicted, 1)
  t.equal(send(4, 0, 10), 'unknown')
  for (const id of [2, 6, 8]) t.not(send(id, 0, 5), 'unknown')
  state.limitTo(1)
  t.same([...state.producerIds(0)], [8])
})

t.test('a truncation takes the state back as far as it is known', async (t) => {
  const { send, state, partition } = fresh()
  for (let i = 0; i < 7; i++) send(4, 0, i * 10)
  send(6, 0, 0)
  state.truncate(partition, 50)
  t.same(state.describe(partition, 4, 0)?.nextSequence, 50)
  t.equal(state.describe(partition, 6, 0), undefined)
  t.equal(state.size, 1)
  state.truncate(partition, 20)
  t.equal(state.describe(partition, 4, 0), undefined, 'what was before the last five is not known')
  state.truncate(new Partition(9), 0)
})

/** What can be seen of the state, as the model shows it. */
function shown(state: ProducerState<Partition>, nowMs: number) {
  const { cells } = state
  const rows: { readonly partition: Partition; readonly at: number }[] = []
  state.forEachRow((partition, at) => rows.push({ partition, at }))
  return rows
    .filter(({ at }) => nowMs - cells[at + 3] <= EXPIRATION_MS)
    .map(({ partition, at }) => ({
      partition: partition.name,
      producerId: cells[at],
      standing: state.describe(partition, cells[at], nowMs),
      batches: Array.from({ length: cells[at + 4] }, (_, i) => [
        ...cells.slice(at + 5 + i * 2, at + 7 + i * 2),
      ]),
    }))
}

t.test('random commits, as the model has them', async (t) => {
  const { seed } = seededRandom(t)
  const rounds = process.env.OCTOPUS_SOAK === '1' ? 3_000 : 60
  const met = new Map<string, number>()
  for (const round of roundsOf(t, rounds)) runRound(seed + round)
  t.comment(JSON.stringify(Object.fromEntries(met)))
  for (const verdict of [
    'append',
    'duplicate',
    'fenced',
    'gap',
    'old',
    'unknown',
    'expired',
    'evicted',
    'wrapped',
  ])
    t.ok((met.get(verdict) ?? 0) > 0, `${verdict} came up`)

  function count(what: string): void {
    met.set(what, (met.get(what) ?? 0) + 1)
  }

  function runRound(roundSeed: number): void {
    const random = randomOf(roundSeed)
    const entriesMax = 2 + random.below(14)
    let state = new ProducerState<Partition>({ entriesMax, expirationMs: EXPIRATION_MS })
    const standings = new Map<number, number>()
    const standingOf = (id: number) => standings.get(id) ?? NAMELESS
    let check = new SequenceCheck(state, standingOf)
    const partitions = [0, 1, 2].map((number) => new Partition(number))
    const ends = new Map(partitions.map((partition) => [partition, 0]))
    const ids = [2, 4, 6, 1, 3]
    for (const id of [1, 3]) standings.set(id, random.below(3))
    let model = new ProducerModel(entriesMax, EXPIRATION_MS)
    let nowMs = 0

    const same = (what: string) => {
      const [is, should] = [shown(state, nowMs), model.shown(nowMs)]
      if (JSON.stringify(is) !== JSON.stringify(should)) {
        t.same(is, should, `seed ${roundSeed}: after ${what}`)
        throw new Error(`seed ${roundSeed}: state and model differ after ${what}`)
      }
    }

    /** Mostly what makes sense, seen from what the model knows. */
    const batchOf = (partition: Partition, known: ProducerModel): ModelBatch => {
      const producerId = random.pick(ids)
      const entry = known
        .shown(nowMs)
        .find((row) => row.partition === partition.name && row.producerId === producerId)
      const records = random.pick([1, 7, 2 ** 28 - 3, 2 ** 28, 2 ** 28])
      const next = entry ? entry.standing.nextSequence : 0
      const newest =
        standingOf(producerId) >= 0 ? standingOf(producerId) : (entry?.standing.producerEpoch ?? 0)
      const epoch = random.below(8) === 0 ? Math.max(0, newest - 1 + random.below(3)) : newest
      const common = {
        partition: partition.name,
        producerId,
        epoch,
        baseOffset: ends.get(partition) as number,
      }
      const choice = random.below(10)
      if (choice < 3 && entry) {
        const again = random.below(entry.batches.length)
        const first = next - entry.batches.slice(again).reduce((sum, [count]) => sum + count, 0)
        return { ...common, first: first % SEQUENCES, records: entry.batches[again][0] }
      }
      if (choice === 3) return { ...common, first: 0, records }
      if (choice === 4) return { ...common, first: (next + 1 + random.below(3)) % SEQUENCES, records }
      if (choice === 5)
        return { ...common, first: (next + SEQUENCES - 1 - random.below(9)) % SEQUENCES, records }
      return { ...common, first: next % SEQUENCES, records }
    }

    const commit = () => {
      const succeeds = random.below(8) > 0
      const draft = model.copy()
      // Too many are let go when they are durable, not while they are being placed.
      draft.entriesMax = Number.POSITIVE_INFINITY
      const stored: { partition: Partition; batch: ModelBatch }[] = []
      const endsBefore = new Map(ends)
      for (const partition of partitions) {
        check.begin(partition, nowMs)
        for (let i = random.below(5); i > 0; i--) {
          const batch = batchOf(partition, draft)
          const { producerId, epoch, first, records, baseOffset } = batch
          const verdict: string = check.check(producerId, epoch, first, records, baseOffset)
          const told = verdict === 'duplicate' ? `duplicate ${check.originalOffset}` : verdict
          const right = draft.verdict(batch, standingOf(producerId), nowMs)
          if (told !== right)
            throw new Error(`seed ${roundSeed}: ${told} for ${right}, ${JSON.stringify(batch)}`)
          count(verdict)
          if (verdict !== 'append') continue
          if (first + records >= SEQUENCES) count('wrapped')
          draft.store(batch, nowMs)
          stored.push({ partition, batch })
          ends.set(partition, baseOffset + records)
        }
      }
      if (!succeeds) {
        for (const [partition, end] of endsBefore) ends.set(partition, end)
        return
      }
      for (const { partition, batch } of stored) {
        const { producerId, epoch, first, records, baseOffset } = batch
        state.record(partition, producerId, epoch, first, records, baseOffset, nowMs)
        model.store(batch, nowMs)
      }
      if (state.evicted > 0) count('evicted')
    }

    // Some were there before anything is known, and are about to wrap.
    for (const partition of partitions) {
      const batch = {
        producerId: random.pick(ids),
        epoch: 0,
        first: SEQUENCES - 20,
        records: 10,
        baseOffset: 0,
      }
      state.record(partition, batch.producerId, 0, batch.first, 10, 0, nowMs)
      model.store({ partition: partition.name, ...batch }, nowMs)
      ends.set(partition, 10)
    }
    same('the beginning')
    for (let step = 0; step < 120; step++) {
      const choice = random.below(20)
      if (choice < 12) commit()
      else if (choice < 15) nowMs += random.below(150)
      else if (choice === 15) {
        const id = random.pick([1, 3])
        standings.set(id, random.below(8) === 0 ? NAME_EXPIRED : Math.abs(standingOf(id)) + 1)
      } else if (choice === 16) {
        const partition = random.pick(partitions)
        const end = Math.floor((ends.get(partition) as number) * random.unit())
        state.truncate(partition, end)
        model.truncate(partition.name, end)
        ends.set(partition, end)
      } else if (choice === 17) {
        nowMs += random.below(2) * EXPIRATION_MS
        const before = state.size
        state.expire(nowMs)
        model.expire(nowMs)
        if (state.size < before) count('expired')
      } else if (choice === 18 && random.below(4) === 0) {
        const partition = random.pick(partitions)
        state.forget((other) => other === partition)
        model.forget(partition.name)
      } else {
        // A restart.
        const bytes = encodeProducerSnapshot(state, crc32cTable)
        state = new ProducerState<Partition>({ entriesMax, expirationMs: EXPIRATION_MS })
        decodeProducerSnapshot(bytes, state, (_, number) => partitions[number], crc32cTable)
        check = new SequenceCheck(state, standingOf)
        model = model.copy()
      }
      same(`step ${step}`)
    }
  }
})

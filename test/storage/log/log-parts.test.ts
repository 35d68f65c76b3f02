/** The small parts of the log: ranges, leader epochs, the commit queue, slabs. */
import t from 'tap'
import { CommitQueue } from '../../../storage/log/commit-queue.ts'
import { LeaderEpochs } from '../../../storage/log/leader-epochs.ts'
import { PartitionLog } from '../../../storage/log/partition-log.ts'
import { RangeList } from '../../../storage/log/ranges.ts'
import { Slabs } from '../../../storage/log/slabs.ts'
import { EntryKind, entryOf } from '../../../storage/log/value.ts'
import { seededRandom } from '../../support/seeded-random.ts'

t.test('ranges behave like an array of ranges', async (t) => {
  const random = seededRandom(t)
  const list = new RangeList()
  const model: number[][] = []
  let next = 0
  for (let step = 0; step < 5_000; step++) {
    const dice = random.below(10)
    if (dice < 6) {
      const base = next + random.below(3)
      next = base + 1 + random.below(5)
      const range = [base, next, random.below(1000), step, random.below(100), random.below(1000)]
      list.push(range[0], range[1], range[2], range[3], range[4], range[5])
      model.push(range)
    } else if (dice < 8 && model.length > 0) {
      list.shift()
      model.shift()
    } else if (dice === 8) {
      const count = random.below(model.length + 2)
      list.shorten(count)
      model.length = Math.min(model.length, count)
      next = model.length > 0 ? model[model.length - 1][1] : next
    } else if (model.length > 0) {
      const last = model[model.length - 1]
      last[1] = last[0] + 1
      last[5] = 1
      list.cutLast(last[1], 1)
      next = last[1]
    }
    const view = list.view()
    if (view.count !== model.length) t.fail(`count ${view.count}, model ${model.length}`)
    const offset = random.below(next + 3)
    const expected = model.findIndex((range) => range[1] > offset)
    if (view.find(offset) !== (expected < 0 ? model.length : expected)) t.fail(`find(${offset})`)
  }
  t.strictSame([...list.toColumns()], model.flat())
})

t.test('leader epochs, as KIP-101 and KIP-279 ask of them', async (t) => {
  const epochs = new LeaderEpochs()
  t.equal(epochs.latest, -1)
  t.equal(epochs.endOffsetFor(3, 0), undefined)
  epochs.assign(0, 0)
  epochs.assign(2, 10)
  epochs.assign(2, 99)
  epochs.assign(1, 99)
  epochs.assign(5, 20)
  t.strictSame(epochs.starts, [
    { epoch: 0, startOffset: 0 },
    { epoch: 2, startOffset: 10 },
    { epoch: 5, startOffset: 20 },
  ])
  t.strictSame(epochs.endOffsetFor(5, 33), { epoch: 5, endOffset: 33 })
  t.strictSame(epochs.endOffsetFor(4, 33), { epoch: 2, endOffset: 20 }, 'an epoch nobody led in')
  t.strictSame(epochs.endOffsetFor(0, 33), { epoch: 0, endOffset: 10 })
  t.equal(epochs.epochAt(19), 2)
  epochs.assign(6, 20)
  t.strictSame(epochs.starts.at(-1), { epoch: 6, startOffset: 20 }, 'an epoch without records gives way')
  epochs.truncateFromStart(15)
  t.strictSame(epochs.starts, [
    { epoch: 2, startOffset: 15 },
    { epoch: 6, startOffset: 20 },
  ])
  epochs.truncateFromEnd(20)
  t.strictSame(epochs.starts, [{ epoch: 2, startOffset: 15 }])
})

t.test('the commit queue takes in turns, small sources first, and keeps order', async (t) => {
  const queue = new CommitQueue<{ bytes: number; name: string }>()
  const [big, other, small] = [{}, {}, {}]
  for (let i = 0; i < 4; i++) queue.push(big, { bytes: 60_000, name: `big${i}` })
  for (let i = 0; i < 2; i++) queue.push(other, { bytes: 60_000, name: `other${i}` })
  queue.push(small, { bytes: 100, name: 'small' })
  t.equal(queue.bytes, 360_100)
  const names = (items: { name: string }[]) => items.map(({ name }) => name)
  t.strictSame(names(queue.take(200_000)), ['small', 'big0', 'other0', 'big1'])
  t.strictSame(names(queue.take(200_000)), ['other1', 'big2', 'big3'], 'who was first is last')
  t.equal(queue.bytes, 0)
  t.equal(queue.count, 0)
  queue.push(big, { bytes: 1_000_000, name: 'huge' })
  t.strictSame(names(queue.take(10)), ['huge'], 'at least one, however large')
  t.strictSame(names(queue.take(10)), [])
})

t.test('an item that fits beside nothing is not starved by small ones', async (t) => {
  const queue = new CommitQueue<{ bytes: number; name: string }>()
  const [big, small] = [{}, {}]
  queue.push(big, { bytes: 200_000, name: 'big' })
  let commits = 0
  for (let taken = ''; taken !== 'big' && commits < 10; commits++) {
    queue.push(small, { bytes: 100, name: 'small' })
    for (const { name } of queue.take(200_000)) taken = name
  }
  t.ok(commits <= 3, `served in commit ${commits}`)
})

t.test('sources that fill a commit alone are served in turn', async (t) => {
  const queue = new CommitQueue<{ bytes: number; source: number }>()
  const sources = [{}, {}, {}]
  const served = [0, 0, 0]
  for (let source = 0; source < 3; source++) queue.push(sources[source], { bytes: 120_000, source })
  for (let commit = 0; commit < 300; commit++) {
    for (const { source } of queue.take(200_000)) {
      served[source]++
      queue.push(sources[source], { bytes: 120_000, source })
    }
  }
  t.strictSame(served, [100, 100, 100])
})

t.test('nobody waits longer than in turn, whatever the others send', async (t) => {
  const random = seededRandom(t)
  const queue = new CommitQueue<{ bytes: number; source: number; number: number }>()
  const sources = Array.from({ length: 20 }, () => ({}))
  const next = sources.map(() => 0)
  const seen = sources.map(() => 0)
  for (let round = 0; round < 500; round++) {
    for (let i = 0; i < 30; i++) {
      const source = random.below(20)
      queue.push(sources[source], {
        bytes: 1 + random.below(source === 0 ? 300 : 60_000),
        source,
        number: next[source]++,
      })
    }
    for (const item of queue.take(200_000)) {
      if (item.number !== seen[item.source])
        t.fail(`source ${item.source}: ${item.number} after ${seen[item.source]}`)
      seen[item.source]++
    }
    if (round > 20 && seen[0] < next[0] - 20) t.fail('the small source is kept waiting')
  }
  t.ok(queue.takeAll().length > 0)
  t.equal(queue.bytes, 0)
})

t.test('slabs are used again only when everything in them is released', async (t) => {
  let allocated = 0
  const slabs = new Slabs(1024, 2, (bytes) => {
    allocated++
    return new Uint8Array(bytes)
  })
  const first = slabs.take(600)
  const second = slabs.take(600)
  t.not(first.slab, second.slab)
  const third = slabs.take(300)
  t.equal(third.slab, second.slab)
  t.equal(third.start % 8, 0)
  slabs.release(first.slab)
  const fourth = slabs.take(900)
  t.equal(fourth.slab, first.slab, 'the released one')
  slabs.release(third.slab)
  const fifth = slabs.take(1000)
  t.not(fifth.slab, second.slab, 'one slice of it is still held')
  const large = slabs.take(5000)
  t.equal(large.slab.bytes.length, 5000)
  slabs.release(large.slab)
  t.equal(allocated, 4)
})

t.test('of a range that damage made smaller, no more than all lies below the log start', async (t) => {
  const of = { topicId: new Uint8Array(16), partition: 0 }
  const run = (offset: number, length: number) =>
    entryOf(EntryKind.run, of, { offset, endOffset: offset + 10, length })
  const logStart = { offset: 5, endOffset: 20, deadBytes: 700, leaderEpoch: -1 }
  const logOf = (apply: (log: PartitionLog) => void) => {
    const log = new PartitionLog(of.topicId, of.partition, { lost: () => {} })
    apply(log)
    log.applyLogStart(logStart, 1)
    log.invariants()
    return [log.deadBytes, log.bytes]
  }
  const second = run(10, 100)
  t.strictSame(
    logOf((log) => {
      log.applyRun(run(0, 1_000), 0)
      log.applyRun(second, 1)
    }),
    [700, 400],
  )
  t.strictSame(
    logOf((log) => {
      log.applyLost(10, 0, { sequence: 0 })
      log.applyRun(second, 1)
    }),
    [0, 100],
    'all of it is lost',
  )
  t.strictSame(
    logOf((log) => {
      log.applyRun(run(0, 300), 0)
      log.applyRun(second, 1)
    }),
    [300, 100],
    'the larger part is lost',
  )
})

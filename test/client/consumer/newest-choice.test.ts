/** Which records are the newest of several partitions: against a model, with gaps, and how far back is looked for it. */
import t from 'tap'
import { NewestChoice } from '../../../client/consumer/newest-choice.ts'
import { World } from '../support/world.ts'

interface Stored {
  readonly offset: number
  readonly timestampMs: number
}

interface FakeLog {
  readonly startOffset: number
  readonly endOffset: number
  readonly records: readonly Stored[]
}

/** Lets the choice look at whatever it wants to; how many records it looked at. */
function choose(count: number, logs: readonly FakeLog[]): { starts: number[]; looked: number } {
  const choice = new NewestChoice(count, logs)
  let looked = 0
  for (let ranges = choice.wanted(); ranges.length > 0; ranges = choice.wanted())
    for (const { index, fromOffset, endOffset } of ranges)
      for (const { offset, timestampMs } of logs[index].records)
        if (offset >= fromOffset && offset < endOffset) {
          choice.saw(index, offset, timestampMs)
          looked++
        }
  return { starts: choice.starts(), looked }
}

function log(times: readonly number[], startOffset = 0): FakeLog {
  const records = times.map((timestampMs, i) => ({ offset: startOffset + i, timestampMs }))
  return { startOffset, endOffset: startOffset + times.length, records }
}

/** The same by sorting everything: by time, nearness to the end, partition. Times must not descend in a partition. */
function bySorting(count: number, logs: readonly FakeLog[]): number[] {
  const all = logs.flatMap(({ records }, partition) =>
    records.map((record, i) => ({ ...record, partition, depth: records.length - i })),
  )
  all.sort((a, b) => b.timestampMs - a.timestampMs || a.depth - b.depth || a.partition - b.partition)
  const newest = all.slice(0, count)
  return logs.map(({ endOffset }, partition) =>
    Math.min(
      endOffset,
      ...newest.filter((record) => record.partition === partition).map(({ offset }) => offset),
    ),
  )
}

/** How many records lie from the starts on. */
function kept(starts: readonly number[], logs: readonly FakeLog[]): number {
  return logs.reduce(
    (sum, { records }, i) => sum + records.filter(({ offset }) => offset >= starts[i]).length,
    0,
  )
}

t.test('by hand', async (t) => {
  t.same(choose(3, []).starts, [])
  t.same(choose(3, [log([])]).starts, [0])
  t.same(choose(3, [log([1, 2, 3, 4, 5], 7)]).starts, [9], 'one partition: its last')
  t.same(choose(3, [log([9, 1, 8, 2, 7])]).starts, [2], 'whatever their times are')
  t.same(
    choose(5, [log([1, 2]), log([3])]),
    { starts: [0, 0], looked: 0 },
    'fewer than that: all, without a look',
  )
  t.same(choose(3, [log([1, 4, 6]), log([2, 3, 5])]).starts, [1, 2])
  t.same(choose(4, [log([5, 5, 5, 5]), log([5, 5, 5, 5])]).starts, [2, 2], 'equally late: from each as many')
  t.same(
    choose(2, [log([1, 2, 90, 3]), log([50, 60])]).starts,
    [2, 2],
    'a late one does not hide what is before it',
  )
  const lost = { startOffset: 0, endOffset: 1_000_000, records: log([1, 2, 3]).records }
  t.same(choose(2, [lost, log([0, 0, 0])]).starts, [1, 3], 'behind it a million offsets without a record')
})

t.test('against sorting everything, with gaps, whatever the skew', async (t) => {
  for (let seed = 1; seed <= 400; seed++) {
    const world = new World(seed)
    const logs = Array.from({ length: 1 + world.below(6) }, () => {
      let offset = world.below(50)
      const startOffset = offset
      let timestampMs = world.below(2_000)
      const step = 1 + world.below(30)
      const gaps = world.below(3) === 0
      const records = Array.from({ length: world.below(300) }, () => {
        offset += gaps && world.below(20) === 0 ? world.below(200) : 1
        timestampMs += world.below(step)
        return { offset, timestampMs }
      })
      return { startOffset, endOffset: offset + 1 + world.below(2) * world.below(500), records }
    })
    const count = 1 + world.below(200)
    // Where there are no more offsets than that, nothing is looked at, and the place is the beginning, record or not.
    const offsets = logs.reduce((sum, { startOffset, endOffset }) => sum + endOffset - startOffset, 0)
    const expected = offsets <= count ? logs.map(({ startOffset }) => startOffset) : bySorting(count, logs)
    t.same(choose(count, logs).starts, expected, `seed ${seed}`)
  }
})

t.test('times out of order: exactly so many, the last ones of each partition', async (t) => {
  for (let seed = 1; seed <= 100; seed++) {
    const world = new World(seed)
    const logs = Array.from({ length: 1 + world.below(5) }, () =>
      log(
        Array.from({ length: world.below(400) }, (_, i) => i * 10 + world.below(world.below(10) * 200 + 1)),
      ),
    )
    const count = 1 + world.below(100)
    const held = logs.reduce((sum, { records }) => sum + records.length, 0)
    t.equal(kept(choose(count, logs).starts, logs), Math.min(count, held), `seed ${seed}`)
  }
})

t.test('what is looked at is a small multiple of what is wanted', async (t) => {
  const even = Array.from({ length: 16 }, (_, p) => log(Array.from({ length: 20_000 }, (_, i) => i * 16 + p)))
  const evenly = choose(1_000, even)
  t.equal(kept(evenly.starts, even), 1_000)
  t.ok(evenly.looked < 1_500, `${evenly.looked} of 320,000`)
  const skewed = Array.from({ length: 16 }, (_, p) =>
    log(Array.from({ length: 20_000 }, (_, i) => (p === 3 ? 1_000_000 : 0) + i)),
  )
  const oneSided = choose(1_000, skewed)
  t.same(oneSided.starts[3], 19_000)
  t.ok(oneSided.looked < 5_000, `${oneSided.looked} of 320,000`)
})

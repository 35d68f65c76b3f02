/** Which filters are looked at together, and that nothing is made anew for nothing. */
import t from 'tap'
import {
  type FilterGroup,
  type LiveFilter,
  LiveFilters,
  NEAR_OFFSETS_MAX,
} from '../../../broker/filters/live-filters.ts'
import type { RecordPattern } from '../../../broker/filters/pattern.ts'
import { SharedPatternsMaker, textsOf } from '../../../broker/filters/shared-patterns.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { numbered } from './support/stored-batches.ts'

const texts = (group: FilterGroup) => textsOf(group.patterns)

function many(live: LiveFilters, count: number, position: number, first = 0): LiveFilter[] {
  return Array.from({ length: count }, (_, n) => live.obtain(numbered(first + n), position))
}

t.test('who comes to the same place at the same time is looked at together', async (t) => {
  const live = new LiveFilters(new SharedPatternsMaker())
  const here = 2 * NEAR_OFFSETS_MAX
  const near = many(live, 100, here)
  const [far] = many(live, 1, 10, 1000)
  const [beyond] = many(live, 1, here + 1, 2000)
  const group = live.groupFor(near[7], here)
  t.equal(group.size, 100)
  for (const filter of near) {
    t.equal(live.groupFor(filter, here), group)
    t.equal(texts(group)[group.numberOf(filter)], filter.pattern.text)
  }
  t.notOk(group.has(beyond), 'who was there already is none of them')
  t.notOk(group.has(far), 'nor who is far behind')
  live.invariants()
})

t.test(
  'a reader far behind looks for himself, those with him as well, and the live ones are not bothered',
  async (t) => {
    const live = new LiveFilters(new SharedPatternsMaker())
    const end = 10 * NEAR_OFFSETS_MAX
    const readers = many(live, 1000, end)
    const group = live.groupFor(readers[0], end)
    t.equal(group.size, 1000)
    const [replay] = many(live, 1, 0, 5000)
    t.equal(live.groupFor(replay, 0).size, 1)
    // One of the live readers goes back: his filter is one of a thousand.
    readers[3].position = 0
    const solo = live.groupFor(readers[3], 0)
    t.same(texts(solo), [readers[3].pattern.text])
    t.equal(live.groupFor(readers[3], 100), solo, 'and is not compiled again')
    t.equal(live.groupFor(readers[4], end), group)
    // Where enough of them go back, all are looked at: that costs less than one by one.
    for (const reader of readers.slice(0, 100)) reader.position = 0
    t.equal(live.groupFor(readers[3], 0), group)
  },
)

t.test('a thousand who come one by one end up together, and little is compiled for it', async (t) => {
  let compiled = 0
  const maker = new SharedPatternsMaker()
  const of = maker.of.bind(maker)
  maker.of = (texts) => {
    compiled += texts.length
    return of(texts)
  }
  const live = new LiveFilters(maker)
  const filters: LiveFilter[] = []
  let scannedGroups = 0
  let batches = 0
  const batch = () => {
    const offset = batches++
    const scanned = new Set<FilterGroup>()
    for (const filter of filters) {
      if ([...scanned].some((group) => group.has(filter))) continue
      const group = live.groupFor(filter, offset)
      group.scannedBytes += 64 * 1024
      scanned.add(group)
    }
    for (const filter of filters) filter.position = offset + 1
    scannedGroups += scanned.size
    return scanned.size
  }
  for (let n = 0; n < 1000; n++) {
    filters.push(...many(live, 1, batches, n))
    batch()
    if (n % 100 === 0) live.invariants()
  }
  t.comment(`${scannedGroups / batches} groups a batch while they come, ${compiled} patterns compiled`)
  t.ok(scannedGroups / batches < 25)
  t.ok(compiled < 30_000)
  let last = 0
  for (let more = 0; more < 600; more++) last = batch()
  t.equal(last, 1, 'one group in the end')
  const before = compiled
  for (let more = 0; more < 300; more++) batch()
  t.equal(compiled, before, 'and nothing is compiled any more')
})

t.test('groups are bounded by filters and by text', async (t) => {
  const live = new LiveFilters(new SharedPatternsMaker())
  const filters = many(live, 5000, 0)
  t.equal(live.groupFor(filters[0], 0).size, 4096)
  t.equal(live.groupFor(filters[4999], 0).size, 904)
  live.invariants()
  const large = new LiveFilters(new SharedPatternsMaker())
  const long = Array.from({ length: 40 }, (_, n) => {
    const pattern: RecordPattern = { text: `${n}${'x'.repeat(65_000)}`, alternatives: [] }
    return large.obtain(pattern, 0)
  })
  t.equal(large.groupFor(long[0], 0).size, 16)
  large.invariants()
})

t.test('random comings and goings', async (t) => {
  const random = seededRandom(t)
  for (let round = 0; round < 20; round++) {
    const live = new LiveFilters(new SharedPatternsMaker(random.pick([0, 2000, 10_000_000])))
    const filters = new Set<LiveFilter>()
    for (let step = 0; step < 300; step++) {
      const kind = random.below(10)
      if (kind < 4) filters.add(live.obtain(numbered(random.below(60)), random.below(100)))
      const filter = random.pick([...filters])
      if (!filter) continue
      if (kind === 5) {
        live.remove(filter)
        filters.delete(filter)
      } else if (kind === 6) filter.position = random.below(100)
      else if (kind > 6) {
        const offset = random.below(120)
        const group = live.groupFor(filter, offset)
        if (texts(group)[group.numberOf(filter)] !== filter.pattern.text) t.fail('another pattern')
        group.scannedBytes += random.below(200_000)
      }
      live.invariants()
      if (live.size !== filters.size) t.fail(`${live.size} filters, not ${filters.size}`)
    }
    for (const filter of filters) live.remove(filter)
    live.invariants()
    t.equal(live.size + live.groups.size, 0)
  }
})

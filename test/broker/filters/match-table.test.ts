/** What is written into a table is what is read from it, whatever matches, and however far the writer came. */
import t from 'tap'
import { MatchTable, MatchTableWriter, NOT_JSON } from '../../../broker/filters/match-table.ts'
import { seededRandom } from '../../support/seeded-random.ts'

interface ModelBatch {
  /** Position of each record; undefined: a batch that is not looked into. */
  readonly positions: readonly number[] | undefined
  readonly end: number
  readonly records: number
  /** By pattern, NOT_JSON among them. */
  readonly matches: ReadonlyMap<number, readonly number[]>
  readonly section: { readonly at: number; readonly bytes: number } | undefined
}

t.test('random tables', async (t) => {
  const random = seededRandom(t)
  for (let round = 0; round < 300; round++) {
    const patterns = random.pick([1, 2, 40, 1000])
    const room = random.pick([1, 3, 50])
    const batches: ModelBatch[] = []
    const writer = new MatchTableWriter(patterns, room)
    const sections = random.bytes(500)
    for (let batch = 0; batch < room && random.below(10) > 0; batch++) {
      const records = random.pick([1, 1, 7, 200])
      if (random.below(5) === 0) {
        writer.plainBatch(records)
        batches.push({ positions: undefined, end: 0, records, matches: new Map(), section: undefined })
        continue
      }
      const density = random.pick([0, 0.01, 0.5, 1])
      const matches = new Map<number, number[]>()
      const positions: number[] = []
      let end = random.below(5)
      const drops = random.below(8) === 0
      for (let record = 0; record < records; record++) {
        writer.record(end)
        positions.push(end)
        end += 7 + random.below(100)
        for (const pattern of [...Array(Math.min(patterns, 60)).keys(), NOT_JSON]) {
          if (random.unit() >= density) continue
          writer.match(pattern)
          matches.set(pattern, [...(matches.get(pattern) ?? []), record])
        }
      }
      if (drops) {
        writer.dropBatch()
        break
      }
      t.equal(writer.hasRows, matches.size > 0)
      const section =
        matches.size > 0 && random.below(2) === 0
          ? { at: random.below(100), bytes: random.below(300) }
          : undefined
      writer.endBatch(end, section?.at ?? -1, section?.bytes ?? 0)
      batches.push({ positions, end, records, matches, section })
    }
    t.equal(writer.written, batches.length)
    const table = new MatchTable(writer.finish(), sections)
    t.equal(table.batches, batches.length)
    for (const [number, batch] of batches.entries()) {
      t.equal(table.recordCount(number), batch.records)
      t.equal(table.hasRows(number), batch.matches.size > 0)
      const missed: number[] = []
      for (const pattern of [...Array(patterns).keys(), NOT_JSON]) {
        const wanted = batch.matches.get(pattern) ?? []
        const found = table.records(number, pattern)
        if (table.count(number, pattern) !== wanted.length || found.join() !== wanted.join())
          missed.push(pattern)
      }
      t.same(missed, [])
      const { section } = batch
      t.same(table.section(number), section && sections.subarray(section.at, section.at + section.bytes))
      if (batch.matches.size > 0)
        t.same([...table.positions(number)], [...(batch.positions ?? []), batch.end])
    }
    t.equal(table.withoutSections().bytes, table.bytes - sections.length)
  }
})

t.test('nothing that matches nothing takes more than a few numbers', async (t) => {
  const writer = new MatchTableWriter(1000, 1)
  for (let record = 0; record < 300; record++) writer.record(record)
  writer.endBatch(300, -1, 300)
  t.equal(writer.finish().length, 1 + 1 + 4)
})

t.test('what matches everything is not listed', async (t) => {
  const writer = new MatchTableWriter(2, 1)
  for (let record = 0; record < 300; record++) {
    writer.record(record)
    writer.match(1)
  }
  writer.endBatch(300, -1, 300)
  const words = writer.finish()
  t.equal(words.length, 1 + 1 + 4 + 3 + 301)
  t.equal(new MatchTable(words, undefined).count(0, 1), 300)
})

t.test('too many matches are told', async (t) => {
  const writer = new MatchTableWriter(3, 1, 5)
  writer.record(0)
  t.same(
    [0, 1, 2].map((pattern) => writer.match(pattern)),
    [true, true, true],
  )
  writer.record(10)
  t.same(
    [0, 1, 2].map((pattern) => writer.match(pattern)),
    [true, true, false],
  )
  const alone = new MatchTableWriter(1, 1)
  for (let record = 0; record < 2_000_000; record++) {
    alone.record(record)
    if (!alone.match(0)) t.fail('a single pattern may match as often as there are records')
  }
})

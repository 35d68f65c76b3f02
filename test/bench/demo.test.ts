/**
 * The demo: its books notice every kind of loss they claim to notice, its picture fits, and a small run of
 * the whole thing adds up. What counts loss must be seen to count it, or a zero means nothing.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Chalk } from 'chalk'
import t from 'tap'
import { demoEvents, distanceBand, eventValue, regionOfPlace, topics } from '../../bench/demo/events.ts'
import { Ledger, type SeenRecord } from '../../bench/demo/ledger.ts'
import { checks, type Outcome } from '../../bench/demo/outcome.ts'
import { RateMeter } from '../../bench/demo/rate-meter.ts'
import { frame, plainLine, type View } from '../../bench/demo/view.ts'

const sets = {
  earthquakes: {
    features: ['4km W of Castaic, CA', 'Gulf of Alaska'].map((place) => ({ properties: { place } })),
  },
  flights: [0, 99, 100, 1999, 2499, 2500].map((distance) => ({ delay: 1, distance, time: 0 })),
}
const events = demoEvents(sets, 1)

t.test('events: every row once, in order, the smaller set spread over the larger', async (t) => {
  t.same(
    events.map(({ source, row }) => `${source}/${row}`),
    [
      'earthquakes/0',
      'flights/0',
      'flights/1',
      'flights/2',
      'earthquakes/1',
      'flights/3',
      'flights/4',
      'flights/5',
    ],
  )
  t.same(
    events.map(({ region }) => region),
    [
      'California',
      '0–99 mi',
      '0–99 mi',
      '100–199 mi',
      'Gulf of Alaska',
      '1900–1999 mi',
      '2400–2499 mi',
      '2500 mi and more',
    ],
  )
  t.equal(
    eventValue(events[1]),
    '{"source":"flights","row":0,"region":"0–99 mi","data":{"delay":1,"distance":0,"time":0}}',
  )
  t.same(
    demoEvents(sets, 3).map(({ source, row }) => `${source}/${row}`),
    ['earthquakes/0', 'flights/0', 'flights/3'],
  )
  t.equal(regionOfPlace(null), 'unknown')
  t.equal(regionOfPlace('1km S of X, '), 'unknown')
  t.equal(regionOfPlace('5km E of Y, Baja, MX'), 'Mexico')
  t.equal(distanceBand(4962), '2500 mi and more')
})

function recordOf(index: number, offset: number, change: Partial<SeenRecord> = {}): SeenRecord {
  const event = events[index]
  return {
    topic: topics[event.topic].name,
    partition: 0,
    offset,
    timestampMs: 1000 + index,
    key: event.region,
    value: eventValue(event),
    ...change,
  }
}

async function* each(records: readonly SeenRecord[]): AsyncGenerator<SeenRecord> {
  yield* records
}

/** All events in partition 0 of their topic, acknowledged and seen live; `stored` is what is found in the end. */
async function audit(change: (stored: SeenRecord[]) => void) {
  const next = [0, 0]
  const stored: SeenRecord[] = []
  const ledger = new Ledger(events)
  for (const [index, event] of events.entries()) {
    const record = recordOf(index, next[event.topic]++)
    ledger.acknowledge(index, record.partition, record.offset, record.timestampMs)
    ledger.consume(record)
    stored.push(record)
  }
  change(stored)
  return ledger.compare(each(stored), 1004)
}

t.test('ledger: every kind of loss is counted', async (t) => {
  const fine = { stored: 8, missing: 0, duplicated: 0, foreign: 0, vanished: 0, replayable: 4 }
  t.same(await audit(() => {}), fine)
  t.same(
    await audit((stored) => stored.pop()),
    { ...fine, stored: 7, missing: 1, vanished: 1, replayable: 3 },
    'one is gone',
  )
  t.same(
    await audit((stored) => stored.push(recordOf(1, 99))),
    { ...fine, stored: 9, duplicated: 1, replayable: 5 },
    'one is there twice',
  )
  t.same(
    await audit((stored) => {
      stored[0] = { ...stored[0], offset: 7 }
    }),
    { ...fine, missing: 1, vanished: 1 },
    'one is at another offset',
  )
  t.same(
    await audit((stored) => {
      stored[0] = { ...stored[0], partition: 1 }
    }),
    { ...fine, missing: 1, vanished: 1 },
    'one is in another partition',
  )
  for (const change of [
    { value: `${eventValue(events[1])} ` },
    { value: 'x' },
    { key: 'y' },
    { key: null },
  ]) {
    t.same(
      await audit((stored) => {
        stored[1] = { ...stored[1], ...change }
      }),
      { ...fine, missing: 1, foreign: 1, vanished: 1 },
      `one has changed: ${JSON.stringify(change)}`,
    )
  }
  t.same(
    await audit((stored) => {
      const [a, b] = [stored[1], stored[2]]
      stored[1] = { ...b, offset: a.offset }
      stored[2] = { ...a, offset: b.offset }
    }),
    { ...fine, missing: 2, vanished: 2 },
    'two have changed places',
  )
})

t.test('ledger: the live consumer', async (t) => {
  const ledger = new Ledger(events)
  t.equal(ledger.consume(recordOf(1, 0)), events[1])
  t.equal(ledger.consume(recordOf(2, 2)), events[2], 'a gap is no disorder')
  t.equal(ledger.outOfOrder, 0)
  ledger.consume(recordOf(2, 2))
  t.equal(ledger.outOfOrder, 1, 'the same offset again is')
  ledger.consume(recordOf(3, 1))
  t.equal(ledger.outOfOrder, 2, 'an older one is')
  t.equal(ledger.consume(recordOf(3, 3, { value: '{}' })), undefined)
  t.equal(ledger.consumed, 5)
  t.equal(ledger.consumedDistinct, 3)
})

t.test(
  'ledger: a replay by time begins with the first record that is not older, whatever follows',
  async (t) => {
    const found = await audit((stored) => {
      stored[1] = { ...stored[1], timestampMs: 5000 }
    })
    t.same(found, { stored: 8, missing: 1, duplicated: 0, foreign: 0, vanished: 0, replayable: 6 + 1 })
  },
)

t.test('ledger: an acknowledgement comes once', async (t) => {
  const ledger = new Ledger(events)
  ledger.acknowledge(3, 0, 3, 200)
  t.throws(() => ledger.acknowledge(3, 0, 9, 200), { message: 'flights/2 was acknowledged twice' })
  t.equal(ledger.acknowledged, 1)
})

t.test('ledger: what an agent that was killed had stored counts once, and must be there', async (t) => {
  const ledger = new Ledger(events)
  for (const index of [0, 1, 1]) ledger.hold(index)
  ledger.acknowledge(1, 0, 0, 1001)
  ledger.hold(1)
  t.equal(ledger.acknowledged, 2)
  t.match(await ledger.compare(each([recordOf(0, 5), recordOf(1, 0)]), 0), { missing: 0 })
  t.match(await ledger.compare(each([recordOf(1, 0)]), 0), { missing: 1 })
  t.match(await ledger.compare(each([recordOf(0, 5), recordOf(1, 1)]), 0), { missing: 1 })
})

const good: Outcome = {
  dataSet: { earthquakes: 2, flights: 6 },
  published: 8,
  acknowledged: 8,
  consumed: 8,
  consumedDistinct: 8,
  outOfOrder: 0,
  replayed: 4,
  replayExpected: 4,
  kills: 1,
  agentKills: 1,
  agents: 2,
  readsRefused: 2,
  stored: 8,
  missing: 0,
  duplicated: 0,
  foreign: 0,
  vanished: 0,
  brokerExitCode: 0,
  seconds: 1,
}

t.test('outcome: one wrong number is enough', async (t) => {
  t.ok(checks(good).every((check) => check.ok))
  const wrong: Partial<Outcome>[] = [
    { published: 7 },
    { acknowledged: 7 },
    { consumed: 7 },
    { consumed: 9, stored: 9, duplicated: 1 },
    { consumedDistinct: 7 },
    { outOfOrder: 1 },
    { replayed: 3 },
    { replayed: 0, replayExpected: 0 },
    { kills: 0 },
    { stored: 7 },
    { agentKills: 0 },
    { readsRefused: 1 },
    { agents: 0, readsRefused: 0 },
    { missing: 1 },
    { foreign: 1 },
    { vanished: 1 },
    { brokerExitCode: 1 },
    { brokerExitCode: null },
  ]
  for (const change of wrong) {
    t.notOk(
      checks({ ...good, ...change }).every((check) => check.ok),
      JSON.stringify(change),
    )
  }
})

t.test('rates are those of the last moments', async (t) => {
  const meter = new RateMeter()
  t.equal(meter.sample(0, 0), 0)
  t.equal(meter.sample(1000, 500), 500)
  t.equal(meter.sample(2000, 1000), 500)
  t.equal(meter.sample(3000, 1000), 250)
  t.equal(meter.sample(4000, 1000), 0)
})

t.test('the picture fits and says what is going on', async (t) => {
  const view: View = {
    elapsedMs: 12_340,
    events: 201_707,
    agents: 4,
    published: 100_000,
    acknowledged: 90_000,
    consumed: 89_000,
    rates: { published: 14_000, acknowledged: 13_500, consumed: 13_000 },
    broker: { state: 'killed', url: 'ws://127.0.0.1:7654', kills: 1 },
    topics: [
      { name: 'demo.flights', partitions: [10, 0, 1_000_000], regions: new Map([['100–199 mi', 31_223]]) },
      {
        name: 'demo.earthquakes',
        partitions: [1],
        regions: new Map(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name, i) => [name, i + 1])),
      },
    ],
    notes: ['  1.0 s  first', `  2.0 s  ${'long '.repeat(40)}`],
  }
  for (const columns of [60, 80, 100, 200]) {
    const lines = frame(view, columns, new Chalk({ level: 0 })).split('\n')
    for (const line of lines) t.ok(line.length <= Math.max(columns, 70), `${columns}: ${line}`)
    t.equal(lines.length, 28)
  }
  const picture = frame(view, 100, new Chalk({ level: 0 }))
  t.match(picture, / broker {8}● killed {2}ws:\/\/127\.0\.0\.1:7654, killed once, 12\.3 s\n/)
  t.match(picture, / acknowledged {2}█+.?·+ +90,000 +13,500\/s\n/)
  t.match(picture, /100–199 mi +█+ +31,223\n/)
  t.match(picture, / and 2 more regions: 3\n/)
  t.equal(
    plainLine(view),
    ' 12.3 s  published 100,000  acknowledged 90,000 (13,500/s)  consumed 89,000  broker killed',
  )
})

t.test('a small demo adds up', { timeout: 50_000 }, async (t) => {
  const script = fileURLToPath(new URL('../../bench/demo/main.js', import.meta.url))
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, '--small', '--json'])
  t.equal(stderr, '')
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const outcome = lines.at(-1)
  t.match(outcome, {
    ok: true,
    failed: [],
    dataSet: { earthquakes: 35, flights: 4000 },
    published: 4035,
    acknowledged: 4035,
    consumedDistinct: 4035,
    kills: 1,
    agentKills: 1,
    missing: 0,
    duplicated: 0,
    foreign: 0,
    vanished: 0,
    outOfOrder: 0,
  })
  t.equal(outcome.stored, 4035)
  t.equal(outcome.consumed, outcome.stored)
  t.equal(outcome.replayed, outcome.replayExpected)
  t.ok(
    outcome.replayed > 0 && outcome.replayed < outcome.stored,
    `replayed ${outcome.replayed}, a part of all`,
  )
})

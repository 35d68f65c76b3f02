/** The figures of `bench filters`, on numbers one can check by hand, and its patterns. */
import t from 'tap'
import {
  differentPatterns,
  exactPatterns,
  patternKinds,
  SELECTIVE_PATTERN,
} from '../../bench/filters/patterns.ts'
import { filtersResult, filtersTargets } from '../../bench/filters/result.ts'
import type { FiltersOptions, FiltersRun } from '../../bench/filters/run.ts'
import type { ScanningRound, Watched } from '../../bench/filters/scanning.ts'
import type { Machine } from '../../bench/machine/machine.ts'
import { parseRecordPattern } from '../../broker/filters/parse-pattern.ts'

const machine: Machine = { cpu: 'x', cores: 2, memoryBytes: 1, system: 'y', versions: {} }

const options: FiltersOptions = {
  rounds: 2,
  matcherRounds: 1,
  matcherSampleMs: 1,
  setSizes: [1],
  partitions: 1,
  events: 1,
  warmupEvents: 1,
  livePerSecond: 1,
  liveValueBytes: 32,
  liveWarmupSeconds: 1,
  liveSeconds: 1,
  watchers: 1_000,
  watchConnections: 1,
  watchedPartitions: 1,
  watchedEvents: 1,
  watchedPerSecond: 1,
  smallSyncs: 1,
  processorProbes: 1,
  seed: 1,
}

const stretch = (start: number, end: number) => ({ startNs: start * 1e9, endNs: end * 1e9 })
const cpu = (brokerSeconds: number | null) => {
  return { seconds: 1, brokerSeconds, loopSeconds: 0.1, generatorSeconds: 0.2 }
}
const scanned = (examined: number, matched: number, seconds = 1) => {
  return { examined, matched, cpuSeconds: 1, ...stretch(2, 2 + seconds) }
}

function watched(brokerSeconds: number | null, seconds?: number): Watched {
  const produced = { events: 1e6, seconds: 1, cpuSeconds: 1, batches: 1, sum: 1, bytes: 1, ...stretch(0, 1) }
  return {
    produced,
    watched: seconds === undefined ? undefined : scanned(1e6, 0, seconds),
    cpu: cpu(brokerSeconds),
  }
}

const round = (scanSeconds: number, many: number | null): ScanningRound => ({
  plain: { answer: { events: 1e6, seconds: 0.5, cpuSeconds: 1 }, cpu: cpu(0.2), sentBytes: 200e6 },
  noMatch: { answer: scanned(1e6, 0, scanSeconds), cpu: cpu(0.8), sentBytes: 2e6 },
  selective: { answer: scanned(1e6, 5_000), cpu: cpu(1), sentBytes: 20e6 },
  live: {
    timeline: { dueNs: Float64Array.from([0, 1e9, 2e9]), latencyUs: Float64Array.from([1000, 2000, 3000]) },
    paced: { acknowledged: 3, seconds: 3, lateMsMax: 1 },
  },
  alone: stretch(0, 2),
  beside: scanned(4e6, 0, 2),
  nobody: watched(0.1),
  one: watched(1.1, 2),
  many: watched(many, 4),
  anonymousRssBytesMax: 1,
})

const run = (...rounds: ScanningRound[]): FiltersRun => ({
  events: { different: 10, meanBytes: 200 },
  matcher: [
    { kind: 'exact', patterns: 1, compileMs: 1, eventsPerSecond: [3e6, 2e6, 1e6] },
    { kind: 'wildcard', patterns: 1, compileMs: 1, eventsPerSecond: [0.9e6] },
    { kind: 'different', patterns: 1_000, compileMs: 1, eventsPerSecond: [1e5] },
  ],
  rounds,
  fdatasyncP50Ms: [0.2],
  processorMegabytesPerSecond: [500],
})

t.test(
  'a filters result: the slowest kind of rule, the best scan, the cost of many beyond nobody',
  async (t) => {
    const result = filtersResult(run(round(2, 16.1), round(1, 24.1)), options, machine)
    const { matcher, scan, many, live } = result
    t.equal(matcher.sets[0].eventsPerSecond, 2e6)
    t.equal(matcher.slowestEventsPerSecond, 0.9e6, 'of single patterns')
    t.equal(scan.eventsPerSecond, 1e6)
    t.equal(scan.eventsPerCoreSecond, 1.25e6)
    t.equal(scan.plain.sentBytesPerEvent, 200)
    t.equal(scan.savedShare, 0.99)
    t.equal(scan.selective.matchedShare, 0.005)
    t.equal(
      Math.round(many.costRatio! * 1e6) / 1e6,
      20,
      'the median of 16 and 24, less what there is without readers',
    )
    t.same([many.one.eventsPerSecond, many.many.eventsPerSecond], [500_000, 250_000])
    t.equal(live.besidePerSecond, 2e6)
    t.equal(Math.round(live.p99Ratio * 10) / 10, 1.5)
    t.same(
      filtersTargets(filtersResult(run(round(1, 24.1)), options, machine)).map(({ name, met }) => [
        name,
        met,
      ]),
      [
        ['matcher.slowestEventsPerSecond', false],
        ['scan.eventsPerCoreSecond', true],
        ['many.costRatio', false],
        ['live.p99Ratio', true],
        ['broker.anonymousRssBytesMax', true],
      ],
    )
  },
)

t.test('where the system does not tell of CPU time the cost is unknown, and counts as missed', async (t) => {
  const result = filtersResult(run(round(1, null)), options, machine)
  t.equal(result.many.costRatio, null)
  t.equal(filtersTargets(result).find(({ name }) => name === 'many.costRatio')!.met, false)
})

t.test('all patterns are patterns, and a thousand different ones are different', async (t) => {
  for (const { text } of patternKinds) parseRecordPattern(text)
  const thousand = differentPatterns(1_000)
  t.equal(new Set(thousand).size, 1_000)
  t.equal(new Set(exactPatterns(100)).size, 100)
  for (const text of [...thousand, ...exactPatterns(2), SELECTIVE_PATTERN]) parseRecordPattern(text)
})

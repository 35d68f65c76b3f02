/** The figures of `bench groups`, on numbers one can check by hand, and who watches the members. */
import hdr from 'hdr-histogram-js'
import t from 'tap'
import { groupsResult, groupsTargets } from '../../bench/groups/result.ts'
import type { GroupsOptions, GroupsRun, Pair } from '../../bench/groups/run.ts'
import type { Machine } from '../../bench/machine/machine.ts'

const machine: Machine = { cpu: 'x', cores: 2, memoryBytes: 1, system: 'y', versions: {} }

const options: GroupsOptions = {
  rounds: 3,
  warmupRounds: 0,
  partitions: 1,
  events: 100,
  eventEvents: 100,
  valueBytes: 32,
  seed: 1,
  members: 50,
  movedPartitions: 100,
  joins: 2,
  kills: 1,
  sessionTimeoutMs: 3_000,
  ratePerSecond: 1,
  quietSeconds: 1,
  committers: 200,
  commitRounds: 2,
  commitWarmupSeconds: 1,
  commitSeconds: 10,
  smallSyncs: 1,
}

function pair(ungroupedSeconds: number, groupedSeconds: number): Pair {
  return {
    ungrouped: { events: 100, seconds: ungroupedSeconds, cpuSeconds: 1 },
    grouped: { events: 100, seconds: groupedSeconds, cpuSeconds: 1.1 },
  }
}

function histogram(...values: number[]): hdr.Histogram {
  const made = hdr.build()
  for (const value of values) made.recordValue(value)
  return made
}

const run = (chosen: Partial<GroupsRun> = {}): GroupsRun => ({
  lazy: [pair(10, 10), pair(10, 12.5), pair(10, 40)],
  events: [pair(10, 10), pair(10, 10), pair(10, 20)],
  moves: {
    joins: [
      { movedMs: [100, 200], unreadMs: [50, 60], stayed: 98, fetchedAgain: 0 },
      { movedMs: [900], unreadMs: [70], stayed: 99, fetchedAgain: 0 },
    ],
    kills: [{ movedMs: [2_500, 3_700], unreadMs: [2_500, 3_700], stayed: 98, fetchedAgain: 3 }],
    quiet: histogram(1_000),
    staying: histogram(2_000),
  },
  commits: [
    { commits: 40_000, seconds: 10, generatorCpuSeconds: 4, brokerCpuSeconds: 5, totalCommits: 50_000 },
    { commits: 60_000, seconds: 10, generatorCpuSeconds: 3, brokerCpuSeconds: 6, totalCommits: 60_000 },
  ],
  commitHistogram: histogram(10_000, 20_000),
  anonymousRssBytesMax: 1e8,
  fdatasyncP50Ms: [0.2, 0.2],
  ...chosen,
})

t.test(
  'a groups result compares neighbours, takes the worst of the moves and the best of the commits',
  async (t) => {
    const result = groupsResult(run(), options, machine)
    t.equal(result.cost.lazy.rateRatio, 0.8, 'the median of 1, 0.8 and 0.25')
    t.equal(result.cost.events.rateRatio, 1)
    t.equal(result.cost.lazy.clientCpuRatio, 1.1)
    t.equal(result.cost.lazy.ungroupedEventsPerSecond, 10)
    t.same([result.join.p50Ms, result.join.maxMs, result.join.partitionsMoved], [200, 900, 3])
    t.same([result.join.unread.p50Ms, result.join.unread.maxMs], [60, 70])
    t.same([result.stay.partitions, result.stay.fetchedAgain], [197, 0], 'of the joins alone')
    t.equal(result.kill.beyondSessionMs, 700)
    t.equal(result.commits.perSecond, 6_000)
    t.equal(result.commits.brokerCpuSecondsPerMillion, 100)
    t.equal(result.commits.clientCpuSecondsPerMillion, 50)
    t.equal(result.probes.noisy, false)
    t.same(
      groupsTargets(result).map(({ name, met }) => [name, met]),
      [
        ['cost.lazy.rateRatio', false],
        ['cost.events.rateRatio', true],
        ['stay.fetchedAgain', true],
        ['join.maxMs', true],
        ['kill.beyondSessionMs', true],
        ['commits.perSecond', true],
        ['broker.anonymousRssBytesMax', true],
      ],
    )
  },
)

t.test('one event that was fetched again, and one partition that came late, are misses', async (t) => {
  const { moves } = run()
  const late = { movedMs: [1_001], unreadMs: [1], stayed: 99, fetchedAgain: 1 }
  const result = groupsResult(run({ moves: { ...moves, joins: [...moves.joins, late] } }), options, machine)
  const missed = groupsTargets(result).filter(({ met }) => !met)
  t.same(
    missed.map(({ name }) => name),
    ['cost.lazy.rateRatio', 'stay.fetchedAgain', 'join.maxMs'],
  )
})

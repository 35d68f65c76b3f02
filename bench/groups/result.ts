/** From what a run measured to the figures `groups` reports: the keys of `--json` and the targets. Pure. */
import type hdr from 'hdr-histogram-js'
import { noiseOf } from '../figures/noise.ts'
import { best, median, percentile } from '../figures/statistics.ts'
import { atLeast, atMost, BROKER_ANONYMOUS_BYTES_MAX, type Target } from '../figures/targets.ts'
import type { GroupMove, Moved } from '../load/tasks.ts'
import type { Machine } from '../machine/machine.ts'
import type { GroupsOptions, GroupsRun, Pair } from './run.ts'

const MEGA = 1e6
const rateOf = ({ events, seconds }: Moved) => events / seconds

export function groupsResult(run: GroupsRun, options: GroupsOptions, machine: Machine) {
  const { moves, commits, commitHistogram, fdatasyncP50Ms } = run
  const perSecond = (round: GroupsRun['commits'][number]) => round.commits / round.seconds
  const top = best(commits, perSecond)
  return {
    cost: { lazy: costOf(run.lazy), events: costOf(run.events) },
    join: {
      ...movesOf(moves.joins, ({ movedMs }) => movedMs),
      /** Of those: how long nobody read them. */
      unread: movesOf(moves.joins, ({ unreadMs }) => unreadMs),
      partitionsMoved: moves.joins.reduce((sum, { movedMs }) => sum + movedMs.length, 0),
    },
    stay: {
      partitions: moves.joins.reduce((sum, { stayed }) => sum + stayed, 0),
      /** Events that had been fetched and were fetched again. */
      fetchedAgain: moves.joins.reduce((sum, { fetchedAgain }) => sum + fetchedAgain, 0),
      latency: latencyOf(moves.staying),
      latencyQuiet: latencyOf(moves.quiet),
    },
    kill: {
      ...movesOf(moves.kills, ({ movedMs }) => movedMs),
      partitionsMoved: moves.kills.reduce((sum, { movedMs }) => sum + movedMs.length, 0),
      beyondSessionMs: Math.max(...moves.kills.flatMap(({ movedMs }) => movedMs)) - options.sessionTimeoutMs,
    },
    commits: {
      perSecond: perSecond(top),
      ...latencyOf(commitHistogram),
      brokerCpuSecondsPerMillion:
        top.brokerCpuSeconds === null ? null : (top.brokerCpuSeconds / top.totalCommits) * MEGA,
      clientCpuSecondsPerMillion: (top.generatorCpuSeconds / top.commits) * MEGA,
    },
    broker: { anonymousRssBytesMax: run.anonymousRssBytesMax },
    probes: {
      fdatasync: { p50Ms: median(fdatasyncP50Ms), samples: fdatasyncP50Ms },
      ...noiseOf(fdatasyncP50Ms),
    },
    rounds: {
      lazy: run.lazy.map(roundOf),
      events: run.events.map(roundOf),
      commitsPerSecond: commits.map(perSecond),
    },
    config: { bench: 'groups', ...options, machine },
  }
}

/** Neighbours are compared: rates, and the CPU time of the client, which is the steadier of the two. */
function costOf(pairs: readonly Pair[]) {
  return {
    rateRatio: median(pairs.map(({ grouped, ungrouped }) => rateOf(grouped) / rateOf(ungrouped))),
    clientCpuRatio: median(pairs.map(({ grouped, ungrouped }) => grouped.cpuSeconds / ungrouped.cpuSeconds)),
    groupedEventsPerSecond: Math.max(...pairs.map(({ grouped }) => rateOf(grouped))),
    ungroupedEventsPerSecond: Math.max(...pairs.map(({ ungrouped }) => rateOf(ungrouped))),
  }
}

function roundOf({ grouped, ungrouped }: Pair) {
  return {
    groupedEventsPerSecond: rateOf(grouped),
    ungroupedEventsPerSecond: rateOf(ungrouped),
    clientCpuRatio: grouped.cpuSeconds / ungrouped.cpuSeconds,
  }
}

function movesOf(moves: readonly GroupMove[], measure: (move: GroupMove) => readonly number[]) {
  const all = moves.flatMap(measure)
  return { p50Ms: percentile(all, 50), p99Ms: percentile(all, 99), maxMs: Math.max(...all) }
}

function latencyOf(histogram: hdr.Histogram) {
  return {
    p50Ms: histogram.getValueAtPercentile(50) / 1000,
    p99Ms: histogram.getValueAtPercentile(99) / 1000,
    maxMs: histogram.maxValue / 1000,
  }
}

export type GroupsResult = ReturnType<typeof groupsResult>

export function groupsTargets({ cost, join, stay, kill, commits, broker }: GroupsResult): Target[] {
  return [
    atLeast('cost.lazy.rateRatio', 0.9, cost.lazy.rateRatio),
    atLeast('cost.events.rateRatio', 0.9, cost.events.rateRatio),
    atMost('stay.fetchedAgain', 0, stay.fetchedAgain),
    atMost('join.maxMs', 1_000, join.maxMs),
    atMost('kill.beyondSessionMs', 1_000, kill.beyondSessionMs),
    atLeast('commits.perSecond', 5_000, commits.perSecond),
    atMost('broker.anonymousRssBytesMax', BROKER_ANONYMOUS_BYTES_MAX, broker.anonymousRssBytesMax),
  ]
}

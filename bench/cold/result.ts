/**
 * From what a run measured to the figures `cold` reports: the keys of `--json` and the targets. Pure.
 */
import { latencies } from '../figures/latencies.ts'
import { probeFigures } from '../figures/probe-figures.ts'
import { median } from '../figures/statistics.ts'
import { atLeast, atMost, BROKER_ANONYMOUS_BYTES_MAX, type Target } from '../figures/targets.ts'
import type { Stretch, Timeline } from '../load/tasks.ts'
import type { Machine } from '../machine/machine.ts'
import type { ColdOptions, ColdRound, ColdRun } from './run.ts'

const MEGA = 1e6

const secondsOf = ({ startNs, endNs }: Stretch) => (endNs - startNs) / 1e9

/** Latencies of all rounds together, the replays' bytes over their time. */
export function coldResult(run: ColdRun, options: ColdOptions, machine: Machine) {
  const { rounds, live, paced, probes, coldReadMegabytesPerSecond } = run
  const replays = rounds.map(({ replayed }) => replayed)
  const alone = latencies({ timeline: live, stretches: rounds.map((round) => round.alone) })
  const beside = latencies({ timeline: live, stretches: replays })
  const bytes = total(replays, (replay) => replay.bytes)
  const diskBytes = total(rounds, (round) => round.diskBytes)
  return {
    live: {
      alone,
      beside,
      p50Ratio: beside.p50Ms / alone.p50Ms,
      p99Ratio: beside.p99Ms / alone.p99Ms,
      achievedPerSecond: paced.acknowledged / paced.seconds,
      /** The most an event was handed to the SDK after it was due: the generator's own share. */
      lateMsMax: paced.lateMsMax,
    },
    replay: {
      /** Of values; a megabyte is 10^6 bytes. */
      megabytesPerSecond: bytes / MEGA / total(replays, secondsOf),
      bytes,
      diskBytes,
      diskShare: diskBytes / bytes,
    },
    broker: { anonymousRssBytesMax: run.anonymousRssBytesMax },
    probes: {
      ...probeFigures(probes),
      coldRead: {
        megabytesPerSecond: median(coldReadMegabytesPerSecond),
        samples: coldReadMegabytesPerSecond,
      },
    },
    rounds: rounds.map((round) => roundFigures(round, live)),
    config: { bench: 'cold', ...options, machine },
  }
}

export type ColdResult = ReturnType<typeof coldResult>

function roundFigures({ alone, replayed, diskBytes }: ColdRound, live: Timeline) {
  return {
    alone: latencies({ timeline: live, stretches: [alone] }),
    beside: latencies({ timeline: live, stretches: [replayed] }),
    replayMegabytesPerSecond: replayed.bytes / MEGA / secondsOf(replayed),
    replaySeconds: secondsOf(replayed),
    replayBytes: replayed.bytes,
    diskBytes,
  }
}

function total<T>(items: readonly T[], measure: (item: T) => number): number {
  return items.reduce((sum, item) => sum + measure(item), 0)
}

export function coldTargets({ live, replay, broker }: ColdResult): Target[] {
  return [
    atMost('live.p99Ratio', 4, live.p99Ratio),
    atLeast('replay.megabytesPerSecond', 100, replay.megabytesPerSecond),
    atMost('broker.anonymousRssBytesMax', BROKER_ANONYMOUS_BYTES_MAX, broker.anonymousRssBytesMax),
  ]
}

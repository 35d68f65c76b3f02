/**
 * From what a run measured to the figures `retention` reports: the keys of `--json` and the targets. Pure.
 */
import { probeFigures } from '../figures/probe-figures.ts'
import { median } from '../figures/statistics.ts'
import { atLeast, atMost, BROKER_ANONYMOUS_BYTES_MAX, type Target } from '../figures/targets.ts'
import type { Machine } from '../machine/machine.ts'
import type { Footprint } from './footprint.ts'
import type { RetentionOptions, RetentionRun, Stretch } from './run.ts'

const MEGA = 1e6
/** Segments a broker may have on the disk that hold nothing alive: the one being written and the one prepared. */
const SEGMENTS_ALLOWED = 2

export function retentionResult(run: RetentionRun, options: RetentionOptions, machine: Machine) {
  const { steady, mixture, closing, nothingStored, probes } = run
  const rates = gigabyteRates(steady, options)
  const [first] = rates
  const unmixed = (sustainedRate(steady, options) + sustainedRate(closing, options)) / 2
  const mixed = sustainedRate(mixture, options)
  const anonymous = [steady, mixture, closing].map((stretch) => stretch.anonymousRssBytesMax)
  return {
    steady: {
      megabytesPerSecond: overallRate(steady, options),
      firstMegabytesPerSecond: first,
      lastMegabytesPerSecond: rates.at(-1)!,
      lastOverFirst: rates.at(-1)! / first,
      /** The middle gigabyte of those that came after the first: what one noisy moment cannot spoil. */
      medianOverFirst: median(rates.slice(1)) / first,
      megabytesPerSecondOfEach: rates,
      diskBytesMax: most(steady, ({ diskBytes }) => diskBytes),
      liveBytesMax: most(steady, ({ liveBytes }) => liveBytes),
    },
    mixture: {
      /** Once data leaves; compared with the unmixed stretches before and after. */
      megabytesPerSecond: mixed,
      unmixedMegabytesPerSecond: unmixed,
      throughputRatio: mixed / unmixed,
      megabytesPerSecondOfEach: gigabyteRates(mixture, options),
      diskBytesMax: most(mixture, ({ diskBytes }) => diskBytes),
      ...diskAgainstLive(mixture, options),
    },
    broker: {
      anonymousRssBytesMax: anonymous.includes(null)
        ? null
        : Math.max(...anonymous.filter((b) => b !== null)),
    },
    probes: {
      ...probeFigures(probes),
      nothingStored: { megabytesPerSecond: overallRate(nothingStored, options) },
    },
    rounds: [steady, mixture, closing].map((stretch) => ({
      events: stretch.events,
      seconds: stretch.seconds,
      eventsLeft: stretch.left.events,
      footprints: stretch.footprints,
    })),
    config: { bench: 'retention', ...options, machine },
  }
}

export type RetentionResult = ReturnType<typeof retentionResult>

type Moved = Pick<Stretch, 'events' | 'seconds'>

function overallRate({ events, seconds }: Moved, { valueBytes }: RetentionOptions): number {
  return (events * valueBytes) / MEGA / seconds
}

/** MB/s of each gigabyte. */
export function gigabyteRates(
  { markSeconds }: Pick<Stretch, 'markSeconds'>,
  { markBytes }: RetentionOptions,
): number[] {
  return markSeconds.map((at, i) => markBytes / MEGA / (at - (i === 0 ? 0 : markSeconds[i - 1])))
}

/** MB/s from when as much as is kept, and a gigabyte more, has passed. */
export function sustainedRate(
  { markSeconds }: Pick<Stretch, 'markSeconds'>,
  { markBytes, keptBytes }: RetentionOptions,
): number {
  const from = Math.min(Math.ceil(keptBytes / markBytes), markSeconds.length - 2)
  const to = markSeconds.length - 1
  return ((to - from) * markBytes) / MEGA / (markSeconds[to] - markSeconds[from])
}

function most({ footprints }: Stretch, measure: (footprint: Footprint) => number): number {
  return Math.max(...footprints.map(measure))
}

/**
 * The worst moment after the first relocation. A broker that does not tell of relocations is judged from when
 * three times what is kept has passed.
 */
export function diskAgainstLive(
  stretch: Pick<Stretch, 'footprints' | 'markSeconds'>,
  options: RetentionOptions,
) {
  const { footprints, markSeconds } = stretch
  const { keptBytes, markBytes, segmentBytes } = options
  const told = footprints.some(({ relocations }) => relocations !== null)
  // The warm-up may have had some.
  const before = footprints[0]?.relocations ?? 0
  const passed = markSeconds[Math.min(Math.ceil((3 * keptBytes) / markBytes), markSeconds.length) - 1]
  const judged = footprints.filter(({ relocations, seconds }) =>
    told ? relocations !== null && relocations > before : seconds >= passed,
  )
  const ratio = ({ diskBytes, liveBytes }: Footprint) =>
    (diskBytes - SEGMENTS_ALLOWED * segmentBytes) / liveBytes
  const worst = judged.reduce<Footprint | null>((a, b) => (a === null || ratio(b) > ratio(a) ? b : a), null)
  return {
    judgedFrom: told ? 'first relocation' : 'three times the kept bytes passed',
    looks: judged.length,
    relocations: told ? Math.max(...footprints.map(({ relocations }) => relocations ?? 0)) - before : null,
    /** (disk - 2 segments) / live at the worst of these looks; null: there was none. */
    diskRatioMax: worst === null ? null : ratio(worst),
    worst,
  }
}

export function retentionTargets({ steady, mixture, broker }: RetentionResult): Target[] {
  return [
    atLeast('steady.lastOverFirst', 0.9, steady.lastOverFirst),
    atMost('mixture.diskRatioMax', 1.5, mixture.diskRatioMax),
    atLeast('mixture.throughputRatio', 0.8, mixture.throughputRatio),
    atMost('broker.anonymousRssBytesMax', BROKER_ANONYMOUS_BYTES_MAX, broker.anonymousRssBytesMax),
  ]
}

/** The result of `filters` for people. */
import prettyBytes from 'pretty-bytes'
import {
  bars,
  known,
  megabytes,
  million,
  milliseconds,
  type Row,
  ratio,
  seconds,
  table,
  thousand,
  title,
  where,
} from '../display/report-parts.ts'
import type { FiltersResult } from './result.ts'

const percent = (share: number) => `${(share * 100).toFixed(2)} %`

export function filtersReport(result: FiltersResult): string {
  const { events, matcher, scan, many, live, broker, probes, config } = result
  return [
    title(
      `Filters: ${events.different.toLocaleString('en')} JSON events of ${events.meanBytes.toFixed(0)} bytes on average, nothing matches`,
    ),
    bars(
      'The matcher by itself, one core',
      matcher.sets.map(({ kind, patterns, eventsPerSecond }) => ({
        label: patterns === 1 ? kind : `${patterns.toLocaleString('en')} ${kind}`,
        value: eventsPerSecond,
        text: million(eventsPerSecond),
      })),
    ),
    title('Through a broker'),
    table([
      [
        'looked at',
        million(scan.eventsPerSecond),
        `one consumer; ${million(scan.plain.eventsPerSecond)} without a filter`,
      ],
      ['  per core', known(scan.eventsPerCoreSecond, million), 'for each second of CPU time of the broker'],
      cpuRow(scan, 'for a million events looked at'),
      cpuRow(scan.plain, 'without a filter'),
      [
        '  network saved',
        percent(scan.savedShare),
        `of ${scan.plain.sentBytesPerEvent.toFixed(0)} bytes an event`,
      ],
      [
        'few match',
        million(scan.selective.eventsPerSecond),
        `${percent(scan.selective.matchedShare)} of the events; ${percent(scan.selectiveSavedShare)} of the network saved`,
      ],
      [
        `${config.watchers.toLocaleString('en')} filters`,
        known(many.costRatio, (value) => `× ${ratio(value)}`),
        `of what one costs the broker: ${known(many.many.brokerCpuSecondsPerMillionEvents, seconds)} to ${known(many.one.brokerCpuSecondsPerMillionEvents, seconds)} of CPU for a million events`,
      ],
      [
        '  at a rate of',
        thousand(many.many.eventsPerSecond),
        `of ${thousand(config.watchedPerSecond)} that were written, until the last is behind the last event`,
      ],
      [
        'live p99',
        `${milliseconds(live.alone.p99Ms)} → ${milliseconds(live.beside.p99Ms)}`,
        `× ${ratio(live.p99Ratio)}: ${thousand(config.livePerSecond)} of another topic, alone → beside ${million(live.besidePerSecond)} looked at`,
      ],
      [
        '  p50',
        `${milliseconds(live.alone.p50Ms)} → ${milliseconds(live.beside.p50Ms)}`,
        `× ${ratio(live.p50Ratio)}`,
      ],
      ['broker memory', known(broker.anonymousRssBytesMax, prettyBytes), 'anonymous, at most'],
      ['small fdatasync', milliseconds(probes.fdatasync.p50Ms), 'p50'],
      ['processor', megabytes(probes.processor.megabytesPerSecond), 'SHA-256, one core'],
    ]),
    where(config.machine),
  ].join('\n\n')
}

function cpuRow(
  {
    brokerCpuSecondsPerMillionEvents,
    loopCpuSecondsPerMillionEvents,
  }: Pick<FiltersResult['scan'], 'brokerCpuSecondsPerMillionEvents' | 'loopCpuSecondsPerMillionEvents'>,
  what: string,
): Row {
  return [
    '  broker CPU',
    known(brokerCpuSecondsPerMillionEvents, seconds),
    `${what}, ${known(loopCpuSecondsPerMillionEvents, seconds)} of it on the event loop`,
  ]
}

/** The result of `throughput` for people. */
import prettyBytes from 'pretty-bytes'
import {
  bars,
  known,
  megabytes,
  million,
  milliseconds,
  ratio,
  table,
  title,
  where,
} from '../display/report-parts.ts'
import type { ThroughputResult } from './result.ts'

const cpu = (value: number) => `${value.toFixed(3)} s`

export function throughputReport(result: ThroughputResult): string {
  const { produce, consume, broker, client, tls, probes, rounds, config } = result
  return [
    title(
      `Throughput: ${config.valueBytes}-byte events, ${config.partitions} partitions, fsynced before acknowledged`,
    ),
    table([
      ['produced', million(produce.eventsPerSecond), `${megabytes(produce.megabytesPerSecond)} of values`],
      [
        '  of the bound',
        produce.diskRatio.toFixed(2),
        'disk and a broker that stores nothing, one after the other',
      ],
      [
        'consumed, lazily',
        million(consume.eventsPerSecondLazy),
        'every record reaches the caller as an object',
      ],
      ['consumed, values', million(consume.eventsPerSecondValues), 'every byte of every value is added up'],
      ['broker CPU', known(broker.cpuSecondsPerMillionEvents, cpu), 'for a million events produced'],
      ['', known(broker.consumeCpuSecondsPerMillionEvents, cpu), 'for a million events consumed'],
      ['client CPU', known(client.cpuSecondsPerMillionEvents, cpu), 'for a million events produced'],
      ...(tls
        ? ([
            [
              'over TLS, produced',
              million(tls.produceEventsPerSecond),
              `${ratio(tls.produceRatio)} of plain text`,
            ],
            [
              '  consumed, lazily',
              million(tls.consumeEventsPerSecondLazy),
              `${ratio(tls.consumeRatioLazy)} of plain text; ${ratio(tls.consumeRatioValues)} with values`,
            ],
          ] as const)
        : []),
      ['broker memory', known(broker.anonymousRssBytesMax, prettyBytes), 'anonymous, at most'],
      [
        'raw disk',
        megabytes(probes.disk.megabytesPerSecond),
        `append + fdatasync, ${prettyBytes(probes.disk.chunkBytes)} a time`,
      ],
      ['', milliseconds(probes.fdatasync.p50Ms), 'one small append + fdatasync, p50'],
      [
        'nothing stored',
        million(probes.nothingStored.eventsPerSecond),
        'the same load, acknowledged without storing',
      ],
    ]),
    bars(
      `Produced in each of ${rounds.length} rounds of ${config.events.toLocaleString('en')} events`,
      rounds.map(({ produceEventsPerSecond: value }, i) => ({
        label: `${i + 1}`,
        value,
        text: million(value),
      })),
    ),
    where(config.machine),
  ].join('\n\n')
}

/** The result of `codecs` for people. */
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
import type { CodecsResult, TopicFigures } from './result.ts'

const percent = (share: number) => `${(share * 100).toFixed(1)} %`
const size = (bytes: number) => prettyBytes(bytes, { binary: true })
const microseconds = (us: number) => `${us.toFixed(us < 100 ? 1 : 0)} µs`

export function codecsReport(result: CodecsResult): string {
  const { events, codecs, pool, topics, broker, probes, config } = result
  return [
    title(
      `Codecs: ${events.different.toLocaleString('en')} JSON events of ${events.meanBytes.toFixed(0)} bytes on average, one core`,
    ),
    table(
      codecs.map(
        ({ name, batchBytes, ratio: smaller, compress, decompress }): Row => [
          `${name}, ${size(batchBytes)}`,
          `× ${ratio(smaller)}`,
          `packs ${megabytes(compress.megabytesPerSecond)}, ${million(compress.eventsPerSecond)}; unpacks ${megabytes(decompress.megabytesPerSecond)}, ${million(decompress.eventsPerSecond)}`,
        ],
      ),
    ),
    title(`The pool: ${pool.workers} worker(s); what recompressing one batch costs the event loop`),
    table(
      pool.costs.map(
        ({ name, batchBytes, inline, pool: pooled }): Row => [
          `${name}, ${size(batchBytes)}`,
          known(pooled.loopMicroseconds, microseconds),
          `instead of ${known(inline.loopMicroseconds, microseconds)} inline; ${million(pooled.eventsPerSecond)} instead of ${million(inline.eventsPerSecond)}, ${milliseconds(pooled.aloneMs)} when it is the only one`,
        ],
      ),
    ),
    table([
      ...Object.entries(pool.thresholdBytes).map(
        ([name, bytes]): Row => [
          `${name} from`,
          known(bytes, size),
          'on the loop is better off with the pool',
        ],
      ),
      ['configured', size(pool.configuredBytes), 'codecs.offloadBytesMin, the default'],
    ]),
    ...Object.entries(topics).flatMap(([name, topic]) => topicReport(name, topic, config)),
    table([
      ['broker memory', known(broker.anonymousRssBytesMax, prettyBytes), 'anonymous, at most'],
      ['raw disk', megabytes(probes.disk.megabytesPerSecond), 'append and fdatasync'],
      ['small fdatasync', milliseconds(probes.fdatasync.p50Ms), 'p50'],
      ['processor', megabytes(probes.processor.megabytesPerSecond), 'SHA-256, one core'],
    ]),
    where(config.machine),
  ].join('\n\n')
}

function topicReport(
  name: string,
  { recompress, consume, live, plain, rounds }: TopicFigures,
  { livePerSecond, recompressedPerSecond }: CodecsResult['config'],
): string[] {
  return [
    title(`A topic in ${name}, through a broker`),
    table([
      [
        'recompressed',
        million(recompress.eventsPerSecond),
        `${megabytes(recompress.megabytesPerSecond)} of values`,
      ],
      [
        '  broker CPU',
        known(recompress.brokerCpuSecondsPerMillionEvents, seconds),
        `for a million events, ${known(recompress.loopCpuSecondsPerMillionEvents, seconds)} of it on the event loop; client ${known(recompress.clientCpuSecondsPerMillionEvents, seconds)}`,
      ],
      ['  on the disk', percent(recompress.storedShare), 'of the bytes of the values'],
      [
        'consumed',
        million(consume.values.eventsPerSecond),
        `every byte added up; ${million(consume.lazy.eventsPerSecond)} as objects`,
      ],
      [
        '  client CPU',
        known(consume.values.clientCpuSecondsPerMillionEvents, seconds),
        `for a million events, ${known(consume.lazy.clientCpuSecondsPerMillionEvents, seconds)} as objects`,
      ],
      [
        'live p99',
        `${milliseconds(live.alone.p99Ms)} → ${milliseconds(live.beside.p99Ms)}`,
        `× ${ratio(live.p99Ratio)}: ${thousand(livePerSecond)} of another topic, alone → beside ${million(live.besidePerSecond)}`,
      ],
      [
        '  p50',
        `${milliseconds(live.alone.p50Ms)} → ${milliseconds(live.beside.p50Ms)}`,
        `× ${ratio(live.p50Ratio)}`,
      ],
      [
        'a plain topic',
        `${million(plain.aloneEventsPerSecond)} → ${million(plain.besideEventsPerSecond)}`,
        `alone → beside ${million(recompressedPerSecond / 2)} to be recompressed`,
      ],
      [
        '  beyond the CPU',
        known(plain.lossBeyondCpu, percent),
        `lost, besides the ${known(plain.cpuShare, percent)} of the machine that those take`,
      ],
    ]),
    bars(
      `Recompressed in each of ${rounds.length} rounds`,
      rounds.map(({ eventsPerSecond }, i) => ({
        label: `${i + 1}`,
        value: eventsPerSecond,
        text: million(eventsPerSecond),
      })),
    ),
  ]
}

/** The result of `partitions` for people. */
import prettyBytes from 'pretty-bytes'
import {
  bars,
  known,
  megabytes,
  million,
  milliseconds,
  ratio,
  seconds,
  table,
  title,
  where,
} from '../display/report-parts.ts'
import type { PartitionsResult } from './result.ts'

export function partitionsReport(result: PartitionsResult): string {
  const { produce, startup, log, broker, probes, rounds, config } = result
  const { partitions, batchBytes, valueBytes } = config.spread
  const count = (value: number) => value.toLocaleString('en')
  return [
    title(
      `Partitions: ${count(partitions)} against one, batches of ${count(batchBytes)} bytes, ${valueBytes}-byte events, fsynced before acknowledged`,
    ),
    table([
      [
        `${count(partitions)} partitions`,
        million(produce.many.eventsPerSecond),
        `${megabytes(produce.many.megabytesPerSecond)} of values, ${produce.many.eventsPerBatch.toFixed(0)} events a batch`,
      ],
      ['one partition', million(produce.one.eventsPerSecond), 'any number of batches under way'],
      ['  with defaults', million(produce.oneWithDefaults.eventsPerSecond), 'five batches under way'],
      ['ratio', ratio(produce.ratio), 'many to one, median of the rounds'],
      [
        'nothing stored',
        million(probes.nothingStored.manyEventsPerSecond),
        `${count(partitions)} partitions`,
      ],
      ['', million(probes.nothingStored.oneEventsPerSecond), 'one partition'],
      ['broker memory', known(broker.anonymousRssBytesMax, prettyBytes), 'anonymous, at most'],
    ]),
    title(
      `Starting with ${count(startup.batches)} batches in ${count(startup.segments)} segments, ${prettyBytes(startup.bytes)}`,
    ),
    table([
      [
        'after SIGTERM',
        seconds(startup.afterTerm.seconds),
        `${known(startup.afterTerm.anonymousRssBytes, prettyBytes)} of memory when ready`,
      ],
      [
        'after SIGKILL',
        seconds(startup.afterKill.seconds),
        `${known(startup.afterKill.anonymousRssBytes, prettyBytes)} of memory when ready`,
      ],
      [
        'nothing cached',
        known(startup.evicted, (starts) => seconds(starts.seconds)),
        'after SIGTERM, the data put out of the page cache',
      ],
    ]),
    title(`Reading all of a log of ${prettyBytes(log.bytes)} in ${count(log.segments)} segments`),
    table([
      ['segments open', known(log.openSegmentsMax, count), 'files, at most'],
      ['segments mapped', known(log.mappedSegmentsMax, count), 'files, at most'],
      ['index cache', known(log.indexCacheBytesMax, prettyBytes), 'by its own account, at most'],
      ['broker memory', known(log.anonymousRssBytesMax, prettyBytes), 'anonymous, at most'],
      [
        'raw disk',
        megabytes(probes.disk.megabytesPerSecond),
        `append + fdatasync, ${prettyBytes(probes.disk.chunkBytes)} a time`,
      ],
      ['small fdatasync', milliseconds(probes.fdatasync.p50Ms), 'p50, probed between the rounds'],
    ]),
    bars(
      `Produced in each of ${rounds.length} rounds, ${count(partitions)} partitions (many) and one`,
      rounds.flatMap((round, i) => [
        {
          label: `${i + 1} many`,
          value: round.manyEventsPerSecond,
          text: million(round.manyEventsPerSecond),
        },
        { label: `${i + 1} one`, value: round.oneEventsPerSecond, text: million(round.oneEventsPerSecond) },
      ]),
    ),
    where(config.machine),
  ].join('\n\n')
}

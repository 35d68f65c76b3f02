/** The result of `connections` for people. */
import prettyBytes from 'pretty-bytes'
import {
  bars,
  known,
  milliseconds,
  ratio,
  seconds,
  table,
  thousand,
  title,
  where,
} from '../display/report-parts.ts'
import type { ConnectionsResult } from './result.ts'

export function connectionsReport(result: ConnectionsResult): string {
  const { acknowledged, latency, broker, client, probes, rounds, config } = result
  return [
    title(
      `Connections: ${config.connections} of them, one ${config.valueBytes}-byte event under way on each, fsynced before acknowledged`,
    ),
    table([
      ['acknowledged', thousand(acknowledged.eventsPerSecond), 'by all connections together'],
      [
        '  nothing stored',
        thousand(probes.nothingStored.eventsPerSecond),
        'the same load, acknowledged without storing',
      ],
      [
        '  of that',
        ratio(acknowledged.nothingStoredRatio),
        'how near the load generator is to its own limit',
      ],
      ['broker CPU', known(broker.cpuSecondsPerMillionEvents, seconds), 'for a million events'],
      ['client CPU', seconds(client.cpuSecondsPerMillionEvents), 'for a million events'],
      ['broker memory', known(broker.anonymousRssBytesMax, prettyBytes), 'anonymous, at most'],
      ['small fdatasync', milliseconds(probes.fdatasync.p50Ms), 'p50, probed between the rounds'],
    ]),
    bars(
      `From send to acknowledgement, ${latency.events.toLocaleString('en')} events`,
      [
        { label: 'p50', value: latency.p50Ms },
        { label: 'p90', value: latency.p90Ms },
        { label: 'p99', value: latency.p99Ms },
        { label: 'p99.9', value: latency.p999Ms },
        { label: 'max', value: latency.maxMs },
      ].map((row) => ({ ...row, text: milliseconds(row.value) })),
    ),
    bars(
      `Acknowledged in each of ${rounds.length} rounds of ${config.seconds} s`,
      rounds.map(({ eventsPerSecond: value }, i) => ({ label: `${i + 1}`, value, text: thousand(value) })),
    ),
    where(config.machine),
  ].join('\n\n')
}

/** The result of `latency` for people. */
import { bars, milliseconds, table, title, where } from '../display/report-parts.ts'
import type { LatencyResult } from './result.ts'

export function latencyReport(result: LatencyResult): string {
  const { endToEnd, achievedPerSecond, lateMsMax, probes, config } = result
  const percentiles = [
    { label: 'p50', value: endToEnd.p50Ms },
    { label: 'p90', value: endToEnd.p90Ms },
    { label: 'p99', value: endToEnd.p99Ms },
    { label: 'p99.9', value: endToEnd.p999Ms },
    { label: 'max', value: endToEnd.maxMs },
  ]
  return [
    title(
      `Latency: ${config.ratePerSecond.toLocaleString('en')} events/s on a schedule, fsynced, from due to consumed`,
    ),
    bars(
      `End to end, ${endToEnd.events.toLocaleString('en')} events`,
      percentiles.map((row) => ({ ...row, text: milliseconds(row.value) })),
    ),
    table([
      [
        'achieved',
        `${achievedPerSecond.toFixed(0)} /s`,
        `of ${config.ratePerSecond.toLocaleString('en')} offered`,
      ],
      ['sent late', milliseconds(lateMsMax), 'at most; counted in the latencies'],
      ['small fdatasync', milliseconds(probes.fdatasync.p50Ms), 'p50, probed between the rounds'],
    ]),
    where(config.machine),
  ].join('\n\n')
}

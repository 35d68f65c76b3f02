/** The result of `cold` for people. */
import prettyBytes from 'pretty-bytes'
import { bars, known, megabytes, milliseconds, ratio, table, title, where } from '../display/report-parts.ts'
import type { ColdResult } from './result.ts'

export function coldReport(result: ColdResult): string {
  const { live, replay, broker, probes, rounds, config } = result
  const both = (alone: number, beside: number) => `${milliseconds(alone)} → ${milliseconds(beside)}`
  return [
    title(
      `Cold reads: ${config.ratePerSecond.toLocaleString('en')} live events/s, alone and beside a replay of what is only on the disk`,
    ),
    table([
      ['live p50', both(live.alone.p50Ms, live.beside.p50Ms), `alone → beside: × ${ratio(live.p50Ratio)}`],
      ['live p99', both(live.alone.p99Ms, live.beside.p99Ms), `× ${ratio(live.p99Ratio)}`],
      ['live p99.9', both(live.alone.p999Ms, live.beside.p999Ms), 'due to consumed, fsynced in between'],
      ['replayed', megabytes(replay.megabytesPerSecond), `${prettyBytes(replay.bytes)} of values`],
      [
        '  from the disk',
        prettyBytes(replay.diskBytes),
        `${(replay.diskShare * 100).toFixed(0)} % of that, as the kernel counts`,
      ],
      [
        'achieved',
        `${live.achievedPerSecond.toFixed(0)} /s`,
        `of ${config.ratePerSecond.toLocaleString('en')} offered`,
      ],
      ['sent late', milliseconds(live.lateMsMax), 'at most; counted in the latencies'],
      ['broker memory', known(broker.anonymousRssBytesMax, prettyBytes), 'anonymous, at most'],
      ['raw cold read', megabytes(probes.coldRead.megabytesPerSecond), 'sequential, nothing else going on'],
      ['small fdatasync', milliseconds(probes.fdatasync.p50Ms), 'p50, probed before and after'],
    ]),
    bars(
      `p99 in each of ${rounds.length} rounds, alone and beside`,
      rounds.flatMap(({ alone, beside, replayMegabytesPerSecond }, i) => [
        { label: `${i + 1} alone`, value: alone.p99Ms, text: milliseconds(alone.p99Ms) },
        {
          label: `${i + 1} beside`,
          value: beside.p99Ms,
          text: `${milliseconds(beside.p99Ms)}, replay ${megabytes(replayMegabytesPerSecond)}`,
        },
      ]),
    ),
    where(config.machine),
  ].join('\n\n')
}

/** The result of `retention` for people. */
import prettyBytes from 'pretty-bytes'
import { bars, known, megabytes, milliseconds, ratio, table, title, where } from '../display/report-parts.ts'
import type { RetentionResult } from './result.ts'

export function retentionReport(result: RetentionResult): string {
  const { steady, mixture, broker, probes, config } = result
  const { worst } = mixture
  const each = prettyBytes(config.markBytes)
  const perGigabyte = (rates: readonly number[]) =>
    rates.map((value, i) => ({ label: `${i + 1}`, value, text: megabytes(value) }))
  return [
    title(
      `Retention: ${prettyBytes(config.passingBytes)} of ${config.valueBytes}-byte events pass, ${prettyBytes(config.keptBytes)} are kept, fsynced before acknowledged`,
    ),
    table([
      ['passed', megabytes(steady.megabytesPerSecond), 'of values, on the whole'],
      ['last over first', ratio(steady.lastOverFirst), `the rates of the last and the first ${each}`],
      ['median over first', ratio(steady.medianOverFirst), 'of all that came after the first'],
      [
        'disk at most',
        prettyBytes(steady.diskBytesMax),
        `for ${prettyBytes(steady.liveBytesMax)} alive at most`,
      ],
    ]),
    title(`Beside a topic that is kept for ever, with one of ${config.mixedEvery} events`),
    table([
      ['passed', megabytes(mixture.megabytesPerSecond), 'of values, once data leaves'],
      [
        '  of unmixed',
        ratio(mixture.throughputRatio),
        `${megabytes(mixture.unmixedMegabytesPerSecond)} before and after`,
      ],
      [
        'disk over live',
        known(mixture.diskRatioMax, ratio),
        `two segments apart, at the worst of ${mixture.looks} looks from: ${mixture.judgedFrom}`,
      ],
      [
        '  then',
        known(worst, ({ diskBytes }) => prettyBytes(diskBytes)),
        known(worst, ({ liveBytes }) => `for ${prettyBytes(liveBytes)} alive`),
      ],
      ['relocations', known(mixture.relocations, String), 'segments written anew'],
      ['broker memory', known(broker.anonymousRssBytesMax, prettyBytes), 'anonymous, at most'],
      [
        'nothing stored',
        megabytes(probes.nothingStored.megabytesPerSecond),
        'the same load, acknowledged without storing',
      ],
      [
        'raw disk',
        megabytes(probes.disk.megabytesPerSecond),
        `append + fdatasync, ${prettyBytes(probes.disk.chunkBytes)} a time`,
      ],
      ['small fdatasync', milliseconds(probes.fdatasync.p50Ms), 'p50, probed between the stretches'],
    ]),
    bars(`One topic, each ${each}`, perGigabyte(steady.megabytesPerSecondOfEach)),
    bars(`Beside a topic kept for ever, each ${each}`, perGigabyte(mixture.megabytesPerSecondOfEach)),
    where(config.machine),
  ].join('\n\n')
}

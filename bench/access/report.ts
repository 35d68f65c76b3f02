/** The result of `access` for people. */
import prettyBytes from 'pretty-bytes'
import {
  known,
  milliseconds,
  type Row,
  ratio,
  seconds,
  table,
  thousand,
  title,
  where,
} from '../display/report-parts.ts'
import type { AccessResult, Cost, NewcomerFigures } from './result.ts'

const percent = (share: number) => `${(share * 100).toFixed(2)} %`
const finely = (value: number) => value.toFixed(4)
const count = (value: number) => value.toLocaleString('en', { maximumFractionDigits: 0 })

export function accessReport(result: AccessResult): string {
  const { cost, effect, newcomers, broker, probes, config } = result
  const felt = (what: string, { p50Ms, p99Ms, maxMs }: AccessResult['effect']['grant']): Row => [
    what,
    milliseconds(p99Ms),
    `p99; p50 ${milliseconds(p50Ms)}, at most ${milliseconds(maxMs)}`,
  ]
  return [
    title(`Access: ${count(config.entries)} entries about ${count(config.principals)} principals`),
    table([
      ...costRows('full batches', cost.bulk),
      ...costRows('an event a batch', cost.single),
      [
        'one check',
        `${cost.check.nanoseconds.toFixed(0)} ns`,
        'of a produce request with one batch, by itself',
      ],
      [
        'rules put together',
        `${cost.check.compileMicroseconds.toFixed(1)} µs`,
        `for one identity after a change; ${cost.check.compileChangedMicroseconds.toFixed(1)} µs after one about its group`,
      ],
    ]),
    title(
      `Until a change is felt: ${config.rightsRounds} rounds, ${config.liveConnections} live connections`,
    ),
    table([
      felt('right given', effect.grant),
      felt('right taken away', effect.revoke),
      felt('  a parked fetch ends', effect.parkedFetch),
      felt('key revoked', effect.revokedKey),
      felt('  a parked fetch ends', effect.revokedKeyParkedFetch),
      felt('the change itself', effect.change),
      felt(`${count(config.bulkEntries)} rules given to all`, effect.bulk.grant),
      felt('  taken away', effect.bulk.revoke),
      felt('  all parked fetches end', effect.bulk.parkedFetch),
      felt('  somebody else meanwhile', effect.bulk.roundTrip),
      felt('  the change itself', effect.bulk.change),
      [
        'one round trip',
        milliseconds(probes.roundTrip.p50Ms),
        'a produce request, where nothing changes; p50',
      ],
    ]),
    title(
      `Newcomers: ${count(config.newcomers)} a round, ${config.newcomersAtOnce} at a time; storms of ${count(config.storm)}`,
    ),
    table([
      ...newcomerRows('API keys', newcomers.key),
      ...newcomerRows('EdDSA tokens', newcomers.eddsa),
      ...newcomerRows('ES256 tokens', newcomers.es256),
      ...newcomerRows('nothing shown', probes.anonymous),
      [
        'keys, on the SDK',
        thousand(probes.sdk.perSecond),
        `${count(probes.sdk.generatorCpuMicroseconds)} µs of CPU each in the client, which is why the others are lean`,
      ],
      ['broker memory', known(broker.anonymousRssBytesMax, prettyBytes), 'anonymous, at most'],
    ]),
    where(config.machine),
  ].join('\n\n')
}

function costRows(name: string, cost: Cost): Row[] {
  const { cpuRatio, cpuRatioError, noise, rateRatio, checkShare } = cost
  return [
    [
      name,
      known(cpuRatio, finely),
      `± ${known(cpuRatioError, finely)}: CPU time of the broker, user with rules to administrator`,
    ],
    ['  noise', known(noise, percent), `between two turns of the same caller; rates ${ratio(rateRatio)}`],
    [
      '  checks by themselves',
      known(checkShare, percent),
      `of ${known(cost.brokerCpuSecondsPerMillionEvents, seconds)} CPU for a million events, ${cost.eventsPerBatch.toFixed(1)} a batch`,
    ],
  ]
}

function newcomerRows(name: string, figures: NewcomerFigures): Row[] {
  const { perSecond, anonymousRatio, brokerCpuMicroseconds, brokerCpuShare, generatorCpuShare, storm } =
    figures
  return [
    [
      name,
      thousand(perSecond),
      `${ratio(anonymousRatio)} of those that show nothing; ${known(brokerCpuMicroseconds, count)} µs of broker CPU each`,
    ],
    [
      '  CPU in use',
      known(brokerCpuShare, ratio),
      `of a core by the broker, ${ratio(generatorCpuShare)} by the generator`,
    ],
    ['  storm', seconds(storm.seconds), `until the last is served; p50 ${seconds(storm.p50Ms / 1000)}`],
  ]
}

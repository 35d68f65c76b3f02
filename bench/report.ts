/**
 * The result of a bench for people: what it measured, a bar for each round, and on what machine.
 */
import chalk from 'chalk'
import Table from 'cli-table3'
import prettyBytes from 'pretty-bytes'
import type { Machine } from './machine.ts'
import type { LatencyResult, Target, ThroughputResult } from './results.ts'

const BAR_COLUMNS = 40

type Row = readonly [what: string, figure: string, meaning: string]

const million = (perSecond: number) => `${(perSecond / 1e6).toFixed(2)} M/s`
const milliseconds = (ms: number) => `${ms.toFixed(ms < 10 ? 2 : 1)} ms`
const cpu = (seconds: number | null) => (seconds === null ? 'unknown' : `${seconds.toFixed(3)} s`)

function table(rows: readonly Row[]): string {
  const drawn = new Table({
    colAligns: ['left', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  })
  for (const [what, figure, meaning] of rows) drawn.push([what, chalk.bold(figure), meaning])
  return drawn.toString()
}

function bars(title: string, values: readonly { label: string; value: number; text: string }[]): string {
  const largest = Math.max(...values.map(({ value }) => value))
  const width = Math.max(...values.map(({ label }) => label.length))
  const lines = values.map(({ label, value, text }) => {
    const bar = '█'.repeat(Math.max(1, Math.round((value / largest) * BAR_COLUMNS)))
    return `  ${label.padEnd(width)}  ${chalk.cyan(bar)} ${text}`
  })
  return [title, ...lines].join('\n')
}

function where({ cpu: model, cores, memoryBytes, system, versions }: Machine): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return chalk.dim(`${model}, ${cores} cores, ${prettyBytes(memoryBytes)}, ${system}\n${named.join(', ')}`)
}

export function throughputReport(result: ThroughputResult): string {
  const { produce, consume, broker, client, probes, rounds, config } = result
  const memory = broker.anonymousRssBytesMax
  return [
    chalk.bold(
      `Throughput: ${config.valueBytes}-byte events, ${config.partitions} partitions, fsynced before acknowledged`,
    ),
    table([
      [
        'produced',
        million(produce.eventsPerSecond),
        `${produce.megabytesPerSecond.toFixed(0)} MB/s of values`,
      ],
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
      ['broker CPU', cpu(broker.cpuSecondsPerMillionEvents), 'for a million events produced'],
      ['', cpu(broker.consumeCpuSecondsPerMillionEvents), 'for a million events consumed'],
      ['client CPU', cpu(client.cpuSecondsPerMillionEvents), 'for a million events produced'],
      ['broker memory', memory === null ? 'unknown' : prettyBytes(memory), 'anonymous, at most'],
      [
        'raw disk',
        `${probes.disk.megabytesPerSecond.toFixed(0)} MB/s`,
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
    chalk.bold(
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

export function targetReport(targets: readonly Target[]): string {
  const figure = (value: number) => (value >= 1e5 ? million(value) : value.toFixed(2))
  return targets
    .map(({ name, limit, measured, met }) => {
      const mark = met ? chalk.green('✔ met   ') : chalk.red('✘ missed')
      return `${mark} ${name}: ${figure(measured)}, target ${figure(limit)}`
    })
    .join('\n')
}

export function noiseReport(strayMax: number): string {
  return chalk.yellow(
    `machine too noisy: a probe strayed ${(strayMax * 100).toFixed(0)} % from its median (20 % at most), so these figures say little. Run again when nothing else uses the machine.`,
  )
}

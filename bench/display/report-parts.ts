/**
 * What the reports of all benches are made of: tables, bars, units, the machine, targets and the word on noise.
 */
import chalk from 'chalk'
import Table from 'cli-table3'
import prettyBytes from 'pretty-bytes'
import type { Target } from '../figures/targets.ts'
import type { Machine } from '../machine/machine.ts'

const BAR_COLUMNS = 40

export type Row = readonly [what: string, figure: string, meaning: string]

export interface Bar {
  readonly label: string
  readonly value: number
  readonly text: string
}

export const million = (perSecond: number) => `${(perSecond / 1e6).toFixed(2)} M/s`
export const thousand = (perSecond: number) => `${(perSecond / 1e3).toFixed(1)} k/s`
export const megabytes = (perSecond: number) => `${perSecond.toFixed(0)} MB/s`
export const milliseconds = (ms: number) => `${ms.toFixed(ms < 10 ? 2 : 1)} ms`
export const seconds = (s: number) => `${s.toFixed(s < 10 ? 2 : 1)} s`
export const ratio = (value: number) => value.toFixed(2)

/** What this system or broker does not tell. */
export function known<T>(value: T | null, text: (value: T) => string): string {
  return value === null ? 'unknown' : text(value)
}

export function title(text: string): string {
  return chalk.bold(text)
}

export function table(rows: readonly Row[]): string {
  const drawn = new Table({
    colAligns: ['left', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  })
  for (const [what, figure, meaning] of rows) drawn.push([what, chalk.bold(figure), meaning])
  return drawn.toString()
}

export function bars(heading: string, values: readonly Bar[]): string {
  const largest = Math.max(...values.map(({ value }) => value))
  const width = Math.max(...values.map(({ label }) => label.length))
  const lines = values.map(({ label, value, text }) => {
    const bar = '█'.repeat(Math.max(1, Math.round((value / largest) * BAR_COLUMNS)))
    return `  ${label.padEnd(width)}  ${chalk.cyan(bar)} ${text}`
  })
  return [heading, ...lines].join('\n')
}

export function where({ cpu: model, cores, memoryBytes, system, versions }: Machine): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return chalk.dim(`${model}, ${cores} cores, ${prettyBytes(memoryBytes)}, ${system}\n${named.join(', ')}`)
}

export function targetReport(targets: readonly Target[]): string {
  return targets
    .map(({ name, side, limit, measured, met }) => {
      const mark = met ? chalk.green('✔ met   ') : chalk.red('✘ missed')
      return `${mark} ${name}: ${known(measured, figure)}, target at ${side} ${figure(limit)}`
    })
    .join('\n')
}

function figure(value: number): string {
  return value >= 1e4 ? value.toLocaleString('en', { maximumFractionDigits: 0 }) : value.toFixed(2)
}

export function noiseReport(strayMax: number): string {
  return chalk.yellow(
    `machine too noisy: a probe strayed ${(strayMax * 100).toFixed(0)} % from its median (20 % at most), so these figures say little. Run again when nothing else uses the machine.`,
  )
}

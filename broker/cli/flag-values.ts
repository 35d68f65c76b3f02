/** How the values of flags are read; what is wrong is said the way commander words it. Pure. */
import { InvalidArgumentError } from 'commander'

export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const upTo = maximum === Number.MAX_SAFE_INTEGER ? '' : ` to ${maximum}`
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value
    throw new InvalidArgumentError(`It must be a whole number from ${minimum}${upTo}.`)
  }
}

/** A whole number of either sign. */
export function integer(text: string): number {
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw new InvalidArgumentError('It must be a whole number.')
}

/** A number that may have a fraction, from `minimum` to `maximum`. */
export function decimal(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d*\.?\d+$/.test(text) && value >= minimum && value <= maximum) return value
    throw new InvalidArgumentError(`It must be a number from ${minimum} to ${maximum}.`)
  }
}

export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text]
}

export function partitions(text: string, before: readonly number[] = []): number[] {
  return [...before, wholeNumber(0)(text)]
}

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** A while of `minimumS` seconds to `maximumDays` days, as `30s`, `15m`, `2h` or `7d`, in ms. */
export function durationMs(minimumS: number, maximumDays: number): (text: string) => number {
  return (text) => {
    const found = /^(\d+)([smhd])$/.exec(text)
    if (!found) throw new InvalidArgumentError('It must be a while: 30s, 15m, 2h or 7d.')
    const ms = Number(found[1]) * unitMs[found[2] as keyof typeof unitMs]
    if (ms < minimumS * unitMs.s)
      throw new InvalidArgumentError(`It must be a while of at least ${minimumS}s.`)
    if (ms > maximumDays * unitMs.d)
      throw new InvalidArgumentError(`It must be a while of at most ${maximumDays}d.`)
    return ms
  }
}

/** Words with commas between them; may be repeated. */
export function words(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',').map((word) => word.trim())]
}

/** One `operation,…:resource` of a scope: `write:topic:lab.readings`. */
export function scopePart(text: string, before: readonly ScopePart[] = []): ScopePart[] {
  const at = text.indexOf(':')
  if (at < 1)
    throw new InvalidArgumentError('It must be OPERATIONS:RESOURCE, as in write:topic:lab.readings.')
  return [...before, { operations: text.slice(0, at).split(','), resource: text.slice(at + 1) }]
}

export interface ScopePart {
  readonly operations: readonly string[]
  readonly resource: string
}

/** One `key=value`; the value may hold further `=`. */
export function setting(text: string, before: readonly Setting[] = []): Setting[] {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It must be KEY=VALUE.')
  return [...before, { name: text.slice(0, at), value: text.slice(at + 1) }]
}

export interface Setting {
  readonly name: string
  readonly value: string
}

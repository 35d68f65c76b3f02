/** How the values of flags are read; what is wrong is said the way commander words it. Pure. */
import { InvalidArgumentError } from 'commander'

export function wholeNumber(minimum: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= minimum) return value
    throw new InvalidArgumentError(`It must be a whole number from ${minimum}.`)
  }
}

export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text]
}

export function partitions(text: string, before: readonly number[] = []): number[] {
  return [...before, wholeNumber(0)(text)]
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

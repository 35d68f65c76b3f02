/**
 * How large a part of a filter is once its `$or`s are written out: counted while it is parsed, so that nothing
 * is made that is larger than the limits.
 */
import type { LeafPattern } from './pattern.ts'
import { patternLimits } from './pattern-limits.ts'
import type { PatternText, Place } from './pattern-text.ts'

export interface PatternSize {
  /** What the `$or`s multiply to. */
  readonly alternatives: number
  /** Rules in all of them. */
  readonly rules: number
}

export interface Sized<T> {
  readonly pattern: T
  readonly size: PatternSize
}

export const sizeOfNothing: PatternSize = { alternatives: 1, rules: 0 }
export const sizeOfLeaf = ({ rules }: LeafPattern): PatternSize => ({ alternatives: 1, rules: rules.length })

/** Of both at once: each alternative of the one with each of the other. Refuses what is too large. */
export function sizeOfBoth(a: PatternSize, b: PatternSize, place: Place, pattern: PatternText): PatternSize {
  return checked(
    {
      alternatives: a.alternatives * b.alternatives,
      rules: a.rules * b.alternatives + b.rules * a.alternatives,
    },
    place,
    pattern,
  )
}

/** Of a choice between them. Refuses what is too large. */
export function sizeOfEither(sizes: readonly PatternSize[], place: Place, pattern: PatternText): PatternSize {
  const sum = (of: (size: PatternSize) => number) => sizes.reduce((total, size) => total + of(size), 0)
  return checked(
    { alternatives: sum((size) => size.alternatives), rules: sum((size) => size.rules) },
    place,
    pattern,
  )
}

function checked(size: PatternSize, place: Place, pattern: PatternText): PatternSize {
  const { alternativesMax, writtenRulesMax } = patternLimits
  const count = (number: number) => number.toLocaleString('en-US')
  if (size.alternatives > alternativesMax)
    pattern.fail(
      place,
      `the $or in here multiply to ${count(size.alternatives)} alternatives; the limit is ${count(alternativesMax)}`,
    )
  if (size.rules > writtenRulesMax)
    pattern.fail(
      place,
      `the $or in here make ${count(size.rules)} rules when they are written out; the limit is ${count(writtenRulesMax)}`,
    )
  return size
}

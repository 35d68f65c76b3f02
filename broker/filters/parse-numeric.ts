/**
 * Numbers of a pattern: IEEE doubles, as JSON readers read them and as event-ruler compares them. A number that a
 * double turns into another one is refused, as it would match what was not meant. And the `numeric`
 * operator: `["=", x]`, one bound, or a lower and then an upper one.
 */
import type { Rule } from './pattern.ts'
import { isKind, named, type PatternText, type Place, type PlaceOf, partsOf } from './pattern-text.ts'
import { shortened } from './shortened.ts'

export function numberOf(place: PlaceOf<'number'>, pattern: PatternText): number {
  const { value, text } = place.node
  if (!Number.isFinite(value)) pattern.fail(place, 'this number is beyond what a double holds, about 1.8e308')
  if (value === 0 && /[1-9]/.test(text.replace(/[eE].*/, '')))
    pattern.fail(place, 'this number is too small for a double, which would make it 0')
  if (/^-?\d+$/.test(text) && BigInt(value) !== BigInt(text))
    pattern.fail(
      place,
      `numbers are compared as doubles, which would make this one ${shortened(String(BigInt(value)))}; what needs every digit is text`,
    )
  // Zero has no sign.
  return value === 0 ? 0 : value
}

export const comparisons: readonly string[] = ['=', '<', '<=', '>', '>=']
const AS_IN = 'as in {"numeric": [">", 0, "<=", 5]}'

export function parseNumeric(place: Place, pattern: PatternText): Rule {
  if (!isKind(place, 'list')) pattern.fail(place, `numeric takes a list, ${AS_IN}, not ${named(place)}`)
  const parts = partsOf(place)
  if (parts.length === 0) pattern.fail(place, `numeric needs a comparison, ${AS_IN}`)
  const first = comparison(parts, 0, pattern)
  if (first.operator === '=') {
    if (parts.length > 2) pattern.fail(parts[2], '"=" stands alone: nothing follows its number')
    return range(first.bound, true, first.bound, true)
  }
  const inclusive = first.operator.endsWith('=')
  if (first.operator.startsWith('<')) {
    if (parts.length > 2)
      pattern.fail(
        parts[2],
        `of two bounds the lower one comes first, ${AS_IN}; nothing follows an upper bound`,
      )
    return range(Number.NEGATIVE_INFINITY, true, first.bound, inclusive)
  }
  if (parts.length === 2) return range(first.bound, inclusive, Number.POSITIVE_INFINITY, true)
  const second = comparison(parts, 2, pattern)
  if (!second.operator.startsWith('<'))
    pattern.fail(parts[2], `after a lower bound an upper one follows, "<" or "<=", not "${second.operator}"`)
  if (parts.length > 4) pattern.fail(parts[4], 'two bounds are all: nothing follows the upper one')
  if (second.bound === first.bound)
    pattern.fail(parts[3], `the bounds are the same: for one number write ["=", ${second.bound}]`)
  if (second.bound < first.bound)
    pattern.fail(parts[3], `the upper bound ${second.bound} must be above the lower one, ${first.bound}`)
  return range(first.bound, inclusive, second.bound, second.operator === '<=')
}

function comparison(
  parts: readonly Place[],
  at: number,
  pattern: PatternText,
): { readonly operator: string; readonly bound: number } {
  const [operator, bound] = parts.slice(at)
  if (!isKind(operator, 'string') || !comparisons.includes(operator.node.value))
    pattern.fail(
      operator,
      `here stands one of ${comparisons.map((o) => `"${o}"`).join(' ')}, not ${named(operator)}`,
    )
  if (bound === undefined) pattern.fail(operator, `a number must follow "${operator.node.value}"`)
  if (!isKind(bound, 'number'))
    pattern.fail(
      bound,
      `after "${operator.node.value}" a number must stand, not ${named(bound)}${unquoted(bound)}`,
    )
  return { operator: operator.node.value, bound: numberOf(bound, pattern) }
}

/** Who writes a number as text gets told. */
function unquoted({ node }: Place): string {
  const isNumber = node.kind === 'string' && node.value.trim() !== '' && Number.isFinite(Number(node.value))
  return isNumber ? ': take the quotes away' : ''
}

function range(low: number, lowInclusive: boolean, high: number, highInclusive: boolean): Rule {
  return { kind: 'numeric', low, lowInclusive, high, highInclusive }
}

/**
 * The part of a filter that looks into JSON: objects of fields, with `$or` among them. How many alternatives
 * the `$or`s multiply to is counted, not written out.
 */
import { anyScalar, operatorNames, parseLeaf } from './parse-rules.ts'
import type { FieldsPattern, PatternNode } from './pattern.ts'
import { pointerTo } from './pattern-error.ts'
import { patternLimits } from './pattern-limits.ts'
import { isKind, named, type PatternText, type Place, type PlaceOf, partsOf, quoted } from './pattern-text.ts'

export interface Counted<T> {
  readonly pattern: T
  readonly alternatives: number
}

export function parseFields(place: PlaceOf<'object'>, pattern: PatternText): Counted<FieldsPattern> {
  if (place.node.members.length === 0)
    pattern.fail(place, 'an object without fields asks nothing: name a field, or leave the object out')
  const fields = new Map<string, PatternNode>()
  let or: readonly FieldsPattern[] = []
  let alternatives = 1
  for (const { name, value } of place.node.members) {
    const inner = { node: value, pointer: pointerTo(place.pointer, name) }
    if (name === '$or') {
      const branches = orBranches(inner, pattern).map((branch) => {
        refuseOperators(branch, pattern)
        return parseFields(branch, pattern)
      })
      or = branches.map((branch) => branch.pattern)
      alternatives *= branches.reduce((sum, branch) => sum + branch.alternatives, 0)
    } else {
      const field = parseField(inner, quoted(name), pattern)
      fields.set(name, field.pattern)
      alternatives *= field.alternatives
    }
    checkAlternatives(alternatives, place, pattern)
  }
  return { pattern: { kind: 'fields', fields, or }, alternatives }
}

function parseField(place: Place, what: string, pattern: PatternText): Counted<PatternNode> {
  if (isKind(place, 'object')) return parseFields(place, pattern)
  if (isKind(place, 'list')) return { pattern: parseLeaf(place, anyScalar, pattern), alternatives: 1 }
  return notInList(place, what, pattern)
}

/** The commonest mistake: a value without the brackets. */
export function notInList(place: Place, what: string, pattern: PatternText): never {
  const { node } = place
  const written =
    node.kind === 'string' ? quoted(node.value) : node.kind === 'number' ? node.text : String(named(place))
  return pattern.fail(
    place,
    `${what} takes a list of values and rules, or an object of fields: write [${written}]`,
  )
}

/** The objects of a `$or`. */
export function orBranches(place: Place, pattern: PatternText): PlaceOf<'object'>[] {
  if (!isKind(place, 'list')) return pattern.fail(place, `$or takes a list of objects, not ${named(place)}`)
  const branches = partsOf(place).map((branch) =>
    isKind(branch, 'object')
      ? branch
      : pattern.fail(branch, `$or takes a list of objects, in which ${named(branch)} is none`),
  )
  if (branches.length < 2)
    pattern.fail(place, `$or needs at least two objects, and has ${branches.length === 1 ? 'one' : 'none'}`)
  return branches
}

/** In a `$or` an operator as a field is an `$or` between rules, which is a list: EventBridge refuses it as well. */
function refuseOperators(branch: PlaceOf<'object'>, pattern: PatternText): void {
  const operator = branch.node.members.find(({ name }) => operatorNames.includes(name))
  if (operator === undefined) return
  pattern.failAt(
    operator.nameStart,
    pointerTo(branch.pointer, operator.name),
    `$or lies between fields, and "${operator.name}" is an operator: alternatives for one field are a list, as in ` +
      '{"temp": [{"numeric": [">", 90]}, {"exists": false}]}',
  )
}

export function checkAlternatives(alternatives: number, place: Place, pattern: PatternText): void {
  if (alternatives > patternLimits.alternativesMax)
    pattern.fail(
      place,
      `the $or in here multiply to ${alternatives.toLocaleString('en-US')} alternatives; the limit is ${patternLimits.alternativesMax.toLocaleString('en-US')}`,
    )
}

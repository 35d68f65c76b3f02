/**
 * The part of a filter that looks into JSON: objects of fields, with `$or` among them. What the `$or`s would
 * make when written out is counted, and not written out.
 */
import { comparisons } from './parse-numeric.ts'
import { anyScalar, operatorNames, parseLeaf, type Subject } from './parse-rules.ts'
import type { FieldsPattern, LeafPattern, PatternNode } from './pattern.ts'
import { pointerTo } from './pattern-error.ts'
import {
  type PatternSize,
  type Sized,
  sizeOfBoth,
  sizeOfEither,
  sizeOfLeaf,
  sizeOfNothing,
} from './pattern-size.ts'
import { isKind, named, type PatternText, type Place, type PlaceOf, partsOf } from './pattern-text.ts'
import { quoted } from './shortened.ts'

export function parseFields(place: PlaceOf<'object'>, pattern: PatternText): Sized<FieldsPattern> {
  if (place.node.members.length === 0)
    pattern.fail(place, 'an object without fields asks nothing: name a field, or leave the object out')
  const fields = new Map<string, PatternNode>()
  let or: readonly FieldsPattern[] = []
  let size = sizeOfNothing
  for (const { name, value } of place.node.members) {
    const inner = { node: value, pointer: pointerTo(place.pointer, name) }
    let innerSize: PatternSize
    if (name === '$or') {
      const branches = orBranches(inner, pattern).map((branch) => {
        refuseOperators(branch, pattern)
        return parseFields(branch, pattern)
      })
      or = branches.map((branch) => branch.pattern)
      innerSize = sizeOfEither(
        branches.map((branch) => branch.size),
        inner,
        pattern,
      )
    } else {
      const field = parseField(name, inner, pattern)
      fields.set(name, field.pattern)
      innerSize = field.size
    }
    size = sizeOfBoth(size, innerSize, place, pattern)
  }
  return { pattern: { kind: 'fields', fields, or }, size }
}

function parseField(name: string, place: Place, pattern: PatternText): Sized<PatternNode> {
  refuseBareRule(name, place, pattern)
  if (isKind(place, 'object')) return parseFields(place, pattern)
  if (isKind(place, 'list')) return parseSizedLeaf(place, anyScalar, pattern)
  return notInList(place, quoted(name), pattern)
}

export function parseSizedLeaf(
  place: PlaceOf<'list'>,
  subject: Subject,
  pattern: PatternText,
): Sized<LeafPattern> {
  const leaf = parseLeaf(place, subject, pattern)
  return { pattern: leaf, size: sizeOfLeaf(leaf) }
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

/** A rule without its list, as far as it can be told from a field of that name. */
function refuseBareRule(name: string, place: Place, pattern: PatternText): void {
  if (!operatorNames.includes(name)) return
  const [first] = isKind(place, 'list') ? place.node.items : []
  const isComparison = name === 'numeric' && first?.kind === 'string' && comparisons.includes(first.value)
  if (isKind(place, 'object') || (isKind(place, 'list') && !isComparison)) return
  pattern.fail(
    place,
    `"${name}" stands here as the name of a field; as a rule it stands in a list, as in {"temp": [{"numeric": [">", 90]}]}`,
  )
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

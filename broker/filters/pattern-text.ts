/** The text of a filter while it is parsed: a place in it, how to refuse there, and how much has been taken. */
import { PatternError, pointerTo } from './pattern-error.ts'
import { patternLimits } from './pattern-limits.ts'
import type { PositionedValue } from './positioned-json.ts'
import { quoted, shortened } from './shortened.ts'

/** A value of the text and its JSON pointer. */
export interface Place<T extends PositionedValue = PositionedValue> {
  readonly node: T
  readonly pointer: string
}

export type PlaceOf<Kind extends PositionedValue['kind']> = Place<PositionedValue & { readonly kind: Kind }>

export class PatternText {
  readonly text: string
  #rules = 0

  constructor(text: string) {
    this.text = text
  }

  fail(place: Place, sentence: string): never {
    return this.failAt(place.node.start, place.pointer, sentence)
  }

  failAt(offset: number, pointer: string, sentence: string): never {
    throw new PatternError(this.text, offset, pointer, sentence)
  }

  countRule(place: Place): void {
    if (++this.#rules > patternLimits.rulesMax)
      this.fail(
        place,
        `the pattern has more than ${patternLimits.rulesMax.toLocaleString('en-US')} rules, the limit`,
      )
  }
}

/** The parts of a list or an object with their pointers. */
export function partsOf(place: PlaceOf<'list' | 'object'>): Place[] {
  const { node, pointer } = place
  return node.kind === 'list'
    ? node.items.map((item, index) => ({ node: item, pointer: pointerTo(pointer, index) }))
    : node.members.map(({ name, value }) => ({ node: value, pointer: pointerTo(pointer, name) }))
}

export function isKind<Kind extends PositionedValue['kind']>(
  place: Place,
  kind: Kind,
): place is PlaceOf<Kind> {
  return place.node.kind === kind
}

/** What stands at a place, as a sentence names it. */
export function named({ node }: Place): string {
  switch (node.kind) {
    case 'object':
      return 'an object'
    case 'list':
      return 'a list'
    case 'string':
      return `the text ${quoted(node.value)}`
    case 'number':
      return `the number ${shortened(node.text)}`
    default:
      return String(node.value)
  }
}

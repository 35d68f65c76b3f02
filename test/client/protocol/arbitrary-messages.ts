/** Any value of any message, for properties: found by walking the description of the message. */
import fc from 'fast-check'
import type { Type } from '../../../client/protocol/schema.ts'

/** Characters that UTF-8 coders get wrong, and some that none does. */
const character = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  fc.constantFrom('\u0000', '\u007f', '\u0080', '\u07ff', '\u0800', '\ufffd', '\uffff', '\u{10ffff}', 'é'),
)

/** Values of a type, found by walking its description. */
export function valuesOf(type: Type<unknown>): fc.Arbitrary<unknown> {
  if (type.fields) {
    const entries = Object.entries(type.fields).map(([key, of]) => [key, valuesOf(of)] as const)
    return fc.record(Object.fromEntries(entries), { noNullPrototype: true })
  }
  if (type.element) return fc.array(valuesOf(type.element), { maxLength: 3 })
  if (type.present) return fc.option(valuesOf(type.present))
  const scalar = scalars.get(type.name)
  if (scalar) return scalar
  const [, charactersMax] = /^text of at most (\d+) characters$/.exec(type.name) ?? []
  if (charactersMax === undefined) throw new Error(`no values are known for ${type.name}`)
  return fc
    .array(character, { maxLength: 120 })
    .map((characters) => characters.join(''))
    .filter((value) => value.length <= Number(charactersMax) && !value.startsWith('\ufeff'))
}

const scalars = new Map<string, fc.Arbitrary<unknown>>([
  ['int8', fc.integer({ min: -128, max: 127 })],
  ['int16', fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 })],
  ['int32', fc.integer()],
  ['uint31', fc.nat()],
  ['uint32', fc.integer({ min: 0, max: 2 ** 32 - 1 })],
  ['int53', fc.maxSafeInteger()],
  ['float64', fc.double({ noNaN: true, noDefaultInfinity: true })],
  ['boolean', fc.boolean()],
  ['16 bytes', fc.uint8Array({ minLength: 16, maxLength: 16 })],
])

/**
 * The message description language of `octopus.v1`.
 *
 * A message is described once, as data; the description gives the TypeScript type, the encoder to
 * the wire shape and the total decoder from it. On the wire a struct is a msgpack **array** of its
 * fields in the order written here: new fields are appended, never inserted, and a decoder ignores
 * trailing fields it does not know and fills missing trailing ones from their defaults.
 *
 * A decoder here never trusts: every value is checked for type and range and a refusal names the
 * path of the field (`ProduceRequest.partitions[3].partition`), what came and what would be right.
 */
import { ErrorCode, ProtocolError } from './errors.ts'

/** One field type: how a value becomes a msgpack-able value and how it comes back, checked. */
export interface Type<T> {
  readonly name: string
  toWire(value: T): unknown
  /** Throws {@link ProtocolError} naming `path` when `wire` is not of this type. */
  fromWire(wire: unknown, path: string): T
  /** Value of a missing trailing field; a type without one makes its field mandatory. */
  readonly fallback?: { readonly value: T }
}

export type TypeOf<D> = D extends Type<infer T> ? T : never
export type StructOf<F> = { -readonly [K in keyof F]: TypeOf<F[K]> }
// biome-ignore lint/suspicious/noExplicitAny: a field map holds types of any value
export type Fields = { readonly [name: string]: Type<any> }

function refuse(path: string, expected: string, wire: unknown): never {
  throw new ProtocolError(ErrorCode.INVALID_REQUEST, `${path}: expected ${expected}, got ${show(wire)}`)
}

/** A short, bounded picture of an unexpected value for an error sentence. */
function show(wire: unknown): string {
  if (wire === null || wire === undefined) return 'nothing'
  if (typeof wire === 'string')
    return wire.length > 40 ? `text of ${wire.length} characters` : JSON.stringify(wire)
  if (wire instanceof Uint8Array) return `${wire.length} bytes`
  if (Array.isArray(wire)) return `a list of ${wire.length}`
  if (typeof wire === 'object') return 'a map'
  return String(wire)
}

/** A whole number between two bounds, both included; at most 2^53 - 1 in size. */
export function integer(minimum: number, maximum: number): Type<number> {
  const name = `integer ${minimum}..${maximum}`
  return {
    name,
    toWire: (value) => value,
    fromWire: (wire, path) =>
      typeof wire === 'number' && Number.isInteger(wire) && wire >= minimum && wire <= maximum
        ? wire
        : refuse(path, `an ${name}`, wire),
  }
}

export const int8 = integer(-128, 127)
export const int32 = integer(-(2 ** 31), 2 ** 31 - 1)
export const uint32 = integer(0, 2 ** 32 - 1)
/** An offset, a count of bytes or a time in ms since 1970: -2^53 < n < 2^53. */
export const int53 = integer(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)

export const boolean: Type<boolean> = {
  name: 'boolean',
  toWire: (value) => value,
  fromWire: (wire, path) => (typeof wire === 'boolean' ? wire : refuse(path, 'true or false', wire)),
}

/** Any finite number. */
export const float64: Type<number> = {
  name: 'number',
  toWire: (value) => value,
  fromWire: (wire, path) =>
    typeof wire === 'number' && Number.isFinite(wire) ? wire : refuse(path, 'a finite number', wire),
}

/** Text of at most `charactersMax` UTF-16 units. */
export function text(charactersMax = 32_767): Type<string> {
  return {
    name: `text up to ${charactersMax}`,
    toWire: (value) => value,
    fromWire: (wire, path) =>
      typeof wire === 'string' && wire.length <= charactersMax
        ? wire
        : refuse(path, `text of at most ${charactersMax} characters`, wire),
  }
}

/** Bytes: exactly `length` of them, or at most `lengthMax`. */
export function bytes(limit: { length: number } | { lengthMax: number }): Type<Uint8Array> {
  const fits = (n: number) => ('length' in limit ? n === limit.length : n <= limit.lengthMax)
  const expected = 'length' in limit ? `${limit.length} bytes` : `at most ${limit.lengthMax} bytes`
  return {
    name: expected,
    toWire: (value) => value,
    fromWire: (wire, path) =>
      wire instanceof Uint8Array && fits(wire.length) ? wire : refuse(path, expected, wire),
  }
}

/** A topic id: 16 bytes (a UUID), never all zero. */
export const topicId: Type<Uint8Array> = bytes({ length: 16 })

export function nullable<T>(inner: Type<T>): Type<T | null> {
  return {
    name: `${inner.name} or null`,
    fallback: { value: null },
    toWire: (value) => (value === null ? null : inner.toWire(value)),
    fromWire: (wire, path) => (wire === null || wire === undefined ? null : inner.fromWire(wire, path)),
  }
}

/** A list of at most `countMax` elements. */
export function list<T>(element: Type<T>, countMax = 100_000): Type<T[]> {
  return {
    name: `list of ${element.name}`,
    toWire: (values) => values.map((value) => element.toWire(value)),
    fromWire: (wire, path) => {
      if (!Array.isArray(wire) || wire.length > countMax)
        refuse(path, `a list of at most ${countMax} elements`, wire)
      const values = wire as unknown[]
      return values.map((value, index) => element.fromWire(value, `${path}[${index}]`))
    },
  }
}

/** The same type with a value for decoders that meet an older, shorter struct. */
export function withDefault<T>(inner: Type<T>, value: T): Type<T> {
  return { ...inner, fallback: { value } }
}

/** Fields in wire order. */
export function struct<F extends Fields>(
  name: string,
  fields: F,
): Type<StructOf<F>> & { readonly fields: F } {
  const names = Object.keys(fields)
  const types = names.map((field) => fields[field] as Type<unknown>)
  return {
    name,
    fields,
    toWire: (value) => {
      const wire = new Array<unknown>(names.length)
      for (let i = 0; i < names.length; i++) wire[i] = types[i].toWire(value[names[i]])
      return wire
    },
    fromWire: (wire, path) => {
      if (!Array.isArray(wire)) refuse(path, `${name} (a list of ${names.length} fields)`, wire)
      const cells = wire as unknown[]
      const value: Record<string, unknown> = {}
      for (let i = 0; i < names.length; i++) {
        const type = types[i]
        if (i >= cells.length) {
          if (!type.fallback) refuse(`${path}.${names[i]}`, type.name, undefined)
          value[names[i]] = type.fallback.value
        } else value[names[i]] = type.fromWire(cells[i], `${path}.${names[i]}`)
      }
      return value as StructOf<F>
    },
  }
}

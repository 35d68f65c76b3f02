/**
 * The message description language of `octopus.v1`.
 *
 * A message is described once, as data; the description gives the TypeScript type, the encoder to
 * the wire shape, the total decoder from it and the field tables of the specification. On the wire a
 * struct is a msgpack **array** of its fields in the order written here: new fields are appended,
 * never inserted, and a decoder ignores trailing fields it does not know and fills missing trailing
 * ones from their defaults.
 *
 * Both directions check type and range, so that what is written can be read. A refusal names the path
 * of the field (`ProduceRequest.partitions[3].partition`), what came and what would be right. The path
 * is put together only then, on the way up: describing it ahead would cost more than the decoding.
 */
import { ErrorCode, ProtocolError } from './errors.ts'

/** One field type: how a value becomes a msgpack-able value and how it comes back, checked. */
export interface Type<T> {
  /** What a value may be, for people: `int32`, `text of at most 249 characters`. */
  readonly name: string
  /** Throws {@link Mismatch} when `value` is not of this type. */
  toWire(value: T): unknown
  /** Throws {@link Mismatch} when `wire` is not of this type. The value shares no memory with `wire`. */
  fromWire(wire: unknown): T
  /** Value of a missing trailing field, never to be changed; a type without one makes its field mandatory. */
  readonly fallback?: { readonly value: T }
  /** What the field that has this type is for: one sentence or two. */
  readonly meaning?: string
  /** Of a struct: its fields in wire order. */
  readonly fields?: Fields
  /** Of a list: the type of its elements. */
  readonly element?: Type<unknown>
  readonly countMax?: number
  /** Of a nullable: the type of a value that is not null. */
  readonly present?: Type<unknown>
}

export type TypeOf<D> = D extends Type<infer T> ? T : never
export type StructOf<F> = { -readonly [K in keyof F]: TypeOf<F[K]> }
export type Fields = { readonly [name: string]: Type<unknown> }

/**
 * A value that is not of its type, on its way up to {@link toWire} or {@link fromWire}. Not an Error: it
 * never leaves this file, and the one stack of the ProtocolError made of it is enough for a bad frame.
 */
class Mismatch {
  path = ''
  readonly sentence: string

  constructor(expected: string, got: unknown) {
    this.sentence = `expected ${expected}, got ${show(got)}`
  }
}

/** The wire shape of `value`: nested arrays of numbers, texts, booleans, bytes and nulls. */
export function toWire<T>(type: Type<T>, value: T): unknown {
  try {
    return type.toWire(value)
  } catch (caught) {
    throw refusal(type, caught)
  }
}

/** The value of a wire shape. Throws {@link ProtocolError} INVALID_REQUEST that names the field. */
export function fromWire<T>(type: Type<T>, wire: unknown): T {
  try {
    return type.fromWire(wire)
  } catch (caught) {
    throw refusal(type, caught)
  }
}

function refusal(type: Type<unknown>, caught: unknown): unknown {
  if (!(caught instanceof Mismatch)) return caught
  return new ProtocolError(ErrorCode.INVALID_REQUEST, `${type.name}${caught.path}: ${caught.sentence}`)
}

/** The same mismatch, seen from one level further up. */
function within(step: string, caught: unknown): unknown {
  if (caught instanceof Mismatch) caught.path = step + caught.path
  return caught
}

/** A short, bounded picture of an unexpected value for an error sentence. */
function show(got: unknown): string {
  if (got === null || got === undefined) return 'nothing'
  if (typeof got === 'string')
    return got.length > 40 ? `text of ${got.length} characters` : JSON.stringify(got)
  if (got instanceof Uint8Array) return `${got.length} bytes`
  if (Array.isArray(got)) return `a list of ${got.length}`
  return typeof got === 'object' ? 'an object' : String(got)
}

/** A type whose values look the same on the wire and off it. */
function same<T>(name: string, accepts: (value: unknown) => value is T): Type<T> {
  function check(value: unknown): T {
    if (accepts(value)) return value
    throw new Mismatch(name, value)
  }
  return { name, toWire: check, fromWire: check }
}

/** A whole number between two bounds, both included; at most 2^53 - 1 in size. */
export function integer(
  minimum: number,
  maximum: number,
  name = `integer ${minimum}..${maximum}`,
): Type<number> {
  function check(value: unknown): number {
    // Adding zero makes -0 the 0 it is on the wire.
    if (Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum)
      return (value as number) + 0
    throw new Mismatch(`${name} (${minimum}..${maximum})`, value)
  }
  return { name, toWire: check, fromWire: check }
}

export const int8 = integer(-128, 127, 'int8')
/** An epoch of a producer. */
export const int16 = integer(-(2 ** 15), 2 ** 15 - 1, 'int16')
export const int32 = integer(-(2 ** 31), 2 ** 31 - 1, 'int32')
/** A duration or a count that Kafka holds in an int32. */
export const uint31 = integer(0, 2 ** 31 - 1, 'uint31')
export const uint32 = integer(0, 2 ** 32 - 1, 'uint32')
/** An offset, a count of bytes or a time in ms since 1970: -2^53 < n < 2^53. */
export const int53 = integer(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 'int53')

export const boolean: Type<boolean> = same('boolean', (value) => typeof value === 'boolean')

/** Any finite number. */
export const float64: Type<number> = same('float64', (value): value is number => Number.isFinite(value))

/** A surrogate that is not one of a pair has no UTF-8; a byte order mark is dropped by some decoders. */
const unwritable = /\p{Surrogate}|^\ufeff/u

/** Text of at most `charactersMax` UTF-16 units that has one UTF-8 form and no byte order mark in front. */
export function text(charactersMax = 32_767): Type<string> {
  const name = `text of at most ${charactersMax} characters`
  function check(value: unknown): string {
    if (typeof value !== 'string' || value.length > charactersMax) throw new Mismatch(name, value)
    if (unwritable.test(value))
      throw new Mismatch('well-formed text that does not begin with a byte order mark', value)
    return value
  }
  return { name, toWire: check, fromWire: check }
}

/** Bytes: exactly `length` of them, or at most `lengthMax`. A decoded value is a copy. */
export function bytes(limit: { length: number } | { lengthMax: number }): Type<Uint8Array> {
  const [least, most] = 'length' in limit ? [limit.length, limit.length] : [0, limit.lengthMax]
  const name = 'length' in limit ? `${limit.length} bytes` : `at most ${limit.lengthMax} bytes`
  function check(value: unknown): Uint8Array {
    if (value instanceof Uint8Array && value.length >= least && value.length <= most) return value
    throw new Mismatch(name, value)
  }
  return { name, toWire: check, fromWire: (wire) => new Uint8Array(check(wire)) }
}

/** A topic id: the 16 bytes of a UUID. */
export const topicId: Type<Uint8Array> = bytes({ length: 16 })

export function nullable<T>(inner: Type<T>): Type<T | null> {
  return {
    name: `${inner.name} or null`,
    fallback: { value: null },
    present: inner,
    toWire: (value) => (value === null ? null : inner.toWire(value)),
    fromWire: (wire) => (wire === null ? null : inner.fromWire(wire)),
  }
}

/** Longest list where its description says nothing else. */
export const LIST_COUNT_MAX = 100_000

/** A list of at most `countMax` elements. */
export function list<T>(element: Type<T>, countMax = LIST_COUNT_MAX): Type<T[]> {
  const name = `list of at most ${countMax} ${element.name}`
  function each<From, To>(values: unknown, convert: (value: From) => To): To[] {
    if (!Array.isArray(values) || values.length > countMax) throw new Mismatch(name, values)
    const converted = new Array<To>(values.length)
    let i = 0
    try {
      for (; i < values.length; i++) converted[i] = convert(values[i])
    } catch (caught) {
      throw within(`[${i}]`, caught)
    }
    return converted
  }
  return {
    name,
    element,
    countMax,
    toWire: (values) => each(values, element.toWire),
    fromWire: (wire) => each(wire, element.fromWire),
  }
}

/** The same type with a value for decoders that meet an older, shorter struct. */
export function withDefault<T>(inner: Type<T>, value: T): Type<T> {
  return { ...inner, fallback: { value } }
}

/** The same type with what it means as a field of a struct. */
export function field<D extends Type<unknown>>(type: D, meaning: string): D {
  return { ...type, meaning }
}

/** Fields in wire order. */
export function struct<F extends Fields>(
  name: string,
  fields: F,
): Type<StructOf<F>> & { readonly fields: F } {
  const names = Object.keys(fields)
  const types = Object.values(fields)
  return {
    name,
    fields,
    toWire: (value) => {
      if (typeof value !== 'object' || value === null) throw new Mismatch(name, value)
      const wire = new Array<unknown>(names.length)
      let i = 0
      try {
        for (; i < names.length; i++) wire[i] = types[i].toWire(value[names[i]])
      } catch (caught) {
        throw within(`.${names[i]}`, caught)
      }
      return wire
    },
    fromWire: (wire) => {
      if (!Array.isArray(wire)) throw new Mismatch(`a list of ${names.length} fields`, wire)
      const value: Record<string, unknown> = {}
      let i = 0
      try {
        for (; i < names.length; i++)
          value[names[i]] = i < wire.length ? types[i].fromWire(wire[i]) : fallbackOf(types[i])
      } catch (caught) {
        throw within(`.${names[i]}`, caught)
      }
      return value as StructOf<F>
    },
  }
}

function fallbackOf(type: Type<unknown>): unknown {
  if (type.fallback) return type.fallback.value
  throw new Mismatch(type.name, undefined)
}

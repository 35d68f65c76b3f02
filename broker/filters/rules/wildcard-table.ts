/**
 * Many wildcards, each with a number: which of them a text matches. Few are tried: each waits under one of its
 * literals, a start or an end of the text or a few bytes somewhere in it, whichever the fewest others wait
 * under, and is tried only on a text that has that.
 */
import { TextTable } from './text-table.ts'
import { Wildcard } from './wildcard.ts'

export interface WildcardEntry {
  readonly text: string
  readonly id: number
}

/** Where a wildcard may wait: the first literal, the last one, or these bytes anywhere. */
type Part = 'start' | 'end' | 'inside'

interface Handle {
  readonly part: Part
  readonly bytes: Uint8Array
  readonly name: string
}

/** Of a literal inside, that many bytes at most are looked for: what one number holds. */
const GRAM_BYTES_MAX = 4

export class WildcardTable {
  readonly #wildcards: readonly Wildcard[]
  readonly #ids: Int32Array
  /** Those with nothing to wait under: `*`. */
  readonly #always: Int32Array
  readonly #starts: Waiting | undefined
  readonly #ends: Waiting | undefined
  readonly #inside: readonly GramTable[]
  /** By wildcard: the number of the text it was tried on last. */
  readonly #triedOn: Float64Array
  #textNumber = 0
  readonly #candidates: Int32Array

  constructor(entries: readonly WildcardEntry[]) {
    this.#wildcards = entries.map(({ text }) => new Wildcard(text))
    this.#ids = Int32Array.from(entries, ({ id }) => id)
    this.#triedOn = new Float64Array(entries.length)
    this.#candidates = new Int32Array(entries.length)

    const uses = new Map<string, number>()
    for (const wildcard of this.#wildcards) {
      for (const name of new Set(handlesOf(wildcard).map((handle) => handle.name))) {
        uses.set(name, (uses.get(name) ?? 0) + 1)
      }
    }
    const waiting = { start: new Map(), end: new Map(), inside: new Map() } as Record<
      Part,
      Map<string, { bytes: Uint8Array; indexes: number[] }>
    >
    const always: number[] = []
    for (const [index, wildcard] of this.#wildcards.entries()) {
      const handle = rarest(handlesOf(wildcard), uses)
      if (handle === undefined) {
        always.push(index)
        continue
      }
      const { part, bytes, name } = handle
      const place = waiting[part].get(name) ?? { bytes, indexes: [] }
      place.indexes.push(index)
      waiting[part].set(name, place)
    }
    this.#always = Int32Array.from(always)
    this.#starts = waiting.start.size === 0 ? undefined : new Waiting('start', [...waiting.start.values()])
    this.#ends = waiting.end.size === 0 ? undefined : new Waiting('end', [...waiting.end.values()])
    const grams = [...waiting.inside.values()]
    this.#inside = [...new Set(grams.map(({ bytes }) => bytes.length))].map(
      (length) =>
        new GramTable(
          length,
          grams.filter(({ bytes }) => bytes.length === length),
        ),
    )
  }

  /** As of a text table. */
  find(bytes: Uint8Array, start: number, end: number, found: Int32Array, count: number): number {
    this.#textNumber++
    for (let index = 0; index < this.#always.length; index++) {
      count = this.#try(this.#always[index], bytes, start, end, found, count)
    }
    if (this.#starts !== undefined) {
      const candidates = this.#starts.find(bytes, start, end, this.#candidates)
      for (let index = 0; index < candidates; index++) {
        count = this.#try(this.#candidates[index], bytes, start, end, found, count)
      }
    }
    if (this.#ends !== undefined) {
      const candidates = this.#ends.find(bytes, start, end, this.#candidates)
      for (let index = 0; index < candidates; index++) {
        count = this.#try(this.#candidates[index], bytes, start, end, found, count)
      }
    }
    for (let table = 0; table < this.#inside.length; table++) {
      count = this.#findInside(this.#inside[table], bytes, start, end, found, count)
    }
    return count
  }

  #findInside(
    { length, shifts, slotMask, slots, grams, starts, indexes, seenOn }: GramTable,
    bytes: Uint8Array,
    start: number,
    end: number,
    found: Int32Array,
    count: number,
  ): number {
    for (let at = start + length - 1; at < end; ) {
      const shift = shifts[bytes[at]]
      if (shift > 0) {
        at += shift
        continue
      }
      const gram = gramAt(bytes, at - length + 1, length)
      at++
      for (let slot = slotOf(gram) & slotMask; slots[slot] !== 0; slot = (slot + 1) & slotMask) {
        const place = slots[slot] - 1
        if (grams[place] !== gram) continue
        // Once is enough, however often the text has it.
        if (seenOn[place] === this.#textNumber) break
        seenOn[place] = this.#textNumber
        for (let index = starts[place]; index < starts[place + 1]; index++) {
          count = this.#try(indexes[index], bytes, start, end, found, count)
        }
        break
      }
    }
    return count
  }

  #try(
    index: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    found: Int32Array,
    count: number,
  ): number {
    if (this.#triedOn[index] === this.#textNumber) return count
    this.#triedOn[index] = this.#textNumber
    if (this.#wildcards[index].matches(bytes, start, end)) found[count++] = this.#ids[index]
    return count
  }
}

interface Place {
  readonly bytes: Uint8Array
  readonly indexes: readonly number[]
}

/** Wildcards that wait for a start or an end. */
class Waiting {
  readonly #table: TextTable
  readonly #starts: Int32Array
  readonly #indexes: Int32Array
  readonly #places: Int32Array

  constructor(part: 'start' | 'end', places: readonly Place[]) {
    this.#table = new TextTable(
      part,
      places.map(({ bytes }, id) => ({ bytes, id })),
    )
    this.#starts = startsOf(places)
    this.#indexes = Int32Array.from(places.flatMap(({ indexes }) => indexes))
    this.#places = new Int32Array(places.length)
  }

  /** Writes the indexes of wildcards to try; returns how many. */
  find(bytes: Uint8Array, start: number, end: number, into: Int32Array): number {
    const places = this.#table.find(bytes, start, end, this.#places, 0)
    let count = 0
    for (let place = 0; place < places; place++) {
      const found = this.#places[place]
      for (let at = this.#starts[found]; at < this.#starts[found + 1]; at++) into[count++] = this.#indexes[at]
    }
    return count
  }
}

/** Wildcards that wait for bytes anywhere in a text, all of one length up to {@link GRAM_BYTES_MAX}. */
class GramTable {
  readonly length: number
  /** By byte: how far on the next place may end that has it, as Horspool has it for one text; 0: one may end here. */
  readonly shifts: Uint8Array
  readonly slotMask: number
  /** Slot → place + 1; 0: free. */
  readonly slots: Int32Array
  readonly grams: Int32Array
  readonly starts: Int32Array
  readonly indexes: Int32Array
  /** By place: the number of the text that had it last. */
  readonly seenOn: Float64Array

  constructor(length: number, places: readonly Place[]) {
    this.length = length
    this.shifts = new Uint8Array(256).fill(length)
    for (const { bytes } of places) {
      for (let index = 0; index < length; index++) {
        this.shifts[bytes[index]] = Math.min(this.shifts[bytes[index]], length - 1 - index)
      }
    }
    this.grams = Int32Array.from(places, ({ bytes }) => gramAt(bytes, 0, length))
    this.starts = startsOf(places)
    this.indexes = Int32Array.from(places.flatMap(({ indexes }) => indexes))
    this.seenOn = new Float64Array(places.length)
    this.slots = new Int32Array(2 ** Math.ceil(Math.log2(places.length * 4 + 1)))
    this.slotMask = this.slots.length - 1
    for (const [place, gram] of this.grams.entries()) {
      let slot = slotOf(gram) & this.slotMask
      while (this.slots[slot] !== 0) slot = (slot + 1) & this.slotMask
      this.slots[slot] = place + 1
    }
  }
}

function startsOf(places: readonly Place[]): Int32Array {
  const starts = new Int32Array(places.length + 1)
  for (const [place, { indexes }] of places.entries()) starts[place + 1] = starts[place] + indexes.length
  return starts
}

function gramAt(bytes: Uint8Array, at: number, length: number): number {
  let gram = 0
  for (let index = 0; index < length; index++) gram = (gram << 8) | bytes[at + index]
  return gram
}

/** Fibonacci hashing: the high bits of the product are mixed best. */
function slotOf(gram: number): number {
  return Math.imul(gram, 0x9e3779b1) >>> 12
}

function handlesOf({ literals }: Wildcard): Handle[] {
  const handles: Handle[] = []
  const add = (part: Part, bytes: Uint8Array) => {
    handles.push({ part, bytes, name: `${part} ${bytes.join()}` })
  }
  const last = literals.length - 1
  if (literals[0].length > 0) add('start', literals[0])
  if (last > 0 && literals[last].length > 0) add('end', literals[last])
  for (const literal of literals.slice(1, -1)) {
    const length = Math.min(literal.length, GRAM_BYTES_MAX)
    if (length === 0) continue
    for (let at = 0; at + length <= literal.length; at++) add('inside', literal.subarray(at, at + length))
  }
  return handles
}

/** Under which the fewest wait; of equals the longest, since that is in the fewest texts. */
function rarest(handles: readonly Handle[], uses: ReadonlyMap<string, number>): Handle | undefined {
  let best: Handle | undefined
  for (const handle of handles) {
    if (best === undefined) best = handle
    const difference = (uses.get(handle.name) ?? 0) - (uses.get(best.name) ?? 0)
    if (difference < 0 || (difference === 0 && handle.bytes.length > best.bytes.length)) best = handle
  }
  return best
}

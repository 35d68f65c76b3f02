/**
 * The fast matcher: patterns made into one machine that is asked once for each record, however many patterns there
 * are. What they mean stands in pattern.ts; this gives the same answers without decoding a record.
 *
 * - One pass over the bytes, no JSON.parse, no strings but for what is rare (numbers of more than 15 digits, characters
 *   beyond ASCII where case is ignored, addresses), nothing allocated for a record.
 * - Lazy: timestamp, key and headers first; the JSON of the value is read only if a pattern can still match. Then it is
 *   read to its end, for what is not JSON matches nothing.
 * - Time for a record is at most that of its bytes times the patterns that have something in common with it, whatever
 *   they are: no backtracking. Patterns that hold by absence are judged for each record.
 *
 * A set is for one thread and one record at a time, and keeps nothing of a record.
 */
import { VarintReader } from '../../storage/record/varint.ts'
import { JsonScanner } from './json/json-scanner.ts'
import { type CompiledSet, compilePatterns, nodes } from './matching/compiled-set.ts'
import { RecordState } from './matching/record-state.ts'
import type { RecordPattern } from './pattern.ts'
import type { RecordFields } from './record-fields.ts'

export class PatternSet {
  readonly size: number
  /** The first so many entries, as `match` says: the indexes of the patterns that match, ascending. */
  readonly matched: Uint32Array
  /** Whether the value of the record was read as JSON and is none. Null is not read. */
  notJson = false

  readonly #set: CompiledSet
  readonly #state: RecordState
  readonly #scanner = new JsonScanner()
  readonly #varints = new VarintReader()
  /** One for each pattern. */
  readonly #bits: Uint32Array

  constructor(patterns: readonly RecordPattern[]) {
    this.size = patterns.length
    this.matched = new Uint32Array(patterns.length)
    this.#set = compilePatterns(patterns)
    this.#state = new RecordState(this.#set)
    this.#bits = new Uint32Array((patterns.length + 31) >> 5)
  }

  /** How many patterns match; their indexes stand in `matched`. The headers of the record have been checked. */
  match(record: RecordFields): number {
    const state = this.#state
    const { overridden } = state
    this.#read(record)
    // When names come twice in an object, it is known now which of their fields do not count: once more without them.
    for (let known = 0; overridden.size > known; this.#read(record)) known = overridden.size
    if (overridden.size > 0) overridden.clear()
    return state.endRecord(this.#bits) ? this.#collect() : 0
  }

  #read(record: RecordFields): void {
    const { wants } = this.#set
    const state = this.#state
    const { bytes, keyStart, keyEnd, valueStart, valueEnd } = record
    this.notJson = false
    state.beginRecord(bytes)
    if (wants[nodes.timestamp] !== 0) state.plainNumber(nodes.timestamp, record.timestampMs)
    if (wants[nodes.keyText] !== 0) this.#text(nodes.keyText, bytes, keyStart, keyEnd)
    if (wants[nodes.valueText] !== 0) this.#text(nodes.valueText, bytes, valueStart, valueEnd)
    if (this.#set.hasHeaders) this.#headers(record)
    if (wants[nodes.key] !== 0 && keyStart >= 0) this.#json(nodes.key, bytes, keyStart, keyEnd)
    if (wants[nodes.value] !== 0 && valueStart >= 0 && state.needsValue()) {
      this.notJson = !this.#json(nodes.value, bytes, valueStart, valueEnd)
    }
  }

  #text(node: number, bytes: Uint8Array, start: number, end: number): void {
    if (start < 0) this.#state.literal(node, LETTER_N)
    else this.#state.string(node, bytes, start, end, false)
  }

  #json(node: number, bytes: Uint8Array, start: number, end: number): boolean {
    const isJson = this.#scanner.scan(bytes, start, end, node, this.#state)
    this.#state.isJson[node] = isJson ? 1 : 0
    return isJson
  }

  #headers({ bytes, headersStart, headerCount }: RecordFields): void {
    const { names } = this.#set
    const varints = this.#varints
    varints.next = headersStart
    for (let header = 0; header < headerCount; header++) {
      const nameBytes = varints.readVarint(bytes, varints.next, bytes.length)
      const nameStart = varints.next
      const valueBytes = varints.readVarint(bytes, nameStart + nameBytes, bytes.length)
      const valueStart = varints.next
      if (valueBytes > 0) varints.next += valueBytes
      const node = names.find(nodes.headers, bytes, nameStart, nameStart + nameBytes)
      if (node === 0) continue
      if (valueBytes < 0) this.#state.literal(node, LETTER_N)
      else this.#state.string(node, bytes, valueStart, valueStart + valueBytes, false)
    }
  }

  /** Moves the bits into `matched`. */
  #collect(): number {
    const bits = this.#bits
    let count = 0
    for (let word = 0; word < bits.length; word++) {
      for (let rest = bits[word]; rest !== 0; rest &= rest - 1) {
        this.matched[count++] = (word << 5) | (31 - Math.clz32(rest & -rest))
      }
      bits[word] = 0
    }
    return count
  }
}

const LETTER_N = 0x6e

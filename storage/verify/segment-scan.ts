/**
 * One segment file, read without LMDB: its header, its values by sequence, its index, and what is wrong with the file.
 *
 * Where the tree is damaged, values are looked for in the pages themselves: each value names its segment and its
 * sequence, and has checksums. Bytes come from a {@link PageSource}; nothing is kept but where things are. Pure.
 */
import { INDEX_CHUNK_BYTES, PAGE_BYTES } from '../lmdb/page-budget.ts'
import {
  decodeHeader,
  decodeTrailer,
  HEADER_KEY,
  INDEX_KEY_FIRST,
  indexKeys,
  SEGMENT_VERSION,
  SEQUENCE_MAX,
  type SegmentTrailer,
  TRAILER_KEY,
} from '../lmdb/segment-layout.ts'
import { identifyValue, readDirectory } from '../log/value.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { overflowHeader, overflowProblem, type PageSource, readTree, type TreeProblem } from './page-tree.ts'

interface Place {
  readonly at: number
  readonly length: number
}

const OVERFLOW_HEADER_BYTES = 24
/** "OCV1", as the bytes stand. */
const VALUE_MAGIC = Buffer.from('OCV1')
const VALUE_HEADER_BYTES = 32
const VALUE_BYTES_MAX = 16 * 1024 * 1024

export class SegmentScan {
  readonly segment: number
  readonly #source: PageSource
  readonly #crc32c: Crc32c
  readonly #places = new Map<number, Place>()
  readonly #index = new Map<number, Place>()
  readonly #lengthProblems = new Map<number, string>()
  #header: Place | undefined
  #trailerPlace: Place | undefined
  /** What is wrong with the structure of the file. */
  readonly pageProblems: readonly TreeProblem[]
  /** What is wrong with header and trailer. */
  readonly problems: string[] = []
  /** Undefined of a segment that was not sealed, or where it is damaged. */
  readonly trailer: SegmentTrailer | undefined
  /** Values there should be, as far as that can be known. */
  readonly valueCount: number

  constructor(
    source: PageSource,
    segment: { readonly id: number; readonly sealed: boolean },
    crc32c: Crc32c,
  ) {
    this.segment = segment.id
    this.#source = source
    this.#crc32c = crc32c
    const strange: number[] = []
    const tree = readTree(source, true, (key, at, length) => {
      const number = new DataView(key.buffer, key.byteOffset, 4).getUint32(0, true)
      const place = { at, length }
      if (number === HEADER_KEY) this.#header = place
      else if (number <= SEQUENCE_MAX + 1) this.#places.set(number - 1, place)
      else if (number === TRAILER_KEY) this.#trailerPlace = place
      else if (number >= INDEX_KEY_FIRST) this.#index.set(number, place)
      else strange.push(number)
    })
    this.pageProblems = tree.problems
    if (tree.problems.length > 0) this.#salvage(tree.lastPage)
    this.#checkHeader()
    this.trailer = this.#readTrailer()
    if (this.trailer === undefined && segment.sealed) this.problems.push('it is sealed and has no trailer')
    if (strange.length > 0)
      this.problems.push(
        `it has records under the keys ${strange.slice(0, 3).join(', ')}, which are never used`,
      )
    let count = this.trailer?.valueCount ?? 0
    for (const sequence of this.#places.keys()) count = Math.max(count, sequence + 1)
    // A key gone wrong must not make a segment look as if two thousand million values were missing.
    const believed = this.#places.size + Math.max(64, this.#places.size)
    this.valueCount = this.trailer?.valueCount ?? (count > believed ? this.#dense() : count)
    const extra = [...this.#places.keys()].filter((sequence) => sequence >= this.valueCount)
    if (extra.length > 0)
      this.problems.push(`it has ${extra.length} values behind the last one of ${this.valueCount}`)
  }

  /** Bytes of the value; undefined: it is missing. Not to be changed. */
  value(sequence: number): Uint8Array | undefined {
    const place = this.#places.get(sequence)
    if (place === undefined) return undefined
    const bytes = this.#read(place)
    if (identifyValue(bytes, this.segment, sequence) === undefined) return bytes
    return this.#ofRightLength(sequence, place) ?? bytes
  }

  /** What is wrong with the length the tree gives a value that was read; undefined: nothing. */
  lengthProblem(sequence: number): string | undefined {
    return this.#lengthProblems.get(sequence)
  }

  /** The value with the length its own header has, if its directory proves that. */
  #ofRightLength(sequence: number, { at, length }: Place): Uint8Array | undefined {
    const said = this.#candidate(at, true)
    if (said?.sequence !== sequence || said.length === length) return undefined
    const bytes = this.#source.read(at, said.length)
    if ('problem' in readDirectory(bytes, this.segment, sequence, this.#crc32c)) return undefined
    this.#lengthProblems.set(
      sequence,
      `the tree says that value ${sequence} has ${length} bytes; it has ${said.length}`,
    )
    return bytes
  }

  /** The stored index, or what is wrong with it. */
  index(): Uint8Array | string {
    const { trailer } = this
    if (trailer === undefined) return 'there is none'
    const { indexBytes, indexChunkBytes, indexCrc } = trailer
    if (indexBytes > this.#source.bytes) return `its trailer says that it has ${indexBytes} bytes`
    const bytes = new Uint8Array(indexBytes)
    for (const [chunk, key] of indexKeys(indexBytes, indexChunkBytes).entries()) {
      const from = chunk * indexChunkBytes
      const place = this.#index.get(key)
      if (place === undefined || place.length !== Math.min(indexChunkBytes, indexBytes - from))
        return `its part ${chunk} is missing or has a wrong length`
      bytes.set(this.#read(place), from)
    }
    return this.#crc32c(bytes) === indexCrc ? bytes : 'it does not have the checksum it was stored with'
  }

  #read({ at, length }: Place): Uint8Array {
    return this.#source.read(at, length)
  }

  #dense(): number {
    let count = 0
    while (this.#places.has(count)) count++
    return count
  }

  #checkHeader(): void {
    const header = this.#header && decodeHeader(this.#read(this.#header))
    if (header === undefined) this.problems.push('it has no header')
    else if (header.version !== SEGMENT_VERSION)
      this.problems.push(
        `it has layout version ${header.version}; this program reads version ${SEGMENT_VERSION}`,
      )
    else if (header.segment !== this.segment)
      this.problems.push(`its header says it is segment ${header.segment}`)
    else if (this.#header?.length !== 12) this.problems.push(`its header has ${this.#header?.length} bytes`)
  }

  #readTrailer(): SegmentTrailer | undefined {
    if (this.#trailerPlace === undefined) return undefined
    const trailer = decodeTrailer(this.#read(this.#trailerPlace))
    if (trailer === undefined) this.problems.push('its trailer is not one')
    else if (trailer.segment !== this.segment)
      this.problems.push(`its trailer says it is segment ${trailer.segment}`)
    else if (trailer.valueCount > this.#places.size * 2 + 64)
      this.problems.push(
        `its trailer says it has ${trailer.valueCount} values; ${this.#places.size} are there`,
      )
    else {
      if (trailer.indexChunkBytes !== INDEX_CHUNK_BYTES)
        this.problems.push(`its trailer says that a part of the index has ${trailer.indexChunkBytes} bytes`)
      return trailer
    }
    return undefined
  }

  /**
   * Takes what the tree does not lead to from the pages themselves; of two the one written last.
   * @param lastPage what lies behind it was never committed; 1: not known
   */
  #salvage(lastPage: number): void {
    const byTree = new Set(this.#places.keys())
    const transactions = new Map<number, number>()
    const take = (at: number, transaction: number, isRoomy: boolean) => {
      const found = this.#candidate(at, isRoomy)
      if (found === undefined) return
      const kept = this.#places.get(found.sequence)
      // What the tree leads to stays, unless it is not that value at all.
      const isKept =
        kept !== undefined &&
        (byTree.has(found.sequence)
          ? identifyValue(this.#read(kept), this.segment, found.sequence) === undefined
          : (transactions.get(found.sequence) ?? 0) >= transaction)
      if (isKept) return
      byTree.delete(found.sequence)
      transactions.set(found.sequence, transaction)
      this.#places.set(found.sequence, { at, length: found.length })
    }
    const pages = Math.min(
      Math.floor(this.#source.bytes / PAGE_BYTES),
      lastPage > 1 ? lastPage + 1 : Infinity,
    )
    for (let page = 2; page < pages; page++) {
      const at = page * PAGE_BYTES
      const bytes = this.#source.read(at, PAGE_BYTES)
      const header = overflowHeader(bytes)
      if (overflowProblem(bytes, page, undefined) === undefined) {
        take(at + OVERFLOW_HEADER_BYTES, header.transaction, true)
        // Never looks for values inside of a value: its bytes are anybody's.
        page += Math.max(0, Math.min(header.pages, pages - page) - 1)
        continue
      }
      const { transaction } = header
      const isLarge = this.#candidate(at + OVERFLOW_HEADER_BYTES, true)
      if (isLarge !== undefined && isLarge.length > PAGE_BYTES / 2) {
        take(at + OVERFLOW_HEADER_BYTES, transaction, true)
        page += Math.ceil((OVERFLOW_HEADER_BYTES + isLarge.length) / PAGE_BYTES) - 1
        continue
      }
      const own = Buffer.from(bytes)
      for (let place = own.indexOf(VALUE_MAGIC); place >= 0; place = own.indexOf(VALUE_MAGIC, place + 1))
        take(at + place, transaction, false)
    }
  }

  /** The value that begins there, by what its header says; its checksums are looked at by whoever uses it. */
  #candidate(at: number, isRoomy: boolean): { sequence: number; length: number } | undefined {
    const roomEnd = isRoomy ? this.#source.bytes : (Math.floor(at / PAGE_BYTES) + 1) * PAGE_BYTES
    if (at + VALUE_HEADER_BYTES > roomEnd) return undefined
    const header = this.#source.read(at, VALUE_HEADER_BYTES)
    const data = new DataView(header.buffer, header.byteOffset, VALUE_HEADER_BYTES)
    const [magic, segment, sequence, , length] = [0, 4, 8, 12, 16].map((place) => data.getUint32(place))
    if (magic !== VALUE_MAGIC.readUInt32BE(0) || segment !== this.segment || sequence > SEQUENCE_MAX)
      return undefined
    if (length < VALUE_HEADER_BYTES || length > VALUE_BYTES_MAX || at + length > roomEnd) return undefined
    return { sequence, length }
  }
}

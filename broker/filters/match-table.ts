/**
 * Which records of a few batches match which patterns of a set, in one array of numbers, so that it goes to another thread
 * and lies in a cache as one piece. What matched nothing takes four numbers a batch.
 *
 *     0          batches: n
 *     1 … n      where the numbers of each batch begin
 *     of a batch:
 *       rows     patterns that match any record, and one row for values that are no JSON if there are any
 *       records  in the batch
 *       section  1 + where its unpacked records begin in `sections`; 0: they are not there
 *       bytes    of them
 *       each row: its pattern, how many records, where their indexes begin in this array (0: it is all of the batch)
 *       where each record begins in the section, and the end of the last; not there without rows
 *       the indexes of the rows, ascending
 *
 * Rows are in the order of their patterns, {@link NOT_JSON} the last.
 */

/** Stands in the place of a pattern for records whose value was to be read as JSON and is none. */
export const NOT_JSON = 0xffff_ffff

const BATCH_WORDS = 4
const ROW_WORDS = 3

/** Read what a {@link MatchTableWriter} wrote; by the number of the batch, and of the pattern in its set. */
export class MatchTable {
  readonly #words: Uint32Array
  readonly #sections: Uint8Array | undefined

  constructor(words: Uint32Array, sections: Uint8Array | undefined) {
    this.#words = words
    this.#sections = sections
  }

  get batches(): number {
    return this.#words[0]
  }

  get bytes(): number {
    return this.#words.byteLength + (this.#sections?.byteLength ?? 0)
  }

  /** Whether there is any match (or value that is no JSON) in the batch. */
  hasRows(batch: number): boolean {
    return this.#words[this.#words[1 + batch]] > 0
  }

  /** Records of the batch. */
  recordCount(batch: number): number {
    return this.#words[this.#words[1 + batch] + 1]
  }

  /** Records of the batch that match. */
  count(batch: number, pattern: number): number {
    const row = this.#row(batch, pattern)
    return row < 0 ? 0 : this.#words[row + 1]
  }

  /** Indexes of the records that match, ascending. Made anew where it is all of them. */
  records(batch: number, pattern: number): Uint32Array {
    const row = this.#row(batch, pattern)
    if (row < 0) return new Uint32Array(0)
    const count = this.#words[row + 1]
    const at = this.#words[row + 2]
    return at === 0
      ? Uint32Array.from({ length: count }, (_, index) => index)
      : this.#words.subarray(at, at + count)
  }

  /** Where each record begins, and the end of the last one; only of a batch that has rows. */
  positions(batch: number): Uint32Array {
    const at = this.#words[1 + batch]
    const from = at + BATCH_WORDS + ROW_WORDS * this.#words[at]
    return this.#words.subarray(from, from + this.#words[at + 1] + 1)
  }

  /** The unpacked records of a compressed batch that has rows; undefined: they were not kept, or never unpacked. */
  section(batch: number): Uint8Array | undefined {
    const at = this.#words[1 + batch]
    const from = this.#words[at + 2] - 1
    return from < 0 ? undefined : this.#sections?.subarray(from, from + this.#words[at + 3])
  }

  /** The same without the unpacked records. */
  withoutSections(): MatchTable {
    return new MatchTable(this.#words, undefined)
  }

  /** Where the row begins; -1: there is none. */
  #row(batch: number, pattern: number): number {
    const words = this.#words
    const at = words[1 + batch]
    let low = 0
    let high = words[at]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (words[at + BATCH_WORDS + ROW_WORDS * middle] < pattern) low = middle + 1
      else high = middle
    }
    const row = at + BATCH_WORDS + ROW_WORDS * low
    return low < words[at] && words[row] === pattern ? row : -1
  }
}

/** Pairs of record and pattern that one batch may give; they are held until it is done. */
const PAIRS_MAX = 1 << 20

/**
 * Writes a table batch by batch. Held by whoever writes many: it keeps what it grew to, up to a bound.
 */
export class MatchTableWriter {
  /** Numbers of patterns: 0 to this less one, and NOT_JSON. */
  readonly #patterns: number
  readonly #batches: number
  readonly #pairsMax: number
  #words: Uint32Array
  #end: number
  #written = 0
  /** Of the batch at hand: record and row, record and row … */
  #pairs = new Uint32Array(256)
  #pairsEnd = 0
  #positions = new Uint32Array(256)
  #records = 0
  /** Records of each row of the batch at hand; the row behind the patterns is NOT_JSON. */
  readonly #counts: Uint32Array
  /** Rows that have any. */
  #rows: number[] = []

  /** @param batches at most so many will be written */
  constructor(patterns: number, batches: number, pairsMax = patterns === 1 ? Infinity : PAIRS_MAX) {
    this.#patterns = patterns
    this.#batches = batches
    this.#pairsMax = pairsMax
    this.#counts = new Uint32Array(patterns + 1)
    this.#words = new Uint32Array(1 + batches * (1 + BATCH_WORDS))
    this.#end = 1 + batches
  }

  /** Batches that are finished. */
  get written(): number {
    return this.#written
  }

  /** Bytes of what is written so far, about. */
  get bytes(): number {
    return 4 * this.#end
  }

  /** The next record of the batch begins here. */
  record(position: number): void {
    if (this.#records === this.#positions.length) this.#positions = grown(this.#positions, this.#records + 1)
    this.#positions[this.#records++] = position
  }

  /** The record told last matches. False: that is one match too many for a batch. */
  match(pattern: number): boolean {
    const row = pattern === NOT_JSON ? this.#patterns : pattern
    if (this.#counts[row]++ === 0) this.#rows.push(row)
    if (this.#pairsEnd + 2 > this.#pairs.length) this.#pairs = grown(this.#pairs, this.#pairsEnd + 2)
    this.#pairs[this.#pairsEnd++] = this.#records - 1
    this.#pairs[this.#pairsEnd++] = row
    return this.#pairsEnd <= 2 * this.#pairsMax
  }

  /** Whether anything matched in the batch at hand. */
  get hasRows(): boolean {
    return this.#rows.length > 0
  }

  /** A batch that is not looked into. */
  plainBatch(recordCount: number): void {
    this.#startBatch(0, recordCount, -1, 0)
  }

  /** The batch at hand ends at this position; its unpacked records lie at `sectionAt` of the sections, -1: nowhere. */
  endBatch(endPosition: number, sectionAt: number, sectionBytes: number): void {
    const records = this.#records
    const rows = this.#rows.sort((a, b) => a - b)
    const at = this.#startBatch(rows.length, records, sectionAt, sectionBytes)
    if (rows.length > 0) {
      let listed = 0
      for (const row of rows) if (this.#counts[row] < records) listed += this.#counts[row]
      this.#room(ROW_WORDS * rows.length + records + 1 + listed)
      const words = this.#words
      const positionsAt = at + BATCH_WORDS + ROW_WORDS * rows.length
      words.set(this.#positions.subarray(0, records), positionsAt)
      words[positionsAt + records] = endPosition
      let next = positionsAt + records + 1
      for (let i = 0; i < rows.length; i++) {
        const row = at + BATCH_WORDS + ROW_WORDS * i
        const count = this.#counts[rows[i]]
        words[row] = rows[i] === this.#patterns ? NOT_JSON : rows[i]
        words[row + 1] = count
        words[row + 2] = count === records ? 0 : next
        // From here on: where the next index of the row goes; 0 where none is listed.
        this.#counts[rows[i]] = words[row + 2]
        if (count < records) next += count
      }
      for (let pair = 0; pair < this.#pairsEnd; pair += 2) {
        const row = this.#pairs[pair + 1]
        if (this.#counts[row] !== 0) words[this.#counts[row]++] = this.#pairs[pair]
      }
      this.#end = next
    }
    this.#forget()
  }

  /** Nothing is kept of the batch at hand. */
  dropBatch(): void {
    this.#forget()
  }

  /** What was written, in a buffer of its own. */
  finish(): Uint32Array {
    const from = 1 + this.#batches
    const head = 1 + this.#written
    const words = new Uint32Array(head + this.#end - from)
    words[0] = this.#written
    words.set(this.#words.subarray(from, this.#end), head)
    // Fewer batches than there was room for: everything moves to the front.
    const moved = from - head
    for (let batch = 0; batch < this.#written; batch++) {
      const at = this.#words[1 + batch] - moved
      words[1 + batch] = at
      if (moved > 0) moveRows(words, at, moved)
    }
    return words
  }

  #startBatch(rows: number, records: number, sectionAt: number, sectionBytes: number): number {
    this.#room(BATCH_WORDS)
    const at = this.#end
    this.#words[1 + this.#written++] = at
    this.#words[at] = rows
    this.#words[at + 1] = records
    this.#words[at + 2] = sectionAt + 1
    this.#words[at + 3] = sectionBytes
    this.#end = at + BATCH_WORDS
    return at
  }

  #room(words: number): void {
    if (this.#end + words > this.#words.length) this.#words = grown(this.#words, this.#end + words)
  }

  #forget(): void {
    for (const row of this.#rows) this.#counts[row] = 0
    this.#rows = []
    this.#pairsEnd = 0
    this.#records = 0
  }
}

function moveRows(words: Uint32Array, at: number, moved: number): void {
  for (let row = 0; row < words[at]; row++) {
    const listAt = at + BATCH_WORDS + ROW_WORDS * row + 2
    if (words[listAt] !== 0) words[listAt] -= moved
  }
}

function grown(words: Uint32Array, needed: number): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(Math.max(needed, 2 * words.length))
  more.set(words)
  return more
}

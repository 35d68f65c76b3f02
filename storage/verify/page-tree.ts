/**
 * Reads the B-tree of an LMDB file without LMDB, believing nothing.
 *
 * LMDB trusts its pages: a flipped bit in one makes it throw, return other bytes, loop or die of SIGSEGV. So damage is
 * looked for with this reader, which checks every page number, length and order before it follows it. Whatever LMDB
 * would read in a file without problems is what is handed out here. Pure: bytes come from a {@link PageSource}.
 *
 * Layout (data format 2, little-endian, 64 bits; source: mdb.c of lmdb-js 3.5.6):
 *
 *     page      u64 page number · u64 transaction · u16 0 · u16 flags (1 branch, 2 leaf, 4 overflow, 8 meta)
 *               · u16 lower · u16 upper (overflow: u32 pages) · u16 node pointers, counted from byte 24
 *     node      u32 size of the data · u16 flags (1: data on overflow pages) · u16 key bytes · key · data;
 *               in a branch the first 6 bytes are the page number of the child
 *     overflow  where the data of a node would be: u64 page number · u64 transaction · u64 pages
 *     meta      see lmdb/meta-pages.ts; a tree: u32 · u16 flags · u16 depth · u64 branch, leaf and overflow
 *               pages · u64 entries · u64 root
 *     free list a tree from transaction to a list of pages: u64 count · i64 page, or minus a length and then
 *               the first page of a block; 0 is an empty place
 */
import { META_BYTES, metaPagesProblem } from '../lmdb/meta-pages.ts'
import { PAGE_BYTES } from '../lmdb/page-budget.ts'

/** The bytes of a file. */
export interface PageSource {
  /** Size of the file. */
  readonly bytes: number
  /** Exactly these bytes, which must lie in the file; good until the next call. */
  read(at: number, length: number): Uint8Array
}

/** One thing that is wrong with the structure of the file. */
export interface TreeProblem {
  /** 0 and 1 are the meta pages. */
  readonly page: number
  readonly sentence: string
}

/** Told of each entry of the main tree in the order of the keys. `at`: where the value lies in the file. */
export type OnEntry = (key: Uint8Array, at: number, length: number) => void

export interface TreeReport {
  readonly problems: readonly TreeProblem[]
  /** The highest page in use; 1 where the meta pages cannot be believed. */
  readonly lastPage: number
  /** Transaction of the state that was read. */
  readonly transaction: number
}

const HEADER_BYTES = 24
const NODE_BYTES = 8
const OVERFLOW_REFERENCE_BYTES = 24
const BRANCH = 1
const LEAF = 2
const OVERFLOW = 4
const BIG_DATA = 1
const DEPTH_MAX = 32
const NO_PAGE = 2n ** 64n - 1n
/** More are not told one by one: the file is rubbish. */
const PROBLEMS_MAX = 1000

const FREE_TREE_AT = 48
const MAIN_TREE_AT = 96
const LAST_PAGE_AT = 144
const TRANSACTION_AT = 152

interface TreeRoot {
  readonly flags: number
  readonly depth: number
  readonly branchPages: number
  readonly leafPages: number
  readonly overflowPages: number
  readonly entries: number
  readonly root: number | undefined
}

/** How the keys of a tree are ordered and what is done with its entries. */
interface TreeKind {
  readonly compare: (a: Uint8Array, b: Uint8Array) => number
  /** Bytes of every key; undefined: any. */
  readonly keyBytes: number | undefined
  readonly onEntry: OnEntry
}

/**
 * Walks both trees. @param integerKeys whether the main tree's keys are unsigned 32-bit integers, as in segments
 */
export function readTree(source: PageSource, integerKeys: boolean, onEntry: OnEntry): TreeReport {
  return new TreeWalk(source, integerKeys).run(onEntry)
}

class TreeWalk {
  readonly #source: PageSource
  readonly #integerKeys: boolean
  readonly #problems: TreeProblem[] = []
  #lastPage = 1
  #transaction = 0
  /** A bit for each page that was met. */
  #met = new Uint8Array(0)

  constructor(source: PageSource, integerKeys: boolean) {
    this.#source = source
    this.#integerKeys = integerKeys
  }

  run(onEntry: OnEntry): TreeReport {
    const meta = this.#meta()
    if (meta !== undefined) {
      this.#met = new Uint8Array((this.#lastPage >>> 3) + 1)
      const main: TreeKind = {
        compare: this.#integerKeys ? compareIntegers : Buffer.compare,
        keyBytes: this.#integerKeys ? 4 : undefined,
        onEntry,
      }
      this.#tree(meta, MAIN_TREE_AT, this.#integerKeys ? 8 : 0, main)
      const lists: { at: number; length: number }[] = []
      const free: TreeKind = {
        compare: compareIntegers,
        keyBytes: 8,
        onEntry: (_, at, length) => lists.push({ at, length }),
      }
      this.#tree(meta, FREE_TREE_AT, undefined, free)
      for (const { at, length } of lists) this.#freePages(at, length)
    }
    return { problems: this.#problems, lastPage: this.#lastPage, transaction: this.#transaction }
  }

  #problem(page: number, sentence: string): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push({ page, sentence })
  }

  /** The meta page that counts; undefined where none can be believed. */
  #meta(): DataView | undefined {
    const { bytes } = this.#source
    const pages = new Uint8Array(this.#source.read(0, Math.min(META_BYTES, bytes)))
    const problem = metaPagesProblem(pages, bytes)
    if (problem !== undefined) {
      this.#problem(0, problem)
      return undefined
    }
    const metas = [0, 1].map((page) => new DataView(pages.buffer, page * PAGE_BYTES, PAGE_BYTES))
    const transactions = metas.map((meta) => Number(meta.getBigUint64(TRANSACTION_AT, true)))
    const [even, odd] = transactions
    const isNew = even === 0 && odd === 0
    // Commits write the two by turns, so they are one apart, and each has its own parity.
    if (!isNew && (Math.abs(even - odd) !== 1 || even % 2 !== 0)) {
      this.#problem(
        0,
        `its meta pages are of transactions ${even} and ${odd}, which do not follow each other`,
      )
      return undefined
    }
    metas.forEach((meta, page) => {
      const number = Number(meta.getBigUint64(0, true))
      if (number !== page) this.#problem(page, `it says it is page ${number}`)
    })
    const meta = metas[even >= odd ? 0 : 1]
    this.#transaction = Math.max(even, odd)
    this.#lastPage = Number(meta.getBigUint64(LAST_PAGE_AT, true))
    return meta
  }

  #tree(meta: DataView, at: number, flags: number | undefined, kind: TreeKind): void {
    const metaPage = meta.byteOffset / PAGE_BYTES
    const tree = treeRoot(meta, at)
    if (flags !== undefined && tree.flags !== flags)
      this.#problem(metaPage, `its tree has the flags ${tree.flags}, ${flags} would be right`)
    const counted = { branch: 0, leaf: 0, overflow: 0, entries: 0 }
    if (tree.root !== undefined) {
      if (tree.depth < 1 || tree.depth > DEPTH_MAX) {
        this.#problem(metaPage, `its tree has the depth ${tree.depth}`)
        return
      }
      this.#page(tree.root, tree.depth, { low: undefined, high: undefined }, kind, counted)
    }
    const { branchPages, leafPages, overflowPages, entries } = tree
    const said = [branchPages, leafPages, overflowPages, entries]
    const found = [counted.branch, counted.leaf, counted.overflow, counted.entries]
    if (said.some((count, index) => count !== found[index]))
      this.#problem(
        metaPage,
        `its tree should have ${said.join('/')} branch/leaf/overflow pages and entries, it has ${found.join('/')}`,
      )
  }

  /** @param height 1: a leaf @param bounds lowest key, and the first one that is too high */
  #page(
    page: number,
    height: number,
    bounds: { readonly low: Uint8Array | undefined; readonly high: Uint8Array | undefined },
    kind: TreeKind,
    counted: { branch: number; leaf: number; overflow: number; entries: number },
  ): void {
    if (!this.#meet(page, 1, 'a page of the tree')) return
    // A copy: the source may hand out the same memory again for the pages below.
    const bytes = new Uint8Array(this.#source.read(page * PAGE_BYTES, PAGE_BYTES))
    const data = new DataView(bytes.buffer)
    const isLeaf = height === 1
    const nodes = this.#nodes(page, data, isLeaf)
    if (nodes === undefined) return
    if (isLeaf) counted.leaf++
    else counted.branch++
    let before: Uint8Array | undefined
    const keys = nodes.map((at) =>
      bytes.subarray(at + NODE_BYTES, at + NODE_BYTES + data.getUint16(at + 6, true)),
    )
    for (let index = 0; index < nodes.length; index++) {
      const key = keys[index]
      // The first key of a branch is never looked at.
      const isOpen = !isLeaf && index === 0
      if (!isOpen) {
        const isWrong =
          (kind.keyBytes !== undefined && key.length !== kind.keyBytes) ||
          (before !== undefined && kind.compare(before, key) >= 0) ||
          (bounds.low !== undefined && kind.compare(key, bounds.low) < 0) ||
          (bounds.high !== undefined && kind.compare(key, bounds.high) >= 0)
        if (isWrong) {
          this.#problem(page, `the key of its node ${index} is out of order`)
          if (!isLeaf) return
          continue
        }
        before = key
      }
      const at = nodes[index]
      if (isLeaf) this.#entry(page, data, at, key, kind, counted)
      else {
        const child = data.getUint32(at, true) + data.getUint16(at + 4, true) * 0x1_0000_0000
        const next = keys[index + 1] ?? bounds.high
        this.#page(child, height - 1, { low: isOpen ? bounds.low : key, high: next }, kind, counted)
      }
    }
  }

  /** Places of the nodes in a branch or leaf page, each of which lies whole in it. */
  #nodes(page: number, data: DataView, isLeaf: boolean): number[] | undefined {
    const number = Number(data.getBigUint64(0, true))
    const flags = data.getUint16(18, true)
    const lower = data.getUint16(20, true)
    const upper = data.getUint16(22, true)
    const bad = (sentence: string) => {
      this.#problem(page, sentence)
      return undefined
    }
    if (number !== page) return bad(`it says it is page ${number}`)
    if (flags !== (isLeaf ? LEAF : BRANCH))
      return bad(`it has the flags ${flags}, those of a ${isLeaf ? 'leaf' : 'branch'} would be right`)
    if (Number(data.getBigUint64(8, true)) > this.#transaction) return bad('it is of a transaction to come')
    const room = PAGE_BYTES - HEADER_BYTES
    if (lower % 2 !== 0 || lower > upper || upper > room || lower === 0)
      return bad(`its free space goes from ${lower} to ${upper}, which cannot be`)
    const nodes: number[] = []
    const spans: [number, number][] = []
    for (let index = 0; index < lower / 2; index++) {
      const pointer = data.getUint16(HEADER_BYTES + index * 2, true)
      if (pointer < upper || pointer + NODE_BYTES > room || pointer % 2 !== 0)
        return bad(`its node ${index} is said to be at byte ${pointer}`)
      const at = HEADER_BYTES + pointer
      const end = pointer + nodeBytes(data, at, isLeaf)
      if (end > room) return bad(`its node ${index} does not end in it`)
      nodes.push(at)
      spans.push([pointer, end])
    }
    // Nodes fill the upper end of the page without gaps: anything else is a pointer or a length gone wrong.
    spans.sort(([a], [b]) => a - b)
    let next = upper
    for (const [start, end] of spans) {
      if (start !== next)
        return bad(`its nodes do not lie side by side: one begins at ${start}, not at ${next}`)
      next = end
    }
    return next === room ? nodes : bad(`its nodes end at ${next}, not at ${room}`)
  }

  #entry(
    page: number,
    data: DataView,
    at: number,
    key: Uint8Array,
    kind: TreeKind,
    counted: { overflow: number; entries: number },
  ): void {
    const length = data.getUint32(at, true)
    const flags = data.getUint16(at + 4, true)
    const dataAt = at + NODE_BYTES + key.length
    counted.entries++
    if (flags === 0) {
      kind.onEntry(key, page * PAGE_BYTES + dataAt, length)
      return
    }
    if (flags !== BIG_DATA) {
      this.#problem(page, `a node has the flags ${flags}`)
      return
    }
    const first = Number(data.getBigUint64(dataAt, true))
    const pages = Number(data.getBigUint64(dataAt + 16, true))
    const needed = Math.floor((HEADER_BYTES - 1 + length) / PAGE_BYTES) + 1
    // A value that was written again in the same transaction may have more room than it needs.
    if (pages < needed) {
      this.#problem(page, `a value of ${length} bytes is said to take ${pages} pages, it needs ${needed}`)
      return
    }
    counted.overflow += pages
    if (!this.#meet(first, pages, 'a value')) return
    const header = this.#source.read(first * PAGE_BYTES, HEADER_BYTES)
    const problem = overflowProblem(header, first, pages)
    // The value is read all the same, as LMDB would: what is in it has checksums of its own.
    if (problem !== undefined) this.#problem(first, problem)
    kind.onEntry(key, first * PAGE_BYTES + HEADER_BYTES, length)
  }

  /** False where these pages are not in the file or belong to something else already. */
  #meet(first: number, pages: number, what: string): boolean {
    if (first < 2 || first + pages - 1 > this.#lastPage) {
      this.#problem(first, `${what} is said to be there, but pages 2 to ${this.#lastPage} are in use`)
      return false
    }
    for (let page = first; page < first + pages; page++) {
      if ((this.#met[page >>> 3] & (1 << (page & 7))) !== 0) {
        this.#problem(page, `${what} is said to be there, and something else as well`)
        return false
      }
    }
    for (let page = first; page < first + pages; page++) this.#met[page >>> 3] |= 1 << (page & 7)
    return true
  }

  /** A page that is in use and said to be free would be overwritten by the next commit. */
  #freePages(at: number, length: number): void {
    const page = Math.floor(at / PAGE_BYTES)
    const bytes = new Uint8Array(this.#source.read(at, length))
    const data = new DataView(bytes.buffer)
    const count = length >= 8 ? Number(data.getBigUint64(0, true)) : -1
    if (length % 8 !== 0 || count < 0 || count > length / 8 - 1) {
      this.#problem(page, `a list of free pages says it has ${count} entries in ${length} bytes`)
      return
    }
    for (let index = 1; index <= count; index++) {
      let first = Number(data.getBigInt64(index * 8, true))
      let pages = 1
      if (first === 0) continue
      if (first < 0) {
        if (index === count) return
        pages = -first
        first = Number(data.getBigInt64(++index * 8, true))
      }
      if (first < 2 || first + pages - 1 > this.#lastPage) {
        this.#problem(
          page,
          `it says that ${pages} pages from ${first} on are free: pages 2 to ${this.#lastPage} are in use`,
        )
        return
      }
      if (!this.#meet(first, pages, 'a free page')) return
    }
  }
}

/** What is wrong with the header of overflow pages; undefined: nothing. */
export function overflowProblem(
  header: Uint8Array,
  first: number,
  pages: number | undefined,
): string | undefined {
  const data = new DataView(header.buffer, header.byteOffset, HEADER_BYTES)
  const number = Number(data.getBigUint64(0, true))
  const flags = data.getUint16(18, true)
  const said = data.getUint32(20, true)
  if (number !== first) return `it says it is page ${number}`
  if (flags !== OVERFLOW) return `it has the flags ${flags}, those of an overflow page would be right`
  if (pages !== undefined && said !== pages) return `it says its value takes ${said} pages, not ${pages}`
  return undefined
}

/** Pages of the value that begins on an overflow page, as its header has it, and the transaction that wrote it. */
export function overflowHeader(header: Uint8Array): { readonly pages: number; readonly transaction: number } {
  const data = new DataView(header.buffer, header.byteOffset, HEADER_BYTES)
  return { pages: data.getUint32(20, true), transaction: Number(data.getBigUint64(8, true)) }
}

function treeRoot(meta: DataView, at: number): TreeRoot {
  const root = meta.getBigUint64(at + 40, true)
  return {
    flags: meta.getUint16(at + 4, true),
    depth: meta.getUint16(at + 6, true),
    branchPages: Number(meta.getBigUint64(at + 8, true)),
    leafPages: Number(meta.getBigUint64(at + 16, true)),
    overflowPages: Number(meta.getBigUint64(at + 24, true)),
    entries: Number(meta.getBigUint64(at + 32, true)),
    root: root === NO_PAGE ? undefined : Number(root),
  }
}

/** Even, as LMDB rounds them. */
function nodeBytes(data: DataView, at: number, isLeaf: boolean): number {
  const keyBytes = data.getUint16(at + 6, true)
  let bytes = NODE_BYTES + keyBytes
  if (isLeaf) {
    const isBig = (data.getUint16(at + 4, true) & BIG_DATA) !== 0
    bytes += isBig ? OVERFLOW_REFERENCE_BYTES : data.getUint32(at, true)
  }
  return bytes + (bytes % 2)
}

/** Little-endian unsigned integers of 4 or 8 bytes. */
function compareIntegers(a: Uint8Array, b: Uint8Array): number {
  for (let index = a.length - 1; index >= 0; index--) if (a[index] !== b[index]) return a[index] - b[index]
  return 0
}

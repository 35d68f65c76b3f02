/** Which terms hold: what the scalars of a record have said so far. */
import { unescapeInto } from '../json/json-text.ts'
import type { RuleIndex } from '../rules/rule-index.ts'
import type { Clock } from './clock.ts'
import { type CompiledSet, nodes } from './compiled-set.ts'
import { BY_ABSENCE, WITH_SCALAR } from './outcome.ts'
import type { PendingGroups } from './pending-groups.ts'

/** What a scalar is: a text as it stands, one with escapes, a number, or a literal told by its first letter. */
export const scalarKinds = { text: 0, escaped: 1, number: 2, literal: 3 } as const
type ScalarKind = (typeof scalarKinds)[keyof typeof scalarKinds]

const TAKES_ANY = 1
const TAKES_NONE = 2

export class TermState {
  /** Of the record. */
  bytes: Uint8Array = noBytes
  readonly #set: CompiledSet
  readonly #clock: Clock
  readonly #pending: PendingGroups
  /** By node: when the last scalar was there. */
  readonly #scalarAt: Int32Array
  /** By node of which scalars are counted: how many the object has. */
  readonly #scalarCount: Int32Array
  /** By term: when a rule of it took a scalar. */
  readonly #takenAt: Int32Array
  /** By `anything-but`: when it refused a scalar, how many the object has, and the number of the last of them. */
  readonly #refusedAt: Int32Array
  readonly #refusedCount: Int32Array
  readonly #refusedLast: Float64Array
  /** Of those that are counted. */
  #scalarNumber = 0
  /** By node with deferred terms: the first scalar of the record, and since when there is more than one. */
  readonly #firstKind: Uint8Array
  readonly #firstStart: Int32Array
  readonly #firstEnd: Int32Array
  readonly #firstNumber: Float64Array
  readonly #firstAt: Int32Array
  readonly #severalAt: Int32Array
  readonly #found: Int32Array
  /** Strings without their escapes. */
  #unescaped = new Uint8Array(256)

  constructor(set: CompiledSet, clock: Clock, pending: PendingGroups) {
    const nodeCount = set.wants.length
    this.#set = set
    this.#clock = clock
    this.#pending = pending
    this.#scalarAt = clock.times(nodeCount)
    this.#scalarCount = new Int32Array(nodeCount)
    this.#takenAt = clock.times(set.termCount)
    this.#refusedAt = clock.times(set.butCount)
    this.#refusedCount = new Int32Array(set.butCount)
    this.#refusedLast = new Float64Array(set.butCount)
    this.#firstKind = new Uint8Array(nodeCount)
    this.#firstStart = new Int32Array(nodeCount)
    this.#firstEnd = new Int32Array(nodeCount)
    this.#firstNumber = new Float64Array(nodeCount)
    this.#firstAt = clock.times(nodeCount)
    this.#severalAt = clock.times(nodeCount)
    this.#found = new Int32Array(set.rulesOfNodeMax)
  }

  /** There is a scalar at a node: `bytes[start, end)`, the letter `start`, or the number. */
  tell(node: number, kind: ScalarKind, start: number, end: number, number: number): void {
    const { atOnce, deferred } = this.#set.indexes
    const isFirst = this.#scalarAt[node] < this.#clock.begunAt[nodes.record]
    this.#note(node)
    const index = atOnce[node]
    if (index !== undefined) this.#take(node, this.#find(index, kind, start, end, number), this.#clock.now)
    const others = deferred[node]
    if (others !== undefined) this.#tellDeferred(node, others, isFirst, kind, start, end, number)
  }

  #tellDeferred(
    node: number,
    index: RuleIndex,
    isFirst: boolean,
    kind: ScalarKind,
    start: number,
    end: number,
    number: number,
  ): void {
    const { now, begunAt } = this.#clock
    if (isFirst) {
      this.#firstKind[node] = kind
      this.#firstStart[node] = start
      this.#firstEnd[node] = end
      this.#firstNumber[node] = number
      this.#firstAt[node] = now
      return
    }
    if (this.#severalAt[node] < begunAt[nodes.record]) {
      this.#severalAt[node] = now
      this.#take(node, this.#findFirst(index, node), this.#firstAt[node])
    }
    this.#take(node, this.#find(index, kind, start, end, number), now)
  }

  /** How many of the rules take it; they are `found`. */
  #find(index: RuleIndex, kind: number, start: number, end: number, number: number): number {
    switch (kind) {
      case scalarKinds.text:
        return index.text(this.bytes, start, end, this.#found, 0)
      case scalarKinds.escaped: {
        const length = this.unescape(this.bytes, start, end)
        return index.text(this.#unescaped, 0, length, this.#found, 0)
      }
      case scalarKinds.number:
        return index.ranges === undefined ? 0 : index.ranges.find(number, this.#found, 0)
      default:
        return index.literal(start, this.#found, 0)
    }
  }

  #findFirst(index: RuleIndex, node: number): number {
    return this.#find(
      index,
      this.#firstKind[node],
      this.#firstStart[node],
      this.#firstEnd[node],
      this.#firstNumber[node],
    )
  }

  /** Writes a string without its escapes into `unescaped`; returns its bytes. */
  unescape(bytes: Uint8Array, start: number, end: number): number {
    if (this.#unescaped.length < end - start) this.#unescaped = new Uint8Array((end - start) * 2)
    return unescapeInto(bytes, start, end, this.#unescaped)
  }

  get unescaped(): Uint8Array {
    return this.#unescaped
  }

  /** There is a scalar; what takes it comes next. */
  #note(node: number): void {
    const set = this.#set
    const { now, begunAt } = this.#clock
    const isFirst = this.#scalarAt[node] < begunAt[set.scopeOf[node]]
    this.#scalarAt[node] = now
    if (set.countsScalars[node] !== 0) {
      this.#scalarNumber++
      this.#scalarCount[node] = isFirst ? 1 : this.#scalarCount[node] + 1
    }
    if (!isFirst) return
    const { starts, items } = set.setOffByNode
    for (let at = starts[node]; at < starts[node + 1]; at++) this.#pending.add(items[at])
  }

  /** The first `count` rules of those found take the scalar that was there at that time. */
  #take(node: number, count: number, time: number): void {
    const set = this.#set
    const { starts, items } = set.termsOfRule
    const begunAt = this.#clock.begunAt[set.scopeOf[node]]
    for (let index = 0; index < count; index++) {
      const rule = this.#found[index]
      for (let at = starts[rule]; at < starts[rule + 1]; at++) {
        const term = items[at]
        if (this.#takenAt[term] < begunAt) this.#setOffBy(term)
        if (this.#takenAt[term] < time) this.#takenAt[term] = time
      }
      if (set.countsScalars[node] !== 0) this.#refuse(rule, begunAt)
    }
  }

  #setOffBy(term: number): void {
    const { starts, items } = this.#set.setOffByTerm
    for (let at = starts[term]; at < starts[term + 1]; at++) this.#pending.add(items[at])
  }

  /** Counts for each `anything-but` that has the rule, once for a scalar. */
  #refuse(rule: number, begunAt: number): void {
    const { starts, items } = this.#set.butsOfRule
    for (let at = starts[rule]; at < starts[rule + 1]; at++) {
      const but = items[at]
      if (this.#refusedLast[but] === this.#scalarNumber) continue
      this.#refusedLast[but] = this.#scalarNumber
      this.#refusedCount[but] = this.#refusedAt[but] < begunAt ? 1 : this.#refusedCount[but] + 1
      this.#refusedAt[but] = this.#clock.now
    }
  }

  /** Whether there was a scalar in what began then. */
  hasScalar(node: number, begunAt: number): boolean {
    return this.#scalarAt[node] >= begunAt
  }

  /** How a term holds of the object that began then and is about to end. */
  outcome(term: number, begunAt: number): number {
    const set = this.#set
    if (this.#takenAt[term] >= begunAt) return WITH_SCALAR
    const node = set.nodeOfTerm[term]
    const exists = set.existsOfTerm[term]
    if (this.#scalarAt[node] < begunAt) return (exists & TAKES_NONE) === 0 ? 0 : BY_ABSENCE
    if ((exists & TAKES_ANY) !== 0 || this.#isTakenDeferred(term, node)) return WITH_SCALAR
    const { starts, items } = set.butsOfTerm
    for (let at = starts[term]; at < starts[term + 1]; at++) {
      const but = items[at]
      // One scalar more than were refused.
      const refused = this.#refusedAt[but] < begunAt ? 0 : this.#refusedCount[but]
      if (this.#scalarCount[node] > refused) return WITH_SCALAR
    }
    return 0
  }

  /** Whether the only scalar of the node satisfies a deferred term. */
  #isTakenDeferred(term: number, node: number): boolean {
    const rules = this.#set.indexes.ofTerm[term]
    if (rules === undefined || this.#severalAt[node] >= this.#clock.begunAt[nodes.record]) return false
    return this.#findFirst(rules, node) > 0
  }

  /** Lets go of the bytes of the record. */
  end(): void {
    this.bytes = noBytes
  }
}

const noBytes: Uint8Array = new Uint8Array(0)

/**
 * What is known of one record so far: which scalars were seen, which terms and groups hold. It hears of the fields in
 * the order of their bytes and judges a group at the end of its object, if something of it has shown up.
 *
 * Nothing is cleared between records or objects. A clock ticks whenever an object begins; what is known carries the
 * time it was learnt, and is true of an object if that is not before the object began. So what is said of one
 * element of an array does not reach the next one, while the object around them has it all.
 *
 * By the language (pattern.ts) a group holds of an object with a scalar, if all it asks holds and one part with a
 * scalar; or by absence, if nothing is where it looks. The latter is judged where it is asked, for the object
 * around: then it is about all that lies in there, so about all elements of an array.
 */

import { jsonNumber } from '../json/json-number.ts'
import type { JsonSink } from '../json/json-scanner.ts'
import { unescapeInto } from '../json/json-text.ts'
import { type CompiledSet, nodes } from './compiled-set.ts'
import { formulaKinds } from './formula.ts'

/** How a formula holds; 0: it does not. Both may be. */
const WITH_SCALAR = 1
const BY_ABSENCE = 2

const TAKES_ANY = 1
const TAKES_NONE = 2

const NO_GROUP = -1

/** Far from where an int32 ends, and no record makes it tick as often as what is left. */
const CLOCK_MAX = 2 ** 30

export class RecordState implements JsonSink {
  readonly wants: Uint8Array
  /** By node of JSON texts: whether the record's is one. */
  readonly isJson = new Uint8Array(nodes.key + 1)
  /** Positions of names that a later field of the object has too: only the last one counts. */
  readonly overridden = new Set<number>()

  readonly #set: CompiledSet
  #clock = 0
  /** By node: when its object began, and which groups are to be judged at its end. */
  readonly #begunAt: Int32Array
  readonly #firstPending: Int32Array
  /** By node: when the last scalar was there. */
  readonly #scalarAt: Int32Array
  /** By node of which scalars are counted: how many the object has. */
  readonly #scalarCount: Int32Array
  /** By node: when and where its name was met last. */
  readonly #nameAt: Int32Array
  readonly #namePosition: Int32Array
  /** By term: when a rule of it took a scalar. */
  readonly #takenAt: Int32Array
  /** By `anything-but`: when it refused a scalar, how many the object has, and the last of them. */
  readonly #refusedAt: Int32Array
  readonly #refusedCount: Int32Array
  readonly #refusedLast: Int32Array
  #scalarNumber = 0
  /** By group: when it was put among those to judge, who is next there, when it held with a scalar. */
  readonly #pendingAt: Int32Array
  readonly #nextPending: Int32Array
  readonly #heldAt: Int32Array

  readonly #found: Int32Array
  /** Strings without their escapes. */
  #unescaped = new Uint8Array(256)

  constructor(set: CompiledSet) {
    const nodeCount = set.wants.length
    this.#set = set
    this.wants = set.wants
    this.#begunAt = new Int32Array(nodeCount)
    this.#firstPending = new Int32Array(nodeCount)
    this.#scalarAt = new Int32Array(nodeCount)
    this.#scalarCount = new Int32Array(nodeCount)
    this.#nameAt = new Int32Array(nodeCount)
    this.#namePosition = new Int32Array(nodeCount)
    this.#takenAt = new Int32Array(set.termCount)
    this.#refusedAt = new Int32Array(set.butCount)
    this.#refusedCount = new Int32Array(set.butCount)
    this.#refusedLast = new Int32Array(set.butCount)
    this.#pendingAt = new Int32Array(set.groupCount)
    this.#nextPending = new Int32Array(set.groupCount)
    this.#heldAt = new Int32Array(set.groupCount)
    this.#found = new Int32Array(set.rulesOfNodeMax)
  }

  beginRecord(): void {
    if (this.#clock > CLOCK_MAX || this.#scalarNumber > CLOCK_MAX) this.#turnBack()
    this.isJson.fill(0)
    this.enter(nodes.record)
  }

  #turnBack(): void {
    this.#clock = 0
    this.#scalarNumber = 0
    for (const times of [
      this.#scalarAt,
      this.#nameAt,
      this.#takenAt,
      this.#refusedAt,
      this.#refusedLast,
      this.#pendingAt,
      this.#heldAt,
    ]) {
      times.fill(0)
    }
  }

  enter(node: number): void {
    this.#begunAt[node] = ++this.#clock
    this.#firstPending[node] = NO_GROUP
  }

  field(node: number, bytes: Uint8Array, start: number, end: number, escaped: boolean): number {
    const position = start
    if (escaped) {
      end = this.#unescape(bytes, start, end)
      bytes = this.#unescaped
      start = 0
    }
    const child = this.#set.names.find(node, bytes, start, end)
    if (child === 0) return 0
    if (this.overridden.size > 0 && this.overridden.has(position)) return 0
    if (this.#nameAt[child] >= this.#begunAt[node]) this.#override(child)
    this.#nameAt[child] = this.#clock
    this.#namePosition[child] = position
    return child
  }

  /** A field comes a second time in its object: what the first one said has to be forgotten, in another pass. */
  #override(child: number): void {
    this.overridden.add(this.#namePosition[child])
  }

  leave(node: number): void {
    const begunAt = this.#begunAt[node]
    for (let group = this.#firstPending[node]; group !== NO_GROUP; group = this.#nextPending[group]) {
      if ((this.#holds(this.#set.formulaOfGroup[group], begunAt) & WITH_SCALAR) !== 0) this.#groupHolds(group)
    }
  }

  string(node: number, bytes: Uint8Array, start: number, end: number, escaped: boolean): void {
    this.#scalar(node)
    if (escaped) {
      end = this.#unescape(bytes, start, end)
      bytes = this.#unescaped
      start = 0
    }
    const index = this.#set.indexes[node]
    if (index !== undefined) this.#taken(node, index.text(bytes, start, end, this.#found, 0))
  }

  number(node: number, bytes: Uint8Array, start: number, end: number): void {
    this.#scalar(node)
    const ranges = this.#set.indexes[node]?.ranges
    if (ranges !== undefined) this.#taken(node, ranges.find(jsonNumber(bytes, start, end), this.#found, 0))
  }

  literal(node: number, letter: number): void {
    this.#scalar(node)
    const index = this.#set.indexes[node]
    if (index !== undefined) this.#taken(node, index.literal(letter, this.#found, 0))
  }

  /** A number that is not part of a text. */
  plainNumber(node: number, value: number): void {
    this.#scalar(node)
    const ranges = this.#set.indexes[node]?.ranges
    if (ranges !== undefined) this.#taken(node, ranges.find(value, this.#found, 0))
  }

  #unescape(bytes: Uint8Array, start: number, end: number): number {
    if (this.#unescaped.length < end - start) this.#unescaped = new Uint8Array((end - start) * 2)
    return unescapeInto(bytes, start, end, this.#unescaped)
  }

  /** There is a scalar; what takes it comes next. */
  #scalar(node: number): void {
    const set = this.#set
    const begunAt = this.#begunAt[set.scopeOf[node]]
    const isFirst = this.#scalarAt[node] < begunAt
    this.#scalarAt[node] = this.#clock
    if (set.countsScalars[node] !== 0) {
      this.#scalarNumber++
      this.#scalarCount[node] = isFirst ? 1 : this.#scalarCount[node] + 1
    }
    if (!isFirst) return
    const { starts, items } = set.setOffByNode
    for (let at = starts[node]; at < starts[node + 1]; at++) this.#setOff(items[at])
  }

  /** The first `count` rules of those found take the scalar. */
  #taken(node: number, count: number): void {
    const set = this.#set
    const { starts, items } = set.termsOfRule
    const begunAt = this.#begunAt[set.scopeOf[node]]
    for (let index = 0; index < count; index++) {
      const rule = this.#found[index]
      for (let at = starts[rule]; at < starts[rule + 1]; at++) {
        const term = items[at]
        if (this.#takenAt[term] < begunAt) this.#termHolds(term)
        this.#takenAt[term] = this.#clock
      }
      if (set.countsScalars[node] !== 0) this.#refused(rule, begunAt)
    }
  }

  #termHolds(term: number): void {
    const { starts, items } = this.#set.setOffByTerm
    for (let at = starts[term]; at < starts[term + 1]; at++) this.#setOff(items[at])
  }

  /** Counts for each `anything-but` that has the rule, once for a scalar. */
  #refused(rule: number, begunAt: number): void {
    const { starts, items } = this.#set.butsOfRule
    for (let at = starts[rule]; at < starts[rule + 1]; at++) {
      const but = items[at]
      if (this.#refusedLast[but] === this.#scalarNumber) continue
      this.#refusedLast[but] = this.#scalarNumber
      this.#refusedCount[but] = this.#refusedAt[but] < begunAt ? 1 : this.#refusedCount[but] + 1
      this.#refusedAt[but] = this.#clock
    }
  }

  /** The group is to be judged at the end of its object, which is open. */
  #setOff(group: number): void {
    const node = this.#set.nodeOfGroup[group]
    if (this.#pendingAt[group] >= this.#begunAt[node]) return
    this.#pendingAt[group] = this.#clock
    this.#nextPending[group] = this.#firstPending[node]
    this.#firstPending[node] = group
  }

  #groupHolds(group: number): void {
    const set = this.#set
    const scope = set.scopeOf[set.nodeOfGroup[group]]
    const isFirst = this.#heldAt[group] < this.#begunAt[scope]
    this.#heldAt[group] = this.#clock
    if (!isFirst) return
    const { starts, items } = set.setOffByGroup
    for (let at = starts[group]; at < starts[group + 1]; at++) this.#setOff(items[at])
  }

  /** Whether the fields of the value can matter to a pattern, all else of the record being known. */
  needsValue(): boolean {
    const set = this.#set
    if (set.alwaysReadsValue) return true
    const begunAt = this.#begunAt[nodes.record]
    for (let group = this.#firstPending[nodes.record]; group !== NO_GROUP; group = this.#nextPending[group]) {
      const formula = set.besidesValue[group]
      if (formula >= 0 && this.#holds(formula, begunAt) !== 0) return true
    }
    for (let index = 0; index < set.oftenBesidesValue.length; index++) {
      if (this.#holds(set.besidesValue[set.oftenBesidesValue[index]], begunAt) !== 0) return true
    }
    return false
  }

  /** Sets the bits of the patterns that match; returns whether there are any. */
  endRecord(bits: Uint32Array): boolean {
    const set = this.#set
    let found = false
    for (let group = this.#firstPending[nodes.record]; group !== NO_GROUP; group = this.#nextPending[group]) {
      if (this.#judge(group, bits)) found = true
    }
    for (let index = 0; index < set.always.length; index++) {
      if (this.#judge(set.always[index], bits)) found = true
    }
    return found
  }

  #judge(group: number, bits: Uint32Array): boolean {
    const set = this.#set
    if (this.#holds(set.formulaOfGroup[group], this.#begunAt[nodes.record]) === 0) return false
    const { starts, items } = set.patternsOfGroup
    for (let at = starts[group]; at < starts[group + 1]; at++) bits[items[at] >> 5] |= 1 << (items[at] & 31)
    return true
  }

  /** How a formula holds of the object that began then and is about to end. */
  #holds(formula: number, begunAt: number): number {
    const set = this.#set
    const { starts, items } = set.operands
    const first = starts[formula]
    switch (set.formulaKinds[formula]) {
      case formulaKinds.term:
        return this.#termOutcome(items[first], begunAt)
      case formulaKinds.document:
        if (this.isJson[set.nodeOfGroup[items[first]]] === 0) return 0
        return this.#groupOutcome(items[first], formula, begunAt)
      case formulaKinds.group:
        return this.#groupOutcome(items[first], formula, begunAt)
      case formulaKinds.all: {
        let some = 0
        let each = BY_ABSENCE
        for (let at = first; at < starts[formula + 1]; at++) {
          const outcome = this.#holds(items[at], begunAt)
          if (outcome === 0) return 0
          some |= outcome & WITH_SCALAR
          each &= outcome
        }
        return some | each
      }
      default: {
        let outcome = 0
        for (let at = first; at < starts[formula + 1]; at++) outcome |= this.#holds(items[at], begunAt)
        return outcome
      }
    }
  }

  #termOutcome(term: number, begunAt: number): number {
    const set = this.#set
    if (this.#takenAt[term] >= begunAt) return WITH_SCALAR
    const exists = set.existsOfTerm[term]
    const node = set.nodeOfTerm[term]
    if (this.#scalarAt[node] < begunAt) return (exists & TAKES_NONE) === 0 ? 0 : BY_ABSENCE
    if ((exists & TAKES_ANY) !== 0) return WITH_SCALAR
    const { starts, items } = set.butsOfTerm
    for (let at = starts[term]; at < starts[term + 1]; at++) {
      const but = items[at]
      // One scalar more than were refused.
      const refused = this.#refusedAt[but] < begunAt ? 0 : this.#refusedCount[but]
      if (this.#scalarCount[node] > refused) return WITH_SCALAR
    }
    return 0
  }

  #groupOutcome(group: number, formula: number, begunAt: number): number {
    const held = this.#heldAt[group] >= begunAt ? WITH_SCALAR : 0
    const set = this.#set
    if (set.canBeAbsent[formula] === 0 || !this.#isAbsent(set.formulaOfGroup[group], begunAt)) return held
    return held | BY_ABSENCE
  }

  /** Whether a formula holds because nothing it looks at is anywhere in the object that began then. */
  #isAbsent(formula: number, begunAt: number): boolean {
    const set = this.#set
    if (set.canBeAbsent[formula] === 0) return false
    const { starts, items } = set.operands
    const first = starts[formula]
    switch (set.formulaKinds[formula]) {
      case formulaKinds.term:
        return this.#scalarAt[set.nodeOfTerm[items[first]]] < begunAt
      case formulaKinds.group:
      case formulaKinds.document:
        return this.#isAbsent(set.formulaOfGroup[items[first]], begunAt)
      case formulaKinds.all:
        for (let at = first; at < starts[formula + 1]; at++)
          if (!this.#isAbsent(items[at], begunAt)) return false
        return true
      default:
        for (let at = first; at < starts[formula + 1]; at++)
          if (this.#isAbsent(items[at], begunAt)) return true
        return false
    }
  }
}

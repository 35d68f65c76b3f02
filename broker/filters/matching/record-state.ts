/**
 * What is known of one record so far, and which patterns match it in the end. It hears of the fields in the order of
 * their bytes and judges a group at the end of its object, if something of it has shown up.
 *
 * By the language (pattern.ts) a group holds of an object with a scalar, if all it asks holds and one part with a
 * scalar; or by absence, if nothing is where it looks. The latter is judged where it is asked, for the object
 * around: then it is about all that lies in there, so about all elements of an array.
 */
import { jsonNumber } from '../json/json-number.ts'
import type { JsonSink } from '../json/json-scanner.ts'
import { Clock } from './clock.ts'
import { type CompiledSet, nodes } from './compiled-set.ts'
import { formulaKinds } from './formula.ts'
import { BY_ABSENCE, WITH_SCALAR } from './outcome.ts'
import { NO_GROUP, PendingGroups } from './pending-groups.ts'
import { scalarKinds, TermState } from './term-state.ts'

export class RecordState implements JsonSink {
  readonly wants: Uint8Array
  /** By node of JSON texts: whether the record's is one. */
  readonly isJson = new Uint8Array(nodes.key + 1)
  /** Positions of names that a later field of the object has too: only the last one counts. */
  readonly overridden = new Set<number>()

  readonly #set: CompiledSet
  readonly #clock: Clock
  readonly #pending: PendingGroups
  readonly #terms: TermState
  /** By node: when and where its name was met last. */
  readonly #nameAt: Int32Array
  readonly #namePosition: Int32Array
  /** By group: when it held of an object with a scalar. */
  readonly #heldAt: Int32Array

  constructor(set: CompiledSet) {
    const nodeCount = set.wants.length
    this.#set = set
    this.wants = set.wants
    this.#clock = new Clock(nodeCount)
    this.#pending = new PendingGroups(set, this.#clock)
    this.#terms = new TermState(set, this.#clock, this.#pending)
    this.#nameAt = this.#clock.times(nodeCount)
    this.#namePosition = new Int32Array(nodeCount)
    this.#heldAt = this.#clock.times(set.groupCount)
  }

  /** All that is said from now on is about these bytes. */
  beginRecord(bytes: Uint8Array): void {
    this.#clock.turn()
    this.#terms.bytes = bytes
    this.isJson.fill(0)
    this.enter(nodes.record)
  }

  enter(node: number): void {
    this.#clock.begin(node)
    this.#pending.begin(node)
  }

  field(node: number, bytes: Uint8Array, start: number, end: number, escaped: boolean): number {
    const child = escaped
      ? this.#escapedField(node, bytes, start, end)
      : this.#set.names.find(node, bytes, start, end)
    if (child === 0) return 0
    if (this.overridden.size > 0 && this.overridden.has(start)) return 0
    // A field that comes a second time in its object: what the first one said has to be forgotten, in another pass.
    if (this.#nameAt[child] >= this.#clock.begunAt[node]) this.overridden.add(this.#namePosition[child])
    this.#nameAt[child] = this.#clock.now
    this.#namePosition[child] = start
    return child
  }

  #escapedField(node: number, bytes: Uint8Array, start: number, end: number): number {
    const length = this.#terms.unescape(bytes, start, end)
    return this.#set.names.find(node, this.#terms.unescaped, 0, length)
  }

  leave(node: number): void {
    const { first, next } = this.#pending
    const begunAt = this.#clock.begunAt[node]
    for (let group = first[node]; group !== NO_GROUP; group = next[group]) {
      if (this.#outcome(this.#set.formulaOfGroup[group], begunAt) === WITH_SCALAR) this.#hold(group)
    }
  }

  #hold(group: number): void {
    const set = this.#set
    const scope = set.scopeOf[set.nodeOfGroup[group]]
    const isFirst = this.#heldAt[group] < this.#clock.begunAt[scope]
    this.#heldAt[group] = this.#clock.now
    if (!isFirst) return
    const { starts, items } = set.setOffByGroup
    for (let at = starts[group]; at < starts[group + 1]; at++) this.#pending.add(items[at])
  }

  string(node: number, _bytes: Uint8Array, start: number, end: number, escaped: boolean): void {
    this.#terms.tell(node, escaped ? scalarKinds.escaped : scalarKinds.text, start, end, 0)
  }

  number(node: number, bytes: Uint8Array, start: number, end: number): void {
    this.plainNumber(node, this.#set.wantsNumbers[node] === 0 ? 0 : jsonNumber(bytes, start, end))
  }

  literal(node: number, letter: number): void {
    this.#terms.tell(node, scalarKinds.literal, letter, 0, 0)
  }

  /** A number that is not part of a text. */
  plainNumber(node: number, value: number): void {
    this.#terms.tell(node, scalarKinds.number, 0, 0, value)
  }

  /** Whether the fields of the value can matter to a pattern, all else of the record being known. */
  needsValue(): boolean {
    const set = this.#set
    if (set.alwaysReadsValue) return true
    const { first, next } = this.#pending
    const begunAt = this.#clock.begunAt[nodes.record]
    for (let group = first[nodes.record]; group !== NO_GROUP; group = next[group]) {
      const formula = set.besidesValue[group]
      if (formula >= 0 && this.#outcome(formula, begunAt) !== 0) return true
    }
    for (let index = 0; index < set.oftenBesidesValue.length; index++) {
      if (this.#outcome(set.oftenBesidesValue[index], begunAt) !== 0) return true
    }
    return false
  }

  /** Sets the bits of the patterns that match; returns whether there are any. */
  endRecord(bits: Uint32Array): boolean {
    const set = this.#set
    const { first, next } = this.#pending
    const begunAt = this.#clock.begunAt[nodes.record]
    let found = false
    for (let group = first[nodes.record]; group !== NO_GROUP; group = next[group]) {
      if (this.#judge(group, begunAt, bits)) found = true
    }
    const { starts, items } = set.absent
    for (let list = 0; list < set.absentNodes.length; list++) {
      if (this.#terms.hasScalar(set.absentNodes[list], begunAt)) continue
      for (let at = starts[list]; at < starts[list + 1]; at++) {
        if (this.#judge(items[at], begunAt, bits)) found = true
      }
    }
    this.#terms.end()
    return found
  }

  #judge(group: number, begunAt: number, bits: Uint32Array): boolean {
    const set = this.#set
    if (this.#outcome(set.formulaOfGroup[group], begunAt) === 0) return false
    const { starts, items } = set.patternsOfGroup
    for (let at = starts[group]; at < starts[group + 1]; at++) bits[items[at] >> 5] |= 1 << (items[at] & 31)
    return true
  }

  /** How a formula holds of the object that began then and is about to end. */
  #outcome(formula: number, begunAt: number): number {
    const set = this.#set
    const { starts, items } = set.operands
    const first = starts[formula]
    switch (set.formulaKinds[formula]) {
      case formulaKinds.term:
        return this.#terms.outcome(items[first], begunAt)
      case formulaKinds.document:
        if (this.isJson[set.nodeOfGroup[items[first]]] === 0) return 0
        return this.#groupOutcome(items[first], formula, begunAt)
      case formulaKinds.group:
        return this.#groupOutcome(items[first], formula, begunAt)
      case formulaKinds.all: {
        let all = BY_ABSENCE
        for (let at = first; at < starts[formula + 1]; at++) {
          const outcome = this.#outcome(items[at], begunAt)
          if (outcome === 0) return 0
          if (outcome === WITH_SCALAR) all = WITH_SCALAR
        }
        return all
      }
      default: {
        let any = 0
        for (let at = first; at < starts[formula + 1]; at++) {
          const outcome = this.#outcome(items[at], begunAt)
          if (outcome === WITH_SCALAR) return WITH_SCALAR
          any |= outcome
        }
        return any
      }
    }
  }

  #groupOutcome(group: number, formula: number, begunAt: number): number {
    if (this.#heldAt[group] >= begunAt) return WITH_SCALAR
    const set = this.#set
    if (set.canBeAbsent[formula] === 0) return 0
    return this.#isAbsent(set.formulaOfGroup[group], begunAt) ? BY_ABSENCE : 0
  }

  /** Whether a formula holds because nothing it looks at is anywhere in the object that began then. */
  #isAbsent(formula: number, begunAt: number): boolean {
    const set = this.#set
    if (set.canBeAbsent[formula] === 0) return false
    const { starts, items } = set.operands
    const first = starts[formula]
    const end = starts[formula + 1]
    switch (set.formulaKinds[formula]) {
      case formulaKinds.term:
        return !this.#terms.hasScalar(set.nodeOfTerm[items[first]], begunAt)
      case formulaKinds.group:
      case formulaKinds.document:
        return this.#isAbsent(set.formulaOfGroup[items[first]], begunAt)
      case formulaKinds.all:
        for (let at = first; at < end; at++) if (!this.#isAbsent(items[at], begunAt)) return false
        return true
      default:
        for (let at = first; at < end; at++) if (this.#isAbsent(items[at], begunAt)) return true
        return false
    }
  }
}

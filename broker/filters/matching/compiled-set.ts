/**
 * Patterns made into tables: what a matcher walks through for each record. Data only, made once for a set of
 * patterns and never changed. Making it takes time and space by the number of rules (times its logarithm).
 */

import { WANTS_FIELDS, WANTS_SCALARS } from '../json/json-scanner.ts'
import type { FieldsPattern, PatternNode, RecordAlternative, RecordPattern } from '../pattern.ts'
import { FieldNames } from './field-names.ts'
import { type FormulaId, Formulas, formulaKinds } from './formula.ts'
import { addTo, Lists } from './lists.ts'
import { type TermIndexes, Terms } from './terms.ts'

/**
 * The nodes there always are. A node is a place: the fields below it have nodes of their own, and so have the parts
 * of a record, for which the record is what the object is for fields.
 */
export const nodes = {
  none: 0,
  record: 1,
  /** The JSON text that the value or the key is. */
  value: 2,
  key: 3,
  /** The whole of it as a text. */
  valueText: 4,
  keyText: 5,
  timestamp: 6,
  /** Below it stand the headers by name. */
  headers: 7,
} as const
const FIRST_FIELD = 8

export interface CompiledSet {
  readonly names: FieldNames
  /** By node: what a scanner should tell of it. */
  readonly wants: Uint8Array
  readonly indexes: TermIndexes
  /** By node: the node whose object (or record) its scalars belong to. */
  readonly scopeOf: Int32Array
  /** By node: whether `anything-but` asks how many scalars there are. */
  readonly countsScalars: Uint8Array
  /** By node: whether a rule is about numbers. */
  readonly wantsNumbers: Uint8Array
  readonly rulesOfNodeMax: number
  readonly hasHeaders: boolean

  readonly termCount: number
  readonly nodeOfTerm: Int32Array
  /** By term: bit 0: any scalar will do; bit 1: none will do. */
  readonly existsOfTerm: Uint8Array
  readonly butsOfTerm: Lists
  readonly butCount: number
  readonly termsOfRule: Lists
  readonly butsOfRule: Lists

  /** By formula. */
  readonly formulaKinds: Uint8Array
  readonly operands: Lists
  readonly canBeAbsent: Uint8Array

  /** By group: its formula, and the node of its objects. Alternatives are groups about the record. */
  readonly groupCount: number
  readonly formulaOfGroup: Int32Array
  readonly nodeOfGroup: Int32Array
  /** The groups to be judged at the end of their object when: */
  readonly setOffByTerm: Lists
  /** a scalar is at a node, */
  readonly setOffByNode: Lists
  /** a group holds. */
  readonly setOffByGroup: Lists
  /** By group: the patterns that have this alternative; none if it is about an object. */
  readonly patternsOfGroup: Lists

  /**
   * Alternatives that may hold because nothing is there: to be judged for each record, unless there was a scalar at
   * the node of their list, at which none may be.
   */
  readonly absent: Lists
  /** By list; 0: no single node is known. */
  readonly absentNodes: Int32Array
  /** Whether the JSON of a value is read whatever the rest of the record is. */
  readonly alwaysReadsValue: boolean
  /** By group: of an alternative with fields of the value, the formula of all else it asks; -1: it is none such. */
  readonly besidesValue: Int32Array
  /** Those of the formulas that are not judged otherwise before the value is read. */
  readonly oftenBesidesValue: Int32Array
}

/** How much rarer something in a value must be, by guess, for an alternative to wait for that. */
const EARLY_COST_MAX = 4
/** With more to be asked before each value it is read without asking. */
const OFTEN_MAX = 16

export function compilePatterns(patterns: readonly RecordPattern[]): CompiledSet {
  const compiler = new SetCompiler()
  for (const [index, { alternatives }] of patterns.entries()) {
    for (const alternative of alternatives) compiler.addAlternative(index, alternative)
  }
  return compiler.finish()
}

interface Group {
  readonly node: number
  readonly formula: FormulaId
  readonly besidesValue: FormulaId
  readonly hasValueFields: boolean
  readonly patterns: number[]
}

class SetCompiler {
  readonly #names: (Map<string, number> | undefined)[] = []
  readonly #scopeOf: number[] = new Array(FIRST_FIELD).fill(nodes.record)
  readonly #formulas = new Formulas()
  readonly #terms = new Terms()
  readonly #groups: Group[] = []
  /** From node and formula to the formula that is the group. */
  readonly #groupFormulas = new Map<string, FormulaId>()
  /** From formula to the number of the alternative. */
  readonly #alternatives = new Map<FormulaId, number>()

  addAlternative(pattern: number, { value, key, headers, timestamp }: RecordAlternative): void {
    const besides: FormulaId[] = []
    if (timestamp !== undefined) {
      besides.push(this.#terms.add(nodes.timestamp, timestamp.rules, 'scalars', this.#formulas))
    }
    for (const [name, leaf] of headers ?? []) {
      const node = this.#child(nodes.headers, name, nodes.record)
      besides.push(this.#terms.add(node, leaf.rules, 'scalars', this.#formulas))
    }
    if (key !== undefined) besides.push(this.#whole(key, nodes.key, nodes.keyText))
    if (value?.kind === 'leaf') besides.push(this.#whole(value, nodes.value, nodes.valueText))
    const hasValueFields = value?.kind === 'fields'
    const besidesValue = hasValueFields && besides.length > 0 ? this.#formulas.all(besides) : -1
    if (hasValueFields) besides.push(this.#whole(value, nodes.value, nodes.valueText))
    const formula = this.#formulas.all(besides)

    const known = this.#alternatives.get(formula)
    if (known !== undefined) {
      if (this.#groups[known].patterns.at(-1) !== pattern) this.#groups[known].patterns.push(pattern)
      return
    }
    this.#formulas.addGroup(formula, false)
    this.#alternatives.set(formula, this.#groups.length)
    this.#groups.push({ node: nodes.record, formula, besidesValue, hasValueFields, patterns: [pattern] })
  }

  #whole(pattern: PatternNode, json: number, text: number): FormulaId {
    if (pattern.kind === 'leaf') return this.#terms.add(text, pattern.rules, 'text or null', this.#formulas)
    return this.#group(pattern, json, true)
  }

  #group(pattern: FieldsPattern, node: number, isDocument: boolean): FormulaId {
    const inner = this.#fields(pattern, node)
    const name = `${node} ${inner}`
    let formula = this.#groupFormulas.get(name)
    if (formula === undefined) {
      formula = this.#formulas.addGroup(inner, isDocument)
      this.#groupFormulas.set(name, formula)
      this.#groups.push({ node, formula: inner, besidesValue: -1, hasValueFields: false, patterns: [] })
    }
    return formula
  }

  #fields({ fields, or }: FieldsPattern, node: number): FormulaId {
    const all: FormulaId[] = []
    for (const [name, inner] of fields) {
      const child = this.#child(node, name, node)
      all.push(
        inner.kind === 'leaf'
          ? this.#terms.add(child, inner.rules, 'scalars', this.#formulas)
          : this.#group(inner, child, false),
      )
    }
    if (or.length > 0) all.push(this.#formulas.any(or.map((branch) => this.#fields(branch, node))))
    return this.#formulas.all(all)
  }

  #child(node: number, name: string, scope: number): number {
    this.#names[node] ??= new Map()
    let child = this.#names[node].get(name)
    if (child === undefined) {
      child = this.#scopeOf.push(scope) - 1
      this.#names[node].set(name, child)
    }
    return child
  }

  finish(): CompiledSet {
    const nodeCount = this.#scopeOf.length
    const { terms } = this.#terms
    const setOff = this.#setOff(nodeCount)
    const { starts } = setOff.setOffByTerm
    const indexes = this.#terms.indexes(
      nodeCount,
      terms.map((_, term) => starts[term] < starts[term + 1]),
    )
    const countsScalars = new Uint8Array(nodeCount)
    for (const { node, buts } of terms) if (buts.length > 0) countsScalars[node] = 1
    const ids = Array.from({ length: this.#formulas.count }, (_, id) => id)
    return {
      names: new FieldNames(Array.from({ length: nodeCount }, (_, node) => this.#names[node])),
      wants: Uint8Array.from(
        { length: nodeCount },
        (_, node) =>
          (this.#names[node] === undefined ? 0 : WANTS_FIELDS) |
          (this.#terms.hasTerms(node) ? WANTS_SCALARS : 0),
      ),
      indexes,
      scopeOf: Int32Array.from(this.#scopeOf),
      countsScalars,
      wantsNumbers: Uint8Array.from({ length: nodeCount }, (_, node) =>
        indexes.atOnce[node]?.ranges === undefined && indexes.deferred[node]?.ranges === undefined ? 0 : 1,
      ),
      rulesOfNodeMax: this.#terms.rulesOfNodeMax,
      hasHeaders: this.#names[nodes.headers] !== undefined,
      termCount: terms.length,
      nodeOfTerm: Int32Array.from(terms, ({ node }) => node),
      existsOfTerm: Uint8Array.from(
        terms,
        ({ takesAny, takesNone }) => (takesAny ? 1 : 0) | (takesNone ? 2 : 0),
      ),
      butsOfTerm: new Lists(
        terms.map(({ buts }) => buts),
        terms.length,
      ),
      butCount: this.#terms.butCount,
      termsOfRule: this.#terms.termsOfRule(),
      butsOfRule: this.#terms.butsOfRule(),
      formulaKinds: Uint8Array.from(ids, (id) => this.#formulas.kindOf(id)),
      operands: new Lists(
        ids.map((id) => this.#formulas.operandsInOrder(id)),
        ids.length,
      ),
      canBeAbsent: Uint8Array.from(ids, (id) => (this.#formulas.canBeAbsent(id) ? 1 : 0)),
      groupCount: this.#groups.length,
      formulaOfGroup: Int32Array.from(this.#groups, ({ formula }) => formula),
      nodeOfGroup: Int32Array.from(this.#groups, ({ node }) => node),
      patternsOfGroup: new Lists(
        this.#groups.map(({ patterns }) => patterns),
        this.#groups.length,
      ),
      ...setOff,
      ...this.#absent(),
      ...this.#readingOfValues(),
    }
  }

  #setOff(nodeCount: number): Pick<CompiledSet, 'setOffByTerm' | 'setOffByNode' | 'setOffByGroup'> {
    const byTerm: number[][] = []
    const byNode: number[][] = []
    const byGroup: number[][] = []
    for (const [index, group] of this.#groups.entries()) {
      const formula = this.#isSetOffEarly(group) ? group.besidesValue : group.formula
      for (const trigger of this.#formulas.triggersOf(formula)) {
        const [operand] = this.#formulas.operandsOf(trigger)
        if (this.#formulas.kindOf(trigger) !== formulaKinds.term) addTo(byGroup, operand, index)
        else {
          const term = this.#terms.terms[operand]
          if (term.takesAny || term.buts.length > 0) addTo(byNode, term.node, index)
          else addTo(byTerm, operand, index)
        }
      }
    }
    return {
      setOffByTerm: new Lists(byTerm, this.#terms.terms.length),
      setOffByNode: new Lists(byNode, nodeCount),
      setOffByGroup: new Lists(byGroup, this.#groups.length),
    }
  }

  /**
   * Whether an alternative waits for something else than the value. Then it is known before the value is read whether that
   * has to be; but where that is no rare thing, it would be set off with nearly every record.
   */
  #isSetOffEarly({ formula, besidesValue }: Group): boolean {
    if (besidesValue < 0 || this.#formulas.canBeAbsent(besidesValue)) return false
    return this.#formulas.costOf(besidesValue) <= this.#formulas.costOf(formula) * EARLY_COST_MAX
  }

  #absent(): Pick<CompiledSet, 'absent' | 'absentNodes'> {
    const nodesOf = new Map<number, readonly number[]>()
    const uses = new Map<number, number>()
    for (const [group, { node, formula }] of this.#groups.entries()) {
      if (node !== nodes.record || !this.#formulas.canBeAbsent(formula)) continue
      const looksAt = [...new Set(this.#emptyNodesOf(formula))]
      nodesOf.set(group, looksAt)
      for (const where of looksAt) uses.set(where, (uses.get(where) ?? 0) + 1)
    }
    const lists = new Map<number, number[]>()
    for (const [group, looksAt] of nodesOf) {
      // At which the most can be left out together.
      const commonest = looksAt.reduce(
        (best, node) => ((uses.get(node) ?? 0) > (uses.get(best) ?? 0) ? node : best),
        looksAt[0] ?? nodes.none,
      )
      const list = lists.get(commonest)
      if (list === undefined) lists.set(commonest, [group])
      else list.push(group)
    }
    return { absent: new Lists([...lists.values()], lists.size), absentNodes: Int32Array.from(lists.keys()) }
  }

  /** Nodes at which no scalar may be where the formula holds by absence. */
  #emptyNodesOf(formula: FormulaId): readonly number[] {
    const operands = this.#formulas.operandsOf(formula)
    switch (this.#formulas.kindOf(formula)) {
      case formulaKinds.term:
        return [this.#terms.terms[operands[0]].node]
      case formulaKinds.group:
      case formulaKinds.document:
        return this.#emptyNodesOf(this.#groups[operands[0]].formula)
      case formulaKinds.all:
        return operands.flatMap((operand) => this.#emptyNodesOf(operand))
      case formulaKinds.any:
        return []
    }
  }

  #readingOfValues(): Pick<CompiledSet, 'alwaysReadsValue' | 'besidesValue' | 'oftenBesidesValue'> {
    const withFields = this.#groups.filter(({ hasValueFields }) => hasValueFields)
    const often = new Set(
      withFields.filter((group) => !this.#isSetOffEarly(group)).map(({ besidesValue }) => besidesValue),
    )
    return {
      alwaysReadsValue: often.has(-1) || often.size > OFTEN_MAX,
      besidesValue: Int32Array.from(this.#groups, ({ besidesValue }) => besidesValue),
      oftenBesidesValue: Int32Array.from(often),
    }
  }
}

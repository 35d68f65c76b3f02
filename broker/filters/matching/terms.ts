/**
 * The terms of a set of patterns: each the list of rules that some pattern has for a field. The rules of one field
 * are gathered from all patterns, each once, and so are terms.
 */
import type { Rule } from '../pattern.ts'
import { type NumberedRule, type PlainRule, RuleIndex } from '../rules/rule-index.ts'
import { Wildcard } from '../rules/wildcard.ts'
import type { FormulaId, Formulas } from './formula.ts'
import { addTo, Lists } from './lists.ts'

/** What `exists` means for a term. */
export type TermOf =
  /** Whether there is a scalar. */
  | 'scalars'
  /** A text that is always there, or null: `exists` is whether it is not null. */
  | 'text or null'

interface Term {
  readonly node: number
  readonly formula: FormulaId
  readonly takesAny: boolean
  readonly takesNone: boolean
  readonly buts: readonly number[]
  /** All other rules that it has. */
  readonly rules: readonly NumberedRule[]
}

/**
 * The rules of the nodes, to be asked. Most terms are told of each scalar at once. Deferred ones are not: of
 * those that set nothing off it is enough to know when a group is judged, so where one scalar would satisfy many (a
 * thousand ranges that all hold it) they are asked then, one by one. That would be slow for many scalars, so from the second
 * one of a record on these too are told at once.
 */
export interface TermIndexes {
  /** By node. */
  readonly atOnce: readonly (RuleIndex | undefined)[]
  /** By node: of the deferred terms. */
  readonly deferred: readonly (RuleIndex | undefined)[]
  /** By term: its own rules if it is deferred. */
  readonly ofTerm: readonly (RuleIndex | undefined)[]
}

/** Of a node with fewer rules other than for equality, no term is deferred. */
const DEFERRING_RULES_MIN = 8

/** What a rule makes of a scalar that it takes: it is either one of a term, or one of those an `anything-but` refuses. */
interface NodeRules {
  readonly rules: Map<string, NumberedRule>
  readonly buts: Map<string, number>
  readonly terms: Map<string, FormulaId>
  /** How many of the rules are not for equality. */
  inexact: number
}

export class Terms {
  readonly terms: Term[] = []
  /** By rule: the terms that it satisfies. */
  readonly #termsOfRule: number[][] = []
  /** By rule: the numbers of the `anything-but`s that it is one of. */
  readonly #butsOfRule: number[][] = []
  readonly #nodes = new Map<number, NodeRules>()
  #ruleCount = 0
  #butCount = 0

  get butCount(): number {
    return this.#butCount
  }

  /** The formula that is the term. */
  add(node: number, rules: readonly Rule[], of: TermOf, formulas: Formulas): FormulaId {
    const known = this.#rulesOf(node)
    const plain = new Set<NumberedRule>()
    const buts = new Set<number>()
    let takesAny = false
    let takesNone = false
    let perMille = 0
    for (const rule of rules) {
      if (rule.kind === 'anything-but') {
        buts.add(this.#but(known, rule.rules))
        perMille += perMilleOf.other
      } else if (rule.kind !== 'exists') {
        plain.add(this.#rule(known, rule))
        perMille += perMilleOf[ruleKind(rule)]
      } else if (of === 'text or null') {
        const isNull: Rule = { kind: 'exact', value: null }
        if (rule.exists) buts.add(this.#but(known, [isNull]))
        else plain.add(this.#rule(known, isNull))
        perMille += perMilleOf.other
      } else if (rule.exists) {
        takesAny = true
        perMille += perMilleOf.other
      } else takesNone = true
    }
    const name = `${[...plain]
      .map(({ id }) => id)
      .sort()
      .join()};${[...buts].sort().join()};${takesAny};${takesNone}`
    const found = known.terms.get(name)
    if (found !== undefined) return found

    const isHeldByScalar = perMille > 0
    const formula = formulas.addTerm({
      perMille: Math.min(perMille, 1000),
      isHeldByAbsence: takesNone,
      isHeldByScalar,
    })
    known.terms.set(name, formula)
    const term =
      this.terms.push({ node, formula, takesAny, takesNone, buts: [...buts], rules: [...plain] }) - 1
    for (const { id } of plain) addTo(this.#termsOfRule, id, term)
    return formula
  }

  #rulesOf(node: number): NodeRules {
    let known = this.#nodes.get(node)
    if (known === undefined) {
      known = { rules: new Map(), buts: new Map(), terms: new Map(), inexact: 0 }
      this.#nodes.set(node, known)
    }
    return known
  }

  #rule(known: NodeRules, rule: Rule): NumberedRule {
    const plain = simplest(rule)
    const name = nameOf(plain)
    let numbered = known.rules.get(name)
    if (numbered === undefined) {
      numbered = { rule: plain, id: this.#ruleCount++ }
      known.rules.set(name, numbered)
      if (plain.kind !== 'exact') known.inexact++
    }
    return numbered
  }

  #but(known: NodeRules, rules: readonly Rule[]): number {
    const inner = new Set(rules.map((rule) => this.#rule(known, rule).id))
    const name = [...inner].sort().join()
    let but = known.buts.get(name)
    if (but === undefined) {
      but = this.#butCount++
      known.buts.set(name, but)
      for (const rule of inner) addTo(this.#butsOfRule, rule, but)
    }
    return but
  }

  /** `setsOff[term]`: whether a group waits for it. */
  indexes(nodeCount: number, setsOff: readonly boolean[]): TermIndexes {
    const ofTerm = this.terms.map((term, index) =>
      !setsOff[index] && this.#mayDefer(term) ? new RuleIndex(term.rules) : undefined,
    )
    // Those of an anything-but are counted at once.
    const atOnce = new Set<NumberedRule>()
    for (const { rules } of this.#nodes.values()) {
      for (const rule of rules.values()) if (this.#butsOfRule[rule.id] !== undefined) atOnce.add(rule)
    }
    for (const [index, { rules }] of this.terms.entries()) {
      if (ofTerm[index] === undefined) for (const rule of rules) atOnce.add(rule)
    }
    // What shares all its rules with others is told as they are.
    for (const [index, { rules }] of this.terms.entries()) {
      if (rules.every((rule) => atOnce.has(rule))) ofTerm[index] = undefined
    }
    const indexOf = (node: number, isWanted: (rule: NumberedRule) => boolean) => {
      const rules = [...(this.#nodes.get(node)?.rules.values() ?? [])].filter(isWanted)
      return rules.length === 0 ? undefined : new RuleIndex(rules)
    }
    const byNode = (isWanted: (rule: NumberedRule) => boolean) =>
      Array.from({ length: nodeCount }, (_, node) => indexOf(node, isWanted))
    return {
      atOnce: byNode((rule) => atOnce.has(rule)),
      deferred: byNode((rule) => !atOnce.has(rule)),
      ofTerm,
    }
  }

  #mayDefer({ node, rules }: Term): boolean {
    const all = this.#nodes.get(node)
    return (
      all !== undefined &&
      rules.some(({ rule }) => rule.kind !== 'exact') &&
      all.inexact >= DEFERRING_RULES_MIN
    )
  }

  /** Whether patterns ask for scalars there. */
  hasTerms(node: number): boolean {
    return this.#nodes.has(node)
  }

  /** The most rules that one node has. */
  get rulesOfNodeMax(): number {
    return [...this.#nodes.values()].reduce((max, { rules }) => Math.max(max, rules.size), 0)
  }

  termsOfRule(): Lists {
    return new Lists(this.#termsOfRule, this.#ruleCount)
  }

  butsOfRule(): Lists {
    return new Lists(this.#butsOfRule, this.#ruleCount)
  }
}

/** Of a thousand scalars of a field, how many a rule may take: a guess, which decides only where to look first. */
const perMilleOf = { equal: 1, text: 4, number: 10, flag: 300, other: 800 }

function ruleKind(rule: Exclude<Rule, { kind: 'anything-but' | 'exists' }>): keyof typeof perMilleOf {
  if (rule.kind === 'numeric') return 'number'
  if (rule.kind !== 'exact') return 'text'
  return rule.value === null || typeof rule.value === 'boolean' ? 'flag' : 'equal'
}

/** A wildcard without an asterisk is a text. */
function simplest(rule: Rule): PlainRule {
  if (rule.kind === 'anything-but' || rule.kind === 'exists') {
    throw new Error(`'${rule.kind}' cannot stand inside 'anything-but'`)
  }
  if (rule.kind !== 'wildcard') return rule
  const text = new Wildcard(rule.text).onlyText
  return text === undefined ? rule : { kind: 'exact', value: text }
}

/** The same for rules that are the same. */
function nameOf(rule: PlainRule): string {
  switch (rule.kind) {
    case 'exact':
      // As JSON, -0 is 0, and each type looks different.
      return `exact ${JSON.stringify(rule.value)}`
    case 'numeric':
      return `numeric ${rule.lowInclusive} ${rule.low + 0} ${rule.highInclusive} ${rule.high + 0}`
    case 'cidr':
      return `cidr ${rule.bytes.join('.')}/${rule.prefixBits}`
    case 'prefix':
    case 'suffix':
      return `${rule.kind} ${rule.ignoreCase} ${rule.text}`
    default:
      return `${rule.kind} ${rule.text}`
  }
}

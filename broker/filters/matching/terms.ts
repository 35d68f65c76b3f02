/**
 * The terms of a set of patterns: each the list of rules that some pattern has for a field. The rules of one field
 * are gathered from all patterns, each once, and so are terms.
 */
import type { Rule } from '../pattern.ts'
import { type PlainRule, RuleIndex } from '../rules/rule-index.ts'
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
}

/** What a rule makes of a scalar that it takes: it is either one of a term, or one of those an `anything-but` refuses. */
interface NodeRules {
  readonly rules: Map<string, { readonly rule: PlainRule; readonly id: number }>
  readonly buts: Map<string, number>
  readonly terms: Map<string, FormulaId>
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
    const plain = new Set<number>()
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
    const name = `${[...plain].sort().join()};${[...buts].sort().join()};${takesAny};${takesNone}`
    const found = known.terms.get(name)
    if (found !== undefined) return found

    const isHeldByScalar = perMille > 0
    const formula = formulas.addTerm({
      perMille: Math.min(perMille, 1000),
      isHeldByAbsence: takesNone,
      isHeldByScalar,
    })
    known.terms.set(name, formula)
    const term = this.terms.push({ node, formula, takesAny, takesNone, buts: [...buts] }) - 1
    for (const rule of plain) addTo(this.#termsOfRule, rule, term)
    return formula
  }

  #rulesOf(node: number): NodeRules {
    let known = this.#nodes.get(node)
    if (known === undefined) {
      known = { rules: new Map(), buts: new Map(), terms: new Map() }
      this.#nodes.set(node, known)
    }
    return known
  }

  #rule(known: NodeRules, rule: Rule): number {
    const plain = simplest(rule)
    const name = nameOf(plain)
    let numbered = known.rules.get(name)
    if (numbered === undefined) {
      numbered = { rule: plain, id: this.#ruleCount++ }
      known.rules.set(name, numbered)
    }
    return numbered.id
  }

  #but(known: NodeRules, rules: readonly Rule[]): number {
    const inner = new Set(rules.map((rule) => this.#rule(known, rule)))
    const name = [...inner].sort().join()
    let but = known.buts.get(name)
    if (but === undefined) {
      but = this.#butCount++
      known.buts.set(name, but)
      for (const rule of inner) addTo(this.#butsOfRule, rule, but)
    }
    return but
  }

  /** By node. */
  indexes(nodeCount: number): (RuleIndex | undefined)[] {
    return Array.from({ length: nodeCount }, (_, node) => {
      const known = this.#nodes.get(node)
      return known === undefined ? undefined : new RuleIndex([...known.rules.values()])
    })
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

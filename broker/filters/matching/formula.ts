/**
 * What patterns ask, as formulas over terms (a list of rules for a field) and groups (a formula about one object). The
 * same formula is there once, however many patterns have it. For each it is known
 *
 * - whether it can hold by absence: because nothing is where its terms look (`exists: false`);
 * - what sets it off: terms and groups, as few and as rare as can be found, of which one at least has to hold
 *   with a scalar where the formula does. Nothing else of the formula is looked at before that.
 */

/** A formula; also the index of all arrays about formulas. */
export type FormulaId = number

export const formulaKinds = {
  /** About one term. */
  term: 0,
  /** About the objects of a field: one of them makes the group hold. */
  group: 1,
  /** About a whole JSON text, as a group; it has to be JSON. */
  document: 2,
  all: 3,
  any: 4,
} as const
export type FormulaKind = (typeof formulaKinds)[keyof typeof formulaKinds]

/** What a term is like, as far as formulas have to know. */
export interface TermCost {
  /** Roughly how many of a thousand records have a scalar there that it takes. */
  readonly perMille: number
  readonly isHeldByAbsence: boolean
  /** Whether a scalar can satisfy it at all. */
  readonly isHeldByScalar: boolean
}

interface Formula {
  readonly kind: FormulaKind
  /** A term, a group, or formulas. */
  readonly operands: readonly number[]
  readonly canBeAbsent: boolean
  /** How many formulas and groups it is part of. */
  uses: number
}

/** What sets a formula off, and how often that happens. */
interface Trigger {
  readonly cost: number
  readonly by: readonly FormulaId[]
}

export class Formulas {
  readonly #formulas: Formula[] = []
  readonly #ids = new Map<string, FormulaId>()
  readonly #terms: TermCost[] = []
  /** By group: the formula about its object. */
  readonly #groups: FormulaId[] = []
  readonly #triggers: (Trigger | undefined)[] = []

  get count(): number {
    return this.#formulas.length
  }

  kindOf(id: FormulaId): FormulaKind {
    return this.#formulas[id].kind
  }

  operandsOf(id: FormulaId): readonly number[] {
    return this.#formulas[id].operands
  }

  canBeAbsent(id: FormulaId): boolean {
    return this.#formulas[id].canBeAbsent
  }

  addTerm(cost: TermCost): FormulaId {
    return this.#add(formulaKinds.term, [this.#terms.push(cost) - 1], cost.isHeldByAbsence)
  }

  /** Groups are numbered as they come. */
  addGroup(inner: FormulaId, isDocument: boolean): FormulaId {
    this.#formulas[inner].uses++
    const group = this.#groups.push(inner) - 1
    const kind = isDocument ? formulaKinds.document : formulaKinds.group
    return this.#add(kind, [group], this.canBeAbsent(inner))
  }

  all(operands: readonly FormulaId[]): FormulaId {
    return this.#several(formulaKinds.all, operands)
  }

  any(operands: readonly FormulaId[]): FormulaId {
    return this.#several(formulaKinds.any, operands)
  }

  #several(kind: FormulaKind, given: readonly FormulaId[]): FormulaId {
    const operands = [...new Set(given)].sort((a, b) => a - b)
    if (operands.length === 1) return operands[0]
    const known = this.#ids.get(`${kind}:${operands.join()}`)
    if (known !== undefined) return known
    for (const operand of operands) this.#formulas[operand].uses++
    const isAbsent = (operand: FormulaId) => this.canBeAbsent(operand)
    const canBeAbsent = kind === formulaKinds.all ? operands.every(isAbsent) : operands.some(isAbsent)
    return this.#add(kind, operands, canBeAbsent)
  }

  #add(kind: FormulaKind, operands: readonly number[], canBeAbsent: boolean): FormulaId {
    const id = this.#formulas.push({ kind, operands, canBeAbsent, uses: 0 }) - 1
    this.#ids.set(`${kind}:${operands.join()}`, id)
    return id
  }

  /** Terms, groups and documents: one of them holds with a scalar wherever the formula does. To be asked when all are there. */
  triggersOf(id: FormulaId): readonly FormulaId[] {
    return this.#triggerOf(id).by
  }

  /** How often that happens, by guess: to be compared with others only. */
  costOf(id: FormulaId): number {
    return this.#triggerOf(id).cost
  }

  /** The operands, what holds most rarely first if all of them have to. */
  operandsInOrder(id: FormulaId): readonly number[] {
    const { kind, operands } = this.#formulas[id]
    return kind === formulaKinds.all ? operands.toSorted((a, b) => this.costOf(a) - this.costOf(b)) : operands
  }

  #triggerOf(id: FormulaId): Trigger {
    this.#triggers[id] ??= this.#findTrigger(id)
    return this.#triggers[id]
  }

  #findTrigger(id: FormulaId): Trigger {
    const { kind, operands, uses } = this.#formulas[id]
    switch (kind) {
      case formulaKinds.term: {
        const { perMille, isHeldByScalar } = this.#terms[operands[0]]
        return isHeldByScalar ? { cost: perMille * uses, by: [id] } : { cost: 0, by: [] }
      }
      case formulaKinds.group:
      case formulaKinds.document:
        return { cost: this.#triggerOf(this.#groups[operands[0]]).cost * uses, by: [id] }
      case formulaKinds.all: {
        const needed = operands.filter((operand) => !this.canBeAbsent(operand))
        // Without one that has to hold with a scalar, it may be any of them.
        if (needed.length === 0) return this.#together(operands)
        const found = needed.map((operand) => this.#triggerOf(operand))
        return found.reduce((best, trigger) => (trigger.cost < best.cost ? trigger : best))
      }
      case formulaKinds.any:
        return this.#together(operands)
    }
  }

  #together(operands: readonly FormulaId[]): Trigger {
    const found = operands.map((operand) => this.#triggerOf(operand))
    return {
      cost: found.reduce((sum, { cost }) => sum + cost, 0),
      by: [...new Set(found.flatMap(({ by }) => by))],
    }
  }
}

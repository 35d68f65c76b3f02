/**
 * What is written on resources of one type, put together for look-ups: a name is looked up once as it is and once for
 * each length that prefixes have. A rule comes or goes at the cost of those written on exactly the same names,
 * however many others there are.
 */
import type { AclEntry } from './entry.ts'
import { ALL_OPERATIONS, allowedBy, bitsOf, deniedBy, type OperationBits, operations } from './operation.ts'
import type { ResourcePattern } from './resource.ts'
import { compareText, SortedList } from './sorted-list.ts'

/** What is allowed in the low bits, what is denied above them; several are joined by `|`. */
export type Verdict = number

export type Rule = Pick<AclEntry, 'resource' | 'operations' | 'effect'>

export const NO_VERDICT: Verdict = 0
const DENIED_SHIFT = 8

/** @param given what is allowed already, as to an owner; a denial takes it away again */
export function bitsAfter(verdict: Verdict, given: OperationBits): OperationBits {
  return (given | verdict) & ~deniedIn(verdict) & ALL_OPERATIONS
}

export function deniedIn(verdict: Verdict): OperationBits {
  return verdict >> DENIED_SHIFT
}

/** All that is written on exactly one name or prefix. */
interface Spot {
  readonly rules: Rule[]
  verdict: Verdict
}

export class Rules {
  readonly #literals = new Map<string, Spot>()
  readonly #prefixes = new Map<string, Spot>()
  /** Of the prefixes, each once, and how many have it. */
  readonly #lengths: number[] = []
  readonly #prefixesOfLength = new Map<number, number>()
  /** By operation, the names and prefixes on which it is denied. */
  readonly #denied = new Map<OperationBits, SortedList<string>>()

  add(rule: Rule): void {
    const { name, match } = rule.resource
    const spots = this.#spotsOf(match)
    let spot = spots.get(name)
    if (!spot) {
      spot = { rules: [], verdict: NO_VERDICT }
      spots.set(name, spot)
      if (match === 'prefix') this.#countLength(name.length, 1)
    }
    spot.rules.push(rule)
    this.#become(name, spot, spot.verdict | verdictOf(rule))
  }

  /** @param rule the very one that was added */
  remove(rule: Rule): void {
    const { name, match } = rule.resource
    const spots = this.#spotsOf(match)
    const spot = spots.get(name)
    const index = spot?.rules.indexOf(rule) ?? -1
    if (!spot || index < 0) return
    spot.rules.splice(index, 1)
    let verdict = NO_VERDICT
    for (const other of spot.rules) verdict |= verdictOf(other)
    this.#become(name, spot, verdict)
    if (spot.rules.length > 0) return
    spots.delete(name)
    if (match === 'prefix') this.#countLength(name.length, -1)
  }

  verdictOn(name: string): Verdict {
    return (this.#literals.get(name)?.verdict ?? NO_VERDICT) | this.#verdictOnPrefixes(name)
  }

  /** Of the rules that are about everything the pattern is about. */
  verdictOnAll({ name, match }: ResourcePattern): Verdict {
    return match === 'literal' ? this.verdictOn(name) : this.#verdictOnPrefixes(name)
  }

  /** Whether the operation is denied on some of what begins so, by a rule that is about no more than that. */
  deniesWithin(prefix: string, operation: OperationBits): boolean {
    const names = this.#denied.get(operation)
    return names?.at(names.indexFrom(prefix))?.startsWith(prefix) ?? false
  }

  #verdictOnPrefixes(name: string): Verdict {
    let verdict = NO_VERDICT
    for (const length of this.#lengths)
      if (length <= name.length) verdict |= this.#prefixes.get(name.slice(0, length))?.verdict ?? NO_VERDICT
    return verdict
  }

  #spotsOf(match: ResourcePattern['match']): Map<string, Spot> {
    return match === 'prefix' ? this.#prefixes : this.#literals
  }

  #become(name: string, spot: Spot, verdict: Verdict): void {
    const changed = deniedIn(spot.verdict) ^ deniedIn(verdict)
    spot.verdict = verdict
    if (changed === 0) return
    for (let bit = 1, i = 0; i < operations.length; bit <<= 1, i++) {
      if ((changed & bit) === 0) continue
      let names = this.#denied.get(bit)
      if (!names) {
        names = new SortedList(compareText)
        this.#denied.set(bit, names)
      }
      if (deniedIn(verdict) & bit) names.add(name)
      else names.remove(name)
    }
  }

  #countLength(length: number, more: 1 | -1): void {
    const count = (this.#prefixesOfLength.get(length) ?? 0) + more
    if (count === 0) {
      this.#prefixesOfLength.delete(length)
      this.#lengths.splice(this.#lengths.indexOf(length), 1)
      return
    }
    if (more === 1 && count === 1) this.#lengths.push(length)
    this.#prefixesOfLength.set(length, count)
  }
}

function verdictOf({ operations, effect }: Rule): Verdict {
  const bits = bitsOf(operations)
  return effect === 'allow' ? allowedBy(bits) : deniedBy(bits) << DENIED_SHIFT
}

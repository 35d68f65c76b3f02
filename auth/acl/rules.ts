/**
 * What is written on resources of one type, put together for look-ups: a name is looked up once as it is and once for
 * each length that prefixes have.
 */
import type { AclEntry } from './entry.ts'
import { ALL_OPERATIONS, allowedBy, bitsOf, deniedBy, type OperationBits } from './operation.ts'

/** What is allowed in the low bits, what is denied above them; several are joined by `|`. */
export type Verdict = number

export const NO_VERDICT: Verdict = 0
const DENIED_SHIFT = 8

/** @param given what is allowed already, as to an owner; a denial takes it away again */
export function bitsAfter(verdict: Verdict, given: OperationBits): OperationBits {
  return (given | verdict) & ~(verdict >> DENIED_SHIFT) & ALL_OPERATIONS
}

export class Rules {
  readonly #literals = new Map<string, Verdict>()
  readonly #prefixes = new Map<string, Verdict>()
  /** Of the prefixes, each once. */
  readonly #lengths: number[] = []

  add({ resource, operations, effect }: Pick<AclEntry, 'resource' | 'operations' | 'effect'>): void {
    const { name, match } = resource
    const verdicts = match === 'prefix' ? this.#prefixes : this.#literals
    const before = verdicts.get(name)
    if (before === undefined && match === 'prefix' && !this.#lengths.includes(name.length))
      this.#lengths.push(name.length)
    const bits = bitsOf(operations)
    const added = effect === 'allow' ? allowedBy(bits) : deniedBy(bits) << DENIED_SHIFT
    verdicts.set(name, (before ?? NO_VERDICT) | added)
  }

  verdictOn(name: string): Verdict {
    let verdict = this.#literals.get(name) ?? NO_VERDICT
    for (const length of this.#lengths)
      if (length <= name.length) verdict |= this.#prefixes.get(name.slice(0, length)) ?? NO_VERDICT
    return verdict
  }
}

/**
 * What is written about one principal on resources of one type, put together for look-ups: a name is looked up
 * once as it is and once for each length that prefixes have.
 */
import type { AclEntry } from './entry.ts'
import { allowedBy, bitsOf, deniedBy, NO_OPERATIONS, type OperationBits } from './operation.ts'

interface Verdict {
  allowed: OperationBits
  denied: OperationBits
}

export class Rules {
  readonly #literals = new Map<string, Verdict>()
  readonly #prefixes = new Map<string, Verdict>()
  /** Of the prefixes, each once. */
  readonly #lengths: number[] = []

  add({ resource, operations, effect }: Pick<AclEntry, 'resource' | 'operations' | 'effect'>): void {
    const { name, match } = resource
    const verdicts = match === 'prefix' ? this.#prefixes : this.#literals
    let verdict = verdicts.get(name)
    if (!verdict) {
      verdict = { allowed: NO_OPERATIONS, denied: NO_OPERATIONS }
      verdicts.set(name, verdict)
      if (match === 'prefix' && !this.#lengths.includes(name.length)) this.#lengths.push(name.length)
    }
    const bits = bitsOf(operations)
    if (effect === 'allow') verdict.allowed |= allowedBy(bits)
    else verdict.denied |= deniedBy(bits)
  }

  /** @param given what is allowed already, as to an owner; a denial takes it away again */
  bitsOn(name: string, given: OperationBits): OperationBits {
    const literal = this.#literals.get(name)
    let allowed = given | (literal?.allowed ?? NO_OPERATIONS)
    let denied = literal?.denied ?? NO_OPERATIONS
    for (const length of this.#lengths) {
      if (length > name.length) continue
      const verdict = this.#prefixes.get(name.slice(0, length))
      if (!verdict) continue
      allowed |= verdict.allowed
      denied |= verdict.denied
    }
    return allowed & ~denied
  }
}

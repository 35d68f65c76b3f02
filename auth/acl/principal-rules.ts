/**
 * All that is written about exactly one principal, put together once and shared by everybody it is about: a thousand
 * connections hold one of these. It follows changes and time step by step: neither a rule that comes or goes nor one
 * that expires costs more when there are many others.
 */
import type { AclEntry } from './entry.ts'
import type { OperationBits } from './operation.ts'
import type { ResourcePattern, ResourceType } from './resource.ts'
import { NO_VERDICT, type Rule, Rules, type Verdict } from './rules.ts'
import { compareText, SortedList } from './sorted-list.ts'

type ExpiringEntry = AclEntry & { readonly expiresAtMs: number }

export class PrincipalRules {
  readonly #byType = new Map<ResourceType, Rules>()
  /** Those that expire or have expired; the first `#expired` of them are not in force. */
  readonly #expiring = new SortedList<ExpiringEntry>(
    (a, b) => a.expiresAtMs - b.expiresAtMs || compareText(a.id, b.id),
  )
  #expired = 0
  #atMs: number

  /** @param nowMs what has expired by then is not in force */
  constructor(entries: Iterable<AclEntry>, nowMs: number) {
    this.#atMs = nowMs
    for (const entry of entries) this.add(entry)
  }

  /** From then on one of the entries has expired; Infinity: none ever does. */
  get validUntilMs(): number {
    return this.#expiring.at(this.#expired)?.expiresAtMs ?? Number.POSITIVE_INFINITY
  }

  add(entry: AclEntry): void {
    if (expires(entry)) {
      this.#expiring.add(entry)
      if (entry.expiresAtMs <= this.#atMs) {
        this.#expired++
        return
      }
    }
    addRule(this.#byType, entry)
  }

  /** @param entry the very one that was added */
  remove(entry: AclEntry): void {
    if (expires(entry)) {
      this.#expiring.remove(entry)
      if (entry.expiresAtMs <= this.#atMs) {
        this.#expired--
        return
      }
    }
    this.#byType.get(entry.resource.type)?.remove(entry)
  }

  /** Makes it what it is at that time, earlier or later: clocks are set back now and then. False: it was that already. */
  moveTo(nowMs: number): boolean {
    const before = this.#expired
    this.#atMs = nowMs
    for (let next = this.#expiring.at(this.#expired); next && next.expiresAtMs <= nowMs; ) {
      this.#byType.get(next.resource.type)?.remove(next)
      next = this.#expiring.at(++this.#expired)
    }
    for (let last = this.#expiring.at(this.#expired - 1); last && last.expiresAtMs > nowMs; ) {
      addRule(this.#byType, last)
      last = this.#expiring.at(--this.#expired - 1)
    }
    return this.#expired !== before
  }

  verdictOn(type: ResourceType, name: string): Verdict {
    return this.#byType.get(type)?.verdictOn(name) ?? NO_VERDICT
  }

  verdictOnAll(pattern: ResourcePattern): Verdict {
    return this.#byType.get(pattern.type)?.verdictOnAll(pattern) ?? NO_VERDICT
  }

  deniesWithin({ type, name }: ResourcePattern, operation: OperationBits): boolean {
    return this.#byType.get(type)?.deniesWithin(name, operation) ?? false
  }
}

export function addRule(rules: Map<ResourceType, Rules>, rule: Rule): void {
  const { type } = rule.resource
  let ofType = rules.get(type)
  if (!ofType) {
    ofType = new Rules()
    rules.set(type, ofType)
  }
  ofType.add(rule)
}

function expires(entry: AclEntry): entry is ExpiringEntry {
  return entry.expiresAtMs !== null
}

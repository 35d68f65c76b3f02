/**
 * All that is written about exactly one principal and has not expired, put together once and shared by everybody it is
 * about: a thousand connections of a group hold one of these, and a change makes one anew. Never changes itself.
 */
import { type AclEntry, hasExpired } from './entry.ts'
import type { ResourceType } from './resource.ts'
import { NO_VERDICT, Rules, type Verdict } from './rules.ts'

export class PrincipalRules {
  readonly entries: readonly AclEntry[]
  /** From then on one of the entries has expired; Infinity: none ever does. */
  readonly validUntilMs: number
  readonly #sinceMs: number
  readonly #byType = new Map<ResourceType, Rules>()

  /** @param nowMs what has expired by then is left out */
  constructor(entries: Iterable<AclEntry>, nowMs: number) {
    const valid = [...entries].filter((entry) => !hasExpired(entry, nowMs))
    for (const entry of valid) addRule(this.#byType, entry)
    this.entries = valid
    this.validUntilMs = Math.min(...valid.map(({ expiresAtMs }) => expiresAtMs ?? Number.POSITIVE_INFINITY))
    this.#sinceMs = nowMs
  }

  /** Whether it would be the same if it were put together at that time. Clocks are set back now and then. */
  isValidAt(nowMs: number): boolean {
    return nowMs >= this.#sinceMs && nowMs < this.validUntilMs
  }

  verdictOn(type: ResourceType, name: string): Verdict {
    return this.#byType.get(type)?.verdictOn(name) ?? NO_VERDICT
  }
}

export function addRule(
  rules: Map<ResourceType, Rules>,
  rule: Pick<AclEntry, 'resource' | 'operations' | 'effect'>,
): void {
  const { type } = rule.resource
  let ofType = rules.get(type)
  if (!ofType) {
    ofType = new Rules()
    rules.set(type, ofType)
  }
  ofType.add(rule)
}

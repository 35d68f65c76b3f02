/**
 * What one identity may do: the rules about its principals, looked up once and asked often. Pure and total.
 *
 * In this order: an **administrator** may do everything. Else what is **denied** is denied, to owners too. Else the
 * **owner** of a namespace may do everything to it and to what is in it. Else what is **allowed** is allowed. All
 * else is denied. Whatever that gives, a credential with a **scope** may do no more than the scope says. And a topic of the
 * broker itself is for administrators to see and read, and for nobody to do anything else to.
 */
import type { Identity, Scope } from '../identity.ts'
import { ADMINISTRATOR_ROLE, namesOf } from '../principal.ts'
import { type AclEntry, endMsOf, hasExpired } from './entry.ts'
import { type Decision, explainDecision, withoutRule } from './explain.ts'
import {
  ALL_OPERATIONS,
  allowedBy,
  bitOf,
  bitsOf,
  NO_OPERATIONS,
  type Operation,
  type OperationBits,
} from './operation.ts'
import type { Policy } from './policy.ts'
import { addRule, type PrincipalRules } from './principal-rules.ts'
import { DEFAULT_NAMESPACE, isInternalName, namespaceOf } from './qualified-name.ts'
import {
  coversPattern,
  formatResourcePattern,
  namespaceOfPattern,
  type ResourcePattern,
  type ResourceType,
} from './resource.ts'
import { bitsAfter, deniedIn, NO_VERDICT, type Rules } from './rules.ts'

export interface Access {
  readonly isAdministrator: boolean
  /** False: what is written about one of its principals has changed since, so that it is out of date. */
  isCurrent(): boolean
  /** From then on one of the rules in it has expired; Infinity: none ever does. */
  readonly validUntilMs: number
  /** All that may be done to one resource. */
  bitsOn(type: ResourceType, name: string): OperationBits
  allows(operation: Operation, type: ResourceType, name: string): boolean
  /**
   * Whether one rule allows the operation on everything the pattern is about and none denies it on any of it: with
   * `grant`, whether rights on the whole pattern may be given away.
   */
  allowsPattern(operation: Operation, pattern: ResourcePattern): boolean
  /**
   * Until when one rule allows the operation on everything the pattern is about, of several the one that lasts longest;
   * Infinity: without end, as for an owner. For what is allowed: whether something denies it is not looked at.
   */
  allowedUntilMs(operation: Operation, pattern: ResourcePattern): number
  /** Whether everything the pattern is about belongs to the identity, whatever it is denied; an administrator owns all. */
  ownsPattern(pattern: ResourcePattern): boolean
  /** The namespaces in which all is that it owns or may grant on; undefined: it may be anywhere. */
  givesIn(): ReadonlySet<string> | undefined
  /** Whether it is in a namespace of the identity's, whatever the scope. */
  isOwnerOf(type: ResourceType, name: string): boolean
  explain(operation: Operation, type: ResourceType, name: string): Decision
  /** That no rule allows it: for who is not to know the one that denies it. */
  explainHidden(operation: Operation, type: ResourceType, name: string): Decision
}

/** @param administrators in text form; others than those of the policy for who is not to know these */
export function compileAccess(
  policy: Policy,
  identity: Pick<Identity, 'principal' | 'method' | 'scope'>,
  nowMs: number,
  administrators = policy.administrators,
): Access {
  return new CompiledAccess(policy, identity, nowMs, administrators)
}

/** Why an identity is an administrator, to be read behind "because"; undefined: it is none. */
function administration(
  administrators: ReadonlySet<string>,
  { principal, method }: Pick<Identity, 'principal' | 'method'>,
  names: readonly string[],
): string | undefined {
  if (principal.isAnonymous) return undefined
  const named = names.find((name) => administrators.has(name))
  if (named !== undefined) return `the configuration names ${named} an administrator`
  // What other issuers call a role is theirs to decide, and must not open this broker by its name.
  const isOurs = method === 'api-key' || method === 'issuer'
  return isOurs && principal.roles.includes(ADMINISTRATOR_ROLE)
    ? `role:${ADMINISTRATOR_ROLE} is an administrator`
    : undefined
}

/** To a topic of the broker itself, by administrators: nobody writes there but the broker. */
const INTERNAL_OPERATIONS = bitsOf(['describe', 'read'])

class CompiledAccess implements Access {
  readonly validUntilMs: number
  readonly #policy: Policy
  readonly #nowMs: number
  readonly #names: readonly string[]
  /** Of each name, when this was compiled. */
  readonly #revisions: readonly number[]
  /** Of the policy, when the names were last looked at. */
  #revision: number
  readonly #subject: string
  readonly #administration: string | undefined
  /** Of each of its names about which there are any. */
  readonly #rules: PrincipalRules[] = []
  /** By namespace, as whom it is owned. */
  readonly #owned: ReadonlyMap<string, string> | undefined
  readonly #scope: Scope | undefined
  readonly #scopeRules: Map<ResourceType, Rules> | undefined
  /** By operation and by the pattern they are written on in text form, of the rules that allow it the longest. */
  readonly #longest = new Map<Operation, ReadonlyMap<string, AclEntry>>()

  constructor(
    policy: Policy,
    identity: Pick<Identity, 'principal' | 'method' | 'scope'>,
    nowMs: number,
    administrators: ReadonlySet<string>,
  ) {
    const names = namesOf(identity.principal)
    this.#subject = names[0]
    this.#administration = administration(administrators, identity, names)
    this.#policy = policy
    this.#nowMs = nowMs
    this.#names = names
    let validUntilMs = Number.POSITIVE_INFINITY
    for (const name of names) {
      const rules = policy.rulesOf(name, nowMs)
      if (!rules) continue
      this.#rules.push(rules)
      if (rules.validUntilMs < validUntilMs) validUntilMs = rules.validUntilMs
    }
    this.validUntilMs = validUntilMs
    // Only now: to look at rules may be what shows that one of them has expired.
    this.#revision = policy.revision
    this.#revisions = names.map((name) => policy.revisionOf(name))
    this.#owned = ownedBy(policy, names)
    this.#scope = identity.scope
    if (identity.scope) {
      this.#scopeRules = new Map()
      for (const { operations, resource } of identity.scope)
        addRule(this.#scopeRules, { operations, resource, effect: 'allow' })
    }
  }

  get isAdministrator(): boolean {
    return this.#administration !== undefined
  }

  /** What may be done to a topic of the broker itself, whatever rules say: records of all groups are in there. */
  get #onInternal(): OperationBits {
    return this.isAdministrator ? INTERNAL_OPERATIONS : NO_OPERATIONS
  }

  isCurrent(): boolean {
    const { revision } = this.#policy
    if (revision === this.#revision) return true
    for (let i = 0; i < this.#names.length; i++)
      if (this.#policy.revisionOf(this.#names[i]) !== this.#revisions[i]) return false
    this.#revision = revision
    return true
  }

  bitsOn(type: ResourceType, name: string): OperationBits {
    const scoped = this.#scopeRules ? scopedBits(this.#scopeRules, type, name) : ALL_OPERATIONS
    const within = type === 'topic' && isInternalName(name) ? scoped & this.#onInternal : scoped
    if (this.isAdministrator || within === NO_OPERATIONS) return within
    const given = this.#ownerOf(type, name) === undefined ? NO_OPERATIONS : ALL_OPERATIONS
    let verdict = NO_VERDICT
    for (const rules of this.#rules) verdict |= rules.verdictOn(type, name)
    return within & bitsAfter(verdict, given)
  }

  allows(operation: Operation, type: ResourceType, name: string): boolean {
    return (this.bitsOn(type, name) & bitOf(operation)) !== 0
  }

  allowsPattern(operation: Operation, pattern: ResourcePattern): boolean {
    const bit = bitOf(operation)
    if (!this.#isInScope(bit, pattern)) return false
    if (this.isAdministrator) return true
    let verdict = NO_VERDICT
    for (const rules of this.#rules) {
      if (pattern.match === 'prefix' && rules.deniesWithin(pattern, bit)) return false
      verdict |= rules.verdictOnAll(pattern)
    }
    if ((deniedIn(verdict) & bit) !== 0) return false
    return this.#ownsAll(pattern) || (verdict & bit) !== 0
  }

  allowedUntilMs(operation: Operation, pattern: ResourcePattern): number {
    if (this.isAdministrator || this.validUntilMs === Number.POSITIVE_INFINITY || this.#ownsAll(pattern))
      return Number.POSITIVE_INFINITY
    const { type, name, match } = pattern
    const rules = this.#rulesFor(operation)
    const endOf = (about: ResourcePattern) => {
      const rule = rules.get(formatResourcePattern(about))
      return rule ? endMsOf(rule) : Number.NEGATIVE_INFINITY
    }
    let endMs = match === 'literal' ? endOf(pattern) : Number.NEGATIVE_INFINITY
    for (let length = 0; length <= name.length; length++)
      endMs = Math.max(endMs, endOf({ type, name: name.slice(0, length), match: 'prefix' }))
    return endMs
  }

  ownsPattern(pattern: ResourcePattern): boolean {
    return this.#isInScope(bitOf('grant'), pattern) && (this.isAdministrator || this.#ownsAll(pattern))
  }

  givesIn(): ReadonlySet<string> | undefined {
    if (this.isAdministrator) return undefined
    const namespaces = new Set(this.#owned?.keys())
    for (const { resource } of this.#rulesFor('grant').values()) {
      const namespace = namespaceOfPattern(resource)
      if (namespace === undefined) return undefined
      namespaces.add(namespace)
    }
    return namespaces
  }

  isOwnerOf(type: ResourceType, name: string): boolean {
    return this.#ownerOf(type, name) !== undefined
  }

  explain(operation: Operation, type: ResourceType, name: string): Decision {
    const isInScope = !this.#scopeRules || (scopedBits(this.#scopeRules, type, name) & bitOf(operation)) !== 0
    return explainDecision({
      subject: this.#subject,
      operation,
      type,
      name,
      administration: this.#administration,
      ownedAs: this.#ownerOf(type, name),
      entries: this.#names.flatMap((about) =>
        [...this.#policy.entriesOf(about)].filter((entry) => !hasExpired(entry, this.#nowMs)),
      ),
      isInScope,
      isBrokersOwn: type === 'topic' && isInternalName(name) && (this.#onInternal & bitOf(operation)) === 0,
    })
  }

  explainHidden(operation: Operation, type: ResourceType, name: string): Decision {
    return withoutRule({ subject: this.#subject, operation, type, name })
  }

  #rulesFor(operation: Operation): ReadonlyMap<string, AclEntry> {
    const known = this.#longest.get(operation)
    if (known) return known
    const longest = new Map<string, AclEntry>()
    for (const about of this.#names)
      for (const entry of this.#policy.entriesOf(about)) {
        if (entry.effect !== 'allow' || hasExpired(entry, this.#nowMs)) continue
        if ((allowedBy(bitsOf(entry.operations)) & bitOf(operation)) === 0) continue
        const pattern = formatResourcePattern(entry.resource)
        const other = longest.get(pattern)
        if (!other || endMsOf(entry) > endMsOf(other)) longest.set(pattern, entry)
      }
    this.#longest.set(operation, longest)
    return longest
  }

  /** As whom the resource is owned. */
  #ownerOf(type: ResourceType, name: string): string | undefined {
    if (!this.#owned || type === 'cluster') return undefined
    return this.#owned.get(type === 'namespace' ? name : namespaceIn(name))
  }

  #ownsAll({ type, name, match }: ResourcePattern): boolean {
    if (match === 'literal') return this.#ownerOf(type, name) !== undefined
    // Names that begin alike are in one namespace only when its name is part of what they begin with.
    return type !== 'namespace' && name.includes('.') && this.#ownerOf(type, name) !== undefined
  }

  #isInScope(bit: OperationBits, pattern: ResourcePattern): boolean {
    return (
      !this.#scope ||
      this.#scope.some(
        ({ operations, resource }) =>
          (allowedBy(bitsOf(operations)) & bit) !== 0 && coversPattern(resource, pattern),
      )
    )
  }
}

/** `default.x` is the name of nothing, so nobody owns it: the names of `default` have no dot. */
function namespaceIn(name: string): string {
  const namespace = namespaceOf(name)
  return namespace === DEFAULT_NAMESPACE && name.includes('.') ? '' : namespace
}

/** Undefined, which is most often so: none. */
function ownedBy(policy: Policy, names: readonly string[]): ReadonlyMap<string, string> | undefined {
  let owned: Map<string, string> | undefined
  for (const name of names)
    for (const namespace of policy.namespacesOf(name)) {
      owned ??= new Map()
      if (!owned.has(namespace)) owned.set(namespace, name)
    }
  return owned
}

function scopedBits(
  scope: ReadonlyMap<ResourceType, Rules>,
  type: ResourceType,
  name: string,
): OperationBits {
  return bitsAfter(scope.get(type)?.verdictOn(name) ?? NO_VERDICT, NO_OPERATIONS)
}

/**
 * What one identity may do: the rules about it, compiled once and asked often. Pure and total.
 *
 * In this order: an **administrator** may do everything. Else what is **denied** is denied, to owners too. Else the
 * **owner** of a namespace may do everything to it and to what is in it. Else what is **allowed** is allowed. All
 * else is denied. Whatever that gives, a credential with a **scope** may do no more than the scope says.
 */
import type { Identity, Scope } from '../identity.ts'
import { ADMINISTRATOR_ROLE, namesOf } from '../principal.ts'
import { type AclEntry, hasExpired } from './entry.ts'
import { type Decision, explainDecision } from './explain.ts'
import {
  ALL_OPERATIONS,
  allowedBy,
  bitOf,
  bitsOf,
  deniedBy,
  NO_OPERATIONS,
  type Operation,
  type OperationBits,
} from './operation.ts'
import type { Policy } from './policy.ts'
import { DEFAULT_NAMESPACE, namespaceOf } from './qualified-name.ts'
import { coversPattern, meetsPattern, type ResourcePattern, type ResourceType } from './resource.ts'
import { Rules } from './rules.ts'

export interface Access {
  readonly isAdministrator: boolean
  /** Of the policy it was compiled from; with a newer one it is out of date. */
  readonly revision: number
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
  /** Whether everything the pattern is about belongs to the identity, whatever it is denied; an administrator owns all. */
  ownsPattern(pattern: ResourcePattern): boolean
  explain(operation: Operation, type: ResourceType, name: string): Decision
}

export function compileAccess(
  policy: Policy,
  identity: Pick<Identity, 'principal' | 'method' | 'scope'>,
  nowMs: number,
): Access {
  return new CompiledAccess(policy, identity, nowMs)
}

/** Why an identity is an administrator, to be read behind "because"; undefined: it is none. */
function administration(
  policy: Policy,
  { principal, method }: Pick<Identity, 'principal' | 'method'>,
  names: readonly string[],
): string | undefined {
  if (principal.isAnonymous) return undefined
  const named = names.find((name) => policy.administrators.has(name))
  if (named !== undefined) return `the configuration names ${named} an administrator`
  // What other issuers call a role is theirs to decide, and must not open this broker by its name.
  const isOurs = method === 'api-key' || method === 'issuer'
  return isOurs && principal.roles.includes(ADMINISTRATOR_ROLE)
    ? `role:${ADMINISTRATOR_ROLE} is an administrator`
    : undefined
}

class CompiledAccess implements Access {
  readonly revision: number
  readonly validUntilMs: number
  readonly #subject: string
  readonly #administration: string | undefined
  readonly #entries: AclEntry[] = []
  readonly #rules = new Map<ResourceType, Rules>()
  /** By namespace, as whom it is owned. */
  readonly #owned = new Map<string, string>()
  readonly #scope: Scope | undefined
  readonly #scopeRules: Map<ResourceType, Rules> | undefined

  constructor(policy: Policy, identity: Pick<Identity, 'principal' | 'method' | 'scope'>, nowMs: number) {
    const names = namesOf(identity.principal)
    this.#subject = names[0]
    this.#administration = administration(policy, identity, names)
    this.revision = policy.revision
    this.validUntilMs = this.#take(policy, names, nowMs)
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

  bitsOn(type: ResourceType, name: string): OperationBits {
    const within = this.#scopeRules ? scopedBits(this.#scopeRules, type, name) : ALL_OPERATIONS
    if (this.isAdministrator || within === NO_OPERATIONS) return within
    const given = this.#ownerOf(type, name) === undefined ? NO_OPERATIONS : ALL_OPERATIONS
    const rules = this.#rules.get(type)
    return within & (rules ? rules.bitsOn(name, given) : given)
  }

  allows(operation: Operation, type: ResourceType, name: string): boolean {
    return (this.bitsOn(type, name) & bitOf(operation)) !== 0
  }

  allowsPattern(operation: Operation, pattern: ResourcePattern): boolean {
    const bit = bitOf(operation)
    if (!this.#isInScope(bit, pattern)) return false
    if (this.isAdministrator) return true
    const isDenied = this.#entries.some(
      ({ effect, operations, resource }) =>
        effect === 'deny' && (deniedBy(bitsOf(operations)) & bit) !== 0 && meetsPattern(resource, pattern),
    )
    if (isDenied) return false
    return (
      this.#ownsAll(pattern) ||
      this.#entries.some(
        ({ effect, operations, resource }) =>
          effect === 'allow' &&
          (allowedBy(bitsOf(operations)) & bit) !== 0 &&
          coversPattern(resource, pattern),
      )
    )
  }

  ownsPattern(pattern: ResourcePattern): boolean {
    return this.#isInScope(bitOf('grant'), pattern) && (this.isAdministrator || this.#ownsAll(pattern))
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
      entries: this.#entries,
      isInScope,
    })
  }

  /** Takes the rules about these names that have not expired; gives the moment when the first of them does. */
  #take(policy: Policy, names: readonly string[], nowMs: number): number {
    let validUntilMs = Number.POSITIVE_INFINITY
    for (const name of names) {
      for (const namespace of policy.namespacesOf(name))
        if (!this.#owned.has(namespace)) this.#owned.set(namespace, name)
      for (const entry of policy.entriesOf(name)) {
        if (hasExpired(entry, nowMs)) continue
        if (entry.expiresAtMs !== null && entry.expiresAtMs < validUntilMs) validUntilMs = entry.expiresAtMs
        this.#entries.push(entry)
        addRule(this.#rules, entry)
      }
    }
    return validUntilMs
  }

  /** As whom the resource is owned. */
  #ownerOf(type: ResourceType, name: string): string | undefined {
    if (this.#owned.size === 0 || type === 'cluster') return undefined
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

function addRule(
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

function scopedBits(
  scope: ReadonlyMap<ResourceType, Rules>,
  type: ResourceType,
  name: string,
): OperationBits {
  return scope.get(type)?.bitsOn(name, NO_OPERATIONS) ?? NO_OPERATIONS
}

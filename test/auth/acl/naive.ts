/**
 * May he? Slowly and obviously: every rule is looked at, for every question. What the compiled evaluator is
 * compared with.
 */
import type { AclEntry } from '../../../auth/acl/entry.ts'
import { type Operation, operations } from '../../../auth/acl/operation.ts'
import type { ResourcePattern, ResourceType } from '../../../auth/acl/resource.ts'
import type { Identity } from '../../../auth/identity.ts'

export interface NaivePolicy {
  readonly administrators: readonly string[]
  readonly entries: readonly AclEntry[]
  readonly owners: ReadonlyMap<string, readonly string[]>
}

function isAbout(text: string, { principal }: Identity): boolean {
  if (text === 'anonymous') return principal.isAnonymous
  if (principal.isAnonymous) return false
  if (text === 'authenticated') return true
  const kind = text.slice(0, text.indexOf(':'))
  const id = text.slice(text.indexOf(':') + 1)
  if (kind === 'user') return principal.name === id
  if (kind === 'group') return principal.groups.includes(id)
  return principal.roles.includes(id)
}

function contains(pattern: ResourcePattern, type: ResourceType, name: string): boolean {
  if (pattern.type !== type) return false
  if (pattern.match === 'literal') return pattern.name === name
  return name.slice(0, pattern.name.length) === pattern.name
}

function owns(policy: NaivePolicy, identity: Identity, type: ResourceType, name: string): boolean {
  for (const [namespace, owners] of policy.owners) {
    if (!owners.some((owner) => isAbout(owner, identity))) continue
    if (type === 'cluster') continue
    if (type === 'namespace') {
      if (name === namespace) return true
    } else if (namespace === 'default') {
      if (!name.includes('.')) return true
    } else if (name.startsWith(`${namespace}.`)) return true
  }
  return false
}

export function isAdministrator(policy: NaivePolicy, identity: Identity): boolean {
  if (identity.principal.isAnonymous) return false
  if (policy.administrators.some((text) => isAbout(text, identity))) return true
  return ['api-key', 'issuer'].includes(identity.method) && identity.principal.roles.includes('admin')
}

export function mayDo(
  policy: NaivePolicy,
  identity: Identity,
  nowMs: number,
  operation: Operation,
  type: ResourceType,
  name: string,
): boolean {
  if (identity.scope) {
    const inScope = identity.scope.some(
      (part) =>
        contains(part.resource, type, name) &&
        (part.operations.includes(operation) || operation === 'describe'),
    )
    if (!inScope) return false
  }
  if (isAdministrator(policy, identity)) return true
  const about = policy.entries.filter(
    (entry) =>
      isAbout(entry.principal, identity) &&
      contains(entry.resource, type, name) &&
      (entry.expiresAtMs === null || entry.expiresAtMs > nowMs),
  )
  for (const { effect, operations } of about)
    if (effect === 'deny' && (operations.includes(operation) || operations.includes('describe'))) return false
  if (owns(policy, identity, type, name)) return true
  return about.some(
    ({ effect, operations }) =>
      effect === 'allow' && (operations.includes(operation) || operation === 'describe'),
  )
}

/** Whether everything that `narrow` is about `wide` is about, too. */
function covers(wide: ResourcePattern, narrow: ResourcePattern): boolean {
  if (narrow.match === 'literal') return contains(wide, narrow.type, narrow.name)
  return wide.match === 'prefix' && contains(wide, narrow.type, narrow.name)
}

/** By one rule for the whole pattern, with no denial of any of it. */
export function mayDoOnAll(
  policy: NaivePolicy,
  identity: Identity,
  nowMs: number,
  operation: Operation,
  pattern: ResourcePattern,
): boolean {
  const { type, name, match } = pattern
  const isIn = (operations: readonly Operation[], bringing: Operation) =>
    operations.includes(operation) || operation === bringing
  const isInScope = identity.scope?.some(
    (part) => covers(part.resource, pattern) && isIn(part.operations, 'describe'),
  )
  if (isInScope === false) return false
  if (isAdministrator(policy, identity)) return true
  const about = policy.entries.filter(
    (entry) =>
      isAbout(entry.principal, identity) && (entry.expiresAtMs === null || entry.expiresAtMs > nowMs),
  )
  for (const { effect, operations, resource } of about) {
    const isMet = covers(resource, pattern) || covers(pattern, resource)
    if (effect === 'deny' && isMet && (operations.includes(operation) || operations.includes('describe')))
      return false
  }
  const isOneNamespace = match === 'literal' || (type !== 'namespace' && name.includes('.'))
  if (isOneNamespace && owns(policy, identity, type, name)) return true
  return about.some(
    ({ effect, operations, resource }) =>
      effect === 'allow' && covers(resource, pattern) && isIn(operations, 'describe'),
  )
}

/** Every operation that {@link mayDo}. */
export function allHeMay(
  policy: NaivePolicy,
  identity: Identity,
  nowMs: number,
  type: ResourceType,
  name: string,
): Operation[] {
  return operations.filter((operation) => mayDo(policy, identity, nowMs, operation, type, name))
}

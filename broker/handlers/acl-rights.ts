/**
 * Who may see and change which entries of the access control list.
 *
 * Whoever may grant on everything an entry is about writes and deletes what allows. What denies is for owners and
 * administrators: with it a colleague could lock out the owner. An owner takes away what denies himself, too. What
 * somebody gives lasts no longer than the rule by which he may: or who may for an hour would do so for ever.
 */
import type { Access } from '../../auth/acl/access.ts'
import type { AclEntry } from '../../auth/acl/entry.ts'
import type { Policy } from '../../auth/acl/policy.ts'
import { namesOf } from '../../auth/principal.ts'
import type { ProtocolError } from '../../client/protocol/errors.ts'
import { callerOf, notAuthorized } from './authorization.ts'
import type { RequestSession } from './context.ts'

type Rule = Pick<AclEntry, 'resource' | 'effect'>

export function mayWrite(access: Access, { resource, effect }: Rule): boolean {
  if (access.ownsPattern(resource)) return true
  return effect === 'allow' && access.allowsPattern('grant', resource)
}

/** When the entry ends if the caller writes it, ms since 1970; null: never. */
export function endOfWritten(
  access: Access,
  { resource, expiresAtMs }: Pick<AclEntry, 'resource' | 'expiresAtMs'>,
): number | null {
  return earlierEnd(expiresAtMs, access.allowedUntilMs('grant', resource))
}

/** @param atMs Infinity: never */
export function earlierEnd(expiresAtMs: number | null, atMs: number): number | null {
  return (expiresAtMs ?? Number.POSITIVE_INFINITY) > atMs ? atMs : expiresAtMs
}

export function writeRefusal(session: RequestSession, rule: Rule): ProtocolError | undefined {
  const { access } = session
  if (mayWrite(access, rule)) return undefined
  const { type, name, match } = rule.resource
  const refusal = notAuthorized(session, 'grant', type, name, match)
  if (rule.effect === 'deny' && access.allowsPattern('grant', rule.resource))
    refusal.message = `${callerOf(session)} may grant there but not deny: that is for owners and administrators`
  return refusal
}

/**
 * All of them with describe on the cluster; else those about himself, and on what he may grant. What keeps him from
 * seeing something is not among those about himself: it names what is not there for him.
 */
export function visibleEntries(session: RequestSession): (entry: AclEntry) => boolean {
  const { access, identity } = session
  if (access.allows('describe', 'cluster', '')) return () => true
  const names = new Set(namesOf(identity.principal))
  return (entry) =>
    (names.has(entry.principal) && !hides(entry)) ||
    access.ownsPattern(entry.resource) ||
    access.allowsPattern('grant', entry.resource)
}

/**
 * Among which all are that he may see: those about himself, and those of the namespaces in which he owns something or may
 * grant on it, found by index; all there are where he may describe the cluster, or grant beyond one namespace.
 */
export function* entriesToLookAt(session: RequestSession, policy: Policy): Iterable<AclEntry> {
  const { access, identity } = session
  const namespaces = access.allows('describe', 'cluster', '') ? undefined : access.givesIn()
  if (!namespaces) return yield* policy.entries()
  const names = new Set(namesOf(identity.principal))
  for (const name of names) yield* policy.entriesOf(name)
  for (const namespace of namespaces)
    for (const entry of policy.entriesIn(namespace)) if (!names.has(entry.principal)) yield entry
}

function hides({ effect, operations }: AclEntry): boolean {
  return effect === 'deny' && operations.includes('describe')
}

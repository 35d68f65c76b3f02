/**
 * What a credential may be given: an administrator gives to anybody; everyone else to himself, and no more than he
 * has by the credential he came with. Otherwise a narrow key could make itself a wide one.
 */
import { isWithinScope } from '../../auth/acl/scope.ts'
import type { ApiKeyRecord } from '../../auth/authenticators/api-key-record.ts'
import type { Scope } from '../../auth/identity.ts'
import { ADMINISTRATOR_ROLE } from '../../auth/principal.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { callerOf } from './authorization.ts'
import type { RequestSession } from './context.ts'

export interface CredentialRights {
  /** The user's ID. */
  readonly principal: string
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  readonly scope: Scope | undefined
}

/** Why the caller may not hold a credential with these rights in his hands; undefined: he may. */
export function credentialRefusal(
  session: RequestSession,
  { principal, groups, roles, scope }: CredentialRights,
): ProtocolError | undefined {
  const { identity, access } = session
  const { isAnonymous, name, groups: ownGroups, roles: ownRoles } = identity.principal
  if (isAnonymous) return refused(session, 'has no credentials')
  if (!isWithinScope(scope, identity.scope))
    return refused(session, 'may give no wider scope than that of his own credential')
  if (access.isAdministrator) return undefined
  if (principal !== name) return refused(session, 'may not give credentials to others')
  // Among the roles of an issuer it may mean anything; in a credential of ours it means everything.
  if (roles.includes(ADMINISTRATOR_ROLE)) return refused(session, 'may not make administrators')
  if (!groups.every((group) => ownGroups.includes(group)) || !roles.every((role) => ownRoles.includes(role)))
    return refused(session, 'may give only groups and roles of his own')
  return undefined
}

/** Asked about in place of a key that does not exist, so that it takes the same steps as another's. */
const NO_KEY: CredentialRights = { principal: '', groups: [], roles: [], scope: undefined }

/** Whether the caller may hold this key in his hands: the one he came with, or one with no more rights than he has. */
export function mayHoldKey(session: RequestSession, id: string, record: ApiKeyRecord | undefined): boolean {
  const rights = record ? { ...record, scope: record.scope ?? undefined } : NO_KEY
  const refusal = credentialRefusal(session, rights)
  const isThisOne = session.identity.credentialId === `key:${id}`
  return record !== undefined && (isThisOne || refusal === undefined)
}

function refused(session: RequestSession, what: string): ProtocolError {
  return new ProtocolError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, `${callerOf(session)} ${what}`)
}

/**
 * What a credential may be given, and until when. An administrator gives to anybody; everyone else to himself, and no
 * more than he has by the credential he came with: otherwise a narrow key could make itself a wide one, and one that
 * passes a lasting one. Nor less: all his groups and roles go along, or he could leave behind what he is denied by one
 * of them. What makes a credential narrower is its scope.
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

export interface CredentialLifetimes {
  /** Of a key that somebody makes for himself whose groups a provider says. */
  readonly keyLifetimeMaxMs: number
  /** For how long a token of this node is still good when its time is over. */
  readonly clockToleranceMs: number
}

/** Whether credentials of others are his affair: an administrator, as far as the scope of his own goes. */
export function mayActForOthers({ access }: RequestSession): boolean {
  return access.isAdministrator && access.allows('alter', 'cluster', '')
}

/** Who names no groups and no roles for himself means all of his. */
export function completed(session: RequestSession, wanted: CredentialRights): CredentialRights {
  const { name, groups, roles } = session.identity.principal
  if (wanted.principal !== name || mayActForOthers(session)) return wanted
  return {
    ...wanted,
    groups: wanted.groups.length > 0 ? wanted.groups : groups,
    roles: wanted.roles.length > 0 ? wanted.roles : roles,
  }
}

/** Why the caller may not hold a credential with these rights in his hands; undefined: he may. */
export function credentialRefusal(
  session: RequestSession,
  { principal, groups, roles, scope }: CredentialRights,
): ProtocolError | undefined {
  const { identity, access } = session
  const { isAnonymous, name, groups: ownGroups, roles: ownRoles } = identity.principal
  if (isAnonymous) return refused(session, 'has no credentials')
  const ending = endingRefusal(session)
  if (ending) return ending
  if (!isWithinScope(scope, identity.scope))
    return refused(session, 'may give no wider scope than that of his own credential')
  if (mayActForOthers(session)) return undefined
  if (principal !== name) return refused(session, 'may not give credentials to others')
  // Among the roles of an issuer it may mean anything; in a credential of ours it means everything.
  if (roles.includes(ADMINISTRATOR_ROLE) && !access.isAdministrator)
    return refused(session, 'may not make administrators')
  if (!isPartOf(groups, ownGroups) || !isPartOf(roles, ownRoles))
    return refused(session, 'may give only groups and roles of his own')
  if (!isPartOf(ownGroups, groups) || !isPartOf(ownRoles, roles))
    return refused(
      session,
      'may not leave groups or roles of his own out of his credentials: name none, and all go along; a scope makes a credential narrower',
    )
  return undefined
}

/** Whoever has a secret that a newer one replaces may go on with his work for a while, and not with the key. */
export function endingRefusal(session: RequestSession): ProtocolError | undefined {
  return session.identity.isReplaced
    ? refused(session, 'came with a secret that was replaced, and can only use it: come with the newer one')
    : undefined
}

/** Until when a key may be good that he makes for himself, ms since 1970; null: for ever. */
export function ownKeyEndMs(
  session: RequestSession,
  nowMs: number,
  { keyLifetimeMaxMs, clockToleranceMs }: CredentialLifetimes,
): number | null {
  const { method, expiresAtMs = null } = session.identity
  if (mayActForOthers(session)) return null
  // What a provider says of somebody today must not be true here for ever.
  if (method === 'oidc' || method === 'introspection') return nowMs + keyLifetimeMaxMs
  // By the token's own time: else each would be good a little longer than the one that it was made with.
  return method === 'issuer' && expiresAtMs !== null ? expiresAtMs - clockToleranceMs : expiresAtMs
}

/** Asked about in place of a key that does not exist, so that it takes the same steps as another's. */
const NO_KEY: CredentialRights = { principal: '', groups: [], roles: [], scope: undefined }

/**
 * Why the caller may not have a new secret of this key: it is neither the one he came with nor one he could make.
 * Undefined: he may.
 */
export function rotationRefusal(
  session: RequestSession,
  id: string,
  record: ApiKeyRecord | undefined,
  ownEndMs: number | null,
): ProtocolError | undefined {
  const refusal = credentialRefusal(
    session,
    record ? { ...record, scope: record.scope ?? undefined } : NO_KEY,
  )
  if (record && session.identity.credentialId === `key:${id}`) return endingRefusal(session)
  if (refusal || !record) return refusal
  return ownEndMs !== null && (record.expiresAtMs ?? Number.POSITIVE_INFINITY) > ownEndMs
    ? refused(
        session,
        'may not rotate a key that is good for longer than one he may make: rotate it with itself',
      )
    : undefined
}

/** Everyone ends the key he came with, and his others as far as his scope goes; an administrator ends any. */
export function mayRevokeKey(session: RequestSession, id: string, record: ApiKeyRecord | undefined): boolean {
  const { principal, credentialId, scope } = session.identity
  const { principal: owner, scope: itsScope } = record ?? { principal: '', scope: null }
  const isOwn =
    !principal.isAnonymous && owner === principal.name && isWithinScope(itsScope ?? undefined, scope)
  const isThisOne = credentialId === `key:${id}`
  return record !== undefined && !endingRefusal(session) && (isThisOne || isOwn || mayActForOthers(session))
}

function isPartOf(some: readonly string[], all: readonly string[]): boolean {
  const known = new Set(all)
  return some.every((name) => known.has(name))
}

function refused(session: RequestSession, what: string): ProtocolError {
  return new ProtocolError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, `${callerOf(session)} ${what}`)
}

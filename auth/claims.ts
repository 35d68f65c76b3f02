/**
 * From what an issuer says of somebody to a principal of this node. Two issuers can never name the same user, group
 * or role: each has its prefix, at most one goes without, and that one may not use the others'. Nobody outside
 * names this node's own administrator: neither the user `admin` nor the role.
 *
 * What cannot be a name here cannot stand in an access entry either, so that such a group or role is left out; a user
 * without a name is refused.
 */
import { isOperation, operations } from './acl/operation.ts'
import { parseResourcePattern } from './acl/resource.ts'
import { CredentialError } from './credential-error.ts'
import type { Scope, ScopeEntry } from './identity.ts'
import {
  ADMINISTRATOR_NAME,
  ADMINISTRATOR_ROLE,
  kindBefore,
  type Principal,
  principalIdProblem,
} from './principal.ts'

/** Where things stand. A claim is named as it is, or by a path: `groups`, `wlcg.groups`, `realm_access.roles`. */
export interface ClaimsMapping {
  readonly principal: string
  /** Lists of names, or one name. What several claims say is put together. */
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  /** Before every name of this issuer. */
  readonly prefix: string
  /** Of the other sources: names that begin so are theirs. Those of which `prefix` itself is the beginning matter. */
  readonly foreignPrefixes: readonly string[]
  /** Without them a token is not for us, although its audience fits. */
  readonly requiredScopes: readonly string[]
  /**
   * Values of `scope` that begin so narrow what the token is good for: with `octopus.`, `octopus.read:topic:lab.*`
   * is good for reading those topics. Undefined: `scope` narrows nothing.
   */
  readonly scopePrefix: string | undefined
}

export type Claims = Readonly<Record<string, unknown>>

const GROUPS_MAX = 1_000
const SCOPES_MAX = 1_000

/** Throws CredentialError: MALFORMED or REFUSED. */
export function identifyByClaims(
  mapping: ClaimsMapping,
  claims: Claims,
): { readonly principal: Principal; readonly scope: Scope | undefined } {
  const granted = scopesOf(claims)
  const missing = mapping.requiredScopes.filter((required) => !granted.includes(required))
  if (missing.length > 0)
    throw new CredentialError(
      'REFUSED',
      `the token lacks the scope ${missing.join(' ')}, which this node asks for`,
    )
  return {
    principal: {
      name: userOf(mapping, claims),
      isAnonymous: false,
      groups: namesOf(mapping, claims, mapping.groups),
      roles: namesOf(mapping, claims, mapping.roles).filter((role) => role !== ADMINISTRATOR_ROLE),
    },
    scope: narrowing(mapping.scopePrefix, granted),
  }
}

/** The claim of that very name, or else what the path leads to. Own properties only. */
export function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path]
  let here: unknown = claims
  for (const step of path.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined
    here = (here as Record<string, unknown>)[step]
  }
  return here
}

function userOf(mapping: ClaimsMapping, claims: Claims): string {
  const value = claimAt(claims, mapping.principal)
  if (typeof value !== 'string')
    throw new CredentialError(
      'MALFORMED',
      `the token does not say who it is for: it has no text as ${mapping.principal}`,
    )
  const name = mapping.prefix + value
  const problem = value === '' ? 'is empty' : principalIdProblem(name)
  if (problem !== undefined)
    throw new CredentialError(
      'MALFORMED',
      `the name of the user, the token's ${mapping.principal}, ${problem}`,
    )
  if (name === ADMINISTRATOR_NAME)
    throw new CredentialError(
      'REFUSED',
      `the user ${ADMINISTRATOR_NAME} is this node's own; give its issuer a prefix`,
    )
  // `user:user:x`: nobody could write it and be understood, least of all who has to revoke it.
  const kind = kindBefore(name)
  if (kind !== undefined)
    throw new CredentialError(
      'REFUSED',
      `the name of the user begins with ${kind}:, which names begin with here; give its issuer a prefix`,
    )
  if (isForeign(mapping, name))
    throw new CredentialError('REFUSED', 'the name of the user begins with the prefix of another issuer')
  // Whoever may write any address into his profile must not become its owner here.
  if (mapping.principal === 'email' && claims.email_verified !== true)
    throw new CredentialError('REFUSED', 'the issuer does not say that it has verified the e-mail address')
  return name
}

function namesOf(mapping: ClaimsMapping, claims: Claims, paths: readonly string[]): string[] {
  const names = new Set<string>()
  for (const path of paths) {
    const value = claimAt(claims, path)
    if (value === undefined && isLeftOut(claims, path))
      throw new CredentialError(
        'REFUSED',
        `the token does not hold all ${path} of the user, they are too many; have the issuer put in only those this node needs`,
      )
    const listed: readonly unknown[] = Array.isArray(value) ? value : [value]
    if (listed.length > GROUPS_MAX)
      // Leaving some out could leave out one that is denied something.
      throw new CredentialError('REFUSED', `the token has more than ${GROUPS_MAX} ${path}`)
    for (const item of listed) {
      if (typeof item !== 'string' || item === '') continue
      const name = mapping.prefix + item
      if (principalIdProblem(name) === undefined && !isForeign(mapping, name)) names.add(name)
    }
  }
  return [...names]
}

function isForeign({ prefix, foreignPrefixes }: ClaimsMapping, name: string): boolean {
  return foreignPrefixes.some((foreign) => foreign.length > prefix.length && name.startsWith(foreign))
}

/** Distributed claims (OpenID Connect Core 5.6.2), which Entra ID uses where a user has many groups. */
function isLeftOut(claims: Claims, path: string): boolean {
  const elsewhere = claims._claim_names
  return typeof elsewhere === 'object' && elsewhere !== null && Object.hasOwn(elsewhere, path)
}

/** `scope` (RFC 8693) or `scp` (Entra ID): words in one text, or a list. */
function scopesOf(claims: Claims): string[] {
  const value = claims.scope ?? claims.scp
  const listed =
    typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? (value as unknown[]) : []
  return listed.filter((item): item is string => typeof item === 'string' && item !== '')
}

/** A word that cannot be read narrows in a way we do not know, so that the token is not taken. */
function narrowing(prefix: string | undefined, granted: readonly string[]): Scope | undefined {
  if (prefix === undefined) return undefined
  const ours = granted.filter((word) => word.startsWith(prefix))
  if (ours.length === 0) return undefined
  if (ours.length > SCOPES_MAX)
    throw new CredentialError('REFUSED', `the token has more than ${SCOPES_MAX} scopes`)
  return ours.map((word) => scopeEntryOf(word.slice(prefix.length), prefix))
}

function scopeEntryOf(word: string, prefix: string): ScopeEntry {
  const colon = word.indexOf(':')
  const operation = word.slice(0, Math.max(0, colon))
  const resource = parseResourcePattern(word.slice(colon + 1))
  if (!isOperation(operation) || 'problem' in resource)
    throw new CredentialError(
      'MALFORMED',
      `a scope of the token that begins with ${prefix} is not OPERATION:RESOURCE, such as ${prefix}read:topic:lab.*; operations are ${operations.join(', ')}`,
    )
  return { operations: [operation], resource }
}

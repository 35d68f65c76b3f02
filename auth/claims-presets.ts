/** Where the issuers that science uses put what we need. What a site's differs in is said beside the preset. */
import type { ClaimsMapping } from './claims.ts'

export type ClaimsPreset = Pick<ClaimsMapping, 'principal' | 'groups' | 'roles'>

export const claimsPresets = {
  /** Any OpenID provider: the subject is the one claim that is never given to somebody else. */
  oidc: { principal: 'sub', groups: ['groups'], roles: [] },
  /** Names are unique within a realm; groups need the mapper "Group Membership". */
  keycloak: { principal: 'preferred_username', groups: ['groups'], roles: ['realm_access.roles'] },
  /** Subjects such as http://cilogon.org/serverA/users/1234; groups need the scope org.cilogon.userinfo. */
  cilogon: { principal: 'sub', groups: ['isMemberOf'], roles: [] },
  /** The object id: addresses and names there may change hands. */
  'entra-id': { principal: 'oid', groups: ['groups'], roles: ['roles'] },
  /** WLCG Common JWT Profile 1.0; its storage scopes mean nothing here. */
  wlcg: { principal: 'sub', groups: ['wlcg.groups'], roles: [] },
  /** SciTokens name subjects only. */
  scitokens: { principal: 'sub', groups: [], roles: [] },
  /** Token introspection as Globus Auth answers it: `sub` is the id of the identity. */
  globus: { principal: 'sub', groups: [], roles: [] },
} as const satisfies Readonly<Record<string, ClaimsPreset>>

export type ClaimsPresetName = keyof typeof claimsPresets

export const claimsPresetNames = Object.keys(claimsPresets) as readonly ClaimsPresetName[]

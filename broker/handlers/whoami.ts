/** Whoami: who the caller is, by what, for how long, and what is his. */

import type { Policy } from '../../auth/acl/policy.ts'
import { namesOf } from '../../auth/principal.ts'
import { wireScope } from './access-words.ts'
import { callerOf } from './authorization.ts'
import type { Handler } from './handlers.ts'

export function whoamiHandler(policy: Pick<Policy, 'namespacesOf'>): Handler<'whoami'> {
  return async (_request, { session }) => {
    const { principal, method, credentialId, expiresAtMs, scope } = session.identity
    const owned = new Set(namesOf(principal).flatMap((name) => [...policy.namespacesOf(name)]))
    return {
      principal: callerOf(session),
      groups: [...principal.groups],
      roles: [...principal.roles],
      isAdministrator: session.access.isAdministrator,
      method,
      credentialId: credentialId ?? null,
      expiresAtMs: expiresAtMs ?? null,
      scope: wireScope(scope),
      namespaces: [...owned].sort(),
    }
  }
}

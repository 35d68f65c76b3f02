/** Sessions for tests: of an administrator, who may do everything, or of whom the test says. */
import { Policy } from '../../auth/acl/policy.ts'
import type { Identity } from '../../auth/identity.ts'
import { Session } from '../../broker/access/session.ts'
import type { RequestContext } from '../../broker/handlers/context.ts'

export const administrator: Identity = {
  principal: { name: 'admin', isAnonymous: false, groups: [], roles: ['admin'] },
  method: 'api-key',
  expiresAtMs: undefined,
  credentialId: 'key:test',
  scope: undefined,
}

export function userIdentity(name: string, changes: Partial<Identity> = {}): Identity {
  const principal = { name, isAnonymous: false, groups: [], roles: [] }
  return { ...administrator, principal, credentialId: `key:${name}`, ...changes }
}

export function sessionOf(
  identity: Identity = administrator,
  policy = new Policy(),
  clock = { nowMs: () => 0 },
): Session {
  const session = new Session({ policy, clock, isAnonymousAllowed: false })
  session.authenticated(identity)
  return session
}

/** What a server asks for its connections: each is somebody's at once. */
export function sessionsOf(identity: Identity = administrator) {
  return { open: () => sessionOf(identity), close: () => {} }
}

/** What a handler is called with, by whoever the session is. */
export function contextOf(session: Session = sessionOf(), nowMs = 0): RequestContext {
  return {
    session,
    connection: { id: 1, remoteAddress: '127.0.0.1' },
    signal: new AbortController().signal,
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
  }
}

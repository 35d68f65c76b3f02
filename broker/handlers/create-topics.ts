/**
 * Create topics: each succeeds or fails on its own, and is durable when it is answered. Whether the caller may is
 * decided by the name alone, before it is looked whether there is such a topic.
 */
import { operationsOfPreset } from '../../auth/acl/grants.ts'
import { ALL_OPERATIONS, type Operation } from '../../auth/acl/operation.ts'
import { namespaceOf } from '../../auth/acl/qualified-name.ts'
import { CLUSTER } from '../../auth/acl/resource.ts'
import type { AclClaim, AclStore } from '../access/acl-store.ts'
import type { NamespaceStore } from '../access/namespace-store.ts'
import type { TopicService } from '../topics/topic-service.ts'
import { earlierEnd } from './acl-rights.ts'
import { callerOf, notAuthorized } from './authorization.ts'
import type { RequestSession } from './context.ts'
import type { Handler } from './handlers.ts'

export function createTopicsHandler(
  service: TopicService,
  namespaces: Pick<NamespaceStore, 'get'>,
  acls: Pick<AclStore, 'claim'>,
): Handler<'createTopics'> {
  /**
   * Whoever may create what he would then not have the use of gets it with the topic, as the owner of a file does, and
   * for as long as he may create it.
   */
  async function rightsOfCreator(session: RequestSession, name: string): Promise<AclClaim | undefined> {
    const { access, identity } = session
    if (identity.principal.isAnonymous || access.isAdministrator) return undefined
    if (access.isOwnerOf('topic', name) || access.bitsOn('topic', name) === ALL_OPERATIONS) return undefined
    const endMs = mayCreateUntilMs(session, name)
    if (endMs === Number.NEGATIVE_INFINITY) throw notAuthorized(session, 'create', 'topic', name)
    const creator = callerOf(session)
    return acls.claim({
      principal: creator,
      resource: { type: 'topic', name, match: 'literal' },
      operations: operationsOfPreset('manage', 'topic') as readonly Operation[],
      effect: 'allow',
      expiresAtMs: earlierEnd(null, endMs),
      grantedBy: creator,
      note: 'created it',
    })
  }

  function mayCreateUntilMs({ access }: RequestSession, name: string): number {
    const namespace = namespaceOf(name)
    const ends = [
      access.allowedUntilMs('create', { type: 'namespace', name: namespace, match: 'literal' }),
      access.allowedUntilMs('create', { type: 'topic', name, match: 'literal' }),
    ]
    // Whoever makes the namespace, too, owns what is in it.
    if (!namespaces.get(namespace)) ends.push(access.allowedUntilMs('create', CLUSTER))
    return Math.max(...ends)
  }

  function mayCreate(session: RequestSession, name: string): boolean {
    const namespace = namespaceOf(name)
    if (session.allows('create', 'namespace', namespace) || session.allows('create', 'topic', name))
      return true
    // Whoever may create namespaces creates a missing one with its first topic.
    return session.allows('create', 'cluster', '') && !namespaces.get(namespace)
  }

  return async ({ topics, validateOnly }, { session }) => ({
    topics: await service.create(topics, validateOnly, {
      refusal: (name) =>
        mayCreate(session, name) ? undefined : notAuthorized(session, 'create', 'topic', name),
      rightsOfNew: (name) => rightsOfCreator(session, name),
      ownerOfNew: () => (session.allows('create', 'cluster', '') ? callerOf(session) : undefined),
    }),
  })
}

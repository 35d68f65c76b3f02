/**
 * Create topics: each succeeds or fails on its own, and is durable when it is answered. Whether the caller may is
 * decided by the name alone, before it is looked whether there is such a topic.
 */
import { namespaceOf } from '../../auth/acl/qualified-name.ts'
import type { NamespaceStore } from '../access/namespace-store.ts'
import type { TopicService } from '../topics/topic-service.ts'
import { callerOf, notAuthorized } from './authorization.ts'
import type { RequestSession } from './context.ts'
import type { Handler } from './handlers.ts'

export function createTopicsHandler(
  service: TopicService,
  namespaces: Pick<NamespaceStore, 'get'>,
): Handler<'createTopics'> {
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
      ownerOfNew: () => (session.allows('create', 'cluster', '') ? callerOf(session) : undefined),
    }),
  })
}

/** List namespaces: those the caller may see, with how many topics he sees in them. */
import { namespaceOf } from '../../auth/acl/qualified-name.ts'
import type { NamespaceStore } from '../access/namespace-store.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { visibleTopics } from './authorization.ts'
import type { Handler } from './handlers.ts'

export function listNamespacesHandler(
  namespaces: Pick<NamespaceStore, 'list'>,
  topics: TopicTable,
): Handler<'listNamespaces'> {
  return async (_request, { session }) => {
    const counts = new Map<string, number>()
    for (const { name } of visibleTopics(session, topics)) {
      const namespace = namespaceOf(name)
      counts.set(namespace, (counts.get(namespace) ?? 0) + 1)
    }
    return {
      namespaces: namespaces
        .list()
        .filter(({ name }) => session.allows('describe', 'namespace', name))
        .map(({ name, namespace: { owners, topicConfigs, createdAtMs } }) => ({
          name,
          owners: [...owners],
          topicConfigs: Object.entries(topicConfigs).map(([config, value]) => ({ name: config, value })),
          createdAtMs,
          topics: counts.get(name) ?? 0,
        })),
    }
  }
}

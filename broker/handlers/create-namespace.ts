/** Create namespaces: each succeeds or fails on its own. It needs create on the cluster. */
import { problemOfNamespace, quoteName } from '../../auth/acl/qualified-name.ts'
import type { NamespaceToCreate } from '../../client/protocol/messages/namespaces.ts'
import type { NamespaceStore } from '../access/namespace-store.ts'
import { changeTopicConfig } from '../topics/topic-config.ts'
import { INTERNAL_PREFIX } from '../topics/topic-name.ts'
import { invalid, ownersOf } from './access-words.ts'
import { callerOf, notAuthorized } from './authorization.ts'
import type { RequestSession } from './context.ts'
import { entryResult } from './entry-result.ts'
import type { Handler } from './handlers.ts'

export function createNamespaceHandler(
  namespaces: Pick<NamespaceStore, 'create'>,
  onProblem: (error: Error) => void,
): Handler<'createNamespace'> {
  async function createOne({ name, owners, topicConfigs }: NamespaceToCreate, session: RequestSession) {
    checkNamespaceName(name)
    if (!session.allows('create', 'cluster', '')) throw notAuthorized(session, 'create', 'cluster', '')
    const named = owners.length > 0 ? ownersOf(owners) : ownersOf([callerOf(session)])
    await namespaces.create(name, named, changeTopicConfig({}, topicConfigs))
  }

  return async (request, { session }) => ({
    namespaces: await Promise.all(
      request.namespaces.map(async (wanted) => ({
        name: wanted.name,
        ...(await entryResult(() => createOne(wanted, session), onProblem)),
      })),
    ),
  })
}

export function checkNamespaceName(name: string): void {
  const problem = problemOfNamespace(name)
  if (problem !== undefined) throw invalid(`namespace name ${quoteName(name)} ${problem}`)
  if (name.startsWith(INTERNAL_PREFIX))
    throw invalid(
      `namespace name ${quoteName(name)} begins with ${INTERNAL_PREFIX}, which is the broker’s own`,
    )
}

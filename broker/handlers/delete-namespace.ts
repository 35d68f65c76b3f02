/** Delete namespace: one without topics and groups goes, and the rights on what could be in it go with it. */
import { DEFAULT_NAMESPACE, quoteName } from '../../auth/acl/qualified-name.ts'
import type { AclStore } from '../access/acl-store.ts'
import { type NamespaceStore, unknownNamespace } from '../access/namespace-store.ts'
import { invalid } from './access-words.ts'
import { notAuthorized } from './authorization.ts'
import type { Handler } from './handlers.ts'

export interface DeleteNamespaceDependencies {
  readonly namespaces: Pick<NamespaceStore, 'delete'>
  readonly acls: Pick<AclStore, 'forgetNamespace'>
  /** How many topics are in it, those that are being deleted included. */
  readonly countTopics: (namespace: string) => Promise<number>
  /** How many consumer groups are in it, with members, offsets, or neither any more. */
  readonly countGroups: (namespace: string) => number
}

export function deleteNamespaceHandler(
  dependencies: DeleteNamespaceDependencies,
): Handler<'deleteNamespace'> {
  const { namespaces, acls, countTopics, countGroups } = dependencies
  return async ({ name }, { session }) => {
    if (!session.allows('describe', 'namespace', name)) throw unknownNamespace(name)
    if (!session.allows('delete', 'namespace', name))
      throw notAuthorized(session, 'delete', 'namespace', name)
    if (name === DEFAULT_NAMESPACE) throw invalid(`namespace ${quoteName(name)} is always there`)
    let deletedEntries = 0
    await namespaces.delete(
      name,
      async () => {
        const topics = await countTopics(name)
        const groups = countGroups(name)
        if (topics + groups === 0) return undefined
        const what = [topics > 0 ? `${topics} topics` : '', groups > 0 ? `${groups} groups` : '']
        return `namespace ${quoteName(name)} has ${what.filter((some) => some !== '').join(' and ')}; delete them first`
      },
      async () => {
        deletedEntries = await acls.forgetNamespace(name)
      },
    )
    return { deletedEntries }
  }
}

/**
 * Alter namespace: owners change by an owner or an administrator, defaults by whoever may alter it. The last owner
 * goes only by an administrator, who can name another one.
 */
import { quoteName } from '../../auth/acl/qualified-name.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { type NamespaceStore, unknownNamespace } from '../access/namespace-store.ts'
import { changeTopicConfig } from '../topics/topic-config.ts'
import { invalid, ownersOf } from './access-words.ts'
import { callerOf, notAuthorized } from './authorization.ts'
import type { Handler } from './handlers.ts'

export function alterNamespaceHandler(namespaces: Pick<NamespaceStore, 'alter'>): Handler<'alterNamespace'> {
  return async ({ name, addOwners, removeOwners, topicConfigs }, { session }) => {
    const [added, removed] = [ownersOf(addOwners), ownersOf(removeOwners)]
    const twice = added.find((owner) => removed.includes(owner))
    if (twice !== undefined) throw invalid(`${JSON.stringify(twice)} is to be added and removed`)
    changeTopicConfig({}, topicConfigs)
    if (!session.allows('describe', 'namespace', name)) throw unknownNamespace(name)
    const changesOwners = added.length > 0 || removed.length > 0
    if (changesOwners && !session.allows('grant', 'namespace', name))
      throw notAuthorized(session, 'grant', 'namespace', name)
    // Else whoever may manage it, which is less than to own it, could throw its owners out.
    if (changesOwners && !session.access.ownsPattern({ type: 'namespace', name, match: 'literal' }))
      throw new ProtocolError(
        ErrorCode.NAMESPACE_AUTHORIZATION_FAILED,
        `${callerOf(session)} may grant on namespace:${name} but not change its owners: that is for owners and administrators`,
      )
    if (topicConfigs.length > 0 && !session.allows('alter', 'namespace', name))
      throw notAuthorized(session, 'alter', 'namespace', name)
    const { isAdministrator } = session.access
    const { owners } = await namespaces.alter(name, (present) => {
      const owners = [...new Set([...present.owners, ...added])].filter((owner) => !removed.includes(owner))
      if (owners.length === 0 && present.owners.length > 0 && !isAdministrator)
        throw new ProtocolError(
          ErrorCode.POLICY_VIOLATION,
          `namespace ${quoteName(name)} would have no owner any more; add another one first`,
        )
      return { ...present, owners, topicConfigs: changeTopicConfig(present.topicConfigs, topicConfigs) }
    })
    return { owners: [...owners] }
  }
}

/** List groups: those the caller may describe. */
import type { GroupService } from '../groups/group-service.ts'
import type { Handler } from './handlers.ts'

export function listGroupsHandler(groups: Pick<GroupService, 'list'>): Handler<'listGroups'> {
  return async ({ states }, { session }) => {
    const wanted = states && new Set(states)
    const listed = (await groups.list())
      .filter(({ groupId, phase }) => {
        if (wanted && !wanted.has(phase)) return false
        return session.allows('describe', 'group', groupId)
      })
      .map(({ groupId, groupKind, phase, memberCount }) => ({
        groupId,
        kind: groupKind,
        state: phase,
        members: memberCount,
      }))
      .sort((a, b) => (a.groupId < b.groupId ? -1 : 1))
    return { groups: listed }
  }
}

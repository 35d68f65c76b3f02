/** Delete groups: such as have no members, with their offsets. Each succeeds or fails on its own. */
import type { GroupService } from '../groups/group-service.ts'
import { entryResult } from './entry-result.ts'
import { checkGroupId, groupRefusal, throwRefusal } from './group-words.ts'
import type { Handler } from './handlers.ts'

export function deleteGroupsHandler(
  groups: Pick<GroupService, 'deleteGroup'>,
  onProblem: (error: Error) => void,
): Handler<'deleteGroups'> {
  return async ({ groups: names }, { session }) => ({
    groups: await Promise.all(
      names.map(async (groupId) => {
        const result = await entryResult(async () => {
          checkGroupId(groupId)
          const refusal = groupRefusal(session, 'delete', groupId)
          if (refusal) throw refusal
          throwRefusal(await groups.deleteGroup(groupId))
        }, onProblem)
        return { groupId, ...result }
      }),
    ),
  })
}

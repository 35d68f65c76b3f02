/** The handlers of everything about groups, made together. */
import type { NamespaceStore } from '../access/namespace-store.ts'
import type { GroupService } from '../groups/group-service.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { deleteGroupsHandler } from './delete-groups.ts'
import { describeGroupsHandler } from './describe-groups.ts'
import { groupHeartbeatHandler } from './group-heartbeat.ts'
import type { Handlers } from './handlers.ts'
import { listGroupsHandler } from './list-groups.ts'
import { offsetCommitHandler } from './offset-commit.ts'
import { offsetDeleteHandler } from './offset-delete.ts'
import { offsetFetchHandler } from './offset-fetch.ts'

type GroupHandlers = Pick<
  Handlers,
  | 'groupHeartbeat'
  | 'offsetCommit'
  | 'offsetFetch'
  | 'offsetDelete'
  | 'listGroups'
  | 'describeGroups'
  | 'deleteGroups'
>

export function groupHandlers({
  groups,
  topics,
  namespaces,
  onProblem,
}: {
  readonly groups: GroupService
  readonly topics: TopicTable
  readonly namespaces: NamespaceStore
  readonly onProblem: (error: Error) => void
}): GroupHandlers {
  return {
    groupHeartbeat: groupHeartbeatHandler({ groups, topics, namespaces }),
    offsetCommit: offsetCommitHandler(groups, topics, namespaces),
    offsetFetch: offsetFetchHandler(groups, topics),
    offsetDelete: offsetDeleteHandler(groups, topics),
    listGroups: listGroupsHandler(groups),
    describeGroups: describeGroupsHandler(groups, topics),
    deleteGroups: deleteGroupsHandler(groups, onProblem),
  }
}

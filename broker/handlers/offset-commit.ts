/** Offset commit: how far a group has read, answered when it is durable. Each partition succeeds or fails on its own. */
import { ErrorCode } from '../../client/protocol/errors.ts'
import type { OffsetCommitRequest } from '../../client/protocol/messages/group-offsets.ts'
import type { NamespaceStore } from '../access/namespace-store.ts'
import type { GroupService } from '../groups/group-service.ts'
import type { OffsetToCommit } from '../groups/offsets.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { checkGroupId, checkNamespace, useRefusal } from './group-words.ts'
import type { Handler } from './handlers.ts'
import { findPartition, refuseRepeated } from './partition-error.ts'

type Asked = OffsetCommitRequest['partitions'][number]

export function offsetCommitHandler(
  groups: Pick<GroupService, 'commitOffsets'>,
  topics: TopicTable,
  namespaces: Pick<NamespaceStore, 'get'>,
): Handler<'offsetCommit'> {
  return async ({ groupId, memberId, memberEpoch, partitions }, { session }) => {
    checkGroupId(groupId)
    const refusal = useRefusal(session, groupId)
    if (refusal) throw refusal
    checkNamespace(namespaces, groupId)
    refuseRepeated(partitions)
    const offsets: OffsetToCommit[] = []
    const accepted: number[] = []
    const results = partitions.map(({ topicId, partition, offset, leaderEpoch, metadata }: Asked, i) => {
      const found = findPartition(topics, { topicId, partition, leaderEpoch: -1 }, session, 'read')
      if ('error' in found) return { topicId, partition, ...found }
      offsets.push({ topicKey: found.topic.idKey, partition, offset, leaderEpoch, metadata })
      accepted.push(i)
      return { topicId, partition, error: ErrorCode.NONE as number, message: null as string | null }
    })
    if (offsets.length > 0) {
      const answer = await groups.commitOffsets({ groupId, memberId, memberEpoch, offsets })
      for (const [i, refusal] of answer.offsets.entries())
        results[accepted[i]] = { ...results[accepted[i]], ...refusal }
    }
    return { partitions: results }
  }
}

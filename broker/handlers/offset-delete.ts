/** Offset delete: forgets how far a group has read in some partitions. */
import { ErrorCode } from '../../client/protocol/errors.ts'
import type { GroupService } from '../groups/group-service.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { checkGroupId, groupRefusal, throwRefusal } from './group-words.ts'
import type { Handler } from './handlers.ts'
import { findPartition, refuseRepeated } from './partition-error.ts'

export function offsetDeleteHandler(
  groups: Pick<GroupService, 'deleteOffsets'>,
  topics: TopicTable,
): Handler<'offsetDelete'> {
  return async ({ groupId, partitions }, { session }) => {
    checkGroupId(groupId)
    const refusal = groupRefusal(session, 'delete', groupId)
    if (refusal) throw refusal
    refuseRepeated(partitions)
    const wanted: { topicKey: string; partition: number }[] = []
    const accepted: number[] = []
    const results = partitions.map(({ topicId, partition }, i) => {
      const found = findPartition(topics, { topicId, partition, leaderEpoch: -1 }, session, 'describe')
      if ('error' in found) return { topicId, partition, ...found }
      wanted.push({ topicKey: found.topic.idKey, partition })
      accepted.push(i)
      return { topicId, partition, error: ErrorCode.NONE as number, message: null as string | null }
    })
    if (wanted.length > 0) {
      const answer = await groups.deleteOffsets({ groupId, partitions: wanted })
      throwRefusal(answer)
      for (const [i, outcome] of answer.offsets.entries())
        results[accepted[i]] = { ...results[accepted[i]], ...outcome }
    }
    return { partitions: results }
  }
}

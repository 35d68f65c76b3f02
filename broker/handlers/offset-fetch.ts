/** Offset fetch: how far a group has read, in the partitions asked for or in all. */
import { ErrorCode } from '../../client/protocol/errors.ts'
import type { FetchedOffset } from '../../client/protocol/messages/group-offsets.ts'
import type { CommittedOffset } from '../groups/group-record.ts'
import type { GroupService } from '../groups/group-service.ts'
import { topicIdKey, topicIdOfKey } from '../topics/topic-id.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { visibleTopic } from './authorization.ts'
import { checkGroupId, groupRefusal, throwRefusal } from './group-words.ts'
import type { Handler } from './handlers.ts'
import { findPartition, refuseRepeated } from './partition-error.ts'

const NONE = { offset: -1, leaderEpoch: -1, metadata: '', committedAtMs: -1 }

export function offsetFetchHandler(
  groups: Pick<GroupService, 'fetchOffsets'>,
  topics: TopicTable,
): Handler<'offsetFetch'> {
  return async ({ groupId, memberId, memberEpoch, partitions }, { session }) => {
    checkGroupId(groupId)
    const refusal = groupRefusal(session, 'describe', groupId)
    if (refusal) throw refusal
    refuseRepeated(partitions ?? [])
    const wanted = partitions?.map(({ topicId, partition }) => ({ topicKey: topicIdKey(topicId), partition }))
    const answer = await groups.fetchOffsets({
      groupId,
      memberId,
      memberEpoch,
      partitions: wanted ?? null,
    })
    throwRefusal(answer)
    const entries: FetchedOffset[] = []
    for (const { topicKey, partition, committed } of answer.offsets) {
      const topicId = topicIdOfKey(topicKey)
      const topic = visibleTopic(session, topics.byIdKey(topicKey))
      // Of all there are he is told of those he may see.
      if (partitions === null && !topic) continue
      const found = findPartition(topics, { topicId, partition, leaderEpoch: -1 }, session, 'describe')
      const entry = { topicId, topic: topic?.name ?? null, partition }
      if ('error' in found) entries.push({ ...entry, ...found, ...NONE })
      else entries.push({ ...entry, error: ErrorCode.NONE, message: null, ...told(committed) })
    }
    if (partitions === null) entries.sort(inOrder)
    return { partitions: entries }
  }
}

function told(committed: CommittedOffset | null): typeof NONE {
  if (!committed) return NONE
  const { offset, leaderEpoch, metadata, commitTimeMs } = committed
  return { offset, leaderEpoch, metadata, committedAtMs: commitTimeMs }
}

function inOrder(a: FetchedOffset, b: FetchedOffset): number {
  const [nameA, nameB] = [a.topic ?? '', b.topic ?? '']
  if (nameA !== nameB) return nameA < nameB ? -1 : 1
  return a.partition - b.partition
}

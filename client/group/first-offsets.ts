/**
 * Where a group begins in a partition in which it has no offset, when it is to read what comes from now on: at the end that the
 * partition has now. That is committed before anything is read, or whoever takes over before the first commit would begin at a
 * later end, and what came in between would be nobody's.
 */
import type { BrokerLink } from '../broker-link.ts'
import { apis } from '../protocol/api.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import { OFFSET_LATEST } from '../protocol/messages/list-offsets.ts'
import type { Topic } from '../topic-directory.ts'

export interface PlaceOfTopic {
  readonly topic: Topic
  readonly partition: number
}

/** As on the wire: the end that readers of committed records see. */
const COMMITTED = 1

/** The ends of partitions, in their order. Rejects with a {@link ProtocolError} when one is not known. */
export async function endsOf(link: BrokerLink, places: readonly PlaceOfTopic[]): Promise<number[]> {
  const partitions = places.map(({ topic, partition }) => ({
    topicId: topic.topicId,
    partition,
    leaderEpoch: topic.partitions[partition]?.leaderEpoch ?? -1,
    timestamp: OFFSET_LATEST,
  }))
  const request = { isolationLevel: COMMITTED, partitions }
  const listed = (await link.call(apis.listOffsets, request, { repeatable: true })).partitions
  return places.map(({ topic, partition }, i) => {
    const entry = listed[i]
    if (entry && entry.error === ErrorCode.NONE && entry.offset >= 0) return entry.offset
    const cause = new ProtocolError(
      entry?.error || ErrorCode.LEADER_NOT_AVAILABLE,
      entry?.message ?? undefined,
    )
    throw new ProtocolError(
      cause.code,
      `the end of topic ${topic.name}, partition ${partition}: ${cause.message}`,
      { cause },
    )
  })
}

/** Which partitions came into being while somebody read the topic: to be read from their beginning. */
export class GrownTopics {
  readonly #counts = new Map<string, number>()

  /** What the topic has when it is looked at first is there from the beginning. */
  isAdded({ topicIdText, partitions }: Topic, partition: number): boolean {
    const count = this.#counts.get(topicIdText)
    if (count === undefined) this.#counts.set(topicIdText, partitions.length)
    return partition >= (count ?? partitions.length)
  }
}

/** The internal topic that the log of the coordinator is: made when there is the first thing to keep, written by nobody else. */
import type { MetadataStore } from '../../storage/metadata-store.ts'
import type { Clock, Random } from '../ports.ts'
import { newTopicId } from '../topics/topic-id.ts'
import { INTERNAL_PREFIX } from '../topics/topic-name.ts'
import { encodeTopicRecord, topicKey } from '../topics/topic-record.ts'
import type { Topic, TopicTable } from '../topics/topic-table.ts'

export const COORDINATOR_TOPIC = `${INTERNAL_PREFIX}groups`

/** One coordinator for all groups; several nodes will share them out by partition. */
const PARTITIONS = 1
/** Records leave when the view has them, and for no other reason. */
const CONFIGS = { 'retention.ms': '-1', 'retention.bytes': '-1' }

/** Makes it. Rejects with StorageError when that cannot be. */
export async function createCoordinatorTopic({
  store,
  topics,
  clock,
  random,
}: {
  readonly store: MetadataStore
  readonly topics: TopicTable
  readonly clock: Clock
  readonly random: Random
}): Promise<Topic> {
  const value = encodeTopicRecord({
    topicId: newTopicId(random),
    partitions: PARTITIONS,
    configs: CONFIGS,
    createdAtMs: clock.nowMs(),
    state: 'live',
  })
  const key = topicKey(COORDINATOR_TOPIC)
  const { revision } = await store.transact([{ key, modRevision: 0 }], [{ kind: 'put', key, value }])
  await topics.caughtUp(revision)
  const made = topics.byName(COORDINATOR_TOPIC)
  if (!made) throw new Error(`the internal topic ${COORDINATOR_TOPIC} is being deleted`)
  return made
}

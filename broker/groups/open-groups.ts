/** Consumer groups of a node: their log, its view and their service, put together. */
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { RetentionPolicy } from '../../storage/log/retention.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'
import type { MetadataMedium } from '../../storage/metadata/metadata-medium.ts'
import type { MetadataStore } from '../../storage/metadata-store.ts'
import type { Crc32c } from '../../storage/record/crc32c.ts'
import type { Clock, Random, Timers } from '../ports.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { CoordinatorLog } from './coordinator-log.ts'
import { COORDINATOR_TOPIC, createCoordinatorTopic } from './coordinator-topic.ts'
import { CoordinatorView } from './coordinator-view.ts'
import { DEFAULT_GROUP_LIMITS, type GroupLimits, type GroupTopic, type GroupTopics } from './decision.ts'
import { GroupService } from './group-service.ts'

export interface GroupsOptions {
  readonly store: MetadataStore
  readonly log: ShardLog
  readonly topics: TopicTable
  readonly openView: () => MetadataMedium
  readonly crc32c: Crc32c
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly limits: Partial<GroupLimits>
  /** Why nothing can be written now; undefined: it can. */
  readonly refusal: () => Error | undefined
  readonly onProblem: (error: Error) => void
}

export interface Groups {
  readonly service: GroupService
  /** What of the coordinator's own log may go; undefined: it is another's. */
  policyOf(log: PartitionLog): RetentionPolicy | undefined
  /** After {@link GroupService.close}, when nothing is asked for any more. */
  close(): Promise<void>
}

/** Rejects with StorageError, or with an Error where a record of a group cannot be understood. */
export async function openGroups(options: GroupsOptions): Promise<Groups> {
  const { store, log, topics, clock, timers, random, crc32c, refusal, onProblem } = options
  const coordinatorLog = new CoordinatorLog({
    log,
    partition: topics.byName(COORDINATOR_TOPIC)?.logs[0],
    create: async () => (await createCoordinatorTopic({ store, topics, clock, random })).logs[0],
    view: new CoordinatorView(options.openView),
    crc32c,
    clock,
    timers,
    onProblem,
  })
  const service = await GroupService.open({
    log: coordinatorLog,
    topics: groupTopics(topics),
    limits: { ...DEFAULT_GROUP_LIMITS, ...options.limits },
    clock,
    timers,
    refusal,
    onProblem,
  })
  topics.onChange(() => service.topicsChanged())
  return {
    service,
    policyOf: (partition) => {
      if (partition !== coordinatorLog.partition) return undefined
      return { retentionMs: -1, retentionBytes: -1, goneBelowOffset: coordinatorLog.keptFromOffset }
    },
    close: () => coordinatorLog.close(),
  }
}

/** The topics as groups see them: those of users. */
function groupTopics(topics: TopicTable): GroupTopics {
  const seen = (topic: ReturnType<TopicTable['byName']>): GroupTopic | undefined =>
    topic && !topic.isInternal
      ? { topicKey: topic.idKey, name: topic.name, partitions: topic.partitions }
      : undefined
  return {
    get revision() {
      return topics.revision
    },
    byName: (name) => seen(topics.byName(name)),
    byKey: (key) => seen(topics.byIdKey(key)),
  }
}

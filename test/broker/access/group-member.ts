/** A member of a consumer group made of nothing but heartbeats: does at once whatever it is told. */
import { randomUUID } from 'node:crypto'
import { apis } from '../../../client/protocol/api.ts'
import type { ProtocolClient } from '../protocol-client.ts'

/** A session that no test outlives. */
const SESSION_MS = 60_000

export class GroupMember {
  readonly memberId = randomUUID()
  memberEpoch = 0
  readonly #client: ProtocolClient
  readonly #groupId: string
  readonly #topics: string[]
  #revision = 0
  #owned: { topicId: Uint8Array; partitions: number[] }[] = []

  constructor(client: ProtocolClient, groupId: string, topics: string[]) {
    this.#client = client
    this.#groupId = groupId
    this.#topics = topics
  }

  async heartbeat(maxWaitMs = 0): Promise<void> {
    const answer = await this.#client.call(apis.groupHeartbeat, {
      groupId: this.#groupId,
      memberId: this.memberId,
      memberEpoch: this.memberEpoch,
      instanceId: null,
      clientName: 'test',
      subscribedTopics: this.#topics,
      assignor: null,
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: SESSION_MS,
      maxProcessingMs: null,
      processingMs: null,
      revision: this.#revision,
      owned: this.memberEpoch > 0 ? this.#owned : [],
      maxWaitMs,
    })
    this.memberEpoch = answer.memberEpoch
    this.#revision = answer.revision
    if (answer.assignment)
      this.#owned = answer.assignment.map(({ topicId, partitions }) => ({ topicId, partitions }))
  }

  join(): Promise<void> {
    return this.heartbeat()
  }

  async untilOwned(partitions: number): Promise<void> {
    do await this.heartbeat(100)
    while (this.ownedPartitions().length !== partitions)
    await this.heartbeat()
  }

  ownedPartitions(): number[] {
    return this.#owned.flatMap((topic) => topic.partitions)
  }

  async leave(): Promise<void> {
    this.memberEpoch = -1
    await this.heartbeat()
  }
}

/**
 * The groups of a {@link FakeBroker}: the broker's own handlers and coordinator, on a disk in memory, in virtual time. They
 * crash and start again when told to, and lose what was not durable.
 */
import { bitOf } from '../../../auth/acl/operation.ts'
import type { NamespaceStore } from '../../../broker/access/namespace-store.ts'
import { CoordinatorLog } from '../../../broker/groups/coordinator-log.ts'
import { CoordinatorView } from '../../../broker/groups/coordinator-view.ts'
import {
  DEFAULT_GROUP_LIMITS,
  type GroupLimits,
  type GroupTopic,
  type GroupTopics,
} from '../../../broker/groups/decision.ts'
import { GroupService } from '../../../broker/groups/group-service.ts'
import type { RequestSession } from '../../../broker/handlers/context.ts'
import { groupHandlers } from '../../../broker/handlers/group-handlers.ts'
import { refusalOf } from '../../../broker/refusal.ts'
import { topicIdKey } from '../../../broker/topics/topic-id.ts'
import type { TopicTable } from '../../../broker/topics/topic-table.ts'
import type { AnyApi } from '../../../client/protocol/api.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { MemoryMetadataDisk } from '../../../storage/metadata/memory-metadata-store.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { openLog } from '../../storage/log/log-fixture.ts'
import type { FakeTopic } from './fake-broker.ts'
import type { World } from './world.ts'

interface Running {
  readonly service: GroupService
  readonly handlers: ReturnType<typeof groupHandlers>
  isDead: boolean
}

export class FakeGroups implements GroupTopics {
  /** Why nothing can be written. */
  refusal: Error | undefined
  /** Whether this may be done: everything, unless a test says otherwise. */
  allows: (operation: string, type: string, name: string) => boolean = () => true
  /** From a write to its durability. */
  syncMs: () => number = () => 1
  readonly problems: Error[] = []
  readonly #world: World
  readonly #topics: Map<string, FakeTopic>
  readonly #limits: GroupLimits
  readonly #disk = new MemoryDisk()
  readonly #view = new MemoryMetadataDisk()
  #running: Running | undefined
  #revision = 1
  #seen = ''

  constructor(world: World, topics: Map<string, FakeTopic>, limits: Partial<GroupLimits> = {}) {
    this.#world = world
    this.#topics = topics
    this.#limits = { ...DEFAULT_GROUP_LIMITS, ...limits }
  }

  /** For looking at. */
  get service(): GroupService {
    if (!this.#running) throw new Error('the groups of the fake broker are not there')
    return this.#running.service
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  get revision(): number {
    return this.#revision
  }

  byName(name: string): GroupTopic | undefined {
    const topic = this.#topics.get(name)
    return topic && { name, topicKey: topicIdKey(topic.topicId), partitions: topic.partitions.length }
  }

  byKey(topicKey: string): GroupTopic | undefined {
    for (const { name, topicId } of this.#topics.values())
      if (topicIdKey(topicId) === topicKey) return this.byName(name)
    return undefined
  }

  /** Looks whether topics are others than before. */
  topicsChanged(): void {
    const seen = [...this.#topics.values()]
      .map(({ name, topicId, partitions }) => `${name} ${topicId} ${partitions.length}`)
      .join()
    if (seen === this.#seen) return
    this.#seen = seen
    this.#revision++
    this.#running?.service.topicsChanged()
  }

  async start(): Promise<void> {
    const { timers, clock } = this.#world
    this.topicsChanged()
    const { shard, log } = await openLog(this.#disk, {
      segmentBytes: 1024 * 1024,
      syncs: {
        wait: () => new Promise((resolve) => void this.#world.after(this.syncMs(), resolve)),
      },
    })
    const running: { isDead: boolean } & Partial<Running> = { isDead: false }
    const mortal = {
      after: (delayMs: number, run: () => void) => timers.after(delayMs, () => running.isDead || run()),
      soon: (run: () => void) => timers.soon(() => running.isDead || run()),
    }
    const onProblem = (error: Error) => {
      if (!running.isDead) this.problems.push(error)
    }
    const service = await GroupService.open({
      log: new CoordinatorLog({
        log: shard,
        partition: log,
        create: async () => log,
        view: new CoordinatorView(() => this.#view),
        crc32c: crc32cTable,
        clock,
        timers: mortal,
        onProblem,
      }),
      topics: this,
      limits: this.#limits,
      clock,
      timers: mortal,
      refusal: () => this.refusal,
      onProblem,
    })
    const topics = this.#table()
    const namespaces = { get: () => ({}) } as unknown as NamespaceStore
    this.#running = Object.assign(running, {
      service,
      handlers: groupHandlers({ groups: service, topics, namespaces, onProblem }),
    })
  }

  /** Power is lost. What was asked is answered to nobody. */
  crash(): void {
    if (this.#running) this.#running.isDead = true
    this.#running = undefined
    this.#disk.crash(() => this.#world.unit())
  }

  handles(api: AnyApi): boolean {
    return /^(group-heartbeat|offset-commit|offset-fetch|offset-delete|(list|describe|delete)-groups)$/.test(
      api.name,
    )
  }

  /** Never settles when the power is lost meanwhile. Rejects with ProtocolError. */
  async answer(api: AnyApi, message: unknown, signal: AbortSignal): Promise<unknown> {
    const running = this.#running
    if (!running) throw new ProtocolError(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    const handler = running.handlers[handlerOf(api)] as (
      message: unknown,
      context: unknown,
    ) => Promise<unknown>
    const context = {
      session: this.#session(),
      connection: { id: 1, remoteAddress: '10.0.0.1' },
      signal,
      clock: this.#world.clock,
    }
    try {
      return await handler(message, context)
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal.code === ErrorCode.UNKNOWN_SERVER_ERROR) throw error
      throw refusal
    } finally {
      if (running.isDead) await new Promise(() => {})
    }
  }

  #session(): RequestSession {
    const bitsOn = (name: string) =>
      (['describe', 'read'] as const).reduce(
        (bits, operation) => (this.allows(operation, 'topic', name) ? bits | bitOf(operation) : bits),
        0,
      )
    const access = { bitsOn: (_: string, name: string) => bitsOn(name) }
    return {
      refusal: () => undefined,
      identity: { principal: { name: 'ada', groups: [], roles: [], isAnonymous: false } },
      allows: (operation: string, type: string, name: string) => this.allows(operation, type, name),
      access,
      bitsOnTopic: (topic: { name: string }) => bitsOn(topic.name),
    } as unknown as RequestSession
  }

  #table(): TopicTable {
    const known = (topic: FakeTopic | undefined) =>
      topic && {
        name: topic.name,
        topicId: topic.topicId,
        idKey: topicIdKey(topic.topicId),
        partitions: topic.partitions.length,
        logs: topic.partitions.map(() => ({ leaderEpoch: 0 })),
        isInternal: false,
      }
    const byIdKey = (key: string) => {
      for (const topic of this.#topics.values()) if (topicIdKey(topic.topicId) === key) return known(topic)
      return undefined
    }
    return {
      byName: (name: string) => known(this.#topics.get(name)),
      byId: (topicId: Uint8Array) => byIdKey(topicIdKey(topicId)),
      byIdKey,
    } as unknown as TopicTable
  }
}

function handlerOf({ name }: AnyApi): keyof Running['handlers'] {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()) as keyof Running['handlers']
}

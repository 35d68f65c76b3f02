/** The life of topics, with a metadata store in memory and a log that only remembers. */

import t from 'tap'
import { Policy } from '../../../auth/acl/policy.ts'
import { NamespaceStore } from '../../../broker/access/namespace-store.ts'
import { describeTopicsHandler } from '../../../broker/handlers/describe-topics.ts'
import { listTopicsHandler } from '../../../broker/handlers/list-topics.ts'
import { metadataHandler } from '../../../broker/handlers/metadata.ts'
import { topicIdHex } from '../../../broker/topics/topic-id.ts'
import { topicKey } from '../../../broker/topics/topic-record.ts'
import { TopicService } from '../../../broker/topics/topic-service.ts'
import { TopicTable } from '../../../broker/topics/topic-table.ts'
import { ErrorCode, errorDefinition } from '../../../client/protocol/errors.ts'
import { PartitionLog } from '../../../storage/log/partition-log.ts'
import {
  createMemoryMetadataStore,
  MemoryMetadataDisk,
} from '../../../storage/metadata/memory-metadata-store.ts'
import type { MetadataStore, WatchListener } from '../../../storage/metadata-store.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { randomOf } from '../../support/seeded-random.ts'
import { type FillableDisk, fillable } from '../access/fillable-metadata.ts'
import { ManualTime } from '../manual-time.ts'
import { contextOf } from '../sessions.ts'

/** Remembers which topics it was told to drop; a drop may be made to fail or to wait. */
class FakeLog {
  readonly dropped: string[] = []
  onDrop: () => Promise<void> = async () => {}

  createPartition(topicId: Uint8Array, partition: number): PartitionLog {
    return new PartitionLog(topicId, partition, { lost: () => {} })
  }

  async dropTopic(topicId: Uint8Array): Promise<void> {
    await this.onDrop()
    this.dropped.push(topicIdHex(topicId))
  }
}

async function openTopics(
  options: {
    disk?: MemoryMetadataDisk
    fill?: FillableDisk
    partitionsMax?: number
    refusal?: () => Error | undefined
  } = {},
) {
  const problems: Error[] = []
  const onProblem = (error: Error) => problems.push(error)
  const memory = createMemoryMetadataStore({
    disk: options.disk ?? new MemoryMetadataDisk(),
    onListenerError: (error) => onProblem(error as Error),
  })
  await memory.open()
  const store = fillable(memory, options.fill ?? { isFull: false })
  const log = new FakeLog()
  const { table, beingDeleted } = await TopicTable.open({ store, log, onProblem })
  const clock = new ManualTime()
  const ended: number[] = []
  const namespacesMax = 1_000
  const policy = new Policy()
  const namespaces = await NamespaceStore.open({ store, policy, clock, namespacesMax, onProblem })
  const forgotten: string[] = []
  const real = new TopicService({
    store,
    table,
    namespaces,
    forgetRights: async (name) => void forgotten.push(name),
    log,
    clock,
    random: randomOf(1),
    limits: {
      partitionsDefault: 2,
      partitionsPerTopicMax: 50,
      partitionsMax: options.partitionsMax ?? 100,
    },
    refusal: options.refusal ?? (() => undefined),
    onDropped: (logs) => ended.push(...logs.map(({ partition }) => partition)),
    onProblem,
  })
  // Whoever may do everything; who may not is the business of test/broker/access.
  const refusal = () => undefined
  const creator = { refusal, ownerOfNew: () => 'user:admin', rightsOfNew: async () => undefined }
  const deleter = { refusal, isVisible: () => true }
  const service = {
    create: (topics: Parameters<TopicService['create']>[0], validateOnly: boolean) =>
      real.create(topics, validateOnly, creator),
    alter: (topics: Parameters<TopicService['alter']>[0], validateOnly: boolean) =>
      real.alter(topics, validateOnly, refusal),
    delete: (topics: Parameters<TopicService['delete']>[0]) => real.delete(topics, deleter),
    finishDeletions: (...topics: Parameters<TopicService['finishDeletions']>) =>
      real.finishDeletions(...topics),
  }
  const create = async (name: string, partitions = 1, configs: { name: string; value: string }[] = []) => {
    const topics = [{ name, partitions, replicationFactor: -1, configs }]
    return (await service.create(topics, false))[0]
  }
  return { store, log, table, beingDeleted, service, create, problems, clock, ended, forgotten }
}

const named = (error: number | undefined) => errorDefinition(error ?? 0).name

t.test('an alteration uses the room that is kept back only where it lets data go', async (t) => {
  const fill = { isFull: false }
  const { service, create } = await openTopics({ fill })
  await create('a', 1, [{ name: 'max.message.bytes', value: '100000' }])
  fill.isFull = true
  const alter = async (name: string, value: string | null, partitions: number | null = null) =>
    named((await service.alter([{ name: 'a', partitions, configs: [{ name, value }] }], false))[0]?.error)
  t.equal(await alter('max.message.bytes', '2000000'), 'STORAGE_FULL')
  t.equal(await alter('message.timestamp.after.max.ms', '1000'), 'STORAGE_FULL')
  t.equal(await alter('max.message.bytes', '200000'), 'NONE', 'no longer than before')
  t.equal(await alter('retention.ms', '1000', 20), 'STORAGE_FULL')
  t.equal(await alter('retention.ms', '1000'), 'NONE')
  t.equal(await alter('retention.bytes', '1000000'), 'NONE')
  t.equal(await alter('max.message.bytes', null), 'NONE')
  t.match(await service.delete([{ name: 'a', topicId: null }]), [{ error: ErrorCode.NONE }])
})

t.test('without room nothing new is taken, and everything can go', async (t) => {
  let refusal: Error | undefined
  const { service, create, table } = await openTopics({ refusal: () => refusal })
  t.equal(named((await create('old', 1)).error), 'NONE')
  refusal = new StorageError('NO_SPACE', 'the disk is full')
  t.match(await create('new', 1), {
    error: ErrorCode.STORAGE_FULL,
    message: 'the disk is full',
    topicId: null,
  })
  const alter = async (partitions: number | null, configs: { name: string; value: string }[]) =>
    (await service.alter([{ name: 'old', partitions, configs }], false))[0]
  t.match(await alter(2, []), { error: ErrorCode.STORAGE_FULL })
  t.match(await alter(null, [{ name: 'retention.ms', value: '1000' }]), { error: ErrorCode.NONE })
  t.equal(table.byName('old')?.config.retentionMs, 1000)
  t.match(await service.delete([{ name: 'old', topicId: null }]), [{ error: ErrorCode.NONE }])
  refusal = undefined
  t.equal(named((await create('new', 1)).error), 'NONE')
})

t.test('creating topics', async (t) => {
  await t.test('an answered creation is durable and in the table at once', async (t) => {
    const disk = new MemoryMetadataDisk()
    const { table, create, clock, store } = await openTopics({ disk })
    const created = await create('lab.events', 3, [{ name: 'retention.ms', value: '60000' }])
    t.match(created, { name: 'lab.events', error: 0, message: null, partitions: 3 })
    const topic = table.byName('lab.events')
    t.match(topic, { name: 'lab.events', partitions: 3, createdAtMs: clock.nowMs(), isInternal: false })
    t.equal(topic?.config.retentionMs, 60_000)
    t.same(
      topic?.logs.map(({ partition }) => partition),
      [0, 1, 2],
    )
    t.equal(table.byId(created?.topicId as Uint8Array), topic)
    t.equal((created?.topicId?.[6] ?? 0) >> 4, 4, 'a UUID of version 4')
    t.equal(table.partitionCount, 3)

    const again = await openTopics({ disk })
    t.same(again.table.byName('lab.events')?.topicId, created?.topicId)
    t.equal((await store.get(topicKey('lab.events')))?.modRevision, 1)
  })

  await t.test('each topic of a request is judged on its own', async (t) => {
    const { service, table } = await openTopics()
    const wanted = (name: string, partitions: number, more = {}) => ({
      name,
      partitions,
      replicationFactor: 1,
      configs: [],
      ...more,
    })
    const results = await service.create(
      [
        wanted('good', -1),
        wanted('bad name', 1),
        wanted('__internal', 1),
        wanted('none', 0),
        wanted('many', 51),
        wanted('copies', 1, { replicationFactor: 3 }),
        wanted('config', 1, { configs: [{ name: 'retention.ms', value: 'soon' }] }),
        wanted('twice', 1),
        wanted('twice', 2),
      ],
      false,
    )
    t.same(
      results.map(({ name, error, partitions, topicId }) => [
        name,
        named(error),
        partitions,
        topicId !== null,
      ]),
      [
        ['good', 'NONE', 2, true],
        ['bad name', 'INVALID_TOPIC_EXCEPTION', -1, false],
        ['__internal', 'INVALID_TOPIC_EXCEPTION', -1, false],
        ['none', 'INVALID_PARTITIONS', -1, false],
        ['many', 'INVALID_PARTITIONS', -1, false],
        ['copies', 'INVALID_REPLICATION_FACTOR', -1, false],
        ['config', 'INVALID_CONFIG', -1, false],
        ['twice', 'INVALID_REQUEST', -1, false],
        ['twice', 'INVALID_REQUEST', -1, false],
      ],
    )
    t.equal(results[4]?.message, 'a topic has 1 to 50 partitions, not 51')
    t.equal(
      results[5]?.message,
      'the replication factor is 3; there is one broker, so it can be 1 (or -1, the default)',
    )
    t.same(
      table.list().map(({ name }) => name),
      ['good'],
    )
  })

  await t.test('validateOnly checks everything and changes nothing', async (t) => {
    const { service, store, create } = await openTopics()
    await create('there')
    const topics = ['new', 'there'].map((name) => ({
      name,
      partitions: 7,
      replicationFactor: -1,
      configs: [],
    }))
    const results = await service.create(topics, true)
    t.same(
      results.map(({ error, partitions, topicId }) => [named(error), partitions, topicId]),
      [
        ['NONE', 7, null],
        ['TOPIC_ALREADY_EXISTS', -1, null],
      ],
    )
    t.equal(store.revision(), 1)
  })

  await t.test('of concurrent creations of one name exactly one wins', async (t) => {
    const { create, table, problems } = await openTopics()
    const results = await Promise.all(Array.from({ length: 8 }, (_, i) => create('race', i + 1)))
    const won = results.filter((result) => result?.error === 0)
    t.equal(won.length, 1)
    t.same(
      results.filter((result) => result?.error !== 0).map((result) => named(result?.error)),
      new Array(7).fill('TOPIC_ALREADY_EXISTS'),
    )
    t.equal(table.byName('race')?.partitions, won[0]?.partitions)
    t.same(table.byName('race')?.topicId, won[0]?.topicId)
    t.same(problems, [])
  })

  await t.test('partitions of all topics together are bounded, also for concurrent creations', async (t) => {
    const { create, service, table } = await openTopics({ partitionsMax: 100 })
    const results = await Promise.all(Array.from({ length: 5 }, (_, i) => create(`t${i}`, 40)))
    t.same(
      results.map((result) => named(result?.error)),
      ['NONE', 'NONE', 'POLICY_VIOLATION', 'POLICY_VIOLATION', 'POLICY_VIOLATION'],
    )
    t.equal(results[2]?.message, '40 more partitions would make 120; this node takes 100')
    t.equal(table.partitionCount, 80)
    const [grown] = await service.alter([{ name: 't0', partitions: 50, configs: [] }], false)
    t.equal(named(grown?.error), 'NONE')
    const [tooFar] = await service.alter([{ name: 't1', partitions: 50, configs: [] }], false)
    t.equal(named(tooFar?.error), 'NONE')
    t.equal(named((await create('t9', 1))?.error), 'POLICY_VIOLATION')
    await service.delete([{ name: 't0', topicId: null }])
    t.equal(named((await create('t9', 50))?.error), 'NONE', 'a deleted topic makes room')
  })

  await t.test('a disk that fails is told as such', async (t) => {
    const disk = new MemoryMetadataDisk({
      sync: async () => {
        throw new StorageError('WRITE_FAILED', 'no more writing to /secret/path')
      },
    })
    const { create, table } = await openTopics({ disk })
    t.equal(named((await create('x'))?.error), 'KAFKA_STORAGE_ERROR')
    t.equal(table.topicCount, 0)
  })
})

t.test('altering topics', async (t) => {
  await t.test('partitions grow and only named configs change', async (t) => {
    const { create, service, table } = await openTopics()
    const created = await create('x', 2, [
      { name: 'retention.ms', value: '1000' },
      { name: 'retention.bytes', value: '2000' },
    ])
    const before = table.byName('x')
    const [altered] = await service.alter(
      [
        {
          name: 'x',
          partitions: 4,
          configs: [
            { name: 'retention.ms', value: null },
            { name: 'max.message.bytes', value: '5000' },
          ],
        },
      ],
      false,
    )
    t.match(altered, { name: 'x', error: 0, partitions: 4 })
    t.same(altered?.topicId, created?.topicId)
    const after = table.byName('x')
    t.same(after?.configValues, { 'max.message.bytes': '5000', 'retention.bytes': '2000' })
    t.equal(after?.config.retentionMs, 604_800_000)
    t.equal(after?.logs.length, 4)
    t.equal(after?.createdAtMs, before?.createdAtMs)
    t.equal(before?.partitions, 2, 'a topic object never changes')
    t.equal(table.partitionCount, 4)
  })

  await t.test('what cannot be is refused and changes nothing', async (t) => {
    const { create, service, store } = await openTopics()
    await create('x', 3)
    const alter = async (
      name: string,
      partitions: number | null,
      configs: { name: string; value: null }[] = [],
    ) => (await service.alter([{ name, partitions, configs }], false))[0]
    t.match(await alter('x', 3), {
      error: ErrorCode.INVALID_PARTITIONS,
      message: 'the topic has 3 partitions; the number can only grow, 3 would not',
    })
    t.match(await alter('x', 2), { error: ErrorCode.INVALID_PARTITIONS })
    t.match(await alter('x', 51), { error: ErrorCode.INVALID_PARTITIONS })
    t.match(await alter('x', null, [{ name: 'nope', value: null }]), { error: ErrorCode.INVALID_CONFIG })
    t.match(await alter('y', 5), {
      error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      message: 'there is no topic named "y"',
    })
    t.match(await alter('__x', 5), { error: ErrorCode.INVALID_TOPIC_EXCEPTION })
    const [valid] = await service.alter([{ name: 'x', partitions: 9, configs: [] }], true)
    t.match(valid, { error: 0, partitions: 9 })
    t.equal(store.revision(), 1)
  })

  await t.test('concurrent alterations all take effect', async (t) => {
    const { create, service, table } = await openTopics()
    await create('x')
    const names = ['retention.ms', 'retention.bytes', 'max.message.bytes', 'message.timestamp.after.max.ms']
    const results = await Promise.all(
      names.map((name) =>
        service.alter([{ name: 'x', partitions: null, configs: [{ name, value: '100' }] }], false),
      ),
    )
    t.same(
      results.map(([result]) => result?.error),
      [0, 0, 0, 0],
    )
    t.same(Object.keys(table.byName('x')?.configValues ?? {}).sort(), [...names].sort())
  })
})

t.test('deleting topics', async (t) => {
  await t.test('name and data are gone when it is answered, and the name is free', async (t) => {
    const { create, service, table, log, store, ended } = await openTopics()
    const first = await create('x', 3)
    const deleted = await service.delete([{ name: 'x', topicId: null }])
    t.same(deleted, [{ name: 'x', topicId: first?.topicId, error: 0, message: null }])
    t.equal(table.topicCount, 0)
    t.equal(table.partitionCount, 0)
    t.same(log.dropped, [topicIdHex(first?.topicId as Uint8Array)])
    t.same(ended, [0, 1, 2], 'who waits for its partitions is told')
    t.equal(await store.get('/topics/x'), undefined)
    const second = await create('x')
    t.notSame(second?.topicId, first?.topicId)
    t.equal(table.byId(first?.topicId as Uint8Array), undefined)
  })

  await t.test('by id, by both, by neither, unknown, internal', async (t) => {
    const { create, service, table } = await openTopics()
    const x = await create('x')
    await create('y')
    const id = x?.topicId as Uint8Array
    const remove = async (name: string | null, topicId: Uint8Array | null) =>
      (await service.delete([{ name, topicId }]))[0]
    t.match(await remove(null, null), {
      error: ErrorCode.INVALID_REQUEST,
      message: 'a topic to delete is named by name or id; both are null',
    })
    t.match(await remove('nope', null), { name: 'nope', error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION })
    t.match(await remove('x', new Uint8Array(16).fill(1)), { error: ErrorCode.UNKNOWN_TOPIC_ID })
    t.match(await remove('__x', null), { error: ErrorCode.INVALID_TOPIC_EXCEPTION })
    t.equal(table.topicCount, 2)
    t.match(await remove('y', id), { name: 'x', error: 0 }, 'the id wins')
    t.same(
      table.list().map(({ name }) => name),
      ['y'],
    )
  })

  await t.test(
    'while the data dies the topic is unknown and the name taken; a second caller waits',
    async (t) => {
      const { create, service, table, log } = await openTopics()
      await create('x')
      let release = () => {}
      log.onDrop = () =>
        new Promise((resolve) => {
          release = resolve
        })
      const deletions = [
        service.delete([{ name: 'x', topicId: null }]),
        service.delete([{ name: 'x', topicId: null }]),
      ]
      while (table.byName('x')) await new Promise((resolve) => setImmediate(resolve))
      t.equal(named((await create('x'))?.error), 'TOPIC_ALREADY_EXISTS')
      const [altered] = await service.alter([{ name: 'x', partitions: 5, configs: [] }], false)
      t.equal(named(altered?.error), 'UNKNOWN_TOPIC_OR_PARTITION')
      release()
      const results = (await Promise.all(deletions)).map(([result]) => named(result?.error))
      t.same(results, ['NONE', 'NONE'])
      t.equal(log.dropped.length, 1)
    },
  )

  await t.test('a deletion that a crash interrupted is finished at the next start', async (t) => {
    const disk = new MemoryMetadataDisk()
    const before = await openTopics({ disk })
    const created = await before.create('x', 2)
    await before.create('y')
    before.log.onDrop = () => Promise.reject(new StorageError('WRITE_FAILED', 'the disk is gone'))
    const [failed] = await before.service.delete([{ name: 'x', topicId: null }])
    t.equal(named(failed?.error), 'KAFKA_STORAGE_ERROR')

    const after = await openTopics({ disk })
    t.same(after.beingDeleted, [{ name: 'x', topicId: created?.topicId }])
    t.equal(after.table.byName('x'), undefined)
    t.equal(after.table.topicCount, 1)
    await after.service.finishDeletions(after.beingDeleted)
    t.same(after.log.dropped, [topicIdHex(created?.topicId as Uint8Array)])
    t.equal(await after.store.get('/topics/x'), undefined)
    t.equal(named((await after.create('x'))?.error), 'NONE')
  })

  await t.test('a deletion that failed can be asked for again', async (t) => {
    const { create, service, log, store } = await openTopics()
    await create('x')
    log.onDrop = () => Promise.reject(new StorageError('NO_SPACE', 'full'))
    t.equal(named((await service.delete([{ name: 'x', topicId: null }]))[0]?.error), 'STORAGE_FULL')
    log.onDrop = async () => {}
    t.equal(named((await service.delete([{ name: 'x', topicId: null }]))[0]?.error), 'NONE')
    t.equal(await store.get('/topics/x'), undefined)
  })
})

t.test('the topic table', async (t) => {
  await t.test('metadata that cannot be understood stops a start, and is told while running', async (t) => {
    const { store, create, table, problems } = await openTopics()
    await create('good')
    const put = (key: string, text: string) =>
      store.transact([], [{ kind: 'put', key, value: new TextEncoder().encode(text) }])
    const { revision } = await put('/topics/good', '{"state":"from the future"}')
    await table.caughtUp(revision)
    t.match(problems, [{ message: /^metadata \/topics\/good is no topic/ }])
    t.equal(table.byName('good')?.partitions, 1, 'the last known topic stays')
    await t.rejects(TopicTable.open({ store, log: new FakeLog(), onProblem: () => {} }), {
      message: /^metadata \/topics\/good is no topic/,
    })
  })

  await t.test('changes that were lost are caught up by listing again', async (t) => {
    const { store, create, service } = await openTopics()
    await create('gone')
    let compacted: WatchListener = () => {}
    const lossy: MetadataStore = Object.assign(Object.create(store) as MetadataStore, {
      list: (prefix: string) => store.list(prefix),
      watch: (prefix: string, from: number, listener: WatchListener) => {
        compacted = listener
        return from > 100 ? store.watch(prefix, from, listener) : () => {}
      },
    })
    const { table } = await TopicTable.open({ store: lossy, log: new FakeLog(), onProblem: t.error })
    t.ok(table.byName('gone'))
    await service.delete([{ name: 'gone', topicId: null }])
    await create('fresh', 5)
    compacted([{ kind: 'compacted', revision: store.revision() }])
    await table.caughtUp(store.revision())
    t.same(
      table.list().map(({ name }) => name),
      ['fresh'],
    )
    t.equal(table.partitionCount, 5)
  })

  await t.test('closing lets go of whoever waits', async (t) => {
    const { table } = await openTopics()
    const waiting = table.caughtUp(1000)
    table.close()
    await waiting
    t.pass('resolved')
  })
})

t.test('topics as clients see them', async (t) => {
  const { table, create } = await openTopics()
  const identity = { nodeId: 3, clusterId: 'abc', url: () => 'ws://127.0.0.1:1' }
  const context = contextOf()
  const b = await create('b', 2, [{ name: 'retention.ms', value: '9' }])
  await create('a', 1)

  const metadata = metadataHandler({ identity, topics: table })
  const all = await metadata({ topics: null }, context)
  t.match(all, {
    clusterId: 'abc',
    controllerId: 3,
    brokers: [{ nodeId: 3, url: 'ws://127.0.0.1:1', rack: null }],
  })
  t.same(
    all.topics.map(({ name }) => name),
    ['a', 'b'],
  )
  t.same(all.topics[1]?.partitions, [
    { error: 0, partition: 0, leaderId: 3, leaderEpoch: 0, replicas: [3], inSyncReplicas: [3] },
    { error: 0, partition: 1, leaderId: 3, leaderEpoch: 0, replicas: [3], inSyncReplicas: [3] },
  ])
  const unknownId = new Uint8Array(16).fill(0xab)
  const asked = await metadata(
    {
      topics: [
        { name: 'b', topicId: null },
        { name: 'nonsense', topicId: b?.topicId as Uint8Array },
        { name: 'c', topicId: null },
        { name: 'b', topicId: unknownId },
        { name: null, topicId: null },
      ],
    },
    context,
  )
  t.same(
    asked.topics.map(({ name, error, message }) => [name, named(error), message]),
    [
      ['b', 'NONE', null],
      ['b', 'NONE', null],
      ['c', 'UNKNOWN_TOPIC_OR_PARTITION', 'there is no topic named "c"'],
      [null, 'UNKNOWN_TOPIC_ID', `there is no topic with the id ${'ab'.repeat(16)}`],
      [null, 'INVALID_REQUEST', 'name and topicId are both null'],
    ],
  )

  const described = await describeTopicsHandler({ identity, topics: table })({ names: ['b', 'c'] }, context)
  t.match(described.topics[0], { error: 0, name: 'b', isInternal: false })
  t.same(described.topics[0]?.partitions[1], {
    partition: 1,
    leaderId: 3,
    leaderEpoch: 0,
    replicas: [3],
    inSyncReplicas: [3],
    logStartOffset: 0,
    highWatermark: 0,
    lastStableOffset: 0,
    logEndOffset: 0,
    bytes: 0,
    nextHourLogStartOffset: 0,
    nextHourLeavingBytes: 0,
  })
  t.match(
    described.topics[0]?.configs.find(({ name }) => name === 'retention.ms'),
    { value: '9', isDefault: false },
  )
  t.match(described.topics[1], { error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name: 'c', partitions: [] })

  const listed = await listTopicsHandler(table)({ includeInternal: false }, context)
  t.same(
    listed.topics.map(({ name, partitions }) => [name, partitions]),
    [
      ['a', 1],
      ['b', 2],
    ],
  )
})

/** Administration: what is asked, and what becomes of the answers. */
import t from 'tap'
import type { AnyApi } from '../../client/protocol/api.ts'
import { encodeResponse } from '../../client/protocol/codec.ts'
import { ErrorCode } from '../../client/protocol/errors.ts'
import { connected, failureOf } from './support/harness.ts'

const topicId = Uint8Array.from({ length: 16 }, (_, i) => i)
const idText = '000102030405060708090a0b0c0d0e0f'

/** An administration whose every question but metadata is answered with `response`; and the questions. */
async function answering(response: unknown) {
  const harness = await connected(2)
  const asked: [string, unknown][] = []
  harness.broker.misbehave = ({ api, message, frame }) => {
    if (api.name === 'metadata') return undefined
    asked.push([api.name, message])
    return { kind: 'answer', data: encodeResponse(api as AnyApi, frame.correlationId, response) }
  }
  return { ...harness, admin: harness.client.admin(), asked }
}

t.test('create', async (t) => {
  const { world, admin, asked } = await answering({
    topics: [{ name: 'a', topicId, error: 0, message: null, partitions: 4 }],
  })
  const expected = { name: 'a', topicId: idText, partitions: 4 }
  t.same(await world.until(admin.createTopic('a')), expected)
  const options = {
    partitions: 4,
    replicationFactor: 1,
    configs: { 'retention.ms': '1000' },
    validateOnly: true,
  }
  t.same(await world.until(admin.createTopic('a', options)), expected)
  t.same(asked, [
    [
      'create-topics',
      {
        topics: [{ name: 'a', partitions: -1, replicationFactor: -1, configs: [] }],
        validateOnly: false,
        timeoutMs: 30_000,
      },
    ],
    [
      'create-topics',
      {
        topics: [
          {
            name: 'a',
            partitions: 4,
            replicationFactor: 1,
            configs: [{ name: 'retention.ms', value: '1000' }],
          },
        ],
        validateOnly: true,
        timeoutMs: 30_000,
      },
    ],
  ])
})

t.test('a refusal names the topic', async (t) => {
  const entry = { name: 'a', topicId: null, partitions: -1 }
  const exists = await answering({
    topics: [{ ...entry, error: ErrorCode.TOPIC_ALREADY_EXISTS, message: null }],
  })
  t.match(await failureOf(exists.world.until(exists.admin.createTopic('a'))), {
    name: 'TOPIC_ALREADY_EXISTS',
    code: ErrorCode.TOPIC_ALREADY_EXISTS,
    message: 'topic "a": A topic with this name exists already.',
  })
  const config = await answering({
    topics: [{ ...entry, error: ErrorCode.INVALID_CONFIG, message: 'retention.ms: expected a number' }],
  })
  t.match(await failureOf(config.world.until(config.admin.alterTopic('a', { configs: { x: null } }))), {
    message: 'topic "a": retention.ms: expected a number',
  })
  const nothing = await answering({ topics: [] })
  t.match(await failureOf(nothing.world.until(nothing.admin.deleteTopic('a'))), {
    message: '0 answers for one topic',
  })
})

t.test('alter and delete', async (t) => {
  const altered = await answering({
    topics: [{ name: 'a', topicId, error: 0, message: null, partitions: 8 }],
  })
  await altered.world.until(altered.admin.alterTopic('a', { partitions: 8, configs: { x: '1', y: null } }))
  t.same(altered.asked, [
    [
      'alter-topics',
      {
        topics: [
          {
            name: 'a',
            partitions: 8,
            configs: [
              { name: 'x', value: '1' },
              { name: 'y', value: null },
            ],
          },
        ],
        validateOnly: false,
        timeoutMs: 30_000,
      },
    ],
  ])
  const deleted = await answering({ topics: [{ name: 'a', topicId, error: 0, message: null }] })
  t.equal(await deleted.world.until(deleted.admin.deleteTopic('a')), undefined)
  t.same(deleted.asked, [['delete-topics', { topics: [{ name: 'a', topicId: null }], timeoutMs: 30_000 }]])
})

t.test('list and describe give ids as text', async (t) => {
  const listed = await answering({ topics: [{ name: 'a', topicId, isInternal: false, partitions: 2 }] })
  t.same(await listed.world.until(listed.admin.listTopics()), [
    { name: 'a', topicId: idText, isInternal: false, partitions: 2 },
  ])
  t.same(listed.asked, [['list-topics', { includeInternal: false }]])
  const topic = {
    error: 0,
    message: null,
    name: 'a',
    topicId,
    isInternal: false,
    createdAtMs: 5,
    partitions: [],
    configs: [],
  }
  const described = await answering({ topics: [topic] })
  t.same(await described.world.until(described.admin.describeTopics(['a'])), [
    { name: 'a', topicId: idText, isInternal: false, createdAtMs: 5, partitions: [], configs: [] },
  ])
  await described.world.until(described.admin.describeTopics())
  t.same(described.asked, [
    ['describe-topics', { names: ['a'] }],
    ['describe-topics', { names: null }],
  ])
  const gone = await answering({
    topics: [{ ...topic, topicId: null, error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }],
  })
  t.match(await failureOf(gone.world.until(gone.admin.describeTopics(['a']))), {
    code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  })
})

t.test('list offsets', async (t) => {
  const { world, broker, client } = await connected(2)
  const admin = client.admin()
  broker.topic('t').partitions[1].logStart = 3
  broker.topic('t').partitions[1].logEnd = 9
  const queries = [
    { topic: 't', partition: 1, at: 'earliest' },
    { topic: 't', partition: 1, at: 'latest' },
    { topic: 't', partition: 0, at: { timeMs: 5 } },
  ] as const
  t.same(await world.until(admin.listOffsets(queries)), [
    { topic: 't', partition: 1, offset: 3, timestampMs: -1 },
    { topic: 't', partition: 1, offset: 9, timestampMs: -1 },
    { topic: 't', partition: 0, offset: -1, timestampMs: -1 },
  ])
  t.match(
    await failureOf(world.until(admin.listOffsets([{ topic: 'nobody', partition: 0, at: 'latest' }]))),
    {
      code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      message: /^topic "nobody": /,
    },
  )
  t.match(await failureOf(world.until(admin.listOffsets([{ topic: 't', partition: 7, at: 'latest' }]))), {
    code: ErrorCode.UNKNOWN_TOPIC_ID,
    message: /^topic "t": /,
  })
})

t.test('status and metadata', async (t) => {
  const { world, client } = await connected(2)
  t.match(await world.until(client.admin().metadata()), { clusterId: 'fake', topics: [{ name: 't' }] })
  const status = {
    nodeId: 1,
    clusterId: 'c',
    software: 's',
    nodeVersion: 'v',
    pid: 1,
    startedAtMs: 1,
    nowMs: 2,
    ready: true,
    reason: null,
    url: 'ws://x',
    dataDirectory: 'd',
    topics: 1,
    partitions: 1,
    connections: 1,
    storage: {
      kind: 'k',
      segments: 1,
      bytes: 1,
      freeBytes: 1,
      commits: 1,
      committedBytes: 1,
      state: 'ok',
      stateReason: null,
      fullInMs: null,
    },
    process: { rssBytes: 1, heapBytes: 1, cpuSeconds: 0.5 },
    warnings: [],
    producers: { names: 0, ids: 0, idsMax: 1 },
    groups: {
      groups: 2,
      members: 3,
      heldHeartbeats: 3,
      commits: 1_200,
      committedOffsets: 4_800,
      rebalances: 5,
    },
    codecPool: { workers: 1, workersMax: 3, queuedBytes: 0, tasks: 7, refused: 0, deaths: 0 },
  }
  const node = await answering(status)
  t.match(await node.world.until(node.admin.status()), { ready: true, process: { cpuSeconds: 0.5 } })
})

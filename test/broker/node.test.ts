/** A whole node on a real disk and a real port, spoken to in bare frames. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { loadConfig } from '../../broker/config/load-config.ts'
import { type Node, type NodeOptions, startNode } from '../../broker/node.ts'
import { systemPorts } from '../../broker/system-ports.ts'
import { loadUwsTransport } from '../../broker/transport/uws-transport.ts'
import { apis } from '../../client/protocol/api.ts'
import { ErrorCode } from '../../client/protocol/errors.ts'
import { MemoryDisk, MemorySegmentStore } from '../../storage/memory/memory-segment-store.ts'
import {
  createMemoryMetadataStore,
  MemoryMetadataDisk,
} from '../../storage/metadata/memory-metadata-store.ts'
import { ADMIN_KEY, adminHeaders, adminKeyInMemory, provisionAdminKey } from '../support/admin-key.ts'
import { batchOf, ProtocolClient } from './protocol-client.ts'

const transport = await loadUwsTransport()

async function directory(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'octopus-node-'))
  t.teardown(() => rm(path, { recursive: true }))
  await provisionAdminKey(join(path, 'data'))
  return join(path, 'data')
}

interface Line {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

function start(
  t: Test,
  data: string,
  changes: { flags?: Record<string, string> } & Partial<NodeOptions> = {},
): { starting: Promise<Node>; logged: Line[] } {
  const { flags, ...options } = changes
  const config = loadConfig({
    flags: {
      data,
      listen: '127.0.0.1:0',
      'storage.segmentBytes': '16MiB',
      'shutdown.timeoutMs': '2000',
      ...flags,
    },
    env: {},
    readFile: () => '',
  })
  const logged: Line[] = []
  const logger = pino({ level: 'debug' }, { write: (line) => logged.push(JSON.parse(line)) })
  const starting = startNode({ config, logger, transport, ...systemPorts(), ...options })
  t.teardown(() =>
    starting.then(
      (node) => node.stop(),
      (error) => error,
    ),
  )
  return { starting, logged }
}

const http = (node: Node, path: string, init?: RequestInit) =>
  fetch(`${node.url.replace('ws', 'http')}${path}`, { headers: adminHeaders, ...init })

t.test('events go from a producer to the disk to a consumer, and are there after a restart', async (t) => {
  const data = await directory(t)
  const node = await start(t, data).starting
  const client = await ProtocolClient.connect(node.url)
  const topicId = await client.createTopic('lab.events', 2)

  const [first, second, other] = await Promise.all([
    client.produce(topicId, 0, batchOf(['a', 'b', 'c'])),
    client.produce(topicId, 0, batchOf(['d'])),
    client.produce(topicId, 1, batchOf(['z'])),
  ])
  t.match(first, { error: 0, baseOffset: 0, logStartOffset: 0 })
  t.match(second, { error: 0, baseOffset: 3 })
  t.match(other, { error: 0, baseOffset: 0, partition: 1 })

  const { response, records } = await client.fetch(topicId, 0, 1)
  t.match(response, { error: 0, highWatermark: 4, lastStableOffset: 4, logStartOffset: 0 })
  t.same(records, [
    { offset: 1, value: 'b' },
    { offset: 2, value: 'c' },
    { offset: 3, value: 'd' },
  ])

  const parked = client.fetch(topicId, 0, 4, 10_000)
  const producer = await ProtocolClient.connect(node.url)
  await producer.produce(topicId, 0, batchOf(['e']))
  t.same((await parked).records, [{ offset: 4, value: 'e' }], 'a parked fetch is woken by what is produced')

  const bad = batchOf(['broken'])
  bad[bad.length - 1] ^= 1
  t.match(await producer.produce(topicId, 1, bad), { error: ErrorCode.CORRUPT_MESSAGE, baseOffset: -1 })

  const metrics = await (await http(node, '/metrics')).text()
  for (const expected of [
    /^octopus_connections 2$/m,
    /^octopus_requests_total\{api="produce",error="NONE"\} 5$/m,
    /^octopus_requests_total\{api="hello",error="NONE"\} 2$/m,
    /^octopus_topics 1$/m,
    /^octopus_partitions 2$/m,
    /^octopus_produce_unanswered_bytes 0$/m,
    /^octopus_commit_seconds_count [1-9]/m,
    /^octopus_disk_state\{state="ok"\} 1\noctopus_disk_state\{state="warning"\} 0\noctopus_disk_state\{state="read-only"\} 0$/m,
    /^octopus_relocated_segments_total 0$/m,
    /^octopus_index_cache_bytes 0$/m,
    /^octopus_disk_free_bytes [1-9]\d{6,}$/m,
    /^octopus_disk_full_seconds \+Inf$/m,
    /^octopus_codec_workers 0$/m,
    /^octopus_filters_live 0$/m,
    /^octopus_filter_scans_total 0$/m,
    /^octopus_codec_workers_max [1-9]\d*$/m,
    /^octopus_codec_queued_bytes_max 67108864$/m,
    /^octopus_codec_worker_deaths_total\{end="stuck"\} 0$/m,
    /^nodejs_eventloop_lag_seconds /m,
  ])
    t.match(metrics, expected)

  const status = await producer.call(apis.status, {})
  t.match(status, {
    ready: true,
    reason: null,
    url: node.url,
    dataDirectory: data,
    topics: 1,
    partitions: 2,
    connections: 2,
    storage: { kind: 'lmdb', segments: 1, state: 'ok', stateReason: null, fullInMs: null },
    pid: process.pid,
    warnings: [],
  })

  const closed = once(client.socket, 'close')
  await Promise.all([node.stop(), node.stop()])
  t.equal((await closed)[0], 1001)
  await t.rejects(http(node, '/healthz'))

  const again = await start(t, data).starting
  const reader = await ProtocolClient.connect(again.url)
  const { topics } = await reader.call(apis.metadata, { topics: [{ name: 'lab.events', topicId: null }] })
  t.same(topics[0]?.topicId, topicId)
  t.same(
    (await reader.fetch(topicId, 0, 0)).records.map(({ value }) => value),
    ['a', 'b', 'c', 'd', 'e'],
  )
  t.match(await reader.produce(topicId, 0, batchOf(['f'])), { baseOffset: 5 })
  const orphaned = reader.fetch(topicId, 0, 6, 60_000)
  await reader.call(apis.deleteTopics, { topics: [{ name: 'lab.events', topicId: null }], timeoutMs: 1000 })
  t.match((await orphaned).response, { error: ErrorCode.UNKNOWN_TOPIC_ID }, 'a parked fetch is let go')
  t.match((await reader.fetch(topicId, 0, 0)).response, { error: ErrorCode.UNKNOWN_TOPIC_ID })
  const fresh = await reader.createTopic('lab.events', 1)
  t.same((await reader.fetch(fresh, 0, 0)).records, [], 'a topic created again shows no old data')
  await again.stop()
})

t.test('HTTP for operators', async (t) => {
  const node = await start(t, await directory(t)).starting
  const got = async (path: string, init?: RequestInit) => {
    const response = await http(node, path, init)
    return [response.status, await response.text()] as const
  }
  t.match(await got('/'), [200, /^octopus\/\d.*\/metrics/s])
  t.same(await got('/healthz'), [200, 'alive\n'])
  t.same(await got('/readyz'), [200, 'ready\n'])
  t.same(await got('/elsewhere'), [404, 'There is nothing at this address; see / for what there is.\n'])
  t.same(await got('/metrics', { method: 'DELETE' }), [
    405,
    'DELETE is not possible here; GET and HEAD are.\n',
  ])
  t.same(await got('/healthz', { method: 'HEAD' }), [200, ''])
  t.same(await got('/healthz', { headers: {} }), [200, 'alive\n'], 'open to everybody')
  t.same(await got('/.well-known/jwks.json', { headers: {} }), [200, '{"keys":[]}'])
  for (const path of ['/', '/readyz', '/metrics', '/elsewhere'])
    t.match(await got(path, { headers: {} }), [401, /^Say who you are/], path)
  t.match(await got('/metrics', { headers: { authorization: 'Bearer oct_x' } }), [
    401,
    /^the API key is not of/,
  ])
  const metrics = await http(node, '/metrics')
  t.match(metrics.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
  t.equal(metrics.headers.get('cache-control'), 'no-store')
})

t.test('a credential in the header of the upgrade', async (t) => {
  const { starting, logged } = start(t, await directory(t))
  const node = await starting
  const hello = { clientName: 'test', clientVersion: '1' }
  const client = await ProtocolClient.open(node.url, adminHeaders)
  t.match(await client.call(apis.hello, hello), { authenticationRequired: false })
  t.match(await client.call(apis.whoami, {}), { principal: 'user:admin', isAdministrator: true })
  await client.createTopic('x', 1)

  const secret = `${'B'.repeat(42)}A`
  const wrong = await ProtocolClient.open(node.url, {
    authorization: `Bearer oct_${'test'.repeat(4)}_${secret}`,
  })
  await t.rejects(wrong.call(apis.hello, hello), {
    code: ErrorCode.SASL_AUTHENTICATION_FAILED,
    message: /^the API key is not known here/,
  })
  t.match(await wrong.call(apis.hello, hello), { authenticationRequired: true }, 'it is looked at once')
  await t.rejects(wrong.call(apis.whoami, {}), { code: ErrorCode.AUTHENTICATION_REQUIRED })
  for (const socket of [client.socket, wrong.socket]) socket.terminate()

  await t.rejects(ProtocolClient.open(node.url, { authorization: 'Basic dTpw' }), {
    message: 'Unexpected server response: 401',
  })
  const log = JSON.stringify(logged)
  for (const text of [secret, ADMIN_KEY.slice(-20), 'dTpw'])
    t.notOk(log.includes(text), 'no secret in the log')
})

t.test('a start that fails says why and leaves nothing open', async (t) => {
  const data = await directory(t)
  const node = await start(t, data).starting
  await t.rejects(start(t, data).starting, { name: 'StorageError', code: 'LOCKED' })
  const elsewhere = await directory(t)
  const listen = `127.0.0.1:${node.port}`
  await t.rejects(start(t, elsewhere, { flags: { listen } }).starting, {
    name: 'TransportError',
    code: 'ADDRESS_IN_USE',
    message: `cannot listen on ${listen}: the port is in use by another program; stop it or listen on another port`,
  })
  await node.stop()
  const second = await start(t, elsewhere, { flags: { listen } }).starting
  t.equal(second.port, node.port, 'the directory was unlocked again, and the port of a stopped node is free')
})

t.test('stopping answers what is under way and does not wait for what is only parked', async (t) => {
  const node = await start(t, await directory(t)).starting
  const client = await ProtocolClient.connect(node.url)
  const topicId = await client.createTopic('x', 1)
  const parked = client.fetch(topicId, 0, 0, 60_000).catch((error) => error.message)
  while (!/^octopus_requests_parked 1$/m.test(await (await http(node, '/metrics')).text()));
  const creating = client.createTopic('y', 1)
  while (!/^octopus_topics 2$/m.test(await (await http(node, '/metrics')).text()));
  const startMs = performance.now()
  await node.stop()
  t.ok(performance.now() - startMs < 1500, 'well before the deadline')
  t.type(await creating, Uint8Array)
  t.equal(await parked, 'closed with 1001')
})

t.test('a log that fails is told to clients, to operators and to the entry point', async (t) => {
  let isBroken = false
  const syncs = {
    wait: async () => {
      if (isBroken) throw new Error('the disk is on fire')
    },
  }
  const { starting, logged } = start(t, 'unused', {
    openStorage: async () => {
      const metadata = createMemoryMetadataStore({ onListenerError: t.error })
      await metadata.open()
      const segments = new MemorySegmentStore({ disk: new MemoryDisk(), syncs })
      await segments.open()
      return {
        nodeId: 1,
        clusterId: 'memory',
        path: 'nowhere',
        metadata,
        segments,
        openGroupView: () => new MemoryMetadataDisk(),
        adminKeyFile: adminKeyInMemory,
        close: async () => {},
      }
    },
  })
  const node = await starting
  const client = await ProtocolClient.connect(node.url)
  const topicId = await client.createTopic('x', 1)
  await client.produce(topicId, 0, batchOf(['kept']))
  isBroken = true
  t.equal((await client.produce(topicId, 0, batchOf(['lost']))).error, ErrorCode.KAFKA_STORAGE_ERROR)
  t.match(await node.failed, { name: 'StorageError', code: 'WRITE_FAILED' })
  const ready = await http(node, '/readyz')
  t.equal(ready.status, 503)
  t.match(await ready.text(), /^Nothing can be written any more: .*\n$/)
  t.equal((await http(node, '/healthz')).status, 200)
  t.match(await client.call(apis.status, {}), { ready: false, reason: /^Nothing can be written any more/ })
  t.equal((await client.produce(topicId, 0, batchOf(['refused']))).error, ErrorCode.KAFKA_STORAGE_ERROR)
  t.same((await client.fetch(topicId, 0, 0)).records, [{ offset: 0, value: 'kept' }], 'reading goes on')
  t.equal(logged.filter(({ level }) => level === 60).length, 1)
  await node.stop()
})

t.test('old data goes when its time is over', async (t) => {
  const flags = { 'retention.checkIntervalMs': '100' }
  const node = await start(t, await directory(t), { flags }).starting
  const client = await ProtocolClient.connect(node.url)
  const topicId = await client.createTopic('x', 1, { 'retention.ms': '60000' })
  await client.produce(topicId, 0, batchOf(['old'], Date.now() - 120_000))
  await client.produce(topicId, 0, batchOf(['young']))
  const partitions = [{ topicId, partition: 0, leaderEpoch: -1, timestamp: -2 }]
  let earliest = 0
  while (earliest === 0) {
    const { partitions: listed } = await client.call(apis.listOffsets, { isolationLevel: 0, partitions })
    earliest = listed[0]?.offset ?? -1
  }
  t.equal(earliest, 1)
  t.match((await client.fetch(topicId, 0, 0)).response, { error: ErrorCode.OFFSET_OUT_OF_RANGE })
  t.same((await client.fetch(topicId, 0, 1)).records, [{ offset: 1, value: 'young' }])
})

t.test('no more connections are taken than files may be open', async (t) => {
  const ports = systemPorts()
  const { starting, logged } = start(t, await directory(t), {
    process: { ...ports.process, openFilesMax: () => 257 },
  })
  const node = await starting
  t.match(
    logged.find(({ msg }) => msg.startsWith('fewer connections')),
    { level: 40, openFilesMax: 257, asked: 10_000, connectionsMax: 1 },
  )
  await ProtocolClient.connect(node.url)
  await t.rejects(ProtocolClient.connect(node.url), { message: 'Unexpected server response: 503' })
})

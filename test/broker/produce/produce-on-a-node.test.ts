/**
 * A whole node while batches are with the codec pool: it stops, a client goes, the pool is full. Everybody is answered once
 * or has lost his connection, nothing that was acknowledged is lost, and what waits is bounded.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { WorkerPool } from '../../../broker/codec-pool/worker-pool.ts'
import { loadConfig } from '../../../broker/config/load-config.ts'
import { type Node, type NodeOptions, startNode } from '../../../broker/node.ts'
import { systemPorts } from '../../../broker/system-ports.ts'
import { loadUwsTransport } from '../../../broker/transport/uws-transport.ts'
import { connect } from '../../../client/index.ts'
import { ErrorCode, errorDefinition } from '../../../client/protocol/errors.ts'
import { adminHeaders, provisionAdminKey } from '../../support/admin-key.ts'
import { ProtocolClient } from '../protocol-client.ts'
import { HeldPool } from './held-pool.ts'
import { event, eventsBatch } from './produced-batches.ts'

const transport = await loadUwsTransport()
const ZSTD = { 'compression.type': 'zstd' }

async function start(
  t: Test,
  codecPool: NodeOptions['codecPool'],
  flags: Record<string, string> = {},
): Promise<Node> {
  const path = await mkdtemp(join(tmpdir(), 'octopus-produce-'))
  await provisionAdminKey(join(path, 'data'))
  const config = loadConfig({
    flags: { data: join(path, 'data'), listen: '127.0.0.1:0', 'storage.segmentBytes': '16MiB', ...flags },
    env: {},
    readFile: () => '',
  })
  const logger = pino({ level: 'silent' })
  const node = await startNode({ config, logger, transport, ...systemPorts(), codecPool })
  t.teardown(async () => {
    await node.stop()
    await rm(path, { recursive: true })
  })
  return node
}

/** A node with a pool that a test moves, and a topic that it compresses. */
async function held(t: Test, flags: Record<string, string> = {}) {
  const pool = new HeldPool(0)
  const node = await start(t, () => pool, flags)
  const client = await ProtocolClient.connect(node.url)
  t.teardown(() => client.close())
  const topicId = await client.createTopic('lab.events', 1, ZSTD)
  const send = (from: number, acks = -1, records = 20) =>
    client.produce(topicId, 0, eventsBatch(from, records, { timestampMs: Date.now() }), acks)
  const waiting = async (count: number) => {
    while (pool.held.length < count) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return { pool, node, client, topicId, send, waiting }
}

const metric = async (node: Node, name: string) => {
  const response = await fetch(`${node.url.replace('ws', 'http')}/metrics`, { headers: adminHeaders })
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await response.text())?.[1])
}

t.test('a node that stops waits for what is with the pool', async (t) => {
  const { pool, node, send, waiting } = await held(t)
  const answers = [send(0), send(20)]
  await waiting(2)
  let hasStopped = false
  const stopping = node.stop().then(() => {
    hasStopped = true
  })
  pool.take(1).finish()
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(hasStopped, false)
  pool.take().finish()
  t.match(await Promise.all(answers), [
    { error: ErrorCode.NONE, baseOffset: 0 },
    { error: ErrorCode.NONE, baseOffset: 20 },
  ])
  await stopping
})

t.test('and for no longer than it may', async (t) => {
  const { pool, node, client, send, waiting } = await held(t, { 'shutdown.timeoutMs': '100' })
  const outcome = Promise.allSettled([send(0), send(20, 0)])
  await waiting(2)
  const closed = once(client.socket, 'close')
  const startedAtMs = performance.now()
  await node.stop()
  t.ok(performance.now() - startedAtMs < 5_000, 'nothing hangs')
  t.equal((await closed)[0], 1001)
  t.same(
    (await outcome).map(({ status }) => status),
    ['rejected', 'rejected'],
    'they have lost their connection',
  )
  t.equal(pool.held.length, 0, 'the pool was closed')
})

t.test('of a client that has gone the batch is stored, and its room is given back', async (t) => {
  const { pool, node, topicId, waiting } = await held(t)
  const other = await ProtocolClient.connect(node.url)
  const bytes = eventsBatch(0, 20, { timestampMs: Date.now() })
  const lost = t.rejects(other.produce(topicId, 0, bytes))
  await waiting(1)
  t.equal(await metric(node, 'octopus_produce_unanswered_bytes'), bytes.length)
  other.socket.terminate()
  await lost
  pool.take().finish()
  while ((await metric(node, 'octopus_produce_unanswered_bytes')) > 0);
  const { records } = await (await ProtocolClient.connect(node.url)).fetch(topicId, 0, 0)
  t.equal(records.length, 20)
})

t.test('what waits is bounded by the produce buffer, without acknowledgement, too', async (t) => {
  const MIB = 1024 * 1024
  const { pool, node, topicId, client, waiting } = await held(t, {
    'limits.produceBufferBytesMax': '16MiB',
    'limits.produceWindowBytesMax': '16MiB',
  })
  await client.close()
  // As many as may be unanswered, of several clients, each within its window.
  const clients = await Promise.all(Array.from({ length: 6 }, () => ProtocolClient.connect(node.url)))
  const batch = eventsBatch(0, 90, { valueBytes: 10_000, timestampMs: Date.now() })
  const answers: Promise<string>[] = []
  const told: string[] = []
  for (let round = 0; round < 4; round++)
    for (const each of clients) {
      const answer = each.produce(topicId, 0, batch, round % 2).then(
        ({ error }) => errorDefinition(error).name,
        ({ code }: { code: number }) => errorDefinition(code).name,
      )
      answers.push(answer)
      void answer.then((name) => told.push(name))
    }
  const room = Math.floor((16 * MIB) / batch.length)
  await waiting(room)
  while (told.length < answers.length - room) await new Promise((resolve) => setTimeout(resolve, 1))
  t.same(new Set(told), new Set(['BACKPRESSURE']), 'the others are refused')
  t.equal(pool.held.length, room)
  t.ok((await metric(node, 'octopus_produce_unanswered_bytes')) <= 16 * MIB)
  while (pool.held.length > 0) pool.take().finish()
  t.equal((await Promise.all(answers)).filter((name) => name === 'NONE').length, room)
  for (const each of clients) await each.close()
})

for (const acks of ['all', 'none'] as const)
  t.test(`a full pool is a reason to wait, and nothing is lost: acks ${acks}`, async (t) => {
    const EVENTS = 3_000
    const { clock, timers, crc32c, codecs } = systemPorts()
    const node = await start(t, (settings) => {
      const queuedBytesMax = 100_000
      return new WorkerPool({
        ...settings,
        queuedBytesMax,
        offloadBytesMin: 0,
        workersMax: 1,
        tools: { crc32c, codecs },
        clock,
        timers,
      })
    })
    const clients = await Promise.all(Array.from({ length: 4 }, () => connect({ url: node.url })))
    await clients[0].admin().createTopic('lab.events', { partitions: 4, configs: ZSTD })
    await Promise.all(
      clients.map(async (client, partition) => {
        const producer = client.producer({ acks, maxInFlight: acks === 'all' ? 5 : 1 })
        for (let n = 0; n < EVENTS; n++)
          await producer.append('lab.events', { value: event(n, 1_000), partition })
        t.match(await producer.flush(), { acknowledged: EVENTS, failed: 0 })
        await producer.close()
      }),
    )
    t.ok((await metric(node, 'octopus_codec_tasks_refused_total')) > 0, 'the pool was full')
    const next = [0, 0, 0, 0]
    const wrong: string[] = []
    // Without acknowledgement the last of them may not be durable yet.
    const reader = clients[0].consumer({ topics: ['lab.events'], from: 'earliest' })
    for await (const record of reader) {
      if (record.text() !== event(next[record.partition]++, 1_000))
        wrong.push(`${record.partition}@${record.offset}`)
      if (next.every((count) => count >= EVENTS)) break
    }
    t.same(wrong.slice(0, 5), [], 'in order')
    t.same(next, [EVENTS, EVENTS, EVENTS, EVENTS])
    for (const client of clients) await client.close()
  })

/** A node in this process on disks that fill, fail and hang when the test says so. */
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { loadConfig } from '../../broker/config/load-config.ts'
import { type Node, startNode } from '../../broker/node.ts'
import { systemPorts } from '../../broker/system-ports.ts'
import { loadUwsTransport } from '../../broker/transport/uws-transport.ts'
import { apis } from '../../client/protocol/api.ts'
import { ErrorCode } from '../../client/protocol/errors.ts'
import { MemoryDisk, MemorySegmentStore } from '../../storage/memory/memory-segment-store.ts'
import {
  createMemoryMetadataStore,
  MemoryMetadataDisk,
} from '../../storage/metadata/memory-metadata-store.ts'
import { adminHeaders, adminKeyInMemory } from '../support/admin-key.ts'
import { inProcess } from './cli/octopus.ts'
import { batchOf, ProtocolClient } from './protocol-client.ts'

const transport = await loadUwsTransport()
const MIB = 1024 * 1024
/** Time runs so many times as fast for the node. */
const HASTE = 10

class Disk {
  freeBytes = 10_000 * MIB
  /** What becomes of a write. */
  sync: () => Promise<void> = async () => {}
  /** Never, when the disk hangs. */
  close: () => Promise<void> = async () => {}
}

interface Line {
  readonly level: number
  readonly msg: string
  readonly reason?: string
}

async function startOn(t: Test, disk: Disk): Promise<{ node: Node; client: ProtocolClient; logged: Line[] }> {
  const ports = systemPorts()
  const logged: Line[] = []
  const node = await startNode({
    config: loadConfig({
      flags: {
        data: 'unused',
        listen: '127.0.0.1:0',
        'storage.segmentBytes': '16MiB',
        'storage.commitTimeoutMs': '1000',
      },
      env: {},
      readFile: () => '',
    }),
    logger: pino({ level: 'debug' }, { write: (line) => logged.push(JSON.parse(line)) }),
    transport,
    ...ports,
    timers: { ...ports.timers, after: (delayMs, run) => ports.timers.after(delayMs / HASTE, run) },
    openStorage: async () => {
      const metadata = createMemoryMetadataStore({
        onListenerError: t.error,
        disk: new MemoryMetadataDisk({ sync: () => disk.sync() }),
      })
      await metadata.open()
      const segments = new MemorySegmentStore({ disk: new MemoryDisk(), syncs: { wait: () => disk.sync() } })
      await segments.open()
      segments.freeBytes = () => disk.freeBytes
      return {
        nodeId: 1,
        clusterId: 'memory',
        path: '/data',
        metadata,
        segments,
        openGroupView: () => new MemoryMetadataDisk(),
        adminKeyFile: adminKeyInMemory,
        close: () => disk.close(),
      }
    },
  })
  t.teardown(() => node.stop())
  return { node, client: await ProtocolClient.connect(node.url), logged }
}

async function untilState(client: ProtocolClient, state: string): Promise<void> {
  while ((await client.call(apis.status, {})).storage.state !== state);
}

t.test('a disk that fills and empties', async (t) => {
  const disk = new Disk()
  const { node, client, logged } = await startOn(t, disk)
  const topicId = await client.createTopic('lab.events', 1)
  const { producerId } = await client.call(apis.initProducerId, {
    producerName: null,
    producerId: -1,
    producerEpoch: -1,
  })
  const first = batchOf(['first'], Date.now(), { producerId, producerEpoch: 0, baseSequence: 0 })
  const second = batchOf(['second'], Date.now(), { producerId, producerEpoch: 0, baseSequence: 1 })
  t.match(await client.produce(topicId, 0, first), { error: 0, baseOffset: 0 })
  const octopus = (line: string) => inProcess([...line.split(' '), '--url', node.url])

  disk.freeBytes = 180 * MIB
  await untilState(client, 'warning')
  t.match(await client.produce(topicId, 0, batchOf(['taken'])), { error: 0 })
  const warned = await octopus('status')
  t.equal(warned.exitCode, 0)
  t.match(warned.out, /^state +ready$/m)
  t.match(warned.out, /^warning +\/data has 180 MiB free; below 96 MiB no more events are taken$/m)

  disk.freeBytes = 90 * MIB
  await untilState(client, 'read-only')
  const message =
    '/data has 90 MiB free, too little to take events: 112 MiB are needed; free some, or let topics keep less'
  for (const acks of [-1, 1, 0])
    t.match(await client.produce(topicId, 0, second, acks), {
      error: ErrorCode.STORAGE_FULL,
      message: message.slice(1),
    })
  t.match(
    await client.produce(topicId, 0, first),
    { error: 0, baseOffset: 0 },
    'what it has it acknowledges again',
  )
  const full = await octopus('status')
  t.equal(full.exitCode, 0)
  t.match(full.out, /^state +ready, but read-only: see the warning below$/m)
  t.match(full.out, new RegExp(`^warning +${message}$`, 'm'))
  const { storage } = JSON.parse((await octopus('status --json')).out)
  t.match(storage, { state: 'read-only', stateReason: message, fullInMs: 0 })
  t.match(await octopus('topic create lab.new'), { exitCode: 1, err: /STORAGE_FULL/ })
  const ready = await fetch(`${node.url.replace('ws', 'http')}/readyz`, { headers: adminHeaders })
  t.same([ready.status, await ready.text()], [200, `ready, but read-only: ${message}\n`])
  const metrics = await (
    await fetch(`${node.url.replace('ws', 'http')}/metrics`, { headers: adminHeaders })
  ).text()
  t.match(metrics, /^octopus_disk_state\{state="read-only"\} 1$/m)
  t.match(metrics, /^octopus_disk_full_seconds 0$/m)
  const { records } = await client.fetch(topicId, 0, 0)
  t.same(
    records.map(({ value }) => value),
    ['first', 'taken'],
  )

  disk.freeBytes = 1_000 * MIB
  await untilState(client, 'ok')
  t.match(await client.produce(topicId, 0, second), { error: 0, baseOffset: 2 }, 'no sequence was lost')
  t.same(
    logged.filter(({ msg }) => msg.startsWith('the disk')).map(({ level, msg }) => [level, msg]),
    [
      [40, 'the disk is filling'],
      [50, 'the disk is nearly full: no more events are taken'],
      [30, 'the disk has room again'],
    ],
  )
})

t.test('a node starts on a full disk', async (t) => {
  const disk = new Disk()
  disk.freeBytes = 0
  const { client } = await startOn(t, disk)
  t.match(await client.call(apis.status, {}), { ready: true, storage: { state: 'read-only', freeBytes: 0 } })
})

t.test('a disk that hangs: everyone is told, and stopping does not wait for it', async (t) => {
  const disk = new Disk()
  const { node, client, logged } = await startOn(t, disk)
  const topicId = await client.createTopic('lab.events', 1)
  t.match(await client.produce(topicId, 0, batchOf(['kept'])), { error: 0 })
  disk.sync = () => new Promise(() => {})
  disk.close = () => new Promise(() => {})
  const answers = Promise.all([
    client.produce(topicId, 0, batchOf(['in flight'])),
    client.produce(topicId, 0, batchOf(['in the queue'])),
    client.createTopic('lab.more', 1).catch((error: Error) => error.message),
  ])
  const [first, second, created] = await answers
  t.match(first, {
    error: ErrorCode.KAFKA_STORAGE_ERROR,
    message: /^a commit in data has not come back for 1 s/,
  })
  t.match(second, { error: ErrorCode.KAFKA_STORAGE_ERROR })
  t.match(created, /has not come back for 1 s: the disk hangs/)
  t.match(await node.failed, { code: 'WRITE_FAILED', message: /the disk hangs/ })
  t.match(await client.call(apis.status, {}), { ready: false, reason: /^Nothing can be written any more: / })
  t.same(
    logged
      .flatMap(({ msg, reason }) => (msg === 'the disk is slow' ? [reason?.split(' has', 1)[0]] : []))
      .sort(),
    ['a change of metadata in /data', 'a commit in /data'],
  )
  t.equal(logged.filter(({ level }) => level === 60).length, 1)
  await node.stop()
  t.ok(logged.some(({ msg }) => msg === 'stopped without having closed everything'))
})

t.test('metadata that cannot be written ends the node as the log does', async (t) => {
  const disk = new Disk()
  const { node, client, logged } = await startOn(t, disk)
  disk.sync = async () => {
    throw new Error('the disk is on fire')
  }
  await t.rejects(client.createTopic('lab.events', 1))
  t.match(await node.failed, { code: 'WRITE_FAILED' })
  t.match(await client.call(apis.status, {}), { ready: false })
  t.equal(logged.filter(({ level }) => level === 60).length, 1)
})

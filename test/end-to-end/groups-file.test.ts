/** A real node and the file of its consumer groups: when it comes into being, over SIGKILL and SIGTERM, and when it is damaged. */
import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { apis } from '../../client/protocol/api.ts'
import { inProcess } from '../broker/cli/octopus.ts'
import { batchOf, ProtocolClient } from '../broker/protocol-client.ts'
import { BrokerProcess } from '../support/broker-process.ts'

const joining = {
  groupId: 'lab.readers',
  memberId: 'member-1',
  memberEpoch: 0,
  instanceId: null,
  clientName: 'test',
  subscribedTopics: ['lab.events'],
  assignor: null,
  sessionTimeoutMs: 30_000,
  rebalanceTimeoutMs: 30_000,
  maxProcessingMs: null,
  processingMs: null,
  revision: 0,
  owned: [],
  maxWaitMs: 0,
}

t.test('groups of a real node', async (t) => {
  const broker = await BrokerProcess.start()
  t.teardown(() => broker.destroy())
  const path = join(broker.dataDirectory, 'groups.lmdb')
  let client = await ProtocolClient.connect(broker.url)
  const topicId = await client.createTopic('lab.events', 1)
  await client.produce(topicId, 0, batchOf(['a']))
  const internal = async () =>
    (await client.call(apis.metadata, { topics: null })).topics.filter(({ isInternal }) => isInternal).length
  t.equal(await internal(), 0)
  t.same(await client.call(apis.listGroups, { states: null }), { groups: [] })
  await broker.end('SIGKILL')
  await broker.restart()
  client = await ProtocolClient.connect(broker.url)
  t.equal(await internal(), 0, 'a directory without groups starts, and has none')

  const { memberEpoch, revision, assignment } = await client.call(apis.groupHeartbeat, joining)
  t.match(assignment, [{ topic: 'lab.events', partitions: [0] }])
  t.notOk(existsSync(path), 'the view follows later')
  const commit = (offset: number) =>
    client.call(apis.offsetCommit, {
      groupId: 'lab.readers',
      memberId: 'member-1',
      memberEpoch,
      partitions: [{ topicId, partition: 0, offset, leaderEpoch: -1, metadata: `at ${offset}` }],
    })
  const committed = async () =>
    (
      await client.call(apis.offsetFetch, {
        groupId: 'lab.readers',
        memberId: null,
        memberEpoch: -1,
        partitions: null,
      })
    ).partitions[0]
  t.match(await commit(1), { partitions: [{ error: 0 }] })
  await broker.end('SIGKILL')
  await broker.restart()
  client = await ProtocolClient.connect(broker.url)
  t.match(await committed(), { offset: 1, metadata: 'at 1' }, 'from the log alone')

  t.match(await commit(2), { partitions: [{ error: 0 }] }, 'the member is still one')
  const startedMs = Date.now()
  const waiting = client.call(apis.groupHeartbeat, {
    ...joining,
    memberEpoch,
    revision,
    owned: [{ topicId, partitions: [0] }],
    maxWaitMs: 60_000,
  })
  await commit(3)
  const held = waiting.catch((error: Error) => error)
  await broker.end('SIGTERM')
  await held
  t.ok(Date.now() - startedMs < 2_500, 'a heartbeat that waits does not hold up the end')
  t.ok(existsSync(path))
  const sound = await inProcess(['verify', '--data', broker.dataDirectory])
  t.equal(sound.exitCode, 0, sound.out + sound.err)

  // From the file that has just been written.
  await broker.restart()
  client = await ProtocolClient.connect(broker.url)
  t.match(await committed(), { offset: 3, metadata: 'at 3' })
  t.match(await commit(4), { partitions: [{ error: 0 }] })
  t.equal(await broker.end('SIGTERM'), 0)

  const file = await open(path, 'r+')
  const bytes = Buffer.alloc(1024 * 1024)
  await file.read(bytes, 0, bytes.length, 0)
  for (let at = bytes.indexOf('lab.readers'); at >= 0; at = bytes.indexOf('lab.readers', at + 1))
    await file.write(Buffer.from([bytes[at + 30] ^ 1]), 0, 1, at + 30)
  await file.close()
  const found = await inProcess(['verify', '--data', broker.dataDirectory])
  t.equal(found.exitCode, 65)
  t.match(found.out, /^damage {2}groups-damaged {2}groups.lmdb: /m)
  await t.rejects(broker.restart(), { message: /groups\.lmdb is damaged: / })
})

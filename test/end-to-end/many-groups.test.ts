/**
 * Ten thousand groups on a real broker: it comes back with all of them, also after SIGKILL, and when they are deleted none comes back,
 * from the log or from its view. How long a start takes and how much memory it has is told, not judged.
 */
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { apis } from '../../client/protocol/api.ts'
import { ProtocolClient } from '../broker/protocol-client.ts'
import { BrokerProcess } from '../support/broker-process.ts'

const GROUPS = 10_000
const PARTITIONS = 3
const AT_ONCE = 100
const DELETED_AT_ONCE = 500

const names = Array.from({ length: GROUPS }, (_, i) => `lab.group-${i}`)

async function asked<T>(broker: BrokerProcess, question: (client: ProtocolClient) => Promise<T>): Promise<T> {
  const client = await ProtocolClient.connect(broker.url)
  try {
    return await question(client)
  } finally {
    await client.close()
  }
}

async function inTurns(all: readonly string[], size: number, run: (some: string[]) => Promise<unknown>) {
  for (let i = 0; i < all.length; i += size) await run(all.slice(i, i + size))
}

async function groupsOf(broker: BrokerProcess): Promise<string[]> {
  const { groups } = await asked(broker, (client) => client.call(apis.listGroups, { states: null }))
  return groups.map(({ groupId }) => groupId).sort()
}

/** Null where the system does not tell. */
function anonymousMegabytes(broker: BrokerProcess): number | null {
  if (process.platform !== 'linux') return null
  const match = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${broker.pid}/status`, 'utf8'))
  return match ? Math.round(Number(match[1]) / 1024) : null
}

async function again(t: Test, broker: BrokerProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  await broker.end(signal)
  const startMs = performance.now()
  await broker.restart()
  const tookMs = Math.round(performance.now() - startMs)
  t.comment(`${tookMs} ms to come back after ${signal}, ${anonymousMegabytes(broker)} MB`)
}

t.test(`${GROUPS} groups`, { timeout: 120_000 }, async (t) => {
  const broker = await BrokerProcess.start(['--storage-segment-bytes', '16MiB'])
  t.teardown(() => broker.destroy())
  t.comment(`${anonymousMegabytes(broker)} MB without groups`)
  const topicId = await asked(broker, (client) => client.createTopic('lab.read', PARTITIONS))
  await asked(broker, async (client) => {
    const startMs = performance.now()
    await inTurns(names, AT_ONCE, (some) =>
      Promise.all(
        some.map((groupId, i) =>
          client.call(apis.offsetCommit, {
            groupId,
            memberId: null,
            memberEpoch: -1,
            partitions: Array.from({ length: PARTITIONS }, (_, partition) => ({
              topicId,
              partition,
              offset: i * 10 + partition,
              leaderEpoch: -1,
              metadata: '',
            })),
          }),
        ),
      ),
    )
    t.comment(`${Math.round(performance.now() - startMs)} ms to commit in all of them`)
  })
  const sorted = [...names].sort()
  t.same(await groupsOf(broker), sorted)
  await again(t, broker, 'SIGKILL')
  t.same(await groupsOf(broker), sorted, 'all are there after SIGKILL')
  await again(t, broker, 'SIGTERM')
  t.same(await groupsOf(broker), sorted, 'and from the view')
  const [, , kept] = await asked(broker, async (client) => {
    const { partitions } = await client.call(apis.offsetFetch, {
      groupId: names[AT_ONCE + 7],
      memberId: null,
      memberEpoch: -1,
      partitions: null,
    })
    return partitions.map(({ offset }) => offset)
  })
  t.equal(kept, 72, 'with its offsets')

  await asked(broker, (client) =>
    inTurns(names, DELETED_AT_ONCE, (some) => client.call(apis.deleteGroups, { groups: some })),
  )
  t.same(await groupsOf(broker), [])
  await again(t, broker, 'SIGKILL')
  t.same(await groupsOf(broker), [], 'none comes back')
  await again(t, broker, 'SIGTERM')
  t.same(await groupsOf(broker), [], 'nor from the view')
  t.equal(await broker.end('SIGTERM'), 0)
})

/**
 * What a member leaves to the next, in virtual time: where a group begins, what counts as done when several loops run, what closing
 * waits for, and when all there is has been read.
 */
import t from 'tap'
import { OctopusClient } from '../../../client/client.ts'
import type { Consumer } from '../../../client/consumer/consumer.ts'
import { Cursor, NO_END } from '../../../client/consumer/cursor.ts'
import type { ConsumerOptions } from '../../../client/consumer/options.ts'
import type { GroupOptions } from '../../../client/group/options.ts'
import { WorkInHand } from '../../../client/group/work-in-hand.ts'
import { FakeBroker } from '../support/fake-broker.ts'
import { FakeGroups } from '../support/fake-groups.ts'
import { batchOf, numbered } from '../support/harness.ts'
import { MortalPorts } from '../support/mortal-ports.ts'
import { World } from '../support/world.ts'

async function started(partitions = 1) {
  const world = new World(1)
  const broker = new FakeBroker(world)
  broker.createTopic('t', partitions)
  const groups = new FakeGroups(world, broker.topics, {})
  broker.groups = groups
  await world.until(groups.start())
  const member = async (
    group: Partial<GroupOptions> = {},
    options: Partial<ConsumerOptions> = {},
  ): Promise<{ client: OctopusClient; consumer: Consumer; process: MortalPorts }> => {
    const process = new MortalPorts(broker.ports)
    const client = await world.until(OctopusClient.open({}, process.ports))
    const consumer = client.consumer({
      topics: ['t'],
      from: 'earliest',
      ...options,
      group: { id: 'g', sessionTimeoutMs: 3_000, ...group },
    })
    return { client, consumer, process }
  }
  const produce = (partition: number, from: number, count: number) =>
    broker.append('t', partition, batchOf(numbered('v', count, from)))
  return { world, broker, member, produce }
}

/** Reads until nothing more comes; the values. */
function reading(consumer: Consumer): string[] {
  const seen: string[] = []
  void (async () => {
    for await (const event of consumer) seen.push(event.text() ?? '')
  })()
  return seen
}

t.test('a group that begins at the end: what comes before the first commit is nobody’s loss', async (t) => {
  for (const autoCommit of [true, false]) {
    const { world, member, produce } = await started(2)
    produce(0, 0, 5)
    const first = await member({ autoCommit, autoCommitIntervalMs: 1_000 }, { from: 'latest' })
    await world.until(first.consumer.ready())
    produce(0, 5, 3)
    produce(1, 8, 2)
    first.process.kill()
    const second = await member({ autoCommit }, { from: 'latest' })
    const seen = reading(second.consumer)
    await world.pass(20_000)
    t.same([...seen].sort(), ['v5', 'v6', 'v7', 'v8', 'v9'], `autoCommit ${autoCommit}`)
  }
})

t.test('a partition that is added while the topic is read is read from its beginning', async (t) => {
  const { world, broker, member, produce } = await started(1)
  produce(0, 0, 5)
  const { consumer } = await member({}, { from: 'latest' })
  const seen = reading(consumer)
  await world.until(consumer.ready())
  broker.addPartition('t')
  produce(1, 10, 3)
  await world.pass(60_000)
  t.same(seen, ['v10', 'v11', 'v12'])
})

const broken = new Error('the handler is broken')

/** A loop that ends at its first event; the event. */
async function breaking(consumer: Consumer): Promise<string | null> {
  let failed: string | null = null
  try {
    for await (const event of consumer) {
      failed = event.text()
      throw broken
    }
  } catch (error) {
    if (error !== broken) throw error
  }
  return failed
}

t.test('what one loop was broken at is not done because another goes on', async (t) => {
  const { world, member, produce } = await started(1)
  produce(0, 0, 10)
  const { consumer, client } = await member({ autoCommitIntervalMs: 100 })
  const running = consumer[Symbol.asyncIterator]()
  t.equal((await world.until(running.next())).value?.text(), 'v0')
  t.equal(await world.until(breaking(consumer)), 'v1')
  for (const expected of ['v2', 'v3']) t.equal((await world.until(running.next())).value?.text(), expected)
  await world.pass(1_000)
  await world.until(client.close())
  const next = await member()
  const seen = reading(next.consumer)
  await world.pass(10_000)
  t.equal(seen[0], 'v1')
})

t.test('a loop that begins goes on behind what the last was broken at', async (t) => {
  const { world, member, produce } = await started(1)
  produce(0, 0, 3)
  const { consumer, client } = await member()
  t.equal(await world.until(breaking(consumer)), 'v0')
  const seen = reading(consumer)
  await world.pass(2_000)
  t.same(seen, ['v1', 'v2'])
  await world.until(client.close())
  produce(0, 3, 1)
  const next = await member()
  const later = reading(next.consumer)
  await world.pass(10_000)
  t.same(later, ['v3'])
})

t.test('closing waits for what is at work, and commits it', async (t) => {
  const { world, member, produce } = await started(1)
  produce(0, 0, 10)
  const { consumer } = await member()
  const done: string[] = []
  void (async () => {
    for await (const event of consumer) {
      await new Promise<void>((resolve) => void world.after(700, resolve))
      done.push(event.text() ?? '')
    }
  })()
  await world.pass(1_000)
  t.equal(done.length, 1)
  const startedMs = world.nowMs
  await world.until(consumer.close())
  t.equal(done.length, 2, 'what was at work was finished, and nothing more begun')
  t.ok(world.nowMs - startedMs < 1_000)
  const next = await member()
  const seen = reading(next.consumer)
  await world.pass(10_000)
  t.equal(seen[0], 'v2')
})

t.test('the last word of a commit counts, also while one is on its way', async (t) => {
  const { world, member, produce } = await started(1)
  produce(0, 0, 10)
  const { consumer, client } = await member({ autoCommit: false })
  const events = consumer[Symbol.asyncIterator]()
  for (let i = 0; i < 5; i++) await world.until(events.next())
  await world.until(consumer.commit())
  for (let i = 5; i < 9; i++) await world.until(events.next())
  const further = consumer.commit()
  consumer.seek('t', 0, 5)
  await world.until(Promise.all([further, consumer.commit()]))
  await world.until(client.close())
  const seen = reading((await member()).consumer)
  await world.pass(10_000)
  t.equal(seen[0], 'v5')
})

t.test('a handler that never ends holds closing up for seconds only, and is not committed', async (t) => {
  const { world, member, produce } = await started(1)
  produce(0, 0, 3)
  const { consumer } = await member()
  void (async () => {
    for await (const _ of consumer) await new Promise(() => undefined)
  })()
  await world.pass(2_000)
  const startedMs = world.nowMs
  await world.until(consumer.close())
  t.ok(world.nowMs - startedMs < 8_000, `${world.nowMs - startedMs} ms`)
  const next = await member()
  const seen = reading(next.consumer)
  await world.pass(10_000)
  t.equal(seen[0], 'v0')
})

t.test('until the end: members that come one after the other read all there is between them', async (t) => {
  const { world, member, produce } = await started(2)
  produce(0, 0, 300)
  produce(1, 300, 300)
  const counts: number[] = []
  const read = async (consumer: Consumer) => {
    let count = 0
    for await (const _ of consumer) {
      count++
      await new Promise<void>((resolve) => void world.after(5, resolve))
    }
    await consumer.close()
    counts.push(count)
  }
  const first = read((await member({}, { untilEnd: true })).consumer)
  await world.pass(200)
  const second = read((await member({}, { untilEnd: true })).consumer)
  await world.until(Promise.all([first, second]))
  t.equal(counts[0] + counts[1], 600, `${counts}`)
  t.ok(Math.min(...counts) > 0, `nobody ends before he has his share: ${counts}`)
})

t.test('a loop over what is here already leaves turns to others', async (t) => {
  let nowMs = 0
  const turns: number[] = []
  const work = new WorkInHand(
    () => nowMs,
    (run) => {
      turns.push(nowMs)
      run()
    },
    () => undefined,
  )
  const hand = work.newHand()
  const topic = { name: 't', topicId: new Uint8Array(16), topicIdText: '', partitions: [] }
  const cursor = new Cursor(topic, 0, 'earliest', NO_END)
  /** As the consumer does. */
  const next = async (offset: number) => {
    if (hand.goesOn(cursor)) {
      hand.offset = offset
      return
    }
    hand.releases()
    if (hand.isTurnDue) await hand.turn()
    hand.holds(cursor, offset)
  }
  for (let i = 0; i < 1_000; i++) {
    await next(i)
    nowMs += 1
  }
  t.ok(turns.length >= 4, `${turns.length} turns in a second, the shortest session there is`)
  t.equal(work.processedOf(cursor, 1_000), 999)
  const slow = turns.length
  for (let i = 0; i < 80; i++) {
    await next(i)
    nowMs += 500
  }
  t.ok(turns.length - slow >= 10, `${turns.length - slow} turns in eighty slow events`)
  for (let i = 0; i < 1_000; i++) await next(i)
  const quick = turns.length
  for (let i = 0; i < 10_000; i++) await next(i)
  t.equal(turns.length, quick, 'who is quick is not held up')
})

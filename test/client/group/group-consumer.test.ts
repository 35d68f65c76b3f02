/** What a consumer of a group promises, one thing at a time, in virtual time. */
import t from 'tap'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { failureOf } from '../support/harness.ts'
import { GroupHarness, partitionsOf } from './support/group-harness.ts'

t.test('what is at work is not committed, however the loop ends', async (t) => {
  const harness = await GroupHarness.start(1, 10)
  const { world } = harness
  const { consumer } = await harness.member()
  const events = consumer[Symbol.asyncIterator]()
  for (let i = 0; i < 3; i++) await world.until(events.next())
  await world.pass(500)
  t.equal(harness.committed(0)?.offset, 2, 'the third is at work')
  await events.return?.()
  await world.pass(500)
  t.equal(harness.committed(0)?.offset, 2, 'breaking out says nothing')
  const batches = consumer.batches()
  const { value: batch } = await world.until(batches.next())
  t.equal(batch?.baseOffset, 3)
  await world.pass(500)
  t.equal(harness.committed(0)?.offset, 3, 'asking again said that it was done')
  const other = consumer[Symbol.asyncIterator]()
  await world.until(other.next())
  await world.until(other.next())
  await world.pass(500)
  t.equal(harness.committed(0)?.offset, 3, 'another loop is still at its batch')
  await world.until(consumer.close())
  t.equal(harness.committed(0)?.offset, 3, 'nor does closing say anything')
  t.same(harness.members(), [])
})

t.test('commits of one’s own: an event, a batch, all that was handed out, with a text', async (t) => {
  const harness = await GroupHarness.start(2, 10)
  const { world } = harness
  const { consumer } = await harness.member({ autoCommit: false })
  const seen = await harness.read(consumer, 12)
  await world.pass(3_000)
  t.same([harness.committed(0), harness.committed(1)], [undefined, undefined])
  await world.until(consumer.commit({ topic: 't', partition: 0, offset: 4 }, { metadata: 'four' }))
  t.same(harness.committed(0), { offset: 5, metadata: 'four' })
  await world.until(consumer.commit())
  const counts = [0, 1].map((partition) => seen.filter((place) => place.startsWith(`${partition}@`)).length)
  t.same(
    [harness.committed(0), harness.committed(1)],
    counts.map((offset) => ({ offset, metadata: '' })),
  )
  const { value: batch } = await world.until(consumer.batches().next())
  await world.until(consumer.commit(batch, { metadata: 'batch' }))
  t.match(harness.committed(batch?.partition ?? -1), {
    offset: (batch?.lastOffset ?? 0) + 1,
    metadata: 'batch',
  })
  const refused = await failureOf(world.until(consumer.commit({ topic: 't', partition: 7, offset: 0 })))
  t.match(refused, { code: ErrorCode.UNKNOWN_MEMBER_ID, message: /^partition 7 of t is not this consumer's/ })
})

t.test('a partition that is to be given back waits for the event at work', async (t) => {
  const harness = await GroupHarness.start(2, 10)
  const { world } = harness
  const first = await harness.member()
  // At work on both.
  const loops = [first.consumer.batches(), first.consumer.batches()]
  const one = (await world.until(loops[0].next())).value
  let other = one
  while (other?.partition === one?.partition) other = (await world.until(loops[1].next())).value
  const second = await harness.member()
  await world.pass(1_000)
  const moving = first.consumer.positions().filter(({ isPaused }) => isPaused)
  t.equal(moving.length, 1)
  const [{ partition }] = moving
  first.consumer.resume()
  await world.pass(5_000)
  t.same(partitionsOf(second), [], 'the other does not have it while it is worked on')
  t.same(
    first.consumer.positions().filter(({ isPaused }) => isPaused),
    moving,
    'resuming does not take it back',
  )
  const isOne = one?.partition === partition
  void loops[isOne ? 0 : 1].next()
  await world.pass(1_000)
  const offset = ((isOne ? one : other)?.lastOffset ?? 0) + 1
  t.equal(harness.committed(partition)?.offset, offset, 'it was committed first')
  t.same(partitionsOf(second), [partition])
  t.same(await harness.read(second.consumer, 1), [`${partition}@${offset}`])
  t.equal(partitionsOf(first).length, 1)
})

t.test('a commit belongs to the membership in which the event was read', async (t) => {
  const harness = await GroupHarness.start(1, 10)
  const { world, broker } = harness
  const { consumer, changes } = await harness.member({ autoCommit: false })
  await harness.read(consumer, 4)
  let isFenced = false
  broker.misbehave = ({ api }) => {
    if (api.name === 'offset-commit' && changes.length < 3)
      return { kind: 'refuse', code: ErrorCode.BACKPRESSURE }
    if (api.name !== 'group-heartbeat' || isFenced) return undefined
    isFenced = true
    return { kind: 'refuse', code: ErrorCode.FENCED_MEMBER_EPOCH }
  }
  const commit = failureOf(consumer.commit({ topic: 't', partition: 0, offset: 3 }))
  broker.network.dropAll()
  t.match(await world.until(commit), { code: ErrorCode.UNKNOWN_MEMBER_ID })
  t.equal(harness.committed(0), undefined)
})

t.test('who hears nothing for a session has stopped before another begins', async (t) => {
  const harness = await GroupHarness.start(1, 10)
  const { world, broker } = harness
  const first = await harness.member({ sessionTimeoutMs: 6_000 })
  await harness.read(first.consumer, 1)
  const second = await harness.member({ sessionTimeoutMs: 6_000 })
  await world.pass(1_000)
  const sockets = [...broker.network.sockets]
  // What the first says is heard by nobody, and it does not notice.
  broker.misbehave = ({ socket }) => (socket === sockets[0] ? { kind: 'fall silent' } : undefined)
  let stoppedMs: number | undefined
  let begunMs: number | undefined
  for (let ms = 0; ms < 20_000 && begunMs === undefined; ms += 10) {
    await world.pass(10)
    if (partitionsOf(first).length === 0) stoppedMs ??= world.nowMs
    if (partitionsOf(second).length > 0) begunMs ??= world.nowMs
  }
  t.ok(stoppedMs !== undefined && begunMs !== undefined && stoppedMs <= begunMs, `${stoppedMs} ${begunMs}`)
  t.match(first.changes.at(-1), { isLost: true, removed: [{ topic: 't', partition: 0 }] })
  t.match(first.warnings, [/put out of group g and joins again: the broker has not answered for 6000 ms/])
})

t.test('who does not give back in time loses all, is a new member, and others go on', async (t) => {
  const harness = await GroupHarness.start(2, 10)
  const { world } = harness
  const first = await harness.member({ rebalanceTimeoutMs: 2_000, sessionTimeoutMs: 3_000 })
  const loops = [first.consumer[Symbol.asyncIterator](), first.consumer[Symbol.asyncIterator]()]
  // At work on both.
  await harness.read(first.consumer, 1)
  const held = new Set<number>()
  for (let i = 0; i < 20 && held.size < 2; i++) {
    const { value } = await world.until(loops[held.size].next())
    if (value) held.add(value.partition)
  }
  const [memberId] = harness.members()
  const second = await harness.member()
  await world.pass(2_500)
  t.same(partitionsOf(second), [])
  await world.pass(3_000)
  t.notOk(harness.members().includes(memberId))
  t.ok(partitionsOf(second).length >= 1)
  t.match(first.warnings, [/held for \d+ ms \(rebalanceTimeoutMs\)/])
})

t.test('a handler that gets nowhere is warned of, then lost, and back when it moves', async (t) => {
  const harness = await GroupHarness.start(1, 10)
  const { world } = harness
  const first = await harness.member({ maxProcessingMs: 20_000, sessionTimeoutMs: 6_000 })
  const events = first.consumer[Symbol.asyncIterator]()
  await world.until(events.next())
  const second = await harness.member({ sessionTimeoutMs: 6_000 })
  await world.pass(9_000)
  t.same(first.warnings, [])
  await world.pass(6_000)
  t.match(first.warnings, [/^no progress for 1\d{4} ms: beyond 20000 ms \(maxProcessingMs\)/])
  t.same(partitionsOf(second), [])
  await world.pass(10_000)
  t.match(first.warnings[1], /joins again: nothing it was handed was done for 20000 ms \(maxProcessingMs\)/)
  t.same(partitionsOf(second), [0])
  t.equal(harness.members().length, 1)
  await world.pass(60_000)
  t.equal(harness.members().length, 1, 'it does not come back before it moves')
  t.equal(harness.committed(0)?.offset, 0, 'where the other began')
  const next = events.next()
  await world.pass(3_000)
  t.equal(harness.members().length, 2)
  await world.until(second.consumer.close())
  t.equal((await world.until(next)).value?.offset, 0, 'what it did meanwhile was not kept')
})

t.test('one loop that gets nowhere is noticed beside another that does', async (t) => {
  const harness = await GroupHarness.start(1, 200)
  const { world } = harness
  const first = await harness.member({ maxProcessingMs: 10_000, sessionTimeoutMs: 6_000 })
  const [stuck, moving] = [first.consumer[Symbol.asyncIterator](), first.consumer[Symbol.asyncIterator]()]
  await world.until(stuck.next())
  for (let i = 0; i < 25 && first.warnings.length < 2; i++) {
    void moving.next()
    await world.pass(1_000)
  }
  t.equal(first.warnings.length, 2)
})

t.test('fenced: everything is lost, and it joins under a new id', async (t) => {
  const harness = await GroupHarness.start(1, 10)
  const { world, broker } = harness
  const first = await harness.member()
  await harness.read(first.consumer, 3)
  const [memberId] = harness.members()
  let fenced = 0
  broker.misbehave = ({ api }) =>
    api.name === 'group-heartbeat' && fenced++ === 0
      ? { kind: 'refuse', code: ErrorCode.FENCED_MEMBER_EPOCH }
      : undefined
  await world.pass(10_000)
  t.match(
    first.changes.map(({ isLost }) => isLost),
    [false, true],
  )
  t.notOk(harness.members()[0] === memberId && harness.members().length === 1)
})

t.test('a static member that comes back goes on, and nobody else moves', async (t) => {
  const harness = await GroupHarness.start(4, 10)
  const { world } = harness
  const first = await harness.member({ instanceId: 'one' })
  await world.until(first.consumer.ready())
  const second = await harness.member({ instanceId: 'two' })
  await world.pass(3_000)
  const mine = partitionsOf(first)
  const changes = second.changes.length
  await world.until(first.consumer.close())
  await world.pass(5_000)
  const again = await harness.member({ instanceId: 'one' })
  await world.pass(3_000)
  t.same(partitionsOf(again), mine)
  t.equal(second.changes.length, changes)

  // The process dies and comes back before its session is over: it waits for the name.
  again.process.kill()
  const third = await harness.member({ instanceId: 'one' })
  await world.pass(5_000)
  t.same(partitionsOf(third), [])
  await world.pass(60_000)
  t.equal(partitionsOf(third).length, 2)
})

t.test('closing at any moment ends within seconds', async (t) => {
  for (const when of ['joining', 'reading', 'revoking', 'without connection', 'without answers']) {
    const harness = await GroupHarness.start(2, 10)
    const { world, broker } = harness
    const member = await harness.member()
    if (when !== 'joining') await harness.read(member.consumer, 4)
    if (when === 'revoking') {
      await harness.member()
      await world.pass(500)
    }
    if (when === 'without connection') broker.stop()
    if (when === 'without answers') broker.misbehave = () => ({ kind: 'ignore' })
    const startedMs = world.nowMs
    await world.until(member.consumer.close())
    t.ok(world.nowMs - startedMs <= 12_100, `${when}: ${world.nowMs - startedMs} ms`)
    t.equal((await world.until(member.consumer[Symbol.asyncIterator]().next())).done, true)
  }
})

t.test('a commit that is tried again does not outlast closing', async (t) => {
  const harness = await GroupHarness.start(1, 10)
  const { world, broker } = harness
  const { consumer } = await harness.member({ autoCommit: false })
  await harness.read(consumer, 4)
  broker.misbehave = ({ api }) =>
    api.name === 'offset-commit' ? { kind: 'refuse', code: ErrorCode.BACKPRESSURE } : undefined
  const commit = failureOf(consumer.commit())
  await world.pass(20)
  await world.until(consumer.close())
  t.match(await world.until(commit), { code: Number })
})

t.test('untilEnd: what is here is read, and the loop ends', async (t) => {
  const harness = await GroupHarness.start(2, 10)
  const { consumer } = await harness.member({}, { untilEnd: true })
  t.equal((await harness.read(consumer, 100)).length, 20)
  await harness.world.until(consumer.close())
  t.same([harness.committed(0)?.offset, harness.committed(1)?.offset], [10, 10])
  const again = await harness.member({}, { untilEnd: true })
  t.equal((await harness.read(again.consumer, 100)).length, 0)
})

t.test('onNoOffset fail: an error, and nothing is committed in its place', async (t) => {
  const harness = await GroupHarness.start(1, 10)
  const { world } = harness
  const first = await harness.member({ onNoOffset: 'fail' })
  t.match(await failureOf(harness.read(first.consumer, 1)), {
    code: ErrorCode.OFFSET_OUT_OF_RANGE,
    message: /^group g has no offset in topic t, partition 0; commit one/,
  })
  await world.pass(5_000)
  await world.until(first.consumer.commit())
  t.equal(harness.committed(0), undefined)
  first.consumer.seek('t', 0, 3)
  t.same(await harness.read(first.consumer, 2), ['0@3', '0@4'])
  await world.until(first.consumer.close())
  const again = await harness.member({ onNoOffset: 'fail' })
  t.same(await harness.read(again.consumer, 1), ['0@4'])
})

t.test('a committed offset that retention has passed', async (t) => {
  for (const [onOutOfRange, expected] of [
    ['earliest', '0@6'],
    ['fail', ErrorCode.OFFSET_OUT_OF_RANGE],
  ] as const) {
    const harness = await GroupHarness.start(1, 10)
    const first = await harness.member()
    await harness.read(first.consumer, 3)
    await harness.world.until(first.consumer.close())
    t.equal(harness.committed(0)?.offset, 2)
    harness.broker.truncateBefore('t', 0, 6)
    const again = await harness.member({}, { onOutOfRange })
    if (typeof expected === 'string') t.same(await harness.read(again.consumer, 1), [expected])
    else t.match(await failureOf(harness.read(again.consumer, 1)), { code: expected })
  }
})

t.test('a topic that grows, goes, and comes again', async (t) => {
  const harness = await GroupHarness.start(1, 5)
  const { world, broker } = harness
  const { consumer, warnings } = await harness.member()
  const events = consumer[Symbol.asyncIterator]()
  for (let i = 0; i < 5; i++) await world.until(events.next())
  const sixth = events.next()
  await world.pass(500)
  t.equal(harness.committed(0)?.offset, 5)
  broker.addPartition('t')
  harness.produce(1, 1)
  t.match((await world.until(sixth)).value, { partition: 1, offset: 0 })
  const next = events.next()
  broker.deleteTopic('t')
  await world.pass(4_000)
  t.same(consumer.positions(), [])
  broker.createTopic('t', 1)
  harness.produce(0, 2)
  t.match((await world.until(next)).value, { partition: 0, offset: 0 })
  t.match((await world.until(events.next())).value, { partition: 0, offset: 1 })
  await world.until(consumer.close())
  t.equal(harness.committed(0)?.offset, 1)
  t.same(warnings, [])
})

t.test('who may not is told, once', async (t) => {
  for (const [type, code] of [
    ['group', ErrorCode.GROUP_AUTHORIZATION_FAILED],
    ['topic', ErrorCode.TOPIC_AUTHORIZATION_FAILED],
  ] as const) {
    const harness = await GroupHarness.start()
    harness.groups.allows = (operation, asked) => operation === 'describe' || asked !== type
    const member = await harness.member()
    t.match(await failureOf(harness.read(member.consumer, 1)), {
      code,
      message: /^group g: user:ada may not read/,
    })
    const asked = harness.broker.requests.length
    await harness.world.pass(30_000)
    t.equal(harness.broker.requests.length, asked)
  }
})

t.test('rights that are taken from a member', async (t) => {
  const harness = await GroupHarness.start(1, 10)
  const member = await harness.member()
  await harness.read(member.consumer, 3)
  harness.groups.allows = () => false
  await harness.world.pass(5_000)
  t.match(await failureOf(harness.read(member.consumer, 20)), { code: Number, message: /^group g: / })
})

t.test('a credential that ends is renewed, and the membership stays', async (t) => {
  const harness = await GroupHarness.start(1, 10)
  const { world, broker } = harness
  let given = 0
  const credentials = broker.askForCredentials(() => 60_000)
  const member = await harness.member({}, {}, { token: async () => `token ${++given}` })
  await harness.read(member.consumer, 3)
  const ids = harness.members()
  for (let i = 0; i < 5; i++) {
    credentials.endAll()
    await world.pass(7_000)
  }
  t.ok(given > 3)
  t.same(harness.members(), ids)
  t.same(
    member.changes.map(({ isLost }) => isLost),
    [false],
  )
  t.equal((await harness.read(member.consumer, 7)).length, 7)
})

t.test('a full disk: who joins is told, who reads goes on', async (t) => {
  const harness = await GroupHarness.start(2, 10)
  const { world, broker, groups } = harness
  const first = await harness.member()
  await harness.read(first.consumer, 3)
  groups.refusal = new StorageError('NO_SPACE', '/data has no room')
  const second = await harness.member()
  t.match(await failureOf(harness.read(second.consumer, 1)), { code: ErrorCode.STORAGE_FULL })
  await world.pass(20_000)
  t.same(partitionsOf(first), [0, 1])
  broker.addPartition('t')
  harness.produce(2, 1)
  await world.pass(5_000)
  t.equal(
    first.warnings.filter((warning) => warning.startsWith('partitions cannot be shared out anew')).length,
    1,
  )
  groups.refusal = undefined
  await world.pass(5_000)
  t.same(partitionsOf(first), [0, 1, 2])
  t.equal(first.changes.filter(({ isLost }) => isLost).length, 0)
})

t.test('a process that was paused beyond its session hands out nothing more', async (t) => {
  const harness = await GroupHarness.start(1, 50)
  const { world } = harness
  const first = await harness.member({ sessionTimeoutMs: 6_000 })
  const events = first.consumer[Symbol.asyncIterator]()
  await world.until(events.next())
  first.process.pause()
  const second = await harness.member()
  await world.pass(10_000)
  t.same(partitionsOf(second), [0])
  // It asks before any of its timers has run.
  const next = events.next()
  await world.pass(0)
  t.match(first.consumer.positions(), [])
  first.process.resume()
  await world.until(second.consumer.close())
  t.equal((await world.until(next)).value?.offset, 0)
})

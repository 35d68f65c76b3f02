/** Committing, reading, deleting and expiring offsets; groups as people see them. */
import t from 'tap'
import { errorDefinition } from '../../../client/protocol/errors.ts'
import { Driver, keyOf, Member, partitions, plain } from './support/driver.ts'

const name = (error: number) => errorDefinition(error).name
const place = (partition: number) => ({ topicKey: keyOf('x'), partition })

t.test('a member commits what it holds, under any epoch since it has it', async (t) => {
  const driver = new Driver({ x: 2 })
  const a = new Member(driver, 'a')
  const b = new Member(driver, 'b')
  a.beat()
  t.equal(driver.commit('a', 1, 0), 'ok')
  t.same(driver.kinds(), ['offset'])
  t.equal(driver.commit('a', 1, 7), 'UNKNOWN_TOPIC_OR_PARTITION: topic x has partitions 0 to 1, not 7')
  t.equal(driver.commit('a', 1, 0, { offset: -1 }), 'INVALID_REQUEST: an offset is at least 0, not -1')
  t.match(driver.commit('a', 1, 0, { metadata: 'x'.repeat(4_097) }), /^OFFSET_METADATA_TOO_LARGE: .* 4097 /)
  t.equal(driver.commit('a', 2, 0), 'FENCED_MEMBER_EPOCH: member a of group g is at epoch 1, not at 2')
  b.beat()
  a.beat()
  t.equal(driver.commit('a', 1, 1, { offset: 5 }), 'ok', 'what it is about to give back')
  t.match(driver.commit('b', 2, 1), /^STALE_MEMBER_EPOCH: partition 1 is not assigned to member b/)
  a.beat()
  b.beat()
  t.match(driver.commit('a', 2, 1), /^STALE_MEMBER_EPOCH: partition 1 is not assigned to member a/)
  t.equal(driver.commit('a', 1, 0), 'ok', 'the epoch before is good enough for what stayed')
  t.equal(driver.commit('b', 2, 1, { offset: 6 }), 'ok')
  b.say({ memberEpoch: -1 })
  a.beat()
  t.match(
    driver.commit('a', 2, 1),
    /^STALE_MEMBER_EPOCH: member a of group g has partition 1 since epoch 3: what it did before, at epoch 2, is out of date/,
  )
  t.match(driver.commit('b', 2, 1), /^UNKNOWN_MEMBER_ID/)
  t.equal(driver.committed(1), 6)
})

t.test('without a member: only while nobody is there', async (t) => {
  const driver = new Driver({ x: 2 })
  t.equal(driver.commit(null, -1, 0), 'ok')
  t.same(driver.kinds(), ['group', 'offset'])
  const a = new Member(driver, 'a')
  a.beat()
  t.match(driver.commit(null, -1, 0), /^NON_EMPTY_GROUP: group g has 1 members/)
  a.say({ memberEpoch: -1 })
  t.equal(driver.commit(null, -1, 1, { offset: 3 }), 'ok')
  t.same(driver.kinds(), ['offset'])
})

t.test('what is committed is read', async (t) => {
  const driver = new Driver({ x: 2 })
  const read = (
    memberId: string | null,
    memberEpoch: number,
    partitions: ReturnType<typeof place>[] | null,
  ) => driver.take(driver.coordinator.fetchOffsets({ groupId: 'g', memberId, memberEpoch, partitions }))
  t.same(read(null, -1, null), { error: 0, message: null, offsets: [] })
  const a = new Member(driver, 'a')
  a.beat()
  driver.commit('a', 1, 1, { metadata: 'run 7', leaderEpoch: 3 })
  const committed = { offset: 10, leaderEpoch: 3, metadata: 'run 7', commitTimeMs: driver.nowMs }
  t.same(read('a', 1, [place(0), place(1)]).offsets, [
    { ...place(0), committed: null },
    { ...place(1), committed },
  ])
  t.same(read(null, -1, null).offsets, [{ ...place(1), committed }])
  t.equal(name(read('b', 1, null).error), 'UNKNOWN_MEMBER_ID')
  t.equal(name(read('a', 2, null).error), 'FENCED_MEMBER_EPOCH')
})

t.test('offsets are deleted where nobody subscribes', async (t) => {
  const driver = new Driver({ x: 2, y: 1 })
  const remove = () =>
    driver.take(
      driver.coordinator.deleteOffsets(
        { groupId: 'g', partitions: [place(0), place(1)] },
        driver.now,
        driver,
      ),
    )
  t.equal(name(remove().error), 'GROUP_ID_NOT_FOUND')
  const a = new Member(driver, 'a')
  a.beat()
  driver.commit('a', 1, 0)
  t.same(
    remove().offsets.map(({ error }) => name(error)),
    ['GROUP_SUBSCRIBED_TO_TOPIC', 'GROUP_SUBSCRIBED_TO_TOPIC'],
  )
  a.beat({ topics: ['y'] })
  t.same(
    remove().offsets.map(({ error }) => error),
    [0, 0],
  )
  t.same(driver.kinds(), ['-offset'])
})

t.test('offsets expire only in a group without members', async (t) => {
  const driver = new Driver({ x: 2 }, { offsetsRetentionMs: 100_000, emptyGroupRetentionMs: 1_000 })
  const a = new Member(driver, 'a')
  a.beat()
  driver.commit('a', 1, 0)
  for (let i = 0; i < 40; i++) {
    driver.pass(9_000)
    a.beat()
    t.same(driver.tick(), [])
  }
  a.say({ memberEpoch: -1 })
  t.same(driver.tick(), [])
  t.equal(driver.nextDeadlineMs, driver.monotonicMs + 100_000)
  driver.pass(60_000)
  t.equal(driver.commit(null, -1, 1), 'ok')
  driver.pass(39_999)
  t.same(driver.tick(), [])
  driver.pass(1)
  t.same(driver.tick(), ['-offset'])
  t.equal(driver.nextDeadlineMs, driver.monotonicMs + 60_000)
  driver.pass(60_000)
  t.same(driver.tick(), ['-offset', '-group'], 'nothing is left of it')
  t.equal(driver.coordinator.state.groupCount, 0)
  t.equal(driver.nextDeadlineMs, Number.POSITIVE_INFINITY)
})

t.test('a member that comes back in time saves the offsets', async (t) => {
  const driver = new Driver({ x: 1 }, { offsetsRetentionMs: 100_000 })
  driver.commit(null, -1, 0)
  t.equal(driver.nextDeadlineMs, 100_000)
  driver.pass(99_999)
  new Member(driver, 'a', { sessionTimeoutMs: 1_000_000 }).beat()
  driver.pass(500_000)
  t.same(driver.tick(), [])
})

t.test('groups are listed, described, deleted', async (t) => {
  const driver = new Driver({ x: 3 })
  const a = new Member(driver, 'a', { instanceId: 'i' })
  a.beat()
  new Member(driver, 'b').beat()
  a.beat()
  driver.pass(500)
  driver.commit('a', 1, 0)
  t.same(driver.coordinator.list(), [
    { groupId: 'g', groupKind: 'consumer', phase: 'reconciling', memberCount: 2 },
  ])
  const described = driver.coordinator.describe('g', driver.now)
  t.same([described?.epoch, described?.assignmentEpoch, described?.assignor], [2, 2, 'uniform'])
  const [first, second] = described!.members
  t.same([first.instanceId, first.state, first.sinceHeardMs, first.memberEpoch], ['i', 'unrevoked', 500, 1])
  t.same([first.assigned, first.revoking, first.target].map(plain), [
    { x: [0, 1] },
    { x: [2] },
    { x: [0, 1] },
  ])
  t.same([second.state, plain(second.target)], ['unreleased', { x: [2] }])
  t.equal(driver.coordinator.describe('h', driver.now), undefined)
  const remove = (groupId: string) => name(driver.take(driver.coordinator.deleteGroup(groupId)).error)
  t.equal(remove('h'), 'GROUP_ID_NOT_FOUND')
  t.equal(remove('g'), 'NON_EMPTY_GROUP')
  a.say({ memberEpoch: -1 })
  new Member(driver, 'b').say({ memberEpoch: -1 })
  t.equal(remove('g'), 'NONE')
  t.same(driver.kinds(), ['-offset', '-group'])
  t.same(driver.coordinator.list(), [])
})

t.test('ten thousand groups come and are forgotten', async (t) => {
  const driver = new Driver({ x: 1 })
  for (let i = 0; i < 10_000; i++) {
    const member = new Member(driver, 'a', { groupId: `g${i}` })
    member.beat()
    member.say({ memberEpoch: -1 })
  }
  t.equal(driver.coordinator.state.groupCount, 10_000)
  driver.pass(60_000)
  for (let i = 0; i < 10_000; i++) driver.tick(`g${i}`)
  t.equal(driver.coordinator.state.groupCount, 0)
  t.same([...driver.coordinator.state.records()], [])
})

t.test('a view in any order of keys makes the same state', async (t) => {
  const driver = new Driver({ x: 4 })
  for (const id of ['a', 'b', 'c']) new Member(driver, id, { instanceId: id }).beat()
  driver.commit('a', 1, 0)
  const records = [...driver.coordinator.state.records()]
  const other = new Driver({ x: 4 })
  for (const record of [...records].reverse()) other.coordinator.replay(record)
  const texts = (driver: Driver) =>
    [...driver.coordinator.state.records()].map((record) => JSON.stringify(record)).sort()
  t.same(texts(other), texts(driver))
  const group = other.coordinator.state.group('g')
  t.same(group?.owners, driver.coordinator.state.group('g')?.owners)
  t.same(group?.instances, driver.coordinator.state.group('g')?.instances)
  t.same(plain(partitions({ x: [1] })), { x: [1] })
})

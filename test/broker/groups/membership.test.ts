/** Joining, giving back, leaving, being removed: what exactly members are told and what is written. */
import t from 'tap'
import { NO_RECORDS } from '../../../broker/groups/decision.ts'
import { Driver, keyOf, Member, partitions } from './support/driver.ts'

t.test('the first member gets everything at once', async (t) => {
  const driver = new Driver({ x: 3 })
  const a = new Member(driver, 'a')
  t.same(a.beat(), { x: [0, 1, 2] })
  t.same(driver.kinds(), ['current', 'target', 'member', 'group'])
  t.same([a.memberEpoch, a.revision, a.last?.heartbeatIntervalMs], [1, 1, 3_000])
  t.equal(driver.nextDeadlineMs, 10_000, 'its session')
  t.same(a.beat(), { x: [0, 1, 2] })
  t.equal(driver.records, NO_RECORDS, 'nothing is written when nothing changes')
  t.equal(a.last?.assignment, null)
})

t.test('who comes gets what is given back, and nobody else stops', async (t) => {
  const driver = new Driver({ x: 4 })
  const a = new Member(driver, 'a')
  const b = new Member(driver, 'b')
  a.beat()
  t.same(b.beat(), {}, 'nothing is free yet')
  t.equal(b.memberEpoch, 2)
  t.same(a.beat(), { x: [0, 1] }, 'a goes on with what it keeps')
  t.equal(a.memberEpoch, 1, 'until it has given back it stays where it was')
  t.equal(a.last?.giveBackWithinMs, 20_000)
  driver.pass(1_000)
  t.same(b.beat(), {}, 'a has not said that it gave back')
  a.beat({ owned: partitions({ x: [0, 1, 2] }) })
  t.equal(a.last?.giveBackWithinMs, 19_000)
  t.same(b.beat(), { x: [3] }, 'each partition goes as soon as it is given back')
  a.beat()
  t.equal(a.memberEpoch, 2)
  t.equal(a.last?.giveBackWithinMs, null)
  t.same(b.beat(), { x: [2, 3] })
  t.equal(driver.coordinator.describe('g', driver.now)?.phase, 'stable')
})

t.test('what was said before a partition was given does not give it back', async (t) => {
  const driver = new Driver({ x: 2 })
  const a = new Member(driver, 'a')
  a.beat()
  const b = new Member(driver, 'b')
  b.beat()
  a.say()
  t.equal(driver.coordinator.state.group('g')?.currents.get('a')?.state, 'unrevoked')
  a.say({ memberEpoch: 0, revision: 0, owned: new Map() })
  t.same(b.beat(), {}, 'a heartbeat from before the first assignment came late')
  a.beat()
  a.beat()
  t.same(b.beat(), { x: [1] })
})

t.test('a lost answer is given again, however old the epoch', async (t) => {
  const driver = new Driver({ x: 2, y: 1 })
  const a = new Member(driver, 'a')
  a.say()
  t.same(a.beat(), { x: [0, 1] }, 'joining twice is joining once')
  t.equal(driver.coordinator.state.group('g')?.members.size, 1)
  for (let i = 3; i < 6; i++) {
    driver.topic('x', i)
    a.say()
  }
  t.same(a.beat(), { x: [0, 1, 2, 3, 4] })
  t.equal(a.memberEpoch, 4)
})

t.test('fences', async (t) => {
  const driver = new Driver({ x: 2 })
  const a = new Member(driver, 'a')
  t.match(a.beat({ memberEpoch: 3 }), /^UNKNOWN_MEMBER_ID: group g has no member a/)
  t.equal(
    a.beat({ owned: partitions({ x: [0] }) }),
    'INVALID_REQUEST: a member that joins owns no partitions',
  )
  t.equal(driver.coordinator.state.groupCount, 0)
  a.beat()
  t.equal(a.beat({ memberEpoch: 9 }), 'FENCED_MEMBER_EPOCH: member a is at epoch 1, not at 9')
  t.match(
    a.beat({ owned: partitions({ x: [0, 5] }) }),
    /^FENCED_MEMBER_EPOCH: member a says that it owns a partition 5/,
  )
  t.equal(
    a.beat({ owned: partitions({ x: [1, 0] }) }),
    'INVALID_REQUEST: owned partitions ascend within a topic, 0 stands behind 1',
  )
  t.same(a.beat(), { x: [0, 1] }, 'a refusal changes nothing')
  t.equal(a.say({ memberEpoch: -1 }).error, 0)
  t.match(a.beat(), /^UNKNOWN_MEMBER_ID/)
  t.match(a.beat({ memberEpoch: -1 }), /^UNKNOWN_MEMBER_ID/)
})

t.test('a silent member is removed when its session is over, not before', async (t) => {
  const driver = new Driver({ x: 2 })
  const a = new Member(driver, 'a')
  const b = new Member(driver, 'b')
  a.beat()
  b.beat()
  a.beat()
  a.beat()
  driver.pass(6_000)
  t.same(b.beat(), { x: [1] })
  driver.pass(3_999)
  t.same(driver.tick(), [])
  t.equal(driver.nextDeadlineMs, 10_000)
  driver.pass(1)
  t.same(driver.tick(), ['-current', '-target', '-member', 'target', 'group'])
  t.equal(driver.nextDeadlineMs, 16_000)
  t.same(b.beat(), { x: [0, 1] })
  t.match(a.beat(), /^UNKNOWN_MEMBER_ID/)
})

t.test('who does not give back is removed, and not before its session could be over', async (t) => {
  const driver = new Driver({ x: 2 })
  const a = new Member(driver, 'a', { rebalanceTimeoutMs: 5_000 })
  const b = new Member(driver, 'b')
  a.beat()
  b.beat()
  const all = a.owned
  t.same(a.say().giveBackWithinMs, 10_000)
  driver.pass(9_999)
  a.say({ owned: all })
  b.beat()
  t.same(driver.tick(), [])
  driver.pass(1)
  t.equal(driver.tick().filter((kind) => kind === '-member').length, 1)
  t.same(b.beat(), { x: [0, 1] })
})

t.test('who is to give back more has the whole time for it', async (t) => {
  const driver = new Driver({ x: 6 })
  const [a, b, c] = ['a', 'b', 'c'].map((id) => new Member(driver, id))
  a.beat()
  const all = a.owned
  b.beat()
  t.equal(a.say().giveBackWithinMs, 20_000)
  for (let i = 0; i < 3; i++) {
    driver.pass(5_000)
    b.beat()
    t.equal(a.say({ owned: all }).giveBackWithinMs, 15_000 - i * 5_000)
  }
  c.beat()
  t.equal(a.say({ owned: all }).giveBackWithinMs, 20_000, 'it may not have heard of this one yet')
  driver.pass(5_000)
  for (const member of [b, c]) member.beat()
  t.same(driver.tick(), [])
  t.same(a.beat(), { x: [0, 1] })
})

t.test('static members come back to what they had, without a new epoch', async (t) => {
  const driver = new Driver({ x: 4 })
  const a = new Member(driver, 'a', { instanceId: 'i1' })
  const b = new Member(driver, 'b', { instanceId: 'i2' })
  a.beat()
  b.beat()
  a.beat()
  a.beat()
  t.same(b.beat(), { x: [2, 3] })
  const again = new Member(driver, 'a2', { instanceId: 'i1' })
  t.match(again.beat(), /^UNRELEASED_INSTANCE_ID: instance i1 of group g is member a,/)
  t.equal(a.say({ memberEpoch: -2 }).memberEpoch, -2)
  t.same(driver.kinds(), ['current'])
  t.match(a.beat(), /^FENCED_MEMBER_EPOCH: member a has left/)
  t.match(driver.commit('a', 2, 0), /^FENCED_MEMBER_EPOCH/)
  driver.pass(9_000)
  t.same(b.beat(), { x: [2, 3] }, 'nobody else gets what is kept')
  t.same(again.beat(), { x: [0, 1] })
  t.equal(again.memberEpoch, 2)
  t.match(a.beat(), /^UNKNOWN_MEMBER_ID/)
  again.say({ memberEpoch: -2 })
  b.beat()
  driver.pass(9_999)
  b.beat()
  t.same(driver.tick(), [])
  driver.pass(1)
  driver.tick()
  t.same(b.beat(), { x: [0, 1, 2, 3] }, 'it was not back in time')
  t.match(
    new Member(driver, 'c').beat({ memberEpoch: -2 }),
    /^INVALID_REQUEST: only a member with an instance id/,
  )
})

t.test('what a static member that is away is no longer to have is free at once', async (t) => {
  const driver = new Driver({ x: 4 })
  const a = new Member(driver, 'a', { instanceId: 'i1' })
  a.beat()
  a.say({ memberEpoch: -2 })
  t.same(new Member(driver, 'b').beat(), { x: [2, 3] })
  t.same(new Member(driver, 'a2', { instanceId: 'i1' }).beat(), { x: [0, 1] })
})

t.test('a slow handler is warned for long before its member is removed', async (t) => {
  const driver = new Driver({ x: 1 })
  const a = new Member(driver, 'a', { maxProcessingMs: 60_000 })
  const slow = (sinceProgressMs: number) => {
    driver.pass(3_000)
    return a.beat({ sinceProgressMs })
  }
  a.beat()
  slow(29_000)
  t.equal(a.last?.warning, null)
  slow(32_000)
  const warning = 'no progress for 32000 ms: beyond 60000 ms (maxProcessingMs) its partitions go to others'
  t.equal(a.last?.warning, warning)
  t.equal(driver.coordinator.describe('g', driver.now)?.members[0].warning, warning)
  slow(10)
  t.equal(a.last?.warning, null, 'it got on')
  slow(70_000)
  t.type(a.last?.warning, 'string', 'never removed without having been warned')
  t.equal(a.last?.error, 0)
  driver.pass(24_000)
  t.same(slow(97_000), { x: [0] })
  t.match(
    slow(100_000),
    /^FENCED_MEMBER_EPOCH: member a was warned, made no progress for 100000 ms and was removed/,
  )
  t.equal(driver.coordinator.state.group('g')?.members.size, 0)
  const idle = new Member(driver, 'b', { maxProcessingMs: 60_000 })
  idle.beat()
  for (let i = 0; i < 100; i++) {
    driver.pass(3_000)
    t.equal(typeof idle.beat({ sinceProgressMs: null }), 'object')
  }
})

t.test('topics grow, go and come again as others', async (t) => {
  const driver = new Driver({ x: 2 })
  const a = new Member(driver, 'a', { topics: ['y', 'x'] })
  t.same(a.beat(), { x: [0, 1] })
  driver.topic('x', 3)
  t.same(a.beat(), { x: [0, 1, 2] })
  t.same(driver.kinds(), ['current', 'target', 'group'])
  t.equal(driver.commit('a', a.memberEpoch, 2), 'ok')
  driver.topic('y', 1)
  t.same(a.beat(), { x: [0, 1, 2], y: [0] })
  driver.topic('unrelated', 5)
  t.same(a.beat(), { x: [0, 1, 2], y: [0] })
  t.equal(driver.records.length, 0)
  driver.topic('x', 2, 'x2')
  t.same(driver.tick(), ['target', 'group', '-offset'], 'offsets of the old one go')
  t.same(a.beat(), { y: [0] })
  t.same(a.beat(), { x2: [0, 1], y: [0] })
  t.match(driver.commit('a', a.memberEpoch, 0), /^UNKNOWN_TOPIC_ID/)
  t.equal(driver.commit('a', a.memberEpoch, 0, { topicKey: keyOf('x2') }), 'ok')
})

t.test('many who come at once share one computation', async (t) => {
  const driver = new Driver({ x: 8 }, { assignmentIntervalMs: 1_000 })
  const members = Array.from({ length: 4 }, (_, i) => new Member(driver, `m${i}`))
  t.same(members[0].beat(), { x: [0, 1, 2, 3, 4, 5, 6, 7] })
  for (const member of members.slice(1)) {
    t.same(member.beat(), {})
    t.equal(driver.nextDeadlineMs, 1_000, 'due then')
  }
  t.equal(driver.coordinator.describe('g', driver.now)?.phase, 'assigning')
  driver.pass(1_000)
  t.same(driver.tick(), ['target', 'target', 'target', 'target', 'group'])
  for (let i = 0; i < 3; i++) for (const member of members) member.beat()
  t.same(
    members.map(({ owned }) => owned.get(keyOf('x'))?.length),
    [2, 2, 2, 2],
  )
})

t.test('the assignor most members wish for', async (t) => {
  const driver = new Driver({ x: 4 })
  const a = new Member(driver, 'a')
  const b = new Member(driver, 'b', { assignor: 'range' })
  a.beat()
  t.equal(driver.coordinator.describe('g', driver.now)?.assignor, 'uniform')
  b.beat()
  t.equal(driver.coordinator.describe('g', driver.now)?.assignor, 'range')
  t.equal(
    new Member(driver, 'c').beat({ assignor: 'best' }),
    'UNSUPPORTED_ASSIGNOR: there is no assignor "best", there are range, uniform',
  )
})

t.test('limits', async (t) => {
  const driver = new Driver({ x: 1 }, { membersPerGroupMax: 1, groupsMax: 1, subscribedTopicsMax: 1 })
  new Member(driver, 'a').beat()
  const b = new Member(driver, 'b')
  t.equal(b.beat(), 'GROUP_MAX_SIZE_REACHED: group g has 1 members, at most 1 are allowed')
  t.match(b.beat({ groupId: 'h' }), /^POLICY_VIOLATION: there is no room for group h: there are 1 already/)
  t.equal(b.beat({ memberId: '' }), 'INVALID_REQUEST: a member id has 1 to 249 characters, this one has 0')
  t.equal(
    b.beat({ topics: ['x', 'y'] }),
    'INVALID_REQUEST: a member subscribes to at most 1 topics, not to 2',
  )
  t.equal(
    b.beat({ sessionTimeoutMs: 10 }),
    'INVALID_REQUEST: sessionTimeoutMs is from 1000 to 1800000 on this server, not 10',
  )
  t.equal(b.beat({ maxProcessingMs: 0 }), 'INVALID_REQUEST: maxProcessingMs is at least 1, not 0')
  t.equal(b.beat({ memberEpoch: -3 }), 'INVALID_REQUEST: there is no member epoch -3')
})

t.test('a heartbeat of a large group without news is cheap', async (t) => {
  const driver = new Driver({ x: 1_000 })
  const members = Array.from({ length: 50 }, (_, i) => new Member(driver, `m${100 + i}`))
  for (let i = 0; i < 4; i++) for (const member of members) member.beat()
  t.ok(members.every(({ owned }) => owned.get(keyOf('x'))?.length === 20))
  const rounds = 400
  const before = process.cpuUsage()
  for (let i = 0; i < rounds; i++) for (const member of members) member.say()
  const { user, system } = process.cpuUsage(before)
  t.equal(driver.records, NO_RECORDS)
  t.comment(`${((user + system) / rounds / members.length).toFixed(2)} µs of CPU each`)
})

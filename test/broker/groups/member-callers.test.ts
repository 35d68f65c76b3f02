/** Who may be a member no more is put out: a few in each turn, and nobody is remembered longer than he is a member. */
import t from 'tap'
import type { HeartbeatRequest } from '../../../broker/groups/heartbeat-request.ts'
import { MemberCallers } from '../../../broker/groups/member-callers.ts'
import { NO_PARTITIONS } from '../../../broker/groups/partitions.ts'

function make(putOut: (leaving: HeartbeatRequest) => void = () => {}) {
  const turns: (() => void)[] = []
  const out: string[] = []
  const callers = new MemberCallers(
    {
      soon: (run) => void turns.push(run),
      after: () => {
        throw new Error('nothing here waits')
      },
    },
    (leaving) => {
      putOut(leaving)
      if (leaving.memberEpoch !== -1 || leaving.owned.size > 0) throw new Error('that is no leaving')
      out.push(leaving.memberId)
    },
  )
  const hear = (memberId: string, mayStay: () => boolean, memberEpoch = 3, groupId = 'g') =>
    callers.heard(
      {
        groupId,
        memberId,
        memberEpoch,
        instanceId: null,
        clientName: '',
        clientHost: '',
        topics: [],
        assignor: null,
        sessionTimeoutMs: 1,
        rebalanceTimeoutMs: 1,
        maxProcessingMs: null,
        sinceProgressMs: null,
        revision: 0,
        owned: NO_PARTITIONS,
        receivedAtMs: 0,
      },
      { mayStay },
    )
  return { callers, hear, out, turn: () => turns.shift()?.(), turnsLeft: () => turns.length }
}

const never = () => {
  throw new Error('nobody asks about him')
}

t.test('a few in each turn, and all of them', async (t) => {
  const { callers, hear, out, turn, turnsLeft } = make()
  for (let i = 0; i < 150; i++) hear(`m${i}`, () => i % 2 === 0)
  callers.reconsider()
  t.equal(out.length, 32, 'half of the first 64')
  turn()
  t.equal(out.length, 64)
  turn()
  t.equal(out.length, 75)
  t.equal(turnsLeft(), 0)
})

t.test('a change while one is looked at is looked at afterwards', async (t) => {
  const { callers, hear, out, turn, turnsLeft } = make()
  let mayStay = true
  for (let i = 0; i < 65; i++) hear(`m${i}`, () => mayStay)
  callers.reconsider()
  mayStay = false
  callers.reconsider()
  callers.reconsider()
  turn()
  t.same(out, ['m64'], 'who comes later in the first look')
  while (turnsLeft() > 0) turn()
  t.equal(new Set(out).size, 65)
})

t.test('who has left, or was heard again, is not asked about', async (t) => {
  const { callers, hear, out, turn } = make()
  hear('gone', never)
  callers.replayed({ kind: 'member', groupId: 'g', memberId: 'gone', value: null })
  hear('leaving', never, -1)
  hear('of a group that is gone', never, 3, 'other')
  callers.replayed({ kind: 'group', groupId: 'other', value: null })
  hear('newer', never)
  hear('newer', () => true)
  callers.replayed({ kind: 'offset', groupId: 'g', topicKey: 'x', partition: 0, value: null })
  callers.reconsider()
  t.same(out, [])
  for (let i = 0; i < 64; i++) hear(`m${i}`, () => true)
  hear('later', () => false)
  callers.reconsider()
  hear('later', () => true)
  turn()
  t.same(out, [], 'he came again meanwhile, and was asked then')
  callers.forgetAll()
  callers.reconsider()
})

t.test('where nothing can be written he is asked about again at the next change', async (t) => {
  let isFull = true
  const { callers, hear, out } = make(() => {
    if (isFull) throw new Error('the disk is full')
  })
  hear('m', () => false)
  callers.reconsider()
  t.same(out, [])
  isFull = false
  callers.reconsider()
  t.same(out, ['m'])
})

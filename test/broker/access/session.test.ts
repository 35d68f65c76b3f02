/** What a session remembers of its rights, and when it looks again. */
import t from 'tap'
import type { AclEntry } from '../../../auth/acl/entry.ts'
import { bitOf, type Operation } from '../../../auth/acl/operation.ts'
import { Policy } from '../../../auth/acl/policy.ts'
import type { ResourceType } from '../../../auth/acl/resource.ts'
import type { Topic } from '../../../broker/topics/topic-table.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { sessionOf, userIdentity } from '../sessions.ts'

function allowed(type: ResourceType, name: string, expiresAtMs: number | null = null): AclEntry {
  const operations: Operation[] = ['write']
  const resource = { type, name, match: 'prefix' } as const
  const about = { id: type, principal: 'user:ann', grantedBy: 'user:root', createdAtMs: 0, note: null }
  return { ...about, operations, resource, effect: 'allow', expiresAtMs }
}

/** Of topics a session looks at the name only. */
const topic = { name: 'lab.a' } as Topic
const WRITE = bitOf('write')

for (const [type, bits] of [
  ['topic', (session: ReturnType<typeof sessionOf>) => session.bitsOnTopic(topic)],
  ['producer', (session: ReturnType<typeof sessionOf>) => session.bitsOnProducer('lab.a')],
] as const)
  t.test(`rights on a ${type} are remembered until a rule changes or expires`, async (t) => {
    const policy = new Policy()
    let nowMs = 0
    let looks = 0
    const clock = {
      nowMs: () => {
        looks++
        return nowMs
      },
    }
    const session = sessionOf(userIdentity('ann'), policy, clock)
    const mayWrite = () => (bits(session) & WRITE) !== 0
    t.equal(mayWrite(), false)
    policy.putEntry(allowed(type, 'lab.'))
    t.equal(mayWrite(), true, 'given')
    looks = 0
    t.equal(mayWrite(), true)
    t.equal(looks, 0, 'what does not expire needs no clock')
    policy.putEntry(allowed(type, 'other.'))
    t.equal(mayWrite(), false, 'taken away')
    policy.putEntry(allowed(type, 'lab.', 100))
    nowMs = 99
    t.equal(mayWrite(), true)
    nowMs = 100
    t.equal(mayWrite(), false, 'expired')
  })

t.test('rights are put together anew only after a change that is about him', async (t) => {
  const policy = new Policy()
  let nowMs = 0
  const session = sessionOf(userIdentity('ann', { expiresAtMs: 500 }), policy, { nowMs: () => nowMs })
  const rule = { ...allowed('topic', 'lab.', 100), id: 'ann' }
  policy.putEntry(rule)
  const first = session.access
  t.equal(session.hasChanged(), true, 'never asked before')
  t.equal(session.hasChanged(), false)
  for (let i = 0; i < 1_000; i++) {
    policy.putEntry({ ...rule, id: `${i}`, principal: `user:${i}` })
    policy.putNamespace(`n${i}`, [`user:${i}`])
  }
  t.equal(session.hasChanged(), false)
  t.equal(session.access, first)
  policy.putEntry({ ...rule, id: 'all', principal: 'authenticated' })
  t.not(session.access, first)
  t.equal(session.hasChanged(), true, 'although it has asked itself meanwhile')
  nowMs = 100
  t.equal(session.hasChanged(), true, 'a rule has expired')
  t.equal(session.hasChanged(), false)
  nowMs = 500
  t.equal(session.hasChanged(), true, 'the credential has')
  t.equal(session.hasChanged(), false)
  session.authenticated(userIdentity('ann'))
  t.equal(session.hasChanged(), true)
  session.revoked()
  t.equal(session.hasChanged(), true)
})

t.test('more names than it remembers', async (t) => {
  const policy = new Policy()
  policy.putEntry(allowed('producer', 'lab.'))
  const session = sessionOf(userIdentity('ann'), policy)
  let wrong = 0
  for (let turn = 0; turn < 2; turn++)
    for (let i = 0; i < 1_500; i++) {
      const [mine, other] = [session.bitsOnProducer(`lab.${i}`), session.bitsOnProducer(`x.${i}`)]
      if ((mine & WRITE) === 0 || other !== 0) wrong++
    }
  t.equal(wrong, 0)
})

t.test('a credential with an end is refused from that moment on', async (t) => {
  let nowMs = 0
  const session = sessionOf(userIdentity('ann', { expiresAtMs: 100 }), new Policy(), { nowMs: () => nowMs })
  nowMs = 99
  t.equal(session.refusal(), undefined)
  nowMs = 100
  t.equal(session.refusal()?.code, ErrorCode.CREDENTIAL_EXPIRED)
})

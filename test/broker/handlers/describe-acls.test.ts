/** Describe ACLs with many entries: in turns, complete, in order, and bounded. */
import t from 'tap'
import { Policy } from '../../../auth/acl/policy.ts'
import { parseResourcePattern, type ResourcePattern } from '../../../auth/acl/resource.ts'
import { describeAclsHandler } from '../../../broker/handlers/describe-acls.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { administrator, contextOf, sessionOf, userIdentity } from '../sessions.ts'

function policyOf(count: number): Policy {
  const policy = new Policy()
  for (let i = 0; i < count; i++)
    policy.putEntry({
      id: `e${i}`,
      principal: `user:u${i % 10}`,
      resource: parseResourcePattern(`topic:lab.t${(i * 7) % count}`) as ResourcePattern,
      operations: ['read'],
      effect: 'allow',
      expiresAtMs: null,
      grantedBy: 'user:admin',
      createdAtMs: 0,
      note: null,
    })
  return policy
}

/** A clock that goes on by a millisecond with every look at it. */
function contextWithSlowClock(policy: Policy, identity = administrator) {
  let nowMs = 0
  const clock = { nowMs: () => 0, monotonicMs: () => nowMs++ }
  return { ...contextOf(sessionOf(identity, policy)), clock }
}

t.test('all of them, in order, and others get their turn', async (t) => {
  const policy = policyOf(5_001)
  let turns = 0
  const soon = (run: () => void) => {
    turns++
    setImmediate(run)
  }
  const handler = describeAclsHandler(policy, { soon })
  const all = { principal: null, resource: null }
  const { entries } = await handler(all, contextWithSlowClock(policy))
  t.equal(entries.length, 5_001)
  t.same(
    entries.map(({ resource }) => resource),
    entries.map(({ resource }) => resource).sort(),
  )
  t.ok(turns > 10, `${turns} turns`)
  const own = await handler(all, contextWithSlowClock(policy, userIdentity('u3')))
  t.equal(own.entries.length, 500, 'those about himself')
  t.ok(own.entries.every(({ principal }) => principal === 'user:u3'))
})

t.test('a bound, and the way below it', async (t) => {
  const policy = policyOf(1_000)
  const handler = describeAclsHandler(policy, { soon: setImmediate }, 999)
  const context = contextWithSlowClock(policy)
  await t.rejects(handler({ principal: null, resource: null }, context), {
    code: ErrorCode.POLICY_VIOLATION,
    message: 'there are more than 999 entries; ask for those of one principal, or about one resource',
  })
  t.equal((await handler({ principal: 'user:u3', resource: null }, context)).entries.length, 100)
  t.equal((await handler({ principal: null, resource: 'topic:lab.t5' }, context)).entries.length, 1)
})

t.test('entries that come and go meanwhile', async (t) => {
  const policy = policyOf(2_000)
  let turns = 0
  const soon = (run: () => void) => {
    policy.removeEntry('e0')
    policy.removeEntry('e1999')
    if (turns++ === 0)
      policy.putEntry({ ...(policy.entry('e1') as NonNullable<ReturnType<Policy['entry']>>), id: 'new' })
    setImmediate(run)
  }
  const { entries } = await describeAclsHandler(policy, { soon })(
    { principal: null, resource: null },
    contextWithSlowClock(policy),
  )
  const ids = new Set(entries.map(({ id }) => id))
  t.equal(ids.size, entries.length, 'each once')
  t.ok(ids.has('new'))
  t.notOk(ids.has('e1999'))
})

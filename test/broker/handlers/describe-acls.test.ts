/** Describe ACLs with many entries: in turns, complete, in order, and bounded. */
import t from 'tap'
import type { Operation } from '../../../auth/acl/operation.ts'
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
  turns = 0
  const own = await handler(all, contextWithSlowClock(policy, userIdentity('u3')))
  t.ok(turns < 5, 'only those are looked at')
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

t.test('what is looked at by index is all that may be seen', async (t) => {
  const policy = policyOf(100)
  const put = (id: string, principal: string, operations: readonly Operation[], on: string) =>
    policy.putEntry({
      id,
      principal,
      operations,
      resource: parseResourcePattern(on) as ResourcePattern,
      effect: 'allow',
      expiresAtMs: null,
      grantedBy: 'user:admin',
      createdAtMs: 0,
      note: null,
    })
  put('n1', 'user:ann', ['read'], 'namespace:own')
  put('n2', 'user:bob', ['read'], 'topic:own.a')
  put('n3', 'user:bob', ['read'], 'group:own.*')
  put('n4', 'user:bob', ['read'], 'topic:granted.a')
  put('n5', 'user:bob', ['read'], 'topic:granted.b')
  put('n6', 'user:bob', ['read'], 'topic:wide*')
  put('n7', 'user:bob', ['read'], 'topic:wide.a')
  policy.putNamespace('own', ['user:ann'])
  const ids = async (name: string) => {
    const handler = describeAclsHandler(policy, { soon: setImmediate })
    const all = { principal: null, resource: null }
    const { entries } = await handler(all, contextWithSlowClock(policy, userIdentity(name)))
    return entries.map(({ id }) => id).sort()
  }
  t.same(await ids('ann'), ['n1', 'n2', 'n3'])
  put('g1', 'user:ann', ['grant'], 'topic:granted.a')
  t.same(await ids('ann'), ['g1', 'n1', 'n2', 'n3', 'n4'])
  put('g2', 'authenticated', ['grant'], 'topic:wide*')
  t.same(await ids('ann'), ['g1', 'g2', 'n1', 'n2', 'n3', 'n4', 'n6', 'n7'])
  policy.removeEntry('n2')
  t.same(await ids('cat'), ['g2', 'n6', 'n7'])
  t.same(await ids('ann'), ['g1', 'g2', 'n1', 'n3', 'n4', 'n6', 'n7'])
})

t.test('many scans at once share the turns; connections take them one after the other', async (t) => {
  const policy = policyOf(2_000)
  const waiting: (() => void)[] = []
  let nowMs = 0
  let looks = 0
  const clock = {
    nowMs: () => 0,
    monotonicMs: () => {
      looks++
      return nowMs++
    },
  }
  const handler = describeAclsHandler(policy, { soon: (run) => void waiting.push(run) })
  const done: number[] = []
  const ask = (connection: number, signal = new AbortController().signal) =>
    handler(
      { principal: null, resource: null },
      {
        ...contextOf(sessionOf(administrator, policy)),
        connection: { id: connection, remoteAddress: '' },
        clock,
        signal,
      },
    ).then(({ entries }) => {
      done.push(connection)
      return entries.length
    })
  const asked = Array.from({ length: 100 }, () => ask(1))
  const gone = new AbortController()
  const late = ask(2)
  const aborted = ask(3, gone.signal)
  gone.abort()
  let turns = 0
  while (waiting.length > 0) {
    if (waiting.length > 1) t.fail(`${waiting.length} turns at once`)
    looks = 0
    waiting.shift()?.()
    if (looks > 8) t.fail(`${looks} looks at the clock in one turn`)
    turns++
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(turns > 500, `${turns} turns`)
  t.equal(await aborted, 0)
  t.equal(await late, 2_000)
  t.same([...new Set(await Promise.all(asked))], [2_000])
  t.ok(done.indexOf(2) <= 3, 'who asked once does not wait for a hundred of another')
  t.equal(done.length, 102)
})

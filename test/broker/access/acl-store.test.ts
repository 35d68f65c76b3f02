/** The bounds of the access control list: altogether, and for each namespace. */
import t, { type Test } from 'tap'
import type { Operation } from '../../../auth/acl/operation.ts'
import { Policy } from '../../../auth/acl/policy.ts'
import { parseResourcePattern } from '../../../auth/acl/resource.ts'
import { AclStore, type NewAclEntry } from '../../../broker/access/acl-store.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import { ManualTime } from '../manual-time.ts'
import { openMetadata } from './metadata.ts'

function entry(on: string, expiresAtMs: number | null = null): NewAclEntry {
  const resource = parseResourcePattern(on)
  if ('problem' in resource) throw new Error(resource.problem)
  const operations: Operation[] = ['read']
  return {
    principal: 'authenticated',
    resource,
    operations,
    effect: 'allow',
    expiresAtMs,
    grantedBy: 'user:mal',
    note: null,
  }
}

async function setup(t: Test, entriesMax: number, entriesPerNamespaceMax: number) {
  const store = await openMetadata(t)
  const time = new ManualTime()
  const open = (policy: Policy) =>
    AclStore.open({
      store,
      policy,
      clock: time,
      entriesMax,
      entriesPerNamespaceMax,
      onProblem: (error) => t.error(error),
    })
  const policy = new Policy()
  const acls = await open(policy)
  t.teardown(() => acls.close())
  return { acls, policy, time, open }
}

/** `''` or why not, of each. */
function outcomes(puts: readonly Promise<string>[]): Promise<string[]> {
  return Promise.all(
    puts.map((put) =>
      put.then(
        () => '',
        (error) => {
          if (error instanceof ProtocolError && error.code === ErrorCode.POLICY_VIOLATION)
            return error.message
          throw error
        },
      ),
    ),
  )
}

const taken = (results: readonly string[]) => results.filter((result) => result === '').length

t.test('one namespace cannot fill the list for the others, not even all at once', async (t) => {
  const { acls, policy, open } = await setup(t, 30, 10)
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => entry(i % 2 ? `topic:mal.${i}` : `group:mal.${i}.*`))
  const results = await outcomes(many(25).map((each) => acls.put(each)))
  t.equal(taken(results), 10)
  t.match(
    results.find((result) => result !== ''),
    /10 entries about namespace mal .*aclEntriesPerNamespaceMax/,
  )
  t.same(await outcomes([acls.put(entry('namespace:mal'))]), [results[24]])
  t.same(
    await outcomes(many(10).map((each) => acls.put(each))),
    Array(10).fill(''),
    'what is there may be written anew',
  )
  t.equal(
    taken(
      await outcomes(
        ['topic:lab.a', 'topic:a', 'cluster', 'topic:*', 'topic:ma*'].map((on) => acls.put(entry(on))),
      ),
    ),
    5,
  )
  t.equal(policy.entryCount, 15)

  const [first] = policy.entriesOf('authenticated')
  await acls.delete([first.id])
  t.equal(
    taken(
      await outcomes(
        many(25)
          .slice(15)
          .map((each) => acls.put(each)),
      ),
    ),
    1,
    'what goes makes room',
  )
  const reopened = await open(new Policy())
  t.equal(taken(await outcomes([reopened.put(entry('topic:mal.more'))])), 0, 'counted at the start, too')
  reopened.close()
  const prefixes = Array.from({ length: 25 }, (_, i) => acls.put(entry(`topic:t${i}*`)))
  t.equal(taken(await outcomes(prefixes)), 15, 'and no more than all together')
})

t.test('what has expired makes room, and is looked for once a second at most', async (t) => {
  const { acls, policy, time } = await setup(t, 100, 10)
  const untilMs = time.nowMs() + 5_000
  for (let i = 0; i < 10; i++) await acls.put(entry(`topic:mal.${i}`, untilMs))
  let looks = 0
  const entries = policy.entries.bind(policy)
  policy.entries = () => {
    looks++
    return entries()
  }
  const more = (count: number) =>
    outcomes(Array.from({ length: count }, (_, i) => acls.put(entry(`topic:mal.more${i}`))))
  t.equal(taken(await more(50)), 0)
  t.equal(looks, 1)
  await time.advance(5_000)
  t.equal(taken(await more(50)), 10, 'all wait for what goes')
  t.equal(looks, 2)
  t.equal(policy.entryCount, 10)
})

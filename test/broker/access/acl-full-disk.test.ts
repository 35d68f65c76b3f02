/** Access control where there is room for nothing but what is urgent, and owners who would use that up. */
import t, { type Test } from 'tap'
import { Policy } from '../../../auth/acl/policy.ts'
import { hashSecret, parseApiKey } from '../../../auth/authenticators/api-key-token.ts'
import { AclStore } from '../../../broker/access/acl-store.ts'
import { decodeApiKey, KEY_PREFIX } from '../../../broker/access/api-key-store.ts'
import { NamespaceStore } from '../../../broker/access/namespace-store.ts'
import { recoveredKey } from '../../../broker/cli/recover-key.ts'
import { systemPorts } from '../../../broker/system-ports.ts'
import { ManualTime } from '../manual-time.ts'
import { openFillable } from './fillable-metadata.ts'

async function setUp(t: Test) {
  const { store, disk } = await openFillable(t)
  const policy = new Policy()
  const onProblem = (error: Error) => void t.fail(error.message)
  const base = { store, policy, clock: new ManualTime(), onProblem }
  const acls = await AclStore.open({ ...base, entriesMax: 10_000, entriesPerNamespaceMax: 10_000 })
  const namespaces = await NamespaceStore.open({ ...base, namespacesMax: 100 })
  t.teardown(() => acls.close())
  t.teardown(() => namespaces.close())
  const put = (effect: 'allow' | 'deny', name: string, by = 'ada', isByAdministrator = false) => {
    const entry = {
      principal: 'user:eve',
      resource: { type: 'topic', name, match: 'literal' },
      operations: ['read'],
      effect,
      expiresAtMs: null,
      grantedBy: `user:${by}`,
      note: null,
    } as const
    return acls.put(entry, [], { isByAdministrator })
  }
  return { store, disk, policy, acls, namespaces, put }
}

t.test('what denies is written on a full disk, within a bound', async (t) => {
  const { disk, policy, acls, put } = await setUp(t)
  await put('allow', 'lab.a')
  disk.isFull = true
  await t.rejects(put('allow', 'lab.b'), { code: 'NO_SPACE' })
  const id = await put('deny', 'lab.a', 'admin', true)
  t.match(policy.entry(id as string), { effect: 'deny' }, 'in force')
  for (let i = 1; i < 1_000; i++) await put('deny', `lab.${i}`, 'admin', true)
  await t.rejects(
    put('deny', 'lab.more', 'admin', true),
    { code: 'NO_SPACE' },
    'what is revoked needs room, too',
  )
  t.same(await acls.delete([id as string]), [true])
  disk.isFull = false
  await put('allow', 'lab.b')
  disk.isFull = true
  t.ok(await put('deny', 'lab.more'), 'after there was room again')
})

t.test('one owner, or many, do not use up the room of others', async (t) => {
  const { disk, put } = await setUp(t)
  disk.isFull = true
  const deniedBy = async (by: string, namespace: string) => {
    for (let i = 0; ; i++) {
      try {
        await put('deny', `${namespace}.${i}`, by)
      } catch {
        return i
      }
    }
  }
  t.equal(await deniedBy('eve', 'eves'), 100)
  t.equal(await deniedBy('eve', 'eves-other'), 0, 'counted by who writes')
  t.equal(await deniedBy('mal', 'eves'), 0, 'and by namespace')
  for (const owner of ['a', 'b', 'c', 'd']) t.equal(await deniedBy(owner, owner), 100)
  t.equal(await deniedBy('e', 'e'), 0, 'all of them have a half')
  for (let i = 0; i < 500; i++) await put('deny', `lab.${i}`, 'admin', true)
  await t.rejects(put('deny', 'lab.more', 'admin', true), { code: 'NO_SPACE' })
})

t.test('what was not written counts for nothing', async (t) => {
  const { disk, acls, put } = await setUp(t)
  disk.isFull = true
  const entry = {
    principal: 'user:eve',
    resource: { type: 'topic', name: 'lab.x', match: 'literal' },
    operations: ['read'],
    effect: 'deny',
    expiresAtMs: null,
    grantedBy: 'user:ada',
    note: null,
  } as const
  const outdated = [{ key: '/namespaces/lab', modRevision: 7 }]
  for (let i = 0; i < 200; i++) t.equal(await acls.put(entry, outdated), undefined)
  t.ok(await put('deny', 'lab.a'))
})

t.test('a namespace that grows is refused on a full disk; one that shrinks or goes is not', async (t) => {
  const { disk, namespaces } = await setUp(t)
  await namespaces.create('lab', ['user:ada', 'user:bob'], {})
  disk.isFull = true
  const own = (name: string, ...owners: string[]) =>
    namespaces.alter(name, (present) => ({ ...present, owners }))
  await t.rejects(own('lab', 'user:ada', 'user:bob', 'user:eve'), { code: 'NO_SPACE' })
  await t.rejects(own('default', 'user:ada'), { code: 'NO_SPACE' }, 'which has no key yet')
  await own('lab', 'user:ada')
  t.same(namespaces.get('lab')?.owners, ['user:ada'])
  await own('lab', 'user:eve')
  await t.rejects(
    namespaces.delete(
      'lab',
      async () => 'a topic is in it',
      async () => {},
    ),
    /a topic is in it/,
  )
  t.same(namespaces.get('lab')?.state, 'live', 'the mark is taken back')
  await namespaces.delete(
    'lab',
    async () => undefined,
    async () => {},
  )
  t.equal(namespaces.get('lab'), undefined)
})

t.test('a lost key of the administrator is replaced on a full disk', async (t) => {
  const { store, disk } = await setUp(t)
  disk.isFull = true
  const { secret, fields } = await recoveredKey(store, systemPorts())
  const entry = await store.get(`${KEY_PREFIX}${fields.keyId}`)
  if (!entry) return void t.fail('there is no key')
  t.match(decodeApiKey(entry), {
    principal: 'admin',
    roles: ['admin'],
    secretHashes: [{ hash: hashSecret(parseApiKey(secret)?.secret as string) }],
  })
})

/**
 * The stores of access control on one store of metadata: what was answered is there after a restart, two nodes see each
 * other's changes, and of two who change one thing at once neither loses the other's.
 */
import t, { type Test } from 'tap'
import { Policy } from '../../../auth/acl/policy.ts'
import { parseResourcePattern, type ResourcePattern } from '../../../auth/acl/resource.ts'
import { makeSigningKey } from '../../../auth/authenticators/signing-key.ts'
import { AclStore, type NewAclEntry } from '../../../broker/access/acl-store.ts'
import { MetadataApiKeyStore } from '../../../broker/access/api-key-store.ts'
import { MetadataIssuerStore } from '../../../broker/access/issuer-key-store.ts'
import { NamespaceStore } from '../../../broker/access/namespace-store.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import {
  createMemoryMetadataStore,
  MemoryMetadataDisk,
} from '../../../storage/metadata/memory-metadata-store.ts'
import type { MetadataStore } from '../../../storage/metadata-store.ts'
import { randomOf, seededRandom } from '../../support/seeded-random.ts'
import { ManualTime } from '../manual-time.ts'

const MAX = 50

async function openStore(t: Test, disk: MemoryMetadataDisk): Promise<MetadataStore> {
  const store = createMemoryMetadataStore({ disk, onListenerError: (error) => t.error(error) })
  await store.open()
  return store
}

/** What one node has of access control. */
async function nodeOn(t: Test, store: MetadataStore, seed: number, time = new ManualTime()) {
  const policy = new Policy()
  const onProblem = (error: Error) => t.error(error)
  const told: string[] = []
  const base = { store, policy, clock: time, onProblem }
  const acls = await AclStore.open({ ...base, entriesMax: MAX, entriesPerNamespaceMax: MAX })
  const namespaces = await NamespaceStore.open({ ...base, namespacesMax: MAX })
  const keys = await MetadataApiKeyStore.open({
    ...base,
    timers: time,
    random: randomOf(seed),
    keysMax: MAX,
    onSecrets: (id, secrets) => told.push(`secrets ${id} ${secrets.length}`),
    onRevoked: (id) => told.push(`revoked ${id}`),
  })
  const issuer = await MetadataIssuerStore.open({
    store,
    onTokenRevoked: (id) => told.push(`token ${id}`),
    onUserRevoked: (id) => told.push(`user ${id}`),
    onKeyEnded: (id) => told.push(`signing key ${id}`),
    onProblem,
  })
  return { policy, acls, namespaces, keys, issuer, told, time }
}

function entry(i: number, changes: Partial<NewAclEntry> = {}): NewAclEntry {
  return {
    principal: `user:u${i}`,
    resource: parseResourcePattern(`topic:lab.t${i}`) as ResourcePattern,
    operations: ['read'],
    effect: i % 3 === 0 ? 'deny' : 'allow',
    expiresAtMs: null,
    grantedBy: 'user:admin',
    note: null,
    ...changes,
  }
}

const newKey = (principal: string) => ({
  principal,
  name: 'x',
  expiresAtMs: null,
  groups: [],
  roles: [],
  scope: null,
})

/** Everything a node would decide by. */
function state({ policy, namespaces, keys, issuer }: Awaited<ReturnType<typeof nodeOn>>) {
  return {
    entries: [...policy.entries()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    namespaces: namespaces.list(),
    keys: keys.list(null),
    issuer: [...issuer.list()].sort((a, b) => (a.kid < b.kid ? -1 : 1)),
    tokens: [...issuer.tokens()].map(({ tokenId }) => tokenId).sort(),
    ada: issuer.user('ada'),
    owned: [...policy.namespacesOf('user:ada')],
  }
}

t.test('all of it is there after a restart, and at once on another node', async (t) => {
  const disk = new MemoryMetadataDisk()
  const store = await openStore(t, disk)
  const [one, two] = [await nodeOn(t, store, 1), await nodeOn(t, store, 2)]
  await one.namespaces.create('lab', ['user:ada'], { 'retention.ms': '1000' })
  const ids = await Promise.all(Array.from({ length: 10 }, (_, i) => one.acls.put(entry(i))))
  await one.acls.delete([ids[4]])
  const { id } = await one.keys.create(newKey('ada'))
  const revoked = await one.keys.create(newKey('ada'))
  await one.keys.rotate(one.keys.get(id) as never, 60_000)
  await one.keys.revoke(revoked.id)
  await one.issuer.put(await makeSigningKey(randomOf(3), 5))
  await one.issuer.putToken({ tokenId: 'a/b ü', expiresAtMs: 9_000 })
  await one.issuer.putUser({ principal: 'ada', notBeforeMs: 7 })
  const known = state(one)
  t.equal(known.entries.length, 9)
  t.same(known.owned, ['lab'])
  t.same(known.tokens, ['a/b ü'])
  t.same(state(two), known, 'the other node')
  t.match(two.told, [/^secrets .* 2$/, /^revoked /, 'token a/b ü', 'user ada'], 'whose sessions were told')
  t.same(state(await nodeOn(t, await openStore(t, disk), 3)), known, 'after a restart')
})

t.test('the same thing at once, on two nodes', async (t) => {
  const store = await openStore(t, new MemoryMetadataDisk())
  const nodes = [await nodeOn(t, store, 1), await nodeOn(t, store, 2)]
  const outcome = (promise: Promise<unknown>) =>
    promise.then(
      () => 'done',
      (error) => error.code,
    )
  const created = await Promise.all(
    nodes.map(({ namespaces }, i) => outcome(namespaces.create('lab', [`user:u${i}`], {}))),
  )
  t.same([...created].sort(), [ErrorCode.DUPLICATE_RESOURCE, 'done'].sort())
  const winner = created.indexOf('done')
  for (const { namespaces } of nodes) t.same(namespaces.get('lab')?.owners, [`user:u${winner}`])

  await Promise.all(
    nodes.flatMap(({ namespaces }, node) =>
      Array.from({ length: 4 }, (_, i) =>
        namespaces.alter('lab', (old) => ({ ...old, owners: [...old.owners, `user:n${node}-${i}`] })),
      ),
    ),
  )
  for (const { namespaces } of nodes) t.equal(namespaces.get('lab')?.owners.length, 9, 'none is lost')

  const put = await Promise.all(nodes.map(({ acls }) => acls.put(entry(1))))
  t.equal(put[0], put[1], 'the same rule is one rule')
  const [id] = put
  const deleted = await Promise.all(nodes.map(({ acls }) => acls.delete([id])))
  t.same(deleted.flat().sort(), [false, true], 'and goes once')

  const key = await nodes[0].keys.create(newKey('ada'))
  const rotated = await Promise.all(
    nodes.map(({ keys }) => outcome(keys.rotate(keys.get(key.id) as never, 1_000))),
  )
  t.equal(
    rotated.filter((result) => result === ErrorCode.REQUEST_TIMED_OUT).length,
    1,
    'who rotates what was rotated has lost',
  )
  for (const { keys } of nodes)
    t.equal(keys.get(key.id)?.secretHashes.length, 2, 'never more than two secrets')
  const ended = await Promise.all(nodes.map(({ keys }) => keys.revoke(key.id)))
  t.same([...ended].sort(), [false, true])
  const fought = await Promise.all(
    [nodes[0].keys.create(newKey('bob'))].map(async (made) => {
      const { id: bobs } = await made
      return Promise.all([
        outcome(nodes[0].keys.rotate(nodes[0].keys.get(bobs) as never, 0)),
        nodes[1].keys.revoke(bobs),
      ])
    }),
  )
  t.same(fought[0][1], true, 'a revocation wins over a rotation')
  for (const { keys } of nodes) t.equal(keys.list('bob').length, 0)
})

t.test('a namespace that goes and one who alters it: never half', async (t) => {
  const store = await openStore(t, new MemoryMetadataDisk())
  const [one, two] = [await nodeOn(t, store, 1), await nodeOn(t, store, 2)]
  for (let round = 0; round < 30; round++) {
    await one.namespaces.create('lab', ['user:ada'], {})
    const results = await Promise.allSettled([
      one.namespaces.delete(
        'lab',
        async () => undefined,
        async () => {},
      ),
      two.namespaces.alter('lab', (old) => ({ ...old, owners: ['user:eve'] })),
      two.namespaces.delete(
        'lab',
        async () => undefined,
        async () => {},
      ),
    ])
    t.ok(
      results[0].status === 'fulfilled' || results[2].status === 'fulfilled',
      'one of the deletions did it',
    )
    for (const { namespaces, policy } of [one, two]) {
      t.equal(namespaces.get('lab'), undefined)
      for (const owner of ['user:ada', 'user:eve']) t.same([...policy.namespacesOf(owner)], [])
    }
    t.same((await store.list('/namespaces/')).entries, [])
  }
})

t.test('bounds hold for those who come at once, and what has expired makes room', async (t) => {
  const store = await openStore(t, new MemoryMetadataDisk())
  const node = await nodeOn(t, store, 1)
  const soonMs = node.time.nowMs() + 1_000
  const puts = await Promise.allSettled(
    Array.from({ length: MAX + 20 }, (_, i) =>
      node.acls.put(entry(i, { expiresAtMs: i < 10 ? soonMs : null })),
    ),
  )
  t.equal(puts.filter(({ status }) => status === 'fulfilled').length, MAX)
  t.equal(node.policy.entryCount, MAX)
  await t.rejects(node.acls.put(entry(1_000)), { code: ErrorCode.POLICY_VIOLATION })
  await node.acls.put(entry(20, { note: 'again' }))
  t.equal(node.policy.entryCount, MAX, 'what is there already is no more')
  await node.time.advance(2_000)
  await node.acls.put(entry(1_000))
  t.equal(node.policy.entryCount, MAX - 9)
  const spaces = await Promise.allSettled(
    Array.from({ length: MAX + 5 }, (_, i) => node.namespaces.create(`n${i}`, [], {})),
  )
  t.equal(spaces.filter(({ status }) => status === 'fulfilled').length, MAX)
  const made = await Promise.allSettled(
    Array.from({ length: MAX + 5 }, () => node.keys.create(newKey('ada'))),
  )
  t.equal(made.filter(({ status }) => status === 'fulfilled').length, MAX)
})

t.test('a random life: whatever was answered is what every node has, also after a crash', async (t) => {
  const random = seededRandom(t)
  const disk = new MemoryMetadataDisk()
  const model = {
    entries: new Map<string, string>(),
    namespaces: new Map<string, string>(),
    keys: new Set<string>(),
  }
  for (let life = 0; life < 6; life++) {
    const store = await openStore(t, disk)
    const nodes = [await nodeOn(t, store, 10 + life), await nodeOn(t, store, 20 + life)]
    for (let step = 0; step < 60; step++) {
      const node = random.pick(nodes)
      const i = random.below(12)
      switch (random.below(6)) {
        case 0:
        case 1: {
          const note = `step ${life} ${step}`
          model.entries.set(await node.acls.put(entry(i, { note })), note)
          break
        }
        case 2: {
          const [id] = [...model.entries.keys()].slice(random.below(model.entries.size || 1))
          if (id === undefined) break
          t.same(await node.acls.delete([id]), [true])
          model.entries.delete(id)
          break
        }
        case 3: {
          const name = `n${i}`
          if (model.namespaces.has(name)) {
            await node.namespaces.delete(
              name,
              async () => undefined,
              async () => {},
            )
            model.namespaces.delete(name)
          } else {
            await node.namespaces.create(name, [`user:o${step}`], {})
            model.namespaces.set(name, `user:o${step}`)
          }
          break
        }
        case 4:
          if (model.keys.size < MAX) model.keys.add((await node.keys.create(newKey('ada'))).id)
          break
        default: {
          const [id] = model.keys
          if (id === undefined) break
          t.equal(await node.keys.revoke(id), true)
          model.keys.delete(id)
        }
      }
    }
    for (const { policy, namespaces, keys } of nodes) {
      t.same(new Map([...policy.entries()].map(({ id, note }) => [id, note])), model.entries)
      const listed = namespaces.list().filter(({ name }) => name !== 'default')
      t.same(new Map(listed.map(({ name, namespace }) => [name, namespace.owners[0]])), model.namespaces)
      t.same(new Set(keys.list(null).map(({ id }) => id)), model.keys)
    }
    // Never closed: a crash.
  }
})

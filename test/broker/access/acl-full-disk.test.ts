/** The access control list where there is room for nothing but what is urgent. */
import t from 'tap'
import { Policy } from '../../../auth/acl/policy.ts'
import { AclStore } from '../../../broker/access/acl-store.ts'
import {
  createMemoryMetadataStore,
  MemoryMetadataDisk,
} from '../../../storage/metadata/memory-metadata-store.ts'
import type { MetadataStore } from '../../../storage/metadata-store.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { ManualTime } from '../manual-time.ts'

t.test('what denies is written on a full disk, within a bound', async (t) => {
  const onProblem = (error: Error) => void t.fail(error.message)
  const store = createMemoryMetadataStore({
    disk: new MemoryMetadataDisk(),
    onListenerError: (error) => t.fail(String(error)),
  })
  await store.open()
  let isFull = false
  const transact: MetadataStore['transact'] = async (compares, operations, options) => {
    if (isFull && !options?.isUrgent) throw new StorageError('NO_SPACE', 'the disk is full')
    return store.transact(compares, operations, options)
  }
  const full = new Proxy(store, {
    get: (target, name) => {
      if (name === 'transact') return transact
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const policy = new Policy()
  const acls = await AclStore.open({
    store: full,
    policy,
    clock: new ManualTime(),
    entriesMax: 10_000,
    entriesPerNamespaceMax: 10_000,
    onProblem,
  })
  t.teardown(() => acls.close())
  const put = (effect: 'allow' | 'deny', name: string) =>
    acls.put({
      principal: 'user:eve',
      resource: { type: 'topic', name, match: 'literal' },
      operations: ['read'],
      effect,
      expiresAtMs: null,
      grantedBy: 'user:ada',
      note: null,
    })
  await put('allow', 'lab.a')
  isFull = true
  await t.rejects(put('allow', 'lab.b'), { code: 'NO_SPACE' })
  const id = await put('deny', 'lab.a')
  t.match(policy.entry(id), { effect: 'deny' }, 'in force')
  for (let i = 1; i < 1_000; i++) await put('deny', `lab.${i}`)
  await t.rejects(put('deny', 'lab.more'), { code: 'NO_SPACE' }, 'what is revoked needs the room as well')
  t.same(await acls.delete([id]), [true])
  isFull = false
  await put('allow', 'lab.b')
  isFull = true
  t.ok(await put('deny', 'lab.more'), 'after there was room again')
})

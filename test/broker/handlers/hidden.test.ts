/**
 * What the caller may not see takes the same steps as what is not there: every question to the session, the table of
 * topics, the policy, the keys and the store of metadata is written down, and the two lists are the same. So the
 * time of a refusal cannot tell them apart; `test/broker/access/hidden-times.test.ts` measures it.
 */
import t from 'tap'
import { Policy } from '../../../auth/acl/policy.ts'
import { parseResourcePattern, type ResourcePattern } from '../../../auth/acl/resource.ts'
import { ApiKeyAuthenticator } from '../../../auth/authenticators/api-key.ts'
import type { ApiKeyRecord } from '../../../auth/authenticators/api-key-record.ts'
import { mintApiKey } from '../../../auth/authenticators/api-key-token.ts'
import { NamespaceStore } from '../../../broker/access/namespace-store.ts'
import type { RequestContext } from '../../../broker/handlers/context.ts'
import { createTopicsHandler } from '../../../broker/handlers/create-topics.ts'
import { deleteAclsHandler } from '../../../broker/handlers/delete-acls.ts'
import { deleteTopicsHandler } from '../../../broker/handlers/delete-topics.ts'
import { describeTopicsHandler } from '../../../broker/handlers/describe-topics.ts'
import { metadataHandler } from '../../../broker/handlers/metadata.ts'
import { findPartition } from '../../../broker/handlers/partition-error.ts'
import { revokeKeysHandler } from '../../../broker/handlers/revoke-keys.ts'
import { rotateKeyHandler } from '../../../broker/handlers/rotate-key.ts'
import { TopicService } from '../../../broker/topics/topic-service.ts'
import { TopicTable } from '../../../broker/topics/topic-table.ts'
import { PartitionLog } from '../../../storage/log/partition-log.ts'
import {
  createMemoryMetadataStore,
  MemoryMetadataDisk,
} from '../../../storage/metadata/memory-metadata-store.ts'
import { randomOf } from '../../support/seeded-random.ts'
import { ManualTime } from '../manual-time.ts'
import { contextOf, sessionOf, userIdentity } from '../sessions.ts'

/** The same object, whose every use is written down. */
function watched<T extends object>(what: string, target: T, steps: string[]): T {
  return new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value === 'function')
        return (...given: unknown[]) => {
          steps.push(`${what}.${String(name)}`)
          return value.apply(target, given)
        }
      return name === 'access' ? watched('access', value as object, steps) : value
    },
  })
}

async function setUp() {
  const steps: string[] = []
  const clock = new ManualTime()
  const real = createMemoryMetadataStore({
    disk: new MemoryMetadataDisk(),
    onListenerError: (error) => t.error(error),
  })
  await real.open()
  const store = watched('store', real, steps)
  const log = {
    createPartition: (id: Uint8Array, partition: number) =>
      new PartitionLog(id, partition, { lost: () => {} }),
    dropTopic: async () => {},
  }
  const onProblem = t.fail
  const opened = await TopicTable.open({ store: real, log, onProblem })
  const policy = new Policy()
  policy.putEntry({
    id: 'e1',
    principal: 'user:eve',
    resource: parseResourcePattern('topic:lab.open') as ResourcePattern,
    operations: ['read', 'write'],
    effect: 'allow',
    expiresAtMs: null,
    grantedBy: 'user:admin',
    createdAtMs: 0,
    note: null,
  })
  policy.putEntry({
    ...(policy.entry('e1') as NonNullable<ReturnType<Policy['entry']>>),
    id: 'e2',
    principal: 'user:bob',
  })
  const namespaces = await NamespaceStore.open({ store: real, policy, clock, namespacesMax: 10, onProblem })
  await namespaces.create('lab', [], {})
  const options = {
    namespaces,
    forgetRights: async () => {},
    log,
    clock,
    random: randomOf(1),
    limits: { partitionsDefault: 1, partitionsPerTopicMax: 10, partitionsMax: 10 },
    refusal: () => undefined,
    onDropped: () => {},
    onProblem,
  }
  const service = new TopicService({ ...options, store, table: watched('topics', opened.table, steps) })
  await service.create([{ name: 'lab.hidden', partitions: 1, replicationFactor: 1, configs: [] }], false, {
    refusal: () => undefined,
    ownerOfNew: () => undefined,
    rightsOfNew: async () => undefined,
  })
  const hidden = opened.table.byName('lab.hidden')
  if (!hidden) throw new Error('it was not created')
  const topics = watched('topics', opened.table, steps)
  const session = watched('session', sessionOf(userIdentity('eve'), policy, clock), steps)
  const context: RequestContext = { ...contextOf(), session }
  return { steps, topics, hidden, policy, service, context, session, namespaces, clock }
}

const TIMES = { validateOnly: false, timeoutMs: 1_000 }

t.test('topics', async (t) => {
  const { steps, topics, hidden, service, context, session, namespaces } = await setUp()
  const identity = { nodeId: 1, clusterId: 'c', url: () => 'ws://x' } as never
  const metadata = metadataHandler({ identity, topics })
  const describe = describeTopicsHandler({ identity, topics })
  const remove = deleteTopicsHandler(service)
  const create = createTopicsHandler(service, watched('namespaces', namespaces, steps), {
    claim: () => Promise.reject(new Error('it must not come to this')),
  })
  const missingId = new Uint8Array(16).fill(9)
  const asks: Record<string, (name: string, topicId: Uint8Array) => unknown> = {
    'metadata by name': (name) => metadata({ topics: [{ name, topicId: null }] }, context),
    'metadata by id': (_, topicId) => metadata({ topics: [{ name: null, topicId }] }, context),
    describe: (name) => describe({ names: [name] }, context),
    'delete by name': (name) => remove({ topics: [{ name, topicId: null }], timeoutMs: 1 }, context),
    'delete by id': (_, topicId) => remove({ topics: [{ name: null, topicId }], timeoutMs: 1 }, context),
    create: (name) =>
      create({ topics: [{ name, partitions: 1, replicationFactor: 1, configs: [] }], ...TIMES }, context),
  }
  for (const operation of ['read', 'write', 'describe'] as const)
    asks[`find a partition to ${operation}`] = (_, topicId) =>
      findPartition(topics, { topicId, partition: 0, leaderEpoch: -1 }, session, operation)

  for (const [what, ask] of Object.entries(asks)) {
    const take = async (name: string, topicId: Uint8Array) => {
      // What is remembered of the first time is not what is compared.
      await ask(name, topicId)
      steps.length = 0
      const answer = await ask(name, topicId)
      return { steps: [...steps], text: JSON.stringify(answer).replaceAll(name, 'N') }
    }
    const there = await take('lab.hidden', hidden.topicId)
    const missing = await take('lab.absent', missingId)
    t.ok(there.steps.length > 0, `${what}: ${there.steps.join(', ')}`)
    t.same(there.steps, missing.steps, `${what}: the same steps`)
    const idless = (text: string) => text.replace(/"topicId":\{[^}]*\}/, '').replace(/id [0-9a-f-]{32,}/, '')
    t.equal(idless(there.text), idless(missing.text), `${what}: the same answer`)
  }
  t.ok(topics.byName('lab.hidden'), 'it is still there')
})

t.test('entries of others, and keys of others', async (t) => {
  const { steps, policy, context } = await setUp()
  const taken = async (ask: () => Promise<unknown>) => {
    steps.length = 0
    const answer = await ask().catch((error: Error) => error.message)
    return { steps: [...steps], text: JSON.stringify(answer) }
  }
  const acls = { delete: () => Promise.reject(new Error('it must not come to this')) }
  const remove = deleteAclsHandler(watched('policy', policy, steps), acls, t.fail)
  const [there, missing] = [
    await taken(() => remove({ ids: ['e2'] }, context)),
    await taken(() => remove({ ids: ['e9'] }, context)),
  ]
  t.same(there.steps, missing.steps, there.steps.join(', '))
  t.equal(there.text.replaceAll('e2', 'E'), missing.text.replaceAll('e9', 'E'))

  const { id, secretHash } = mintApiKey(randomOf(2))
  const record: ApiKeyRecord = {
    id,
    principal: 'bob',
    name: 'x',
    secretHashes: [{ hash: secretHash, expiresAtMs: null }],
    createdAtMs: 0,
    expiresAtMs: null,
    groups: [],
    roles: [],
    scope: null,
  }
  const store = {
    get: (asked: string) => (asked === id ? record : undefined),
    used: () => {},
    revoke: () => Promise.reject(new Error('it must not come to this')),
    rotate: () => Promise.reject(new Error('it must not come to this')),
  }
  const keys = watched('keys', store, steps)
  const other = 'a'.repeat(16)
  const revoke = revokeKeysHandler(keys, t.fail)
  const rotate = rotateKeyHandler(keys, { keyLifetimeMaxMs: 1, clockToleranceMs: 0 })
  for (const ask of [
    (keyId: string) => revoke({ keyIds: [keyId] }, context),
    (keyId: string) => rotate({ keyId, overlapMs: 0 }, context),
  ]) {
    const [there, missing] = [await taken(() => ask(id)), await taken(() => ask(other))]
    t.same(there.steps, missing.steps, there.steps.join(', '))
    t.equal(there.text.replaceAll(id, 'K'), missing.text.replaceAll(other, 'K'))
  }

  const authenticator = new ApiKeyAuthenticator(keys, { nowMs: () => 0, monotonicMs: () => 0 })
  const guess = (keyId: string) => taken(() => authenticator.authenticate(`oct_${keyId}_${'A'.repeat(43)}`))
  t.same(await guess(id), await guess(other), 'a wrong secret, of a key that is there or not')
})

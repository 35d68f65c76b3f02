/**
 * Who may do what, generated: every API with every kind of caller on every kind of resource, against a real broker.
 * What has to come out is said by one table of rights and one rule per API, and by nothing of the broker's. What a
 * caller may not see is answered exactly as what is not there.
 */
import t, { type Test } from 'tap'
import { type AnyApi, type Api, apis } from '../../../client/protocol/api.ts'
import { decodeResponse } from '../../../client/protocol/codec.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import { groupApis } from '../../../client/protocol/group-apis.ts'
import { examples } from '../../client/protocol/examples.ts'
import { BrokerProcess } from '../../support/broker-process.ts'
import { batchOf, ProtocolClient } from '../protocol-client.ts'

type Operation = 'describe' | 'read' | 'write' | 'create' | 'alter' | 'delete' | 'grant'
type Rights = readonly Operation[]

const ALL: Rights = ['describe', 'read', 'write', 'create', 'alter', 'delete', 'grant']
const NONE: Rights = []
const READ: Rights = ['describe', 'read']
const WRITE: Rights = ['describe', 'write']

/** Topics: of the caller's own namespace, of one where some were given rights, of one that is another's. */
const resources = [
  'own.there',
  'own.missing',
  'lab.there',
  'lab.missing',
  'vault.there',
  'vault.missing',
] as const
type Resource = (typeof resources)[number]

const kinds = ['owner', 'reader', 'writer', 'member', 'denied', 'hidden', 'expired', 'anonymous'] as const
type Kind = (typeof kinds)[number]

/** What each may do to topics of `lab`, be they there or not. */
const inLab: Readonly<Record<Kind, Rights>> = {
  owner: ALL,
  reader: READ,
  writer: WRITE,
  member: READ,
  // Given read and write, and denied both: what is left is to see that it is there.
  denied: ['describe'],
  // Given read and write, and denied to see.
  hidden: NONE,
  expired: NONE,
  anonymous: NONE,
}

function rightsOf(kind: Kind, resource: Resource): Rights {
  if (resource.startsWith('lab.')) return inLab[kind]
  return resource.startsWith('own.') && kind !== 'anonymous' ? ALL : NONE
}

interface Target {
  readonly client: ProtocolClient
  readonly name: string
  /** One that nobody has, where there is no such topic. */
  readonly topicId: Uint8Array
}

interface Answer {
  /** Of the one entry, or of the request. */
  readonly code: number
  readonly message: string | null
}

interface Case {
  readonly api: AnyApi
  readonly what: string
  readonly ask: (target: Target) => Promise<Answer | undefined>
  /** Undefined: not to be asked, since it would be done. */
  readonly expected: (rights: Rights, exists: boolean) => number | undefined
}

const { NONE: OK, UNKNOWN_TOPIC_OR_PARTITION: NO_NAME, UNKNOWN_TOPIC_ID: NO_ID } = ErrorCode
const REFUSED = ErrorCode.TOPIC_AUTHORIZATION_FAILED

/** Of what names one topic: it is there for who sees it, and done by who has the right. */
const needs =
  (operation: Operation, unknown: number) =>
  (rights: Rights, exists: boolean): number => {
    if (rights.includes(operation)) return exists ? OK : unknown
    // An id that is nobody's has no name that rights could be about.
    if (!rights.includes('describe') || (unknown === NO_ID && !exists)) return unknown
    return REFUSED
  }

const inForce =
  (operation: Operation, refused: number) =>
  (rights: Rights): number =>
    rights.includes(operation) ? OK : refused

async function answered<Q, R>(
  { client }: Target,
  api: Api<Q, R>,
  message: Q,
  entryOf: (response: R) => { error: number; message: string | null } | undefined,
  body?: Uint8Array,
): Promise<Answer> {
  try {
    const frames = await client.exchange(api, message, body)
    const response = decodeResponse(api, frames.at(-1) as (typeof frames)[number])
    const { error, message: sentence } = entryOf(response) ?? { error: OK, message: null }
    return { code: error, message: sentence }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return { code: error.code, message: error.message }
  }
}

const TIMES = { validateOnly: true, timeoutMs: 5_000 }
const partitionOf = ({ topicId }: Target) => ({ topicId, partition: 0, leaderEpoch: -1 })
const seen = (isThere: boolean): Answer => ({ code: isThere ? OK : NO_NAME, message: null })
const isSeen = (rights: Rights, exists: boolean) => (rights.includes('describe') && exists ? OK : NO_NAME)

const ofTopics: readonly Case[] = [
  {
    api: apis.metadata,
    what: 'by name',
    ask: (target) =>
      answered(target, apis.metadata, { topics: [{ name: target.name, topicId: null }] }, (r) => r.topics[0]),
    expected: needs('describe', NO_NAME),
  },
  {
    api: apis.metadata,
    what: 'by id',
    ask: (target) =>
      answered(
        target,
        apis.metadata,
        { topics: [{ name: null, topicId: target.topicId }] },
        (r) => r.topics[0],
      ),
    expected: needs('describe', NO_ID),
  },
  {
    api: apis.metadata,
    what: 'of all',
    ask: async ({ client, name }) =>
      seen((await client.call(apis.metadata, { topics: null })).topics.some((topic) => topic.name === name)),
    expected: isSeen,
  },
  {
    api: apis.describeTopics,
    what: 'by name',
    ask: (target) => answered(target, apis.describeTopics, { names: [target.name] }, (r) => r.topics[0]),
    expected: needs('describe', NO_NAME),
  },
  {
    api: apis.describeTopics,
    what: 'of all',
    ask: async ({ client, name }) =>
      seen(
        (await client.call(apis.describeTopics, { names: null })).topics.some((topic) => topic.name === name),
      ),
    expected: isSeen,
  },
  {
    api: apis.listTopics,
    what: '',
    ask: async ({ client, name }) =>
      seen(
        (await client.call(apis.listTopics, { includeInternal: true })).topics.some(
          (topic) => topic.name === name,
        ),
      ),
    expected: isSeen,
  },
  {
    api: apis.listOffsets,
    what: 'latest',
    ask: (target) => {
      const partitions = [{ ...partitionOf(target), timestamp: -1 }]
      return answered(target, apis.listOffsets, { isolationLevel: 0, partitions }, (r) => r.partitions[0])
    },
    expected: needs('describe', NO_ID),
  },
  {
    api: apis.describeProducers,
    what: '',
    ask: (target) => {
      const partitions = [{ topicId: target.topicId, partition: 0 }]
      return answered(target, apis.describeProducers, { producerId: 1, partitions }, (r) => r.partitions[0])
    },
    expected: needs('describe', NO_ID),
  },
  {
    api: apis.fetch,
    what: '',
    ask: (target) => {
      const asked = { ...partitionOf(target), fetchOffset: 0, lastFetchedEpoch: -1, partitionMaxBytes: 1_000 }
      const bounds = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000, isolationLevel: 0 }
      const all = { filter: null, compressions: null }
      return answered(target, apis.fetch, { ...bounds, partitions: [asked], ...all }, (r) => r.partitions[0])
    },
    expected: needs('read', NO_ID),
  },
  {
    api: apis.produce,
    what: '',
    ask: (target) => {
      const batch = batchOf(['x'])
      const partitions = [{ ...partitionOf(target), bytes: batch.length }]
      const request = { acks: -1, timeoutMs: 5_000, transactionalId: null, partitions }
      return answered(target, apis.produce, request, (r) => r.answers[0]?.partitions[0], batch)
    },
    expected: needs('write', NO_ID),
  },
  {
    api: apis.createTopics,
    what: '',
    ask: (target) => {
      const topics = [{ name: target.name, partitions: 1, replicationFactor: -1, configs: [] }]
      return answered(target, apis.createTopics, { topics, ...TIMES }, (r) => r.topics[0])
    },
    expected: (rights, exists) => {
      if (!rights.includes('create')) return REFUSED
      return exists ? ErrorCode.TOPIC_ALREADY_EXISTS : OK
    },
  },
  {
    api: apis.alterTopics,
    what: '',
    ask: (target) => {
      const topics = [{ name: target.name, partitions: 2, configs: [] }]
      return answered(target, apis.alterTopics, { topics, ...TIMES }, (r) => r.topics[0])
    },
    expected: needs('alter', NO_NAME),
  },
  {
    api: apis.deleteTopics,
    what: 'by name',
    ask: (target) => {
      const topics = [{ name: target.name, topicId: null }]
      return answered(target, apis.deleteTopics, { topics, timeoutMs: 5_000 }, (r) => r.topics[0])
    },
    expected: (rights, exists) =>
      rights.includes('delete') && exists ? undefined : needs('delete', NO_NAME)(rights, exists),
  },
  {
    api: apis.deleteTopics,
    what: 'by id',
    ask: (target) => {
      const topics = [{ name: null, topicId: target.topicId }]
      return answered(target, apis.deleteTopics, { topics, timeoutMs: 5_000 }, (r) => r.topics[0])
    },
    expected: (rights, exists) =>
      rights.includes('delete') && exists ? undefined : needs('delete', NO_ID)(rights, exists),
  },
  {
    api: apis.createAcls,
    what: 'to allow',
    ask: (target) => askToGrant(target, 'allow'),
    expected: inForce('grant', REFUSED),
  },
  {
    api: apis.createAcls,
    what: 'to deny',
    ask: (target) => askToGrant(target, 'deny'),
    expected: inForce('grant', REFUSED),
  },
  {
    api: apis.explainAccess,
    what: 'of another',
    ask: (target) =>
      answered(
        target,
        apis.explainAccess,
        {
          principal: 'user:somebody',
          groups: [],
          roles: [],
          operation: 'read',
          resource: `topic:${target.name}`,
        },
        () => undefined,
      ),
    expected: inForce('grant', ErrorCode.CLUSTER_AUTHORIZATION_FAILED),
  },
  {
    api: apis.initProducerId,
    what: 'of a name',
    ask: (target) =>
      answered(
        target,
        apis.initProducerId,
        { producerName: target.name, producerId: -1, producerEpoch: -1 },
        () => undefined,
      ),
    // Rights on a topic are none on producers of its name; who owns the namespace has both.
    expected: (rights) => (rights === ALL ? OK : ErrorCode.PRODUCER_NAME_AUTHORIZATION_FAILED),
  },
  {
    api: apis.alterNamespace,
    what: '',
    ask: (target) => {
      const change = { addOwners: [], removeOwners: [], topicConfigs: [] }
      return answered(target, apis.alterNamespace, { name: namespaceOf(target), ...change }, () => undefined)
    },
    expected: (rights) => (rights === ALL ? OK : ErrorCode.RESOURCE_NOT_FOUND),
  },
  {
    api: apis.deleteNamespace,
    what: '',
    ask: (target) => answered(target, apis.deleteNamespace, { name: namespaceOf(target) }, () => undefined),
    // It has a topic.
    expected: (rights) => (rights === ALL ? ErrorCode.POLICY_VIOLATION : ErrorCode.RESOURCE_NOT_FOUND),
  },
  {
    api: apis.listNamespaces,
    what: '',
    ask: async (target) => {
      const { namespaces } = await target.client.call(apis.listNamespaces, {})
      return seen(namespaces.some(({ name }) => name === namespaceOf(target)))
    },
    expected: (rights) => (rights === ALL ? OK : NO_NAME),
  },
  {
    api: apis.describeAcls,
    what: 'of the namespace of another',
    ask: async (target) => {
      const request = { principal: 'user:keeper', resource: `topic:${target.name}` }
      const { entries } = await target.client.call(apis.describeAcls, request)
      return seen(entries.length > 0)
    },
    // One entry is about the keeper and all there is: it shows to who may grant on everything, which is nobody here.
    expected: () => NO_NAME,
  },
]

function namespaceOf({ name }: Target): string {
  return name.slice(0, name.indexOf('.'))
}

/** Expires before it could disturb others. */
function askToGrant(target: Target, effect: 'allow' | 'deny'): Promise<Answer> {
  const resource = `topic:${target.name}`
  const rule = { principal: 'user:somebody', resource, operations: ['read'], effect }
  return answered(
    target,
    apis.createAcls,
    { entries: [{ ...rule, expiresAtMs: Date.now() + 60_000, note: null }] },
    (r) => r.entries[0],
  )
}

/** What is about the cluster, or about what others have. Nobody here may do any of it. */
function ofOthers(
  keyId: string,
  entryId: string,
): { api: AnyApi; message: unknown; code: number; entry?: string }[] {
  const forAnother = { principal: 'keeper', groups: [], roles: [], scope: null }
  const { CLUSTER_AUTHORIZATION_FAILED: CLUSTER, RESOURCE_NOT_FOUND: NOT_FOUND } = ErrorCode
  return [
    { api: apis.status, message: {}, code: CLUSTER },
    { api: apis.rotateIssuerKey, message: { overlapMs: null }, code: CLUSTER },
    { api: apis.listKeys, message: { principal: 'keeper' }, code: CLUSTER },
    { api: apis.createKey, message: { ...forAnother, name: 'x', expiresAtMs: null }, code: CLUSTER },
    { api: apis.issueToken, message: { ...forAnother, lifetimeMs: null }, code: CLUSTER },
    { api: apis.revokeToken, message: { tokenId: null, principal: 'keeper' }, code: CLUSTER },
    { api: apis.revokeToken, message: { tokenId: 'anybody’s', principal: null }, code: CLUSTER },
    { api: apis.rotateKey, message: { keyId, overlapMs: 0 }, code: NOT_FOUND },
    { api: apis.revokeKeys, message: { keyIds: [keyId] }, code: NOT_FOUND, entry: 'keys' },
    { api: apis.deleteAcls, message: { ids: [entryId] }, code: NOT_FOUND, entry: 'entries' },
    ...['lab', 'vault', 'nowhere'].map((name) => ({
      api: apis.createNamespace as AnyApi,
      message: { namespaces: [{ name, owners: [], topicConfigs: [] }] },
      code: CLUSTER,
      entry: 'namespaces',
    })),
  ]
}

const broker = await BrokerProcess.start(['--auth-anonymous', 'on'])
t.teardown(() => broker.destroy())
const admin = await ProtocolClient.connect(broker.url)

async function grant(principal: string, resource: string, operations: Rights, more: object = {}) {
  const rule = { principal, resource, operations: [...operations], effect: 'allow', note: null }
  const { entries } = await admin.call(apis.createAcls, {
    entries: [{ ...rule, expiresAtMs: null, ...more }],
  })
  if (!entries[0]?.id) throw new Error(entries[0]?.message ?? 'no answer')
  return entries[0].id
}

async function keyOf(principal: string, groups: string[] = []): Promise<{ keyId: string; key: string }> {
  const rights = { groups, roles: [], expiresAtMs: null, scope: null }
  return admin.call(apis.createKey, { principal, name: 'test', ...rights })
}

async function createNamespace(name: string, owner: string): Promise<void> {
  const namespaces = [{ name, owners: [owner], topicConfigs: [] }]
  await admin.call(apis.createNamespace, { namespaces })
}

/** A name that no caller's answer may depend on but by what it is. */
const nameFor = (kind: Kind, resource: Resource) => resource.replace(/^own\./, `own-${kind}.`)

const ids = new Map<string, Uint8Array>()
await createNamespace('lab', 'user:owner')
await createNamespace('vault', 'user:keeper')
for (const kind of kinds)
  await createNamespace(`own-${kind}`, kind === 'anonymous' ? 'user:keeper' : `user:${kind}`)
for (const name of ['lab.there', 'vault.there', ...kinds.map((kind) => `own-${kind}.there`)])
  ids.set(name, await admin.createTopic(name, 1))
await grant('user:reader', 'topic:lab.*', ['read'])
await grant('user:writer', 'topic:lab.*', ['write'])
await grant('group:readers', 'topic:lab.*', ['read'])
for (const kind of ['denied', 'hidden']) await grant(`user:${kind}`, 'topic:lab.*', ['read', 'write'])
await grant('user:denied', 'topic:lab.*', ['read', 'write'], { effect: 'deny' })
await grant('user:hidden', 'topic:lab.*', ['describe'], { effect: 'deny' })
const expiresAtMs = Date.now() + 300
await grant('user:expired', 'topic:lab.*', ['read', 'write'], { expiresAtMs })
const keeperEntry = await grant('user:keeper', 'topic:*', ['describe'])
const keeper = await keyOf('keeper')

async function connectAs(kind: Kind): Promise<ProtocolClient> {
  if (kind === 'anonymous') return ProtocolClient.connect(broker.url, null)
  return ProtocolClient.connect(broker.url, (await keyOf(kind, kind === 'member' ? ['readers'] : [])).key)
}

/** The answer without the name and the id of what it is about. */
function withoutName({ code, message }: Answer, { name, topicId }: Target): Answer {
  const sentence = message?.replaceAll(name, 'NAME').replaceAll(Buffer.from(topicId).toString('hex'), 'ID')
  return { code, message: sentence ?? null }
}

for (const kind of kinds)
  t.test(`${kind}: topics and what is named like them`, async (t) => {
    const client = await connectAs(kind)
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, expiresAtMs - Date.now())))
    const answers = new Map<string, Answer>()
    for (const { api, what, ask, expected } of ofTopics)
      for (const resource of resources) {
        const name = nameFor(kind, resource)
        const target = { client, name, topicId: ids.get(name) ?? new Uint8Array(16).fill(7) }
        const rights = rightsOf(kind, resource)
        const wanted = expected(rights, ids.has(name))
        if (wanted === undefined) continue
        const answer = await ask(target)
        if (!answer) continue
        t.equal(answer.code, wanted, `${api.name} ${what} ${resource}: ${answer.message}`)
        answers.set(`${api.name} ${what} ${resource}`, withoutName(answer, target))
      }
    for (const { api, what } of ofTopics)
      for (const namespace of ['own', 'lab', 'vault'] as const) {
        if (rightsOf(kind, `${namespace}.there`).length > 0) continue
        const [there, missing] = ['there', 'missing'].map((name) =>
          answers.get(`${api.name} ${what} ${namespace}.${name}`),
        )
        t.ok(there, `${api.name} ${what} ${namespace} was asked`)
        t.same(
          there,
          missing,
          `${api.name} ${what}: what may not be seen in ${namespace} is as if it were not there`,
        )
      }
    await client.close()
  })

for (const kind of kinds)
  t.test(`${kind}: the cluster, and what others have`, async (t) => {
    const client = await connectAs(kind)
    const target = { client, name: '', topicId: new Uint8Array(16) }
    const ask = ({ api, message, entry }: ReturnType<typeof ofOthers>[number]) =>
      answered(target, api, message, (r) => (entry === undefined ? undefined : r[entry][0]))
    const [noKey, noEntry] = [keeper.keyId.replace(/./g, 'z'), keeperEntry.replace(/[0-9a-z]/g, 'z')]
    const present = ofOthers(keeper.keyId, keeperEntry)
    const absent = ofOthers(noKey, noEntry)
    for (const [i, question] of present.entries()) {
      const [there, missing] = [await ask(question), await ask(absent[i])]
      t.equal(there.code, question.code, `${question.api.name}: ${there.message}`)
      const hide = (sentence: string | null) =>
        sentence?.replaceAll(/z{8,}/g, 'ID').replaceAll(keeper.keyId, 'ID').replaceAll(keeperEntry, 'ID')
      t.equal(missing.code, question.code)
      t.equal(
        hide(there.message)?.replace(/ID[-ID]*/, 'ID'),
        hide(missing.message)?.replace(/ID[-ID]*/, 'ID'),
      )
    }
    t.match(await client.call(apis.whoami, {}), {
      principal: kind === 'anonymous' ? kind : `user:${kind}`,
      isAdministrator: false,
    })
    await client.close()
  })

/** Asked about in group-matrix.test.ts. */
const askedOfGroups: object = Object.fromEntries(Object.values(groupApis).map(({ name }) => [name, true]))

t.test('every API is asked about above, but those by which one becomes somebody', async (t) => {
  const asked = new Set([...ofTopics, ...ofOthers('', '')].map(({ api }) => api.name))
  const others = Object.values(apis).filter(({ name }) => !asked.has(name))
  t.same(
    others.map(({ name }) => name).filter((name) => !(name in askedOfGroups)),
    ['hello', 'authenticate', 'whoami'],
  )
})

/** A request of every API but the two by which one becomes somebody. */
const requests = examples.filter(
  ({ kind, api }) => kind === 'request' && api !== apis.hello && api !== apis.authenticate,
)

async function allRefused(t: Test, client: ProtocolClient, code: number): Promise<void> {
  for (const { api, message, body } of requests)
    await t.rejects(
      client.exchange(api, message, body).then((frames) => decodeResponse(api, frames.at(-1) as never)),
      { code },
      api.name,
    )
  t.same(
    [...new Set(requests.map(({ api }) => api.name))].sort(),
    Object.values(apis)
      .map(({ name }) => name)
      .filter((name) => name !== 'hello' && name !== 'authenticate')
      .sort(),
  )
}

t.test('revoked in flight: nothing at all, from the next request on', async (t) => {
  const { key, keyId } = await keyOf('owner')
  const client = await ProtocolClient.connect(broker.url, key)
  t.match(await client.call(apis.whoami, {}), { principal: 'user:owner' })
  await admin.call(apis.revokeKeys, { keyIds: [keyId] })
  await allRefused(t, client, ErrorCode.CREDENTIAL_EXPIRED)
  await t.rejects(client.call(apis.authenticate, { mechanism: 'token', token: key }), {
    code: ErrorCode.SASL_AUTHENTICATION_FAILED,
  })
  await client.call(apis.authenticate, { mechanism: 'token', token: (await keyOf('owner')).key })
  t.match(await client.call(apis.whoami, {}), { principal: 'user:owner' }, 'with another key it goes on')
  await client.close()
})

t.test('without a credential nothing at all, where nobody may be anonymous', async (t) => {
  const closed = await BrokerProcess.start()
  t.teardown(() => closed.destroy())
  const client = await ProtocolClient.connect(closed.url, null)
  await allRefused(t, client, ErrorCode.AUTHENTICATION_REQUIRED)
  await client.close()
})

/** What a parked fetch is answered, and after how long. */
async function parked(client: ProtocolClient, name: string, act: () => Promise<unknown>) {
  const topicId = ids.get(name) as Uint8Array
  const fetching = client.fetch(topicId, 0, await endOf(topicId), 30_000).then(
    ({ response }) => ({ code: response.error, highWatermark: response.highWatermark }),
    (error: unknown) => {
      if (!(error instanceof ProtocolError)) throw error
      return { code: error.code, highWatermark: -1 }
    },
  )
  // A request behind it has been answered: the fetch is parked.
  await client.call(apis.whoami, {})
  const beganMs = performance.now()
  await act()
  const answer = await fetching
  return { ...answer, tookMs: performance.now() - beganMs }
}

async function endOf(topicId: Uint8Array): Promise<number> {
  const partitions = [{ topicId, partition: 0, leaderEpoch: -1, timestamp: -1 }]
  return (await admin.call(apis.listOffsets, { isolationLevel: 0, partitions })).partitions[0].offset
}

t.test('a parked fetch ends when the right to read goes, within a second', async (t) => {
  const entryId = await grant('user:guest', 'topic:vault.there', ['read'])
  const { key, keyId } = await keyOf('guest')
  const client = await ProtocolClient.connect(broker.url, key)
  const gone = await parked(client, 'vault.there', () => admin.call(apis.deleteAcls, { ids: [entryId] }))
  t.match(gone, { code: NO_ID, highWatermark: -1 }, 'the topic is not there for him any more')

  await grant('user:guest', 'topic:vault.there', ['read', 'write'])
  const deny = { effect: 'deny' }
  const denied = await parked(client, 'vault.there', () =>
    grant('user:guest', 'topic:vault.*', ['read'], deny),
  )
  t.match(denied, { code: REFUSED, highWatermark: -1 }, 'he still sees it, since he may write')

  await grant('user:guest', 'topic:lab.there', ['read'], { expiresAtMs: Date.now() + 400 })
  const lapsed = await parked(client, 'lab.there', async () => {})
  t.match(lapsed, { code: NO_ID })

  await grant('user:guest', 'topic:lab.there', ['read'])
  const revoked = await parked(client, 'lab.there', () => admin.call(apis.revokeKeys, { keyIds: [keyId] }))
  t.match(revoked, { code: ErrorCode.CREDENTIAL_EXPIRED })
  for (const { tookMs } of [gone, denied, revoked]) t.ok(tookMs < 1_000, `after ${tookMs} ms`)
  t.ok(lapsed.tookMs < 1_400, `after ${lapsed.tookMs} ms, of which 400 passed before it expired`)
  await client.close()
})

t.test('a topic that is created again has none of the rights and data of the one before', async (t) => {
  const name = 'vault.again'
  ids.set(name, await admin.createTopic(name, 1))
  await grant('user:visitor', `topic:${name}`, ['read'])
  const client = await ProtocolClient.connect(broker.url, (await keyOf('visitor')).key)
  await admin.produce(ids.get(name) as Uint8Array, 0, batchOf(['old']))
  t.equal((await client.fetch(ids.get(name) as Uint8Array, 0, 0)).records.length, 1)
  await admin.call(apis.deleteTopics, { topics: [{ name, topicId: null }], timeoutMs: 5_000 })
  const topicId = await admin.createTopic(name, 1)
  t.match((await client.fetch(topicId, 0, 0)).response, { error: NO_ID })
  await grant('user:visitor', `topic:${name}`, ['read'])
  t.same((await client.fetch(topicId, 0, 0)).records, [])
  await client.close()
})

t.test('and nothing unexpected happened', async (t) => {
  await admin.close()
  t.notMatch(broker.log, /"level":(?:50|60)/)
})

/** A whole node, asked by callers with every kind of right for topics of every kind: exact outcomes. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { apiAccess } from '../../../broker/access/api-access.ts'
import { apis } from '../../../client/protocol/api.ts'
import { batchOf, ProtocolClient } from '../protocol-client.ts'
import { launch, named, node, refusal } from './access-node.ts'

t.test('every API has a row, and none answers who has no credential', async (t) => {
  t.same(Object.keys(apiAccess).sort(), Object.keys(apis).sort())
  const { url } = await node(t)
  const nobody = await ProtocolClient.connect(url, null)
  for (const [name, api] of Object.entries(apis)) {
    if (apiAccess[name as keyof typeof apis] === 'open') continue
    // Nothing of the request is read: it need not make sense.
    const outcome = await refusal(nobody.call({ ...apis.whoami, key: api.key }, {}))
    t.equal(outcome, 'AUTHENTICATION_REQUIRED', name)
  }
})

t.test('who may do what to which topic', async (t) => {
  const { admin, grant, as } = await node(t)
  await admin.call(apis.createNamespace, {
    namespaces: [{ name: 'lab', owners: ['user:own'], topicConfigs: [] }],
  })
  const id = await admin.createTopic('lab.a', 1)
  await admin.produce(id, 0, batchOf(['x']))
  await grant('user:reader', ['read'], 'topic:lab.a')
  await grant('user:writer', ['write'], 'topic:lab.*')
  await grant('group:team', ['read'], 'topic:lab.a')
  await grant('user:denied', ['read', 'write'], 'topic:lab.a')
  await grant('user:denied', ['describe'], 'topic:lab.*', 'deny')
  const missing = new Uint8Array(16).fill(9)
  const outcomes = async (client: ProtocolClient) => {
    const alter = async (name: string) => {
      const topics = [{ name, partitions: null, configs: [] }]
      const answer = await client.call(apis.alterTopics, { topics, validateOnly: true, timeoutMs: 1000 })
      return `${named(answer.topics[0]?.error)} ${answer.topics[0]?.message?.replace(name, 'T') ?? ''}`
    }
    const described = await client.call(apis.describeTopics, { names: ['lab.a', 'lab.none'] })
    const sentences = described.topics.map(({ message, name }) => message?.replace(name, 'T'))
    const produced = await client.produce(id, 0, batchOf(['y']))
    const fetched = (await client.fetch(id, 0, 0)).response
    const none = await client.produce(missing, 0, batchOf(['y']))
    const unread = (await client.fetch(missing, 0, 0)).response
    if (named(fetched?.error) === 'UNKNOWN_TOPIC_ID')
      t.same({ ...fetched, topicId: 0 }, { ...unread, topicId: 0 }, 'as what does not exist')
    if (named(produced.error) === 'UNKNOWN_TOPIC_ID')
      t.same({ ...produced, topicId: 0 }, { ...none, topicId: 0 }, 'as what does not exist')
    if (named(described.topics[0]?.error) !== 'NONE') {
      t.equal(sentences[0], sentences[1], 'in the same words')
      t.equal(await alter('lab.a'), await alter('lab.none'), 'in the same words')
    }
    return [
      named(described.topics[0]?.error),
      named(produced.error),
      named(fetched?.error),
      (await alter('lab.a')).split(' ')[0],
      (await client.call(apis.listTopics, { includeInternal: true })).topics.length,
    ]
  }
  const unknown = [
    'UNKNOWN_TOPIC_OR_PARTITION',
    'UNKNOWN_TOPIC_ID',
    'UNKNOWN_TOPIC_ID',
    'UNKNOWN_TOPIC_OR_PARTITION',
    0,
  ]
  const not = 'TOPIC_AUTHORIZATION_FAILED'
  t.same(await outcomes(await as('own')), ['NONE', 'NONE', 'NONE', 'NONE', 1], 'owner')
  t.same(await outcomes(await as('reader')), ['NONE', not, 'NONE', not, 1], 'read grant')
  t.same(await outcomes(await as('writer')), ['NONE', 'NONE', not, not, 1], 'write grant')
  t.same(await outcomes(await as('anyone', ['team'])), ['NONE', not, 'NONE', not, 1], 'group member')
  t.same(await outcomes(await as('denied')), unknown, 'denied')
  t.same(await outcomes(await as('stranger')), unknown, 'stranger')
})

t.test('what is taken away is gone at once, for parked fetches too', async (t) => {
  const { admin, grant, as, keyOf, url } = await node(t)
  const id = await admin.createTopic('a', 1)
  const entry = await grant('user:ann', ['read'], 'topic:a')
  const ann = await as('ann')
  const parked = ann.fetch(id, 0, 0, 20_000)
  await ann.call(apis.whoami, {})
  const beganMs = Date.now()
  await admin.call(apis.deleteAcls, { ids: [entry] })
  t.equal(named((await parked).response?.error), 'UNKNOWN_TOPIC_ID')
  t.ok(Date.now() - beganMs < 1_000, 'within a second')

  const { keyId, key } = await keyOf('bob')
  await grant('user:bob', ['read'], 'topic:a')
  const bob = await ProtocolClient.connect(url, key)
  const waiting = refusal(bob.fetch(id, 0, 0, 20_000))
  await bob.call(apis.whoami, {})
  await admin.call(apis.revokeKeys, { keyIds: [keyId] })
  t.equal(await waiting, 'CREDENTIAL_EXPIRED')
  t.equal(await refusal(bob.call(apis.whoami, {})), 'CREDENTIAL_EXPIRED')
  t.equal(await refusal(ProtocolClient.connect(url, key)), 'SASL_AUTHENTICATION_FAILED', 'and never again')
})

t.test('who came with a secret that a second rotation has ended is out, with the others not', async (t) => {
  const { admin, keyOf, url } = await node(t)
  const first = await keyOf('bob')
  const rotate = () => admin.call(apis.rotateKey, { keyId: first.keyId, overlapMs: 3_600_000 })
  const come = (key: string) => ProtocolClient.connect(url, key)
  const is = (client: ProtocolClient) => refusal(client.call(apis.whoami, {}))
  const a = await come(first.key)
  const second = await rotate()
  const b = await come(second.key)
  t.same([await is(a), await is(b)], ['NONE', 'NONE'], 'both secrets are good')
  const third = await rotate()
  const c = await come(third.key)
  t.same([await is(a), await is(b), await is(c)], ['CREDENTIAL_EXPIRED', 'NONE', 'NONE'])
  t.equal(await refusal(come(first.key)), 'SASL_AUTHENTICATION_FAILED')
  const last = await admin.call(apis.rotateKey, { keyId: first.keyId, overlapMs: 0 })
  t.same([await is(b), await is(c)], ['CREDENTIAL_EXPIRED', 'CREDENTIAL_EXPIRED'])
  t.equal(await is(await come(last.key)), 'NONE')
})

t.test('rights on a topic go with it, and owners cannot be locked out', async (t) => {
  const { admin, grant, as } = await node(t)
  const namespaces = [{ name: 'lab', owners: ['user:own'], topicConfigs: [] }]
  await admin.call(apis.createNamespace, { namespaces })
  const own = await as('own')
  await own.createTopic('lab.a', 1)
  await grant('user:ann', ['read'], 'topic:lab.a')
  const manager = await grant('user:man', ['grant'], 'topic:lab.*')
  const man = await as('man')
  const deny = {
    principal: 'user:own',
    operations: ['describe'],
    resource: 'topic:lab.*',
    effect: 'deny',
    expiresAtMs: null,
    note: null,
  }
  t.equal(
    named((await man.call(apis.createAcls, { entries: [deny] })).entries[0]?.error),
    'TOPIC_AUTHORIZATION_FAILED',
  )
  t.equal(
    named((await man.call(apis.createAcls, { entries: [{ ...deny, effect: 'allow' }] })).entries[0]?.error),
    'NONE',
  )
  t.equal(named((await own.call(apis.deleteAcls, { ids: [manager] })).entries[0]?.error), 'NONE')
  t.equal(await refusal(own.call(apis.deleteNamespace, { name: 'lab' })), 'POLICY_VIOLATION')
  await own.call(apis.deleteTopics, { topics: [{ name: 'lab.a', topicId: null }], timeoutMs: 1000 })
  await own.createTopic('lab.a', 1)
  const described = await (await as('ann')).call(apis.describeTopics, { names: ['lab.a'] })
  t.equal(named(described.topics[0]?.error), 'UNKNOWN_TOPIC_OR_PARTITION', 'the new one was given to nobody')
})

t.test('nobody makes himself more than he is', async (t) => {
  const { as, keyOf, url } = await node(t)
  const ann = await as('ann')
  const wanted = { principal: null, name: 'k', groups: [], roles: [], expiresAtMs: null, scope: null }
  const failed = 'CLUSTER_AUTHORIZATION_FAILED'
  t.equal(await refusal(ann.call(apis.createKey, { ...wanted, roles: ['admin'] })), failed)
  t.equal(await refusal(ann.call(apis.createKey, { ...wanted, groups: ['lab'] })), failed)
  t.equal(await refusal(ann.call(apis.createKey, { ...wanted, principal: 'bob' })), failed)
  const scope = [{ operations: ['write'], resource: 'topic:a' }]
  const { key, keyId } = await ann.call(apis.createKey, { ...wanted, scope })
  const narrow = await ProtocolClient.connect(url, key)
  t.equal(await refusal(narrow.call(apis.createKey, wanted)), failed, 'a narrow key makes no wide one')
  t.equal(await refusal(narrow.call(apis.createKey, { ...wanted, scope })), 'NONE')
  const bobs = await keyOf('bob')
  const revoked = await ann.call(apis.revokeKeys, { keyIds: [bobs.keyId, 'none', keyId] })
  t.same(
    revoked.keys.map(({ error }) => named(error)),
    ['RESOURCE_NOT_FOUND', 'RESOURCE_NOT_FOUND', 'NONE'],
  )
  t.equal(await refusal(ann.call(apis.status, {})), failed)
  t.equal(await refusal(ann.call(apis.rotateIssuerKey, { overlapMs: null })), failed)
  const named7 = { producerName: 'lab.p', producerId: -1, producerEpoch: -1 }
  t.equal(await refusal(ann.call(apis.initProducerId, named7)), 'PRODUCER_NAME_AUTHORIZATION_FAILED')
})

t.test('without a file the first start makes one, for its owner’s eyes', async (t) => {
  const { data, url } = await launch(t, false)
  const file = join(data, 'admin.key')
  t.equal((await stat(file)).mode & 0o777, 0o600)
  const admin = await ProtocolClient.connect(url, (await readFile(file, 'utf8')).trim())
  t.match(await admin.call(apis.whoami, {}), { principal: 'user:admin', isAdministrator: true })
})

t.test('a credential that expires ends what waits, and a newer one of the same user goes on', async (t) => {
  const { admin, grant, keyOf, url } = await node(t)
  const id = await admin.createTopic('a', 1)
  await grant('user:ann', ['read'], 'topic:a')
  const wanted = { principal: 'ann', name: 'short', groups: [], roles: [], scope: null }
  const short = await admin.call(apis.createKey, { ...wanted, expiresAtMs: Date.now() + 400 })
  const ann = await ProtocolClient.connect(url, short.key)
  t.equal(await refusal(ann.fetch(id, 0, 0, 20_000)), 'CREDENTIAL_EXPIRED')
  t.equal(await refusal(ann.call(apis.metadata, { topics: null })), 'CREDENTIAL_EXPIRED')
  const authenticate = (token: string) => refusal(ann.call(apis.authenticate, { mechanism: 'token', token }))
  t.equal(await authenticate((await keyOf('bob')).key), 'INVALID_REQUEST', 'somebody else’s')
  t.equal(await authenticate((await keyOf('ann')).key), 'NONE')
  t.equal((await ann.call(apis.metadata, { topics: null })).topics.length, 1)
})

t.test('anonymous callers and personal namespaces, where the configuration wants them', async (t) => {
  const { admin, grant, as, url } = await node(t, {
    'auth.anonymous': 'on',
    'auth.personalNamespaces': 'on',
  })
  const id = await admin.createTopic('open', 1)
  await admin.createTopic('closed', 1)
  await grant('anonymous', ['read'], 'topic:open')
  const nobody = await ProtocolClient.connect(url, null)
  const seen = (await nobody.call(apis.metadata, { topics: null })).topics
  t.same(
    seen.map(({ name }) => name),
    ['open'],
  )
  t.equal(named((await nobody.produce(id, 0, batchOf(['x']))).error), 'TOPIC_AUTHORIZATION_FAILED')
  const key = { principal: null, name: 'k', groups: [], roles: [], expiresAtMs: null, scope: null }
  t.equal(await refusal(nobody.call(apis.createKey, key)), 'CLUSTER_AUTHORIZATION_FAILED')
  t.same((await nobody.call(apis.listKeys, { principal: null })).keys, [])
  const ann = await as('ann')
  t.same((await ann.call(apis.whoami, {})).namespaces, ['u-ann'])
  await ann.createTopic('u-ann.mine', 1)
  const topics = [{ name: 'u-bob.his', partitions: 1, replicationFactor: -1, configs: [] }]
  const created = await ann.call(apis.createTopics, { topics, validateOnly: false, timeoutMs: 1000 })
  t.equal(named(created.topics[0]?.error), 'TOPIC_AUTHORIZATION_FAILED')
})

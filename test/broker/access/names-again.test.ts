/**
 * Names that go and come again, while others create, give and read: whoever has the name next finds nothing of what was
 * there before, neither data nor rights, and of those who want one thing at once exactly one gets it.
 */
import t from 'tap'
import { apis } from '../../../client/protocol/api.ts'
import { roundsOf } from '../../support/rounds.ts'
import { batchOf, type ProtocolClient } from '../protocol-client.ts'
import { named, node, refusal } from './access-node.ts'

const rounds = process.env.OCTOPUS_SOAK === '1' ? 500 : 15

async function createNamespace(client: ProtocolClient, name: string, owner: string): Promise<string> {
  const namespaces = [{ name, owners: [owner], topicConfigs: [] }]
  const answer = await client.call(apis.createNamespace, { namespaces })
  return named(answer.namespaces[0]?.error)
}

async function createTopic(client: ProtocolClient, name: string): Promise<string> {
  const topics = [{ name, partitions: 1, replicationFactor: -1, configs: [] }]
  const answer = await client.call(apis.createTopics, { topics, validateOnly: false, timeoutMs: 5_000 })
  return named(answer.topics[0]?.error)
}

async function deleteTopic(client: ProtocolClient, name: string): Promise<string> {
  const answer = await client.call(apis.deleteTopics, { topics: [{ name, topicId: null }], timeoutMs: 5_000 })
  return named(answer.topics[0]?.error)
}

async function give(client: ProtocolClient, principal: string, resource: string): Promise<string> {
  const operations = [resource.startsWith('producer:') ? 'write' : 'read']
  const entry = { principal, operations, resource, effect: 'allow', expiresAtMs: null, note: null }
  return named((await client.call(apis.createAcls, { entries: [entry] })).entries[0]?.error)
}

const deleteNamespace = (client: ProtocolClient, name: string) =>
  refusal(client.call(apis.deleteNamespace, { name }))

const entriesAbout = async (client: ProtocolClient, resource: string) =>
  (await client.call(apis.describeAcls, { principal: null, resource })).entries.map(
    ({ principal, resource, note }) => `${principal} ${resource} ${note ?? ''}`,
  )

t.test('of those who want one name at once, one gets it', async (t) => {
  const { admin, as, keyOf } = await node(t)
  for (const round of roundsOf(t, rounds)) {
    const name = `lab${round}`
    const wanted = ['user:ada', 'user:bob', 'user:carl']
    const outcomes = await Promise.all(wanted.map((owner) => createNamespace(admin, name, owner)))
    t.same([...outcomes].sort(), ['DUPLICATE_RESOURCE', 'DUPLICATE_RESOURCE', 'NONE'])
    const { namespaces } = await admin.call(apis.listNamespaces, {})
    const { owners } = namespaces.find((namespace) => namespace.name === name) as { owners: string[] }
    t.same(owners, [wanted[outcomes.indexOf('NONE')]], 'whose it is was the one who was told so')
    const owner = await as((owners[0] as string).slice('user:'.length))
    const topics = await Promise.all([0, 1, 2].map(() => createTopic(owner, `${name}.a`)))
    t.same([...topics].sort(), ['NONE', 'TOPIC_ALREADY_EXISTS', 'TOPIC_ALREADY_EXISTS'])
  }
  const keys = await Promise.all([keyOf('dora'), keyOf('dora')])
  t.not(keys[0].keyId, keys[1].keyId, 'two keys of one name are two keys')
  const revoked = await Promise.all(
    [0, 1].map(async () => {
      const answer = await admin.call(apis.revokeKeys, { keyIds: [keys[0].keyId] })
      return named(answer.keys[0]?.error)
    }),
  )
  t.same(revoked.sort(), ['NONE', 'RESOURCE_NOT_FOUND'], 'one of two ends it')
})

t.test('a namespace that goes while a topic comes: one of the two happens', async (t) => {
  const { admin, as } = await node(t)
  const ada = await as('ada')
  const seen = new Set<string>()
  for (const round of roundsOf(t, rounds)) {
    t.equal(await createNamespace(admin, 'lab', 'user:ada'), 'NONE')
    const [gone, made] = await Promise.all(
      round % 2 === 0
        ? [deleteNamespace(admin, 'lab'), createTopic(ada, 'lab.a')]
        : [createTopic(ada, 'lab.a'), deleteNamespace(admin, 'lab')].reverse(),
    )
    const outcome = `${gone} ${made}`
    seen.add(outcome)
    const { topics } = await admin.call(apis.listTopics, { includeInternal: false })
    const { namespaces } = await admin.call(apis.listNamespaces, {})
    const isThere = namespaces.some(({ name }) => name === 'lab')
    t.equal(topics.length, made === 'NONE' ? 1 : 0, outcome)
    t.equal(isThere, gone !== 'NONE', outcome)
    t.notOk(gone === 'NONE' && made === 'NONE', 'not both')
    if (made === 'NONE') t.equal(await deleteTopic(admin, 'lab.a'), 'NONE')
    if (isThere) t.equal(await deleteNamespace(admin, 'lab'), 'NONE', 'and it can go when it is empty')
  }
  t.comment([...seen].join('; '))
})

t.test('a namespace that goes while its owner gives: nothing is left for the next one', async (t) => {
  const { admin, as } = await node(t)
  const ada = await as('ada')
  const eve = await as('eve')
  for (const round of roundsOf(t, rounds)) {
    t.equal(await createNamespace(admin, 'lab', 'user:ada'), 'NONE')
    t.equal(await give(ada, 'user:eve', 'topic:lab.*'), 'NONE')
    const giving = Array.from({ length: 10 }, (_, i) =>
      give(ada, `user:eve${i}`, `topic:lab.${round % 2 ? '*' : i}`),
    )
    const [gone, ...given] = await Promise.all([
      deleteNamespace(admin, 'lab'),
      ...giving,
      give(admin, 'user:eve', 'producer:lab.x'),
    ])
    t.equal(gone, 'NONE')
    for (const outcome of given)
      t.ok(['NONE', 'RESOURCE_NOT_FOUND', 'TOPIC_AUTHORIZATION_FAILED'].includes(outcome), outcome)
    t.same(await entriesAbout(admin, 'topic:lab.*'), [])
    t.same(await entriesAbout(admin, 'producer:lab.*'), [])
    t.equal(
      await give(admin, 'user:eve', 'topic:lab.*'),
      'RESOURCE_NOT_FOUND',
      'nor can it be left beforehand',
    )
    t.equal(await createNamespace(admin, 'lab', 'user:bob'), 'NONE')
    for (const former of [ada, eve]) t.equal(await createTopic(former, 'lab.a'), 'TOPIC_AUTHORIZATION_FAILED')
    t.equal(await deleteNamespace(admin, 'lab'), 'NONE')
  }
})

t.test('a topic that goes while its manager gives, and comes again', async (t) => {
  const { admin, as, grant } = await node(t)
  await createNamespace(admin, 'lab', 'user:ada')
  const [ada, mia, eve] = [await as('ada'), await as('mia'), await as('eve')]
  for (const _ of roundsOf(t, rounds)) {
    const old = await ada.createTopic('lab.a', 1)
    await ada.produce(old, 0, batchOf(['secret']))
    await grant('user:mia', ['read', 'delete', 'grant'], 'topic:lab.a')
    t.equal(await give(mia, 'user:eve', 'topic:lab.a'), 'NONE')
    const giving = Array.from({ length: 10 }, (_, i) => give(mia, `user:eve${i}`, 'topic:lab.a'))
    const [gone, ...given] = await Promise.all([deleteTopic(mia, 'lab.a'), ...giving])
    t.equal(gone, 'NONE')
    for (const outcome of given)
      t.ok(['NONE', 'UNKNOWN_TOPIC_OR_PARTITION', 'TOPIC_AUTHORIZATION_FAILED'].includes(outcome), outcome)
    t.same(await entriesAbout(admin, 'topic:lab.a'), [])
    const next = await ada.createTopic('lab.a', 1)
    t.notSame(next, old)
    for (const client of [ada, mia, eve])
      t.equal(named((await client.fetch(old, 0, 0)).response?.error), 'UNKNOWN_TOPIC_ID')
    t.same((await ada.fetch(next, 0, 0)).records, [], 'nothing of the old one')
    for (const client of [mia, eve])
      t.equal(named((await client.fetch(next, 0, 0)).response?.error), 'UNKNOWN_TOPIC_ID')
    t.equal(await deleteTopic(ada, 'lab.a'), 'NONE')
  }
})

t.test('who creates a topic has the use of it, and only of it', async (t) => {
  const { admin, as, grant } = await node(t)
  await createNamespace(admin, 'lab', 'user:ada')
  await grant('group:team', ['create'], 'namespace:lab')
  const [carl, dora, ada] = [await as('carl', ['team']), await as('dora', ['team']), await as('ada')]
  const id = await carl.createTopic('lab.carls', 1)
  t.same(await entriesAbout(admin, 'topic:lab.carls'), ['user:carl topic:lab.carls created it'])
  t.equal(named((await carl.produce(id, 0, batchOf(['x']))).error), 'NONE')
  t.equal((await carl.fetch(id, 0, 0)).records.length, 1)
  t.equal(await give(carl, 'user:dora', 'topic:lab.carls'), 'NONE', 'he shares it')
  t.equal((await dora.fetch(id, 0, 0)).records.length, 1)
  t.equal(await give(carl, 'user:dora', 'topic:lab.*'), 'TOPIC_AUTHORIZATION_FAILED')
  const others = await ada.createTopic('lab.adas', 1)
  t.equal(named((await carl.fetch(others, 0, 0)).response?.error), 'UNKNOWN_TOPIC_ID')
  t.same(await entriesAbout(admin, 'topic:lab.adas'), [], 'the owner needs no entry')
  t.equal(await createTopic(dora, 'lab.carls'), 'TOPIC_ALREADY_EXISTS')
  t.same(
    (await entriesAbout(admin, 'topic:lab.carls')).length,
    2,
    'who did not create it was given nothing by it',
  )
  t.equal(await deleteTopic(carl, 'lab.carls'), 'NONE')
  t.same(await entriesAbout(admin, 'topic:lab.carls'), [], 'they go with it')
  await grant('user:eve', ['create'], 'topic:lab.*')
  await grant('user:eve', ['describe'], 'topic:lab.*', 'deny')
  const eve = await as('eve')
  t.equal(await createTopic(eve, 'lab.x'), 'TOPIC_AUTHORIZATION_FAILED', 'what is denied is denied')
})

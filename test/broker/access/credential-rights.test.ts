/** What a credential can be made into: nothing wider, nothing that lasts longer, and nothing that is denied less. */
import t, { type Test } from 'tap'
import { apis } from '../../../client/protocol/api.ts'
import { errorDefinition } from '../../../client/protocol/errors.ts'
import { ProtocolClient } from '../protocol-client.ts'
import { node, refusal } from './access-node.ts'

const FAILED = 'CLUSTER_AUTHORIZATION_FAILED'
const wanted = {
  principal: null as string | null,
  name: 'k',
  groups: [] as string[],
  roles: [] as string[],
  expiresAtMs: null as number | null,
  scope: null as { operations: string[]; resource: string }[] | null,
}
const token = { principal: null as string | null, groups: [], roles: [], lifetimeMs: null, scope: null }
const whoami = (client: ProtocolClient) => client.call(apis.whoami, {})

async function world(t: Test) {
  const started = await node(t)
  const make = (client: ProtocolClient, fields: Partial<typeof wanted> = {}) =>
    client.call(apis.createKey, { ...wanted, ...fields })
  const come = (secret: string) => ProtocolClient.connect(started.url, secret)
  const comeWithKey = async (client: ProtocolClient, fields: Partial<typeof wanted> = {}) =>
    come((await make(client, fields)).key)
  const comeWithToken = async (client: ProtocolClient) =>
    come((await client.call(apis.issueToken, token)).token)
  return { ...started, make, come, comeWithKey, comeWithToken }
}

const revoke = async (client: ProtocolClient, keyId: string) =>
  errorDefinition((await client.call(apis.revokeKeys, { keyIds: [keyId] })).keys[0]?.error ?? 0).name

t.test('what is denied by a group stays denied to what its member makes for himself', async (t) => {
  const { admin, grant, as, keyOf, make, comeWithKey, comeWithToken } = await world(t)
  await admin.createTopic('open', 1)
  await admin.createTopic('hidden', 1)
  await grant('user:eve', ['read'], 'topic:*')
  await grant('group:students', ['describe'], 'topic:hidden', 'deny')
  const eve = await as('eve', ['students', 'lab'])
  const seen = async (client: ProtocolClient) =>
    (await client.call(apis.listTopics, { includeInternal: false })).topics.map(({ name }) => name)
  const key = await comeWithKey(eve)
  const made = [eve, key, await comeWithToken(eve), await comeWithToken(key)]
  made.push(await comeWithKey(made[2] as ProtocolClient), await comeWithKey(made[3] as ProtocolClient))
  for (const client of made) {
    t.same(await seen(client), ['open'])
    t.same((await whoami(client)).groups, ['students', 'lab'])
  }
  for (const groups of [['lab'], ['students'], ['students', 'lab', 'staff']]) {
    t.equal(await refusal(make(eve, { groups })), FAILED, `${groups}`)
    t.equal(await refusal(eve.call(apis.issueToken, { ...token, groups })), FAILED, `${groups}`)
  }
  t.equal(await refusal(make(eve, { groups: ['lab', 'students'] })), 'NONE', 'in any order')
  const plain = await keyOf('eve')
  const rotate = (client: ProtocolClient) =>
    refusal(client.call(apis.rotateKey, { keyId: plain.keyId, overlapMs: 0 }))
  t.equal(await rotate(eve), FAILED, 'nor is a key without the group taken over')
  t.equal(await revoke(eve, plain.keyId), 'NONE', 'which is hers, to end it')
})

t.test('a secret that was replaced is good for work, and for nothing with credentials', async (t) => {
  const { url, admin, keyOf, make, come } = await world(t)
  const { key, keyId } = await keyOf('lea')
  const open = await come(key)
  const { key: newer } = await open.call(apis.rotateKey, { keyId, overlapMs: 60_000 })
  const others = await keyOf('lea')
  for (const thief of [open, await come(key)]) {
    t.equal(await refusal(whoami(thief)), 'NONE')
    t.equal(await refusal(thief.call(apis.rotateKey, { keyId, overlapMs: 1 })), FAILED)
    t.equal(await refusal(thief.call(apis.rotateKey, { keyId: others.keyId, overlapMs: 1 })), FAILED)
    t.equal(await refusal(make(thief)), FAILED)
    t.equal(await refusal(thief.call(apis.issueToken, token)), FAILED)
    t.equal(await revoke(thief, keyId), 'RESOURCE_NOT_FOUND')
    t.equal(await refusal(thief.call(apis.revokeToken, { tokenId: null, principal: null })), FAILED)
  }
  const lea = await come(newer)
  t.equal(await refusal(make(lea)), 'NONE')
  const authenticate = { mechanism: 'token', token: newer }
  await open.call(apis.authenticate, authenticate)
  t.equal(await refusal(make(open)), 'NONE', 'the newer one on the same connection')
  // Of two who rotate by the same secret at once one does: the other one's is replaced by then.
  const both = await Promise.all(
    [lea, open].map((client) => refusal(client.call(apis.rotateKey, { keyId, overlapMs: 60_000 }))),
  )
  t.equal(both.filter((outcome) => outcome === 'NONE').length, 1, `${both}`)
  t.equal(await refusal(admin.call(apis.rotateKey, { keyId, overlapMs: 0 })), 'NONE')
  t.equal(await refusal(ProtocolClient.connect(url, newer)), 'SASL_AUTHENTICATION_FAILED')
})

t.test('what passes makes nothing that lasts', async (t) => {
  const { admin, keyOf, make, come, comeWithToken } = await world(t)
  const endMs = Date.now() + 60_000
  const short = await make(admin, { principal: 'tom', expiresAtMs: endMs })
  const tom = await come(short.key)
  const own = await make(tom)
  t.equal(own.expiresAtMs, endMs, 'as long as the one he came with')
  t.equal(await refusal(make(tom, { expiresAtMs: endMs + 1 })), 'POLICY_VIOLATION')
  t.equal((await make(tom, { expiresAtMs: endMs - 1 })).expiresAtMs, endMs - 1)
  const lasting = await keyOf('tom')
  t.equal(
    await refusal(tom.call(apis.rotateKey, { keyId: lasting.keyId, overlapMs: 0 })),
    FAILED,
    'nor does he take over one that does',
  )
  t.equal(await refusal(tom.call(apis.rotateKey, { keyId: own.keyId, overlapMs: 0 })), 'NONE')

  // From token to token and to keys: none is good for longer than the first.
  const first = await admin.call(apis.issueToken, { ...token, principal: 'tom', lifetimeMs: 60_000 })
  let client = await come(first.token)
  for (let i = 0; i < 4; i++) {
    const key = await make(client)
    t.ok((key.expiresAtMs as number) <= first.expiresAtMs, `key ${i}`)
    client = await comeWithToken(i % 2 ? client : await come(key.key))
    t.ok(((await whoami(client)).expiresAtMs as number) <= first.expiresAtMs, `token ${i}`)
  }
  t.equal((await make(await come(lasting.key))).expiresAtMs, null, 'a lasting one makes lasting ones')
})

t.test(
  'a rotation of the issuer’s key without overlap ends its tokens at once, where they are used, too',
  async (t) => {
    const { admin, as, come } = await world(t)
    const ada = await as('ada')
    const made = await ada.call(apis.issueToken, token)
    const open = await come(made.token)
    const rotate = (overlapMs: number | null) => refusal(admin.call(apis.rotateIssuerKey, { overlapMs }))
    t.equal(await rotate(1), 'INVALID_REQUEST', 'now or in their time')
    t.equal(await rotate(null), 'NONE')
    const next = await come((await ada.call(apis.issueToken, token)).token)
    t.equal(await refusal(whoami(open)), 'NONE')
    t.equal(await refusal(come(made.token)), 'NONE')
    t.equal(await rotate(0), 'NONE')
    for (const client of [open, next]) t.equal(await refusal(whoami(client)), 'CREDENTIAL_EXPIRED')
    t.equal(await refusal(come(made.token)), 'SASL_AUTHENTICATION_FAILED')
    t.equal(await refusal(whoami(ada)), 'NONE', 'who came with a key goes on')
    t.equal(await refusal(come((await ada.call(apis.issueToken, token)).token)), 'NONE')
  },
)

t.test('no token is issued that would not be taken', async (t) => {
  const { admin } = await world(t)
  const groups = Array.from({ length: 200 }, (_, i) => `${i}-${'x'.repeat(90)}`)
  await t.rejects(admin.call(apis.issueToken, { ...token, principal: 'ada', groups }), {
    message: /^the token would have \d+ characters, and 16384 are taken; with fewer groups/,
  })
})

t.test('who may manage a namespace does not own it', async (t) => {
  const { admin, grant, as } = await world(t)
  await admin.call(apis.createNamespace, {
    namespaces: [{ name: 'phys', owners: ['user:ada'], topicConfigs: [] }],
  })
  await grant('user:bob', ['read', 'write', 'create', 'alter', 'delete', 'grant'].slice(2), 'namespace:phys')
  const [ada, bob] = [await as('ada'), await as('bob')]
  const alter = (client: ProtocolClient, addOwners: string[], removeOwners: string[] = []) =>
    refusal(client.call(apis.alterNamespace, { name: 'phys', addOwners, removeOwners, topicConfigs: [] }))
  t.equal(await alter(bob, ['user:bob'], ['user:ada']), 'NAMESPACE_AUTHORIZATION_FAILED')
  t.equal(await alter(bob, ['user:bob']), 'NAMESPACE_AUTHORIZATION_FAILED')
  t.equal(await alter(ada, ['user:carl']), 'NONE')
  t.equal(await alter(admin, [], ['user:carl']), 'NONE')
})

t.test('a scope narrows what may be done to credentials, too', async (t) => {
  const { admin, as, keyOf, make, come, comeWithKey, comeWithToken } = await world(t)
  const scope = [{ operations: ['write'], resource: 'topic:a' }]
  const ada = await as('ada')
  const adaByToken = await comeWithToken(ada)
  const narrow = await comeWithKey(ada, { scope })
  const revokeTokens = (client: ProtocolClient, principal: string | null) =>
    refusal(client.call(apis.revokeToken, { tokenId: null, principal }))
  t.equal(await revokeTokens(narrow, 'ada'), FAILED)
  t.equal(await revokeTokens(narrow, null), FAILED)
  t.equal(await refusal(whoami(adaByToken)), 'NONE')

  const zeds = await make(admin, { principal: 'zed', scope })
  const agent = await comeWithKey(admin, { roles: ['admin'], scope })
  t.match(await whoami(agent), { isAdministrator: true })
  t.equal(await refusal(make(agent, { principal: 'zed', scope })), FAILED)
  t.equal(await refusal(make(agent, { principal: 'zed', roles: ['admin'], scope })), FAILED)
  t.equal(await refusal(agent.call(apis.issueToken, { ...token, principal: 'zed', scope })), FAILED)
  t.equal(
    await refusal(agent.call(apis.rotateKey, { keyId: zeds.keyId, overlapMs: 0 })),
    'RESOURCE_NOT_FOUND',
  )
  t.equal(await revoke(agent, zeds.keyId), 'RESOURCE_NOT_FOUND')
  t.equal(await revokeTokens(agent, 'zed'), FAILED)
  t.equal(await refusal(make(agent, { scope })), 'NONE', 'for himself, as narrow as he is')

  const warden = await comeWithKey(admin, {
    roles: ['admin'],
    scope: [{ operations: ['alter'], resource: 'cluster' }],
  })
  t.equal(await revokeTokens(warden, 'ada'), 'NONE', 'with the right to it in the scope')
  t.equal(await refusal(whoami(adaByToken)), 'CREDENTIAL_EXPIRED')
  t.equal(await revoke(warden, (await keyOf('ada')).keyId), 'NONE')
  t.equal(await refusal(make(warden, { principal: 'zed' })), FAILED, 'no wider than it')
  t.equal(await refusal(whoami(await come(zeds.key))), 'NONE')
})

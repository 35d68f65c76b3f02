/** Credentials over the wire: what is issued, rotated and revoked acts at once, also on what is under way. */
import t from 'tap'
import { apis } from '../../../client/protocol/api.ts'
import { batchOf, ProtocolClient } from '../protocol-client.ts'
import { node, refusal } from './access-node.ts'

const none = { groups: [], roles: [], scope: null }

function issue(
  client: ProtocolClient,
  fields: { principal?: string; lifetimeMs?: number | null; roles?: string[] } = {},
) {
  return client.call(apis.issueToken, { principal: null, lifetimeMs: null, ...none, ...fields })
}

const whoami = (client: ProtocolClient) => client.call(apis.whoami, {})

t.test('tokens are issued for oneself, and by administrators for anybody', async (t) => {
  const { url, admin, as } = await node(t)
  const ada = await as('ada', ['lab'])
  const own = await issue(ada)
  t.match(own, { principal: 'ada', tokenId: /^[\w-]{22}$/ })
  t.ok(own.expiresAtMs > Date.now() + 3_500_000 && own.expiresAtMs <= Date.now() + 3_606_000, 'an hour')
  t.match(await whoami(await ProtocolClient.connect(url, own.token)), {
    principal: 'user:ada',
    method: 'issuer',
    groups: ['lab'],
    credentialId: `token:${own.tokenId}`,
  })
  t.equal(await refusal(issue(ada, { principal: 'bob' })), 'CLUSTER_AUTHORIZATION_FAILED')
  t.equal(await refusal(issue(ada, { roles: ['admin'] })), 'CLUSTER_AUTHORIZATION_FAILED')
  t.equal(
    await refusal(issue(ada, { lifetimeMs: 1_000_000_000 })),
    'POLICY_VIOLATION',
    'longer than any may live',
  )
  const bob = await issue(admin, { principal: 'bob', lifetimeMs: 60_000 })
  t.match(await whoami(await ProtocolClient.connect(url, bob.token)), { principal: 'user:bob' })
  // One with a shorter life makes none with a longer one.
  const short = await ProtocolClient.connect(url, bob.token)
  t.equal(await refusal(issue(short, { lifetimeMs: 120_000 })), 'POLICY_VIOLATION')
  t.ok((await issue(short)).expiresAtMs <= bob.expiresAtMs + 5_000)
})

t.test('a revoked token ends at once where it is used, and comes in nowhere', async (t) => {
  const { url, admin, as } = await node(t)
  const ada = await as('ada')
  const [first, second] = [await issue(ada), await issue(ada)]
  const [one, two] = [
    await ProtocolClient.connect(url, first.token),
    await ProtocolClient.connect(url, second.token),
  ]
  const mallory = await as('mallory')
  const revoke = (client: ProtocolClient, tokenId: string | null, principal: string | null = null) =>
    client.call(apis.revokeToken, { tokenId, principal })
  t.equal(await refusal(revoke(mallory, first.tokenId)), 'CLUSTER_AUTHORIZATION_FAILED')
  t.equal(await refusal(revoke(mallory, null, 'ada')), 'CLUSTER_AUTHORIZATION_FAILED')
  t.equal(
    await refusal(revoke(two, first.tokenId)),
    'CLUSTER_AUTHORIZATION_FAILED',
    'not the one he came with',
  )
  t.equal(await refusal(revoke(admin, first.tokenId, 'ada')), 'INVALID_REQUEST')
  await revoke(one, first.tokenId)
  t.equal(await refusal(whoami(one)), 'CREDENTIAL_EXPIRED')
  t.equal(await refusal(ProtocolClient.connect(url, first.token)), 'SASL_AUTHENTICATION_FAILED')
  t.equal(await refusal(whoami(two)), 'NONE')
  await revoke(admin, null, 'ada')
  t.equal(await refusal(whoami(two)), 'CREDENTIAL_EXPIRED')
  t.equal(await refusal(whoami(ada)), 'NONE', 'who came with a key goes on')
  t.equal(await refusal(ProtocolClient.connect(url, second.token)), 'SASL_AUTHENTICATION_FAILED')
  const third = await issue(ada)
  t.equal(await refusal(ProtocolClient.connect(url, third.token)), 'NONE', 'a new one is good')
})

t.test('a token ends with the key that it was issued with, however far back', async (t) => {
  const { url, admin, keyOf } = await node(t)
  const { key, keyId } = await keyOf('ada')
  const { key: otherKey } = await keyOf('ada')
  const made = await issue(await ProtocolClient.connect(url, key))
  const byToken = await issue(await ProtocolClient.connect(url, made.token))
  const other = await issue(await ProtocolClient.connect(url, otherKey))
  const open = await Promise.all(
    [made, byToken, other].map(({ token }) => ProtocolClient.connect(url, token)),
  )
  const outcomes = () => Promise.all(open.map((client) => refusal(whoami(client))))
  const again = () =>
    Promise.all([made, byToken, other].map(({ token }) => refusal(ProtocolClient.connect(url, token))))

  t.same(await outcomes(), ['NONE', 'NONE', 'NONE'])
  await admin.call(apis.revokeKeys, { keyIds: [keyId] })
  t.same(await outcomes(), ['CREDENTIAL_EXPIRED', 'CREDENTIAL_EXPIRED', 'NONE'])
  t.same(await again(), ['SASL_AUTHENTICATION_FAILED', 'SASL_AUTHENTICATION_FAILED', 'NONE'])
})

t.test(
  'a token ends with the secret that it was issued with, and makes nothing once that is replaced',
  async (t) => {
    const { url, keyOf } = await node(t)
    const { key, keyId } = await keyOf('ada')
    const ada = await ProtocolClient.connect(url, key)
    const made = await issue(ada)
    const open = await ProtocolClient.connect(url, made.token)
    const byToken = await ProtocolClient.connect(url, (await issue(open)).token)
    const { key: newer } = await ada.call(apis.rotateKey, { keyId, overlapMs: 60_000 })
    const again = await ProtocolClient.connect(url, made.token)
    for (const client of [open, byToken, again]) {
      t.equal(await refusal(whoami(client)), 'NONE', 'the overlap is for work')
      t.equal(await refusal(issue(client)), 'CLUSTER_AUTHORIZATION_FAILED')
    }
    const lea = await ProtocolClient.connect(url, newer)
    const later = await ProtocolClient.connect(url, (await issue(lea)).token)
    await lea.call(apis.rotateKey, { keyId, overlapMs: 0 })
    for (const client of [open, byToken, again, later])
      t.equal(await refusal(whoami(client)), 'CREDENTIAL_EXPIRED')
    t.equal(await refusal(ProtocolClient.connect(url, made.token)), 'SASL_AUTHENTICATION_FAILED')
  },
)

t.test('a revocation reaches what is under way', async (t) => {
  const { url, admin, grant, keyOf } = await node(t)
  const id = await admin.createTopic('readings', 1)
  await admin.produce(id, 0, batchOf(['before']))
  await grant('user:ada', ['read', 'write'], 'topic:readings')

  await t.test('a parked fetch', async (t) => {
    const { key, keyId } = await keyOf('ada')
    const ada = await ProtocolClient.connect(url, key)
    const started = Date.now()
    const parked = ada.fetch(id, 0, 1, 30_000)
    await whoami(ada)
    await admin.call(apis.revokeKeys, { keyIds: [keyId] })
    const answered = await parked.then(
      ({ response, records }) => `${response?.error} ${records.length}`,
      (error) => error.name,
    )
    t.ok(Date.now() - started < 5_000, 'it does not wait for its time')
    t.notMatch(answered, /^0/, `it was told: ${answered}`)
    await admin.produce(id, 0, batchOf(['secret']))
    t.equal(await refusal(ada.fetch(id, 0, 0)), 'CREDENTIAL_EXPIRED', 'and reads nothing more')
  })

  await t.test('produce: each is stored and acknowledged, or refused and not stored', async (t) => {
    const { key, keyId } = await keyOf('ada')
    const ada = await ProtocolClient.connect(url, key)
    const { response } = await admin.fetch(id, 0, 0)
    const from = Number(response?.highWatermark)
    const send = (i: number) =>
      ada.produce(id, 0, batchOf([`event ${i}`])).then(
        ({ error }) => (error === 0 ? 'stored' : `refused ${error}`),
        (error: Error) => `refused ${error.name}`,
      )
    let isRevoked = false
    // Many are on their way and in the queue of the commits when it comes.
    const revoked = whoami(ada)
      .then(() => admin.call(apis.revokeKeys, { keyIds: [keyId] }))
      .then(() => {
        isRevoked = true
      })
    let stored = 0
    for (let isOver = false; !isOver; ) {
      isOver = isRevoked
      const outcomes = await Promise.all(Array.from({ length: 20 }, (_, i) => send(i)))
      for (const outcome of outcomes) if (outcome === 'stored') stored++
      const refused = outcomes.filter((outcome) => outcome !== 'stored')
      t.strictSame(refused, Array(refused.length).fill('refused CREDENTIAL_EXPIRED'))
      if (isOver)
        t.equal(refused.length, 20, 'nothing is stored that was sent after the revocation was answered')
    }
    await revoked
    const { records } = await admin.fetch(id, 0, from)
    t.equal(records.length, stored, `${stored} were acknowledged, and no more are there`)
  })
})

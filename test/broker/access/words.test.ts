/**
 * What a whole node refuses of the words it is given about credentials and rights, and in which sentence: what would
 * mean nothing, mislead who reads it, or break who shows it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { loadConfig } from '../../../broker/config/load-config.ts'
import { startNode } from '../../../broker/node.ts'
import { systemPorts } from '../../../broker/system-ports.ts'
import { loadUwsTransport } from '../../../broker/transport/uws-transport.ts'
import { apis } from '../../../client/protocol/api.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import { provisionAdminKey } from '../../support/admin-key.ts'
import { ProtocolClient } from '../protocol-client.ts'

const path = await mkdtemp(join(tmpdir(), 'octopus-words-'))
const data = join(path, 'data')
await provisionAdminKey(data)
const flags = { data, listen: '127.0.0.1:0', 'storage.segmentBytes': '16MiB' }
const config = loadConfig({ flags, env: {}, readFile: () => '' })
const node = await startNode({
  config,
  logger: pino({ level: 'silent' }),
  transport: await loadUwsTransport(),
  ...systemPorts(),
})
t.teardown(async () => {
  await node.stop()
  await rm(path, { recursive: true })
})

const admin = await ProtocolClient.connect(node.url)
await admin.call(apis.createNamespace, { namespaces: [{ name: 'lab', owners: [], topicConfigs: [] }] })
const A_KEY = { principal: 'bob', name: 'k', groups: [], roles: [], expiresAtMs: null, scope: null }
const A_TOKEN = { principal: 'bob', groups: [], roles: [], lifetimeMs: null, scope: null }
const A_RULE = {
  principal: 'user:bob',
  resource: 'topic:lab.a',
  operations: ['read'],
  effect: 'allow',
  expiresAtMs: null,
  note: null,
}

/** The sentence of an INVALID_REQUEST; of another outcome what that was. */
async function sentence(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'done'
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return error.code === ErrorCode.INVALID_REQUEST ? error.message : error.name
  }
}

const createKey = (changes: object) => sentence(admin.call(apis.createKey, { ...A_KEY, ...changes }))
const createAcl = (changes: object) =>
  sentence(
    admin.call(apis.createAcls, { entries: [{ ...A_RULE, ...changes }] }).then(({ entries: [entry] }) => {
      if (entry?.error) throw new ProtocolError(entry.error, entry.message ?? undefined)
    }),
  )
const revokeToken = (tokenId: string | null, principal: string | null) =>
  sentence(admin.call(apis.revokeToken, { tokenId, principal }))

t.test('an end further away than a century', async (t) => {
  const far = /^expiresAtMs is \d+, more than 100 years ahead: it is \d+ now; without it there is no end$/
  for (const expiresAtMs of [Number.MAX_SAFE_INTEGER, 8.64e15 + 1, Date.now() + 101 * 366 * 86_400_000]) {
    t.match(await createKey({ expiresAtMs }), far)
    t.match(await createAcl({ expiresAtMs }), far)
  }
  const near = Date.now() + 99 * 365 * 86_400_000
  t.equal(await createKey({ expiresAtMs: near }), 'done')
  t.equal(await createAcl({ expiresAtMs: near }), 'done')
})

t.test('characters that do not show', async (t) => {
  for (const [text, where] of [
    ['evil\u001b[31m', 'U+001B at 4'],
    ['bell\u0007', 'U+0007 at 4'],
    ['two\nlines', 'U+000A at 3'],
    ['bob\u200b!', 'U+200B at 3'],
    ['soft\u00adhyphen', 'U+00AD at 4'],
    ['\u202eabc', 'U+202E at 0'],
    ['a\u2066b', 'U+2066 at 1'],
    ['a\ufeffb', 'U+FEFF at 1'],
    ['a\u3164b', 'U+3164 at 1'],
    ['a\ufe0fb', 'U+FE0F at 1'],
  ] as const) {
    const problem = `has the character ${where}, which cannot be shown`
    t.equal(await createKey({ name: text }), `the name of the key ${problem}`)
    t.equal(await createAcl({ note: text }), `note ${problem}`)
    t.match(await createKey({ principal: text }), `user ${JSON.stringify(text)} ${problem}`)
    t.match(await createKey({ groups: [text] }), `group ${JSON.stringify(text)} ${problem}`)
    t.match(await createKey({ roles: [text] }), `role ${JSON.stringify(text)} ${problem}`)
    t.match(await createAcl({ principal: `user:${text}` }), `has an ID that ${problem}`)
  }
  t.equal(await createKey({ name: 'Ωμέγα – détecteur 7' }), 'done')
  t.equal(await createAcl({ note: 'für die Nachtschicht' }), 'done')
})

t.test('kinds and stars where there are none', async (t) => {
  const bare = 'begins with its kind, which stands not here: write bob'
  t.equal(await createKey({ principal: 'user:bob' }), `user "user:bob" ${bare}`)
  t.equal(await createKey({ groups: ['group:bob'] }), `group "group:bob" ${bare}`)
  t.equal(await createKey({ roles: ['role:bob'] }), `role "role:bob" ${bare}`)
  const token = { ...A_TOKEN, principal: 'user:bob' }
  t.equal(await sentence(admin.call(apis.issueToken, token)), `user "user:bob" ${bare}`)
  t.equal(await sentence(admin.call(apis.listKeys, { principal: 'user:bob' })), `user "user:bob" ${bare}`)
  t.equal(await revokeToken(null, 'user:bob'), `user "user:bob" ${bare}`)
  const star = /stands for nobody: there is no pattern for principals; everybody .* is "authenticated"$/
  for (const principal of ['user:*', 'group:*', 'role:*']) t.match(await createAcl({ principal }), star)
  t.match(await createKey({ principal: '*' }), star)
  t.match(await createKey({ groups: ['*'] }), star)
  t.equal(await createAcl({ principal: 'user:http://cilogon.org/1' }), 'done')
  t.equal(await createAcl({ principal: 'group:star*' }), 'done')
})

t.test('what can be the id of no token', async (t) => {
  const form = /^tokenId is not the id of a token: it has 22 of the characters .* behind token:$/
  const { token, tokenId } = await admin.call(apis.issueToken, A_TOKEN)
  for (const wrong of [`token:${tokenId}`, 'foo', 'foo|key:abc', tokenId.slice(1), `${tokenId}=`])
    t.match(await revokeToken(wrong, null), form, wrong)
  const { key, keyId } = await admin.call(apis.createKey, A_KEY)
  for (const wrong of [`key:${keyId}`, key])
    t.equal(
      await revokeToken(wrong, null),
      'tokenId is not the id of a token: this is an API key, and is revoked as one',
    )
  const bob = await ProtocolClient.connect(node.url, token)
  t.equal(await revokeToken(tokenId, null), 'done')
  t.equal(await sentence(bob.call(apis.whoami, {})), 'CREDENTIAL_EXPIRED')
})

t.test('a whole key in place of its id is not said back', async (t) => {
  const { key } = await admin.call(apis.createKey, A_KEY)
  const { keys } = await admin.call(apis.revokeKeys, { keyIds: [key] })
  t.equal(
    keys[0]?.message,
    'a whole key is not the id of one: that is what stands between oct_ and the next _',
  )
})

t.test('operations that mean nothing on a resource', async (t) => {
  for (const effect of ['allow', 'deny']) {
    const refused = (operation: string, resource: string) =>
      createAcl({ operations: ['describe', operation], resource, effect })
    const readable = 'it is of topic, group'
    t.equal(
      await refused('read', 'namespace:lab'),
      `read means nothing on namespace:lab: ${readable}; all topics in it are topic:lab.*`,
    )
    t.equal(await refused('read', 'producer:lab.p'), `read means nothing on producer:lab.p: ${readable}`)
    t.equal(await refused('read', 'cluster'), `read means nothing on cluster: ${readable}`)
    t.equal(
      await refused('write', 'group:lab.g*'),
      'write means nothing on group:lab.g*: it is of topic, producer, transactional-id',
    )
    for (const [operation, resource] of [
      ['read', 'topic:lab.*'],
      ['read', 'group:lab.g'],
      ['write', 'producer:lab.p'],
      ['create', 'namespace:lab'],
      ['grant', 'cluster'],
    ] as const)
      t.equal(await refused(operation, resource), 'done')
  }
  const scope = [{ operations: ['write'], resource: 'namespace:lab' }]
  t.match(await createKey({ scope }), /^write means nothing on namespace:lab: /)
})

t.test('who cannot own a namespace', async (t) => {
  for (const owner of ['bob', 'authenticated', 'role:x', 'anonymous']) {
    const namespaces = [{ name: 'new', owners: [owner], topicConfigs: [] }]
    const created = await admin.call(apis.createNamespace, { namespaces })
    t.equal(
      created.namespaces[0]?.message,
      `${JSON.stringify(owner)} cannot own a namespace; user:ID and group:ID can`,
    )
  }
})

t.test('hello says whether a credential is still asked for', async (t) => {
  const hello = { clientName: 'test', clientVersion: '1' }
  const client = await ProtocolClient.open(node.url)
  t.match(await client.call(apis.hello, hello), { authenticationRequired: true })
  const { key } = await admin.call(apis.createKey, A_KEY)
  await client.call(apis.authenticate, { mechanism: 'token', token: key })
  t.match(await client.call(apis.hello, hello), { authenticationRequired: false })
})

t.test('a parked fetch looks again when its connection authenticates into another scope', async (t) => {
  const topicId = await admin.createTopic('parked', 1)
  t.equal(await createAcl({ principal: 'user:sue', resource: 'topic:parked' }), 'done')
  const wide = await admin.call(apis.createKey, { ...A_KEY, principal: 'sue' })
  const scope = [{ operations: ['read'], resource: 'topic:other' }]
  const narrow = await admin.call(apis.createKey, { ...A_KEY, principal: 'sue', scope })
  const sue = await ProtocolClient.connect(node.url, wide.key)
  const parked = sue.fetch(topicId, 0, 0, 20_000)
  await sue.call(apis.whoami, {})
  const beganMs = Date.now()
  await sue.call(apis.authenticate, { mechanism: 'token', token: narrow.key })
  t.equal((await parked).response?.error, ErrorCode.UNKNOWN_TOPIC_ID)
  t.ok(Date.now() - beganMs < 1_000, 'within a second')
})

t.test('what denies one the sight of something does not tell one its name', async (t) => {
  const client = async (principal: string) =>
    ProtocolClient.connect(node.url, (await admin.call(apis.createKey, { ...A_KEY, principal })).key)
  const [mal, own] = [await client('mal'), await client('own')]
  await admin.call(apis.createNamespace, {
    namespaces: [{ name: 'dark', owners: ['user:own'], topicConfigs: [] }],
  })
  const resource = 'topic:dark.secret'
  for (const principal of ['user:mal', 'user:own'])
    t.equal(await createAcl({ principal, resource, operations: ['describe'], effect: 'deny' }), 'done')
  const seen = { principal: 'user:mal', resource: 'topic:dark.seen' }
  t.equal(await createAcl({ ...seen, operations: ['read'] }), 'done')
  t.equal(await createAcl({ ...seen, operations: ['write'], effect: 'deny' }), 'done')

  const listed = async (who: ProtocolClient) =>
    (await who.call(apis.describeAcls, { principal: null, resource: 'topic:dark.*' })).entries
      .map((entry) => `${entry.principal} ${entry.effect} ${entry.resource}`)
      .sort()
  t.same(await listed(mal), ['user:mal allow topic:dark.seen', 'user:mal deny topic:dark.seen'])
  t.equal((await listed(own)).length, 4, 'the owner may take it back')
  t.equal((await listed(admin)).length, 4)

  const explain = (who: ProtocolClient, about: string, operation: string, principal: string | null = null) =>
    who.call(apis.explainAccess, { principal, groups: [], roles: [], operation, resource: about })
  for (const operation of ['describe', 'read', 'grant']) {
    const [hidden, missing] = [
      await explain(mal, resource, operation),
      await explain(mal, 'topic:dark.absent', operation),
    ]
    t.same(JSON.parse(JSON.stringify(hidden).replaceAll('dark.secret', 'dark.absent')), missing, operation)
    t.match(hidden, { allowed: false, rule: 'none', entryId: null })
    t.match(await explain(own, resource, operation), { allowed: false, rule: 'deny' })
    t.match(await explain(admin, resource, operation, 'user:mal'), { allowed: false, rule: 'deny' })
  }
  t.match(await explain(mal, 'topic:dark.seen', 'write'), { rule: 'deny' }, 'what one may see is told')
})

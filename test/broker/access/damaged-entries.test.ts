/**
 * What access control keeps, damaged in ways the store of metadata cannot see: `octopus verify` names each, and a broker
 * that is started on it says so and does not serve, since a deny that is not understood would be an allow.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { apis } from '../../../client/protocol/api.ts'
import { createLmdbMetadataStore } from '../../../storage/metadata/lmdb-metadata-store.ts'
import type { MetadataStore } from '../../../storage/metadata-store.ts'
import { asProcess, inProcess, startBroker } from '../cli/octopus.ts'
import { ProtocolClient } from '../protocol-client.ts'

const directory = await mkdtemp(join(tmpdir(), 'octopus-damaged-'))
const data = join(directory, 'data')
t.teardown(() => rm(directory, { recursive: true, force: true }))

async function withMetadata<T>(work: (store: MetadataStore) => Promise<T>): Promise<T> {
  const store = createLmdbMetadataStore({
    path: join(data, 'metadata.lmdb'),
    closePatience: () => new Promise((resolve) => setTimeout(resolve, 2_000)),
    onListenerError: (error) => t.error(error),
  })
  await store.open()
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

/** One entry of every kind that access control keeps. */
async function fill(): Promise<void> {
  const broker = await startBroker(data)
  const admin = await ProtocolClient.connect(broker.url)
  const namespaces = [{ name: 'lab', owners: ['user:ada'], topicConfigs: [] }]
  await admin.call(apis.createNamespace, { namespaces })
  const rule = {
    principal: 'user:eve',
    resource: 'topic:lab.*',
    operations: ['read'],
    expiresAtMs: null,
    note: null,
  }
  await admin.call(apis.createAcls, { entries: [{ ...rule, effect: 'deny' }] })
  const none = { groups: [], roles: [], scope: null }
  const { key } = await admin.call(apis.createKey, {
    principal: 'ada',
    name: 'x',
    expiresAtMs: null,
    ...none,
  })
  await (await ProtocolClient.connect(broker.url, key)).call(apis.whoami, {})
  const { tokenId } = await admin.call(apis.issueToken, { principal: 'ada', lifetimeMs: null, ...none })
  await admin.call(apis.revokeToken, { tokenId, principal: null })
  await admin.call(apis.revokeToken, { tokenId: null, principal: 'ada' })
  await broker.stop()
}

t.test('every kind of entry, damaged', async (t) => {
  await fill()
  t.match(await inProcess(['verify', '--data', data]), { exitCode: 0 }, 'sound as it was written')
  const prefixes = [
    '/acl/',
    '/namespaces/',
    '/api-keys/',
    '/api-key-uses/',
    '/issuer/keys/',
    '/issuer/revoked/token/',
    '/issuer/revoked/user/',
    '/first-key',
  ]
  for (const prefix of prefixes) {
    const [entry] = (await withMetadata((store) => store.list(prefix))).entries
    if (!entry) throw new Error(`there is nothing under ${prefix}`)
    const text = new TextDecoder().decode(entry.value)
    const wrong = [
      text.slice(0, -1),
      '[]',
      text.replace('{', '{"more":1,'),
      text.replace(/"[a-zA-Z]+":/, '"other":'),
    ]
    for (const [i, value] of wrong.entries()) {
      const put = { kind: 'put', key: entry.key, value: Buffer.from(value) } as const
      await withMetadata((store) => store.transact([], [put]))
      const { exitCode, out, err } = await inProcess(['verify', '--data', data, '--json'])
      t.equal(exitCode, 65, err)
      const { finding } = JSON.parse(out.split('\n')[0])
      t.match(finding, { code: 'metadata-damaged', severity: 'damage' })
      t.ok(finding.sentence.includes(entry.key), finding.sentence)
      t.notOk(/"d":|privateJwk":/.test(out), 'and not what it holds')
      // One process of each is enough: they all come the same way. The note of the first key is only looked for.
      if (i > 0 || prefix === '/first-key') continue
      const started = await asProcess(['serve', '--data', data, '--listen', '127.0.0.1:0'])
      t.equal(started.exitCode, 65)
      t.notOk(started.out.includes('ready'), 'it does not serve')
      t.match(started.err, /octopus verify names everything that is damaged/)
      t.ok(started.err.includes(entry.key), started.err)
    }
    await withMetadata((store) => store.transact([], [{ kind: 'put', key: entry.key, value: entry.value }]))
  }
})

t.test('a deny that has become another rule', async (t) => {
  const [entry] = (await withMetadata((store) => store.list('/acl/'))).entries
  const text = new TextDecoder().decode(entry.value)
  for (const value of [text.replace('"deny"', '"allow"'), text.replace('topic:lab.*', 'topic:lab.x')]) {
    t.not(value, text)
    const put = { kind: 'put', key: entry.key, value: Buffer.from(value) } as const
    await withMetadata((store) => store.transact([], [put]))
    t.match(await inProcess(['verify', '--data', data]), {
      exitCode: 65,
      out: /another rule than the one it is named after/,
    })
    t.match(await asProcess(['serve', '--data', data, '--listen', '127.0.0.1:0']), { exitCode: 65 })
  }
  await withMetadata((store) => store.transact([], [{ kind: 'put', key: entry.key, value: entry.value }]))
  t.match(await inProcess(['verify', '--data', data]), { exitCode: 0 })
})

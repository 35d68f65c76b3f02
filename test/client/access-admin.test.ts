/** Administration of access: what is asked with which defaults, and what becomes of the answers. */
import t from 'tap'
import type { AnyApi } from '../../client/protocol/api.ts'
import { encodeResponse } from '../../client/protocol/codec.ts'
import { ErrorCode } from '../../client/protocol/errors.ts'
import { connected, failureOf } from './support/harness.ts'

/** An administration whose every question is answered with `response`; and the questions. */
async function answering(response: unknown) {
  const harness = await connected(2)
  const asked: [string, unknown][] = []
  harness.broker.misbehave = ({ api, message, frame }) => {
    if (api.name === 'metadata') return undefined
    asked.push([api.name, message])
    return { kind: 'answer', data: encodeResponse(api as AnyApi, frame.correlationId, response) }
  }
  return { ...harness, admin: harness.client.admin(), asked }
}

const refusal = { error: ErrorCode.RESOURCE_NOT_FOUND, message: 'there is none' }
const done = { error: 0, message: null }

t.test('who one is, and why one may', async (t) => {
  const identity = {
    principal: 'user:ada',
    groups: ['lab'],
    roles: [],
    isAdministrator: false,
    method: 'api-key',
    credentialId: 'key:x',
    expiresAtMs: null,
    scope: null,
    namespaces: ['ada'],
  }
  const who = await answering(identity)
  t.same(await who.world.until(who.admin.whoami()), identity)
  t.same(who.asked, [['whoami', {}]])

  const decision = { allowed: true, rule: 'allow', entryId: 'e1', sentence: 'user:ada may' }
  const why = await answering(decision)
  t.same(await why.world.until(why.admin.explainAccess({ operation: 'read', resource: 'topic:a' })), decision)
  await why.world.until(
    why.admin.explainAccess({
      principal: 'user:bob',
      groups: ['g'],
      operation: 'read',
      resource: 'topic:a',
    }),
  )
  t.same(why.asked, [
    ['explain-access', { principal: null, groups: [], roles: [], operation: 'read', resource: 'topic:a' }],
    [
      'explain-access',
      { principal: 'user:bob', groups: ['g'], roles: [], operation: 'read', resource: 'topic:a' },
    ],
  ])
})

t.test('entries', async (t) => {
  const entry = {
    id: 'e1',
    principal: 'user:ada',
    resource: 'topic:a',
    operations: ['read'],
    effect: 'allow',
    expiresAtMs: null,
    grantedBy: 'user:admin',
    createdAtMs: 1,
    note: null,
  }
  const listed = await answering({ entries: [entry] })
  t.same(await listed.world.until(listed.admin.listAcls()), [entry])
  await listed.world.until(listed.admin.listAcls({ principal: 'user:ada', resource: 'topic:a' }))
  t.same(listed.asked, [
    ['describe-acls', { principal: null, resource: null }],
    ['describe-acls', { principal: 'user:ada', resource: 'topic:a' }],
  ])

  const created = await answering({ entries: [{ ...done, id: 'e1' }] })
  const wanted = { principal: 'user:ada', resource: 'topic:a', operations: ['read'] }
  t.same(await created.world.until(created.admin.createAcls([wanted])), ['e1'])
  await created.world.until(
    created.admin.createAcls([{ ...wanted, effect: 'deny', expiresAtMs: 5, note: 'why' }]),
  )
  t.same(created.asked, [
    ['create-acls', { entries: [{ ...wanted, effect: 'allow', expiresAtMs: null, note: null }] }],
    ['create-acls', { entries: [{ ...wanted, effect: 'deny', expiresAtMs: 5, note: 'why' }] }],
  ])
  const refused = await answering({
    entries: [
      { ...done, id: 'e1' },
      { ...refusal, id: null },
    ],
  })
  t.match(await failureOf(refused.world.until(refused.admin.createAcls([wanted, wanted]))), {
    code: ErrorCode.RESOURCE_NOT_FOUND,
    message: 'entry about user:ada on topic:a: there is none',
  })

  const deleted = await answering({ entries: [{ id: 'e1', ...done }] })
  t.equal(await deleted.world.until(deleted.admin.deleteAcls(['e1'])), undefined)
  t.same(deleted.asked, [['delete-acls', { ids: ['e1'] }]])
  const missing = await answering({ entries: [{ id: 'e1', ...refusal }] })
  t.match(await failureOf(missing.world.until(missing.admin.deleteAcls(['e1']))), {
    message: 'entry e1: there is none',
  })
})

t.test('keys', async (t) => {
  const made = await answering({ keyId: 'k', key: 'oct_k_s', principal: 'ada', expiresAtMs: 7 })
  const scope = [{ operations: ['write'], resource: 'topic:a' }]
  t.same(await made.world.until(made.admin.createKey({ name: 'n' })), {
    keyId: 'k',
    key: 'oct_k_s',
    principal: 'ada',
    expiresAtMs: 7,
  })
  await made.world.until(
    made.admin.createKey({
      name: 'n',
      principal: 'ada',
      groups: ['g'],
      roles: ['r'],
      expiresAtMs: 9,
      scope,
    }),
  )
  t.same(made.asked, [
    ['create-key', { principal: null, name: 'n', groups: [], roles: [], expiresAtMs: null, scope: null }],
    ['create-key', { principal: 'ada', name: 'n', groups: ['g'], roles: ['r'], expiresAtMs: 9, scope }],
  ])

  const listed = await answering({ keys: [] })
  t.same(await listed.world.until(listed.admin.listKeys()), [])
  await listed.world.until(listed.admin.listKeys('ada'))
  t.same(listed.asked, [
    ['list-keys', { principal: null }],
    ['list-keys', { principal: 'ada' }],
  ])

  const revoked = await answering({ keys: [{ keyId: 'k', ...refusal }] })
  t.match(await failureOf(revoked.world.until(revoked.admin.revokeKeys(['k']))), {
    message: 'key k: there is none',
  })
  t.same(revoked.asked, [['revoke-keys', { keyIds: ['k'] }]])

  const rotated = await answering({ keyId: 'k', key: 'oct_k_t' })
  t.same(await rotated.world.until(rotated.admin.rotateKey('k', 1_000)), { keyId: 'k', key: 'oct_k_t' })
  t.same(rotated.asked, [['rotate-key', { keyId: 'k', overlapMs: 1_000 }]])
})

t.test('all keys of a user, until there are none; the one that the caller came with last', async (t) => {
  for (const [credentialId, requests] of [
    ['key:b', [['a', 'c'], ['d'], ['b']]],
    ['token:x', [['a', 'b', 'c'], ['d']]],
  ] as const) {
    const { broker, client, world } = await connected(2)
    let keys = ['a', 'b', 'c']
    const revoked: string[][] = []
    broker.misbehave = ({ api, message, frame }) => {
      const answer = (response: unknown) => ({
        kind: 'answer' as const,
        data: encodeResponse(api as AnyApi, frame.correlationId, response),
      })
      if (api.name === 'whoami')
        return answer({
          principal: 'user:ada',
          groups: [],
          roles: [],
          isAdministrator: false,
          method: 'issuer',
          credentialId,
          expiresAtMs: null,
          scope: null,
          namespaces: [],
        })
      if (api.name === 'list-keys') return answer({ keys: keys.map(listedKey) })
      if (api.name !== 'revoke-keys') return undefined
      const { keyIds } = message as { keyIds: string[] }
      revoked.push(keyIds)
      // One of them was used to make another before it went.
      keys = [...keys.filter((id) => !keyIds.includes(id)), ...(revoked.length === 1 ? ['d'] : [])]
      return answer({ keys: keyIds.map((keyId) => ({ keyId, ...done })) })
    }
    t.same(await world.until(client.admin().revokeKeysOf('ada')), requests.flat())
    t.same(revoked, requests)
  }
})

function listedKey(keyId: string) {
  const moments = { createdAtMs: 1, expiresAtMs: null, lastUsedAtMs: null }
  return { keyId, principal: 'ada', name: 'n', groups: [], roles: [], ...moments, secrets: 1, scope: null }
}

t.test('namespaces', async (t) => {
  const made = await answering({ namespaces: [{ name: 'lab', ...done }] })
  t.equal(await made.world.until(made.admin.createNamespace('lab')), undefined)
  await made.world.until(
    made.admin.createNamespace('lab', { owners: ['group:lab'], topicConfigs: { 'retention.ms': '1' } }),
  )
  t.same(made.asked, [
    ['create-namespace', { namespaces: [{ name: 'lab', owners: [], topicConfigs: [] }] }],
    [
      'create-namespace',
      {
        namespaces: [
          { name: 'lab', owners: ['group:lab'], topicConfigs: [{ name: 'retention.ms', value: '1' }] },
        ],
      },
    ],
  ])
  const refused = await answering({ namespaces: [{ name: 'lab', ...refusal }] })
  t.match(await failureOf(refused.world.until(refused.admin.createNamespace('lab'))), {
    message: 'namespace "lab": there is none',
  })
  const listed = await answering({ namespaces: [] })
  t.same(await listed.world.until(listed.admin.listNamespaces()), [])
  const altered = await answering({ owners: ['user:ada'] })
  t.same(
    await altered.world.until(
      altered.admin.alterNamespace('lab', {
        addOwners: ['user:ada'],
        topicConfigs: { 'retention.ms': null },
      }),
    ),
    ['user:ada'],
  )
  t.same(altered.asked, [
    [
      'alter-namespace',
      {
        name: 'lab',
        addOwners: ['user:ada'],
        removeOwners: [],
        topicConfigs: [{ name: 'retention.ms', value: null }],
      },
    ],
  ])
  const deleted = await answering({ deletedEntries: 3 })
  t.equal(await deleted.world.until(deleted.admin.deleteNamespace('lab')), 3)
  t.same(deleted.asked, [['delete-namespace', { name: 'lab' }]])
})

t.test('tokens', async (t) => {
  const issued = await answering({ tokenId: 'i', token: 'x.y.z', principal: 'ada', expiresAtMs: 9 })
  t.same(await issued.world.until(issued.admin.issueToken()), {
    tokenId: 'i',
    token: 'x.y.z',
    principal: 'ada',
    expiresAtMs: 9,
  })
  await issued.world.until(issued.admin.issueToken({ principal: 'ada', lifetimeMs: 5 }))
  t.same(issued.asked, [
    ['issue-token', { principal: null, groups: [], roles: [], lifetimeMs: null, scope: null }],
    ['issue-token', { principal: 'ada', groups: [], roles: [], lifetimeMs: 5, scope: null }],
  ])
  const revoked = await answering({ revoked: true })
  for (const which of [{ tokenId: 'i' }, { principal: 'ada' }, {}, undefined])
    await revoked.world.until(revoked.admin.revokeTokens(which))
  t.same(revoked.asked, [
    ['revoke-token', { tokenId: 'i', principal: null }],
    ['revoke-token', { tokenId: null, principal: 'ada' }],
    ['revoke-token', { tokenId: null, principal: null }],
    ['revoke-token', { tokenId: null, principal: null }],
  ])
  const rotated = await answering({ keyId: 'second' })
  t.equal(await rotated.world.until(rotated.admin.rotateIssuerKey()), 'second')
  await rotated.world.until(rotated.admin.rotateIssuerKey({ overlapMs: 0 }))
  t.same(rotated.asked, [
    ['rotate-issuer-key', { overlapMs: null }],
    ['rotate-issuer-key', { overlapMs: 0 }],
  ])
})

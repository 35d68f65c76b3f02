/** API keys: their form, the same answer for whatever is wrong, expiry, rotation with overlap, revocation. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { ApiKeyAuthenticator } from '../../../auth/authenticators/api-key.ts'
import { type ApiKeyRecord, rotateSecret } from '../../../auth/authenticators/api-key-record.ts'
import {
  hashSecret,
  looksLikeApiKey,
  mintApiKey,
  parseApiKey,
  withNewSecret,
} from '../../../auth/authenticators/api-key-token.ts'
import { ManualTime } from '../../broker/manual-time.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { outcome, refusal } from '../support/refusals.ts'
import { MemoryApiKeys } from '../support/stores.ts'

const random = { bytes: (count: number) => new Uint8Array(randomBytes(count)) }

function setUp(fields: Partial<ApiKeyRecord> = {}) {
  const time = new ManualTime()
  const store = new MemoryApiKeys()
  const key = mintApiKey(random)
  const record: ApiKeyRecord = {
    id: key.id,
    principal: 'ada',
    name: 'laptop',
    secretHashes: [{ hash: key.secretHash, expiresAtMs: null }],
    createdAtMs: time.nowMs(),
    expiresAtMs: null,
    groups: ['lab'],
    roles: ['operator'],
    scope: null,
    ...fields,
  }
  store.records.set(key.id, record)
  return { time, store, key, record, authenticator: new ApiKeyAuthenticator(store, time) }
}

t.test('the form, from given bytes', async (t) => {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i)
  const { token, id, secretHash } = mintApiKey({ bytes: (count) => bytes.slice(0, count) })
  t.equal(token, 'oct_abcdefghijklmnop_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8')
  t.equal(id, 'abcdefghijklmnop')
  t.equal(
    secretHash,
    'ea866a757e4c38babfa8127cbe9a409d3e1f93a00ff1488ff735fcf917afffd0',
    'SHA-256 of the 43 characters',
  )
  const unfair = [252, 255, 253, 254, 35, 36, 0, 251]
  let drawn = 0
  const biased = { bytes: (count: number) => Uint8Array.from({ length: count }, () => unfair[drawn++ % 8]) }
  t.equal(mintApiKey(biased).id, '9aa99aa99aa99aa9', 'bytes above 251 are thrown away')
})

t.test('thousands of keys: all different, all of the form, each letter about as often', async (t) => {
  const seeded = seededRandom(t)
  const ids = new Set<string>()
  const letters = new Map<string, number>()
  for (let i = 0; i < 3_000; i++) {
    const { id, token, secretHash } = mintApiKey(seeded)
    ids.add(id)
    const parsed = parseApiKey(token)
    if (parsed?.id !== id || hashSecret(parsed.secret) !== secretHash) t.fail(token)
    for (const letter of id) letters.set(letter, (letters.get(letter) ?? 0) + 1)
  }
  t.equal(ids.size, 3_000)
  t.equal(letters.size, 36)
  // 48,000 letters, 1,333 each on average; six deviations are 216.
  for (const [letter, count] of letters) t.ok(count > 1_100 && count < 1_570, `${letter} ${count} times`)
})

t.test('what is no key', async (t) => {
  const { key, authenticator } = setUp()
  const secret = key.token.slice(-43)
  const bad = [
    'oct_',
    key.token.slice(0, -1),
    `${key.token}A`,
    key.token.toUpperCase(),
    `oct_${key.id.slice(1)}_${secret}`,
    `oct_${key.id}-${secret}`,
    `oct_${key.id}_${secret.slice(0, 42)}B`,
    `oct_${key.id}_${secret.slice(0, 42)}=`,
    ` ${key.token}`,
    'oct___proto____',
  ]
  for (const token of bad) {
    t.equal(parseApiKey(token), undefined, token)
    t.equal(await outcome(authenticator.authenticate(token)), 'MALFORMED', token)
  }
  t.ok(authenticator.matches('oct_whatever'))
  t.notOk(authenticator.matches(` ${key.token}`))
  t.ok(looksLikeApiKey(key.token))
})

t.test('an accepted key says who, and is noted', async (t) => {
  const scope = [
    { operations: ['write'], resource: { type: 'topic', name: 'lab.', match: 'prefix' } },
  ] as const
  const { authenticator, key, store, time } = setUp({ scope })
  t.same(await authenticator.authenticate(key.token), {
    principal: { name: 'ada', isAnonymous: false, groups: ['lab'], roles: ['operator'] },
    method: 'api-key',
    expiresAtMs: undefined,
    credentialId: `key:${key.id}`,
    secretHash: key.secretHash,
    scope,
  })
  t.same(store.uses, [[key.id, time.nowMs()]])
})

t.test('an unknown key and a wrong secret cannot be told apart', async (t) => {
  const { authenticator, key, store } = setUp()
  const wrong = await refusal(authenticator.authenticate(withNewSecret(key.id, random).token))
  const unknown = await refusal(authenticator.authenticate(mintApiKey(random).token))
  t.equal(wrong.code, 'REFUSED')
  t.same(
    [unknown.code, unknown.message, unknown.retryAfterMs],
    [wrong.code, wrong.message, wrong.retryAfterMs],
  )
  t.same(store.uses, [])
  store.records.delete(key.id)
  const revoked = await refusal(authenticator.authenticate(key.token))
  t.same([revoked.code, revoked.message], [wrong.code, wrong.message], 'nor a revoked one')
})

t.test('a record without a usable hash lets nobody in', async (t) => {
  const nothing = '0'.repeat(64)
  for (const secretHashes of [
    [],
    [{ hash: '', expiresAtMs: null }],
    [{ hash: nothing, expiresAtMs: null }],
  ]) {
    const { authenticator, key } = setUp({ secretHashes })
    t.equal(await outcome(authenticator.authenticate(key.token)), 'REFUSED')
  }
})

t.test('expiry is told to the owner only', async (t) => {
  const { authenticator, key, time } = setUp({ expiresAtMs: new ManualTime().nowMs() + 1_000 })
  t.equal((await authenticator.authenticate(key.token)).expiresAtMs, time.nowMs() + 1_000)
  await time.advance(999)
  t.equal(await outcome(authenticator.authenticate(key.token)), 'user:ada')
  await time.advance(1)
  t.equal(await outcome(authenticator.authenticate(key.token)), 'EXPIRED')
  t.equal(await outcome(authenticator.authenticate(withNewSecret(key.id, random).token)), 'REFUSED')
})

t.test('a rotation: both secrets work while they overlap, never three', async (t) => {
  const { authenticator, key, time, store, record } = setUp({ expiresAtMs: new ManualTime().nowMs() + 9_000 })
  const who = (token: string) => outcome(authenticator.authenticate(token))
  const second = withNewSecret(key.id, random)
  store.records.set(key.id, rotateSecret(record, second.secretHash, time.nowMs(), 1_000))
  t.equal(await who(second.token), 'user:ada')
  t.equal(await who(key.token), 'user:ada')
  t.equal(
    (await authenticator.authenticate(key.token)).expiresAtMs,
    time.nowMs() + 1_000,
    'the former one ends sooner',
  )
  t.equal((await authenticator.authenticate(second.token)).expiresAtMs, time.nowMs() + 9_000)
  await time.advance(500)
  const third = withNewSecret(key.id, random)
  store.records.set(
    key.id,
    rotateSecret(store.get(key.id) as ApiKeyRecord, third.secretHash, time.nowMs(), 5_000),
  )
  t.same(await Promise.all([key, second, third].map(({ token }) => who(token))), [
    'REFUSED',
    'user:ada',
    'user:ada',
  ])
  await time.advance(5_000)
  t.same(await Promise.all([key, second, third].map(({ token }) => who(token))), [
    'REFUSED',
    'EXPIRED',
    'user:ada',
  ])
  const fourth = withNewSecret(key.id, random)
  const atOnce = rotateSecret(store.get(key.id) as ApiKeyRecord, fourth.secretHash, time.nowMs(), 0)
  t.same(
    atOnce.secretHashes,
    [{ hash: fourth.secretHash, expiresAtMs: null }],
    'without overlap the former one is gone',
  )
})

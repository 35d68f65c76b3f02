/** The built-in issuer: what its tokens say, keys that overlap, and tokens that end before their time. */
import { randomBytes } from 'node:crypto'
import type { CryptoKey } from 'jose'
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, importJWK, jwtVerify, SignJWT } from 'jose'
import t from 'tap'
import { JwtAuthenticator } from '../../../auth/authenticators/jwt.ts'
import { Revocations } from '../../../auth/authenticators/revocations.ts'
import { type IssuerKey, makeSigningKey } from '../../../auth/authenticators/signing-key.ts'
import { TokenIssuer, type TokenRequest } from '../../../auth/authenticators/token-issuer.ts'
import { ManualTime } from '../../broker/manual-time.ts'
import { outcome } from '../support/refusals.ts'
import { MemoryIssuerKeys, MemoryRevocations } from '../support/stores.ts'

const HOUR_MS = 3_600_000
const TOLERANCE_MS = 5_000
const random = { bytes: (count: number) => new Uint8Array(randomBytes(count)) }
const request: TokenRequest = {
  principal: 'ada',
  groups: ['lab'],
  roles: ['operator'],
  lifetimeMs: HOUR_MS,
  scope: undefined,
  issuedWith: [],
}

function setUp(entriesMax?: number) {
  const time = new ManualTime()
  const store = new MemoryIssuerKeys()
  const revocations = new Revocations(new MemoryRevocations(), time, entriesMax)
  const config = {
    issuer: 'urn:octopus:c1',
    audience: 'urn:octopus:c1',
    lifetimeMaxMs: 24 * HOUR_MS,
    clockToleranceMs: TOLERANCE_MS,
  }
  const ended = new Set<string>()
  const hasEnded = (credentialId: string) => ended.has(credentialId)
  const issuer = new TokenIssuer(config, { store, revocations, clock: time, random, hasEnded })
  const authenticator = new JwtAuthenticator([issuer.profile], revocations, time)
  const who = (token: string) => outcome(authenticator.authenticate(token))
  return { time, store, revocations, issuer, authenticator, who, ended }
}

t.test('a key pair from given bytes is that of RFC 8037, A', async (t) => {
  const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
  const key = await makeSigningKey({ bytes: () => seed }, 7)
  t.same(key, {
    kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
    publicJwk: {
      kty: 'OKP',
      crv: 'Ed25519',
      x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
      kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
      alg: 'EdDSA',
      use: 'sig',
    },
    privateJwk: {
      kty: 'OKP',
      crv: 'Ed25519',
      x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
      d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
      kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
      alg: 'EdDSA',
      use: 'sig',
    },
    createdAtMs: 7,
    retiredAtMs: null,
  })
})

t.test('a token, and what the node that takes it learns', async (t) => {
  const { issuer, authenticator, time, store } = setUp()
  const scope = [
    { operations: ['read', 'describe'], resource: { type: 'topic', name: 'lab.', match: 'prefix' } },
    { operations: ['describe'], resource: { type: 'cluster', name: '', match: 'literal' } },
  ] as const
  const { token, tokenId, expiresAtMs } = await issuer.issue({ ...request, scope })
  const [key] = store.list()
  t.same(decodeProtectedHeader(token), { alg: 'EdDSA', typ: 'octopus+jwt', kid: key.kid })
  t.same(decodeJwt(token), {
    iss: 'urn:octopus:c1',
    aud: 'urn:octopus:c1',
    sub: 'ada',
    jti: tokenId,
    iat: 1_700_000_000,
    exp: 1_700_003_600,
    groups: ['lab'],
    roles: ['operator'],
    octopus_scope: [
      { operations: ['read', 'describe'], resource: 'topic:lab.*' },
      { operations: ['describe'], resource: 'cluster' },
    ],
  })
  t.same(await authenticator.authenticate(token), {
    principal: { name: 'ada', isAnonymous: false, groups: ['lab'], roles: ['operator'] },
    method: 'issuer',
    expiresAtMs: time.nowMs() + HOUR_MS + TOLERANCE_MS,
    credentialId: `token:${tokenId}`,
    scope,
    signingKeyId: key.kid,
  })
  t.equal(expiresAtMs, time.nowMs() + HOUR_MS + TOLERANCE_MS)
  t.match(tokenId, /^[\w-]{22}$/)

  // Whoever else wants to check it finds all he needs at /.well-known/jwks.json.
  const { keys } = issuer.jwks()
  t.notOk(JSON.stringify(keys).includes('"d"'), 'no private key is published')
  const published = keys.find(({ kid }) => kid === key.kid)
  await jwtVerify(token, (await importJWK(published ?? {}, 'EdDSA')) as CryptoKey, {
    currentDate: new Date(time.nowMs()),
  })
  t.equal(await calculateJwkThumbprint(published ?? {}), key.kid)
})

t.test('what no token can be made of', async (t) => {
  const { issuer, store } = setUp()
  const cases: [fields: Partial<TokenRequest>, message: string][] = [
    [{ lifetimeMs: 0 }, 'a token lives from 1000 to 86400000 ms, not 0'],
    [{ lifetimeMs: 86_400_001 }, 'a token lives from 1000 to 86400000 ms, not 86400001'],
    [{ lifetimeMs: Number.NaN }, 'a token lives from 1000 to 86400000 ms, not NaN'],
    [{ principal: '' }, '"" is empty'],
    [{ principal: 'a\n' }, '"a\\n" begins or ends with white space'],
    [{ roles: ['x'.repeat(300)] }, `"${'x'.repeat(80)}" has 300 characters, at most 256 are allowed`],
  ]
  for (const [fields, message] of cases) await t.rejects(issuer.issue({ ...request, ...fields }), { message })
  t.equal(store.list().length, 0, 'nor was a key made for it')
})

t.test(
  'a rotation: the new key signs at once, the old one verifies until its last token is over',
  async (t) => {
    const { issuer, time, store, who } = setUp()
    const short = await issuer.issue(request)
    const long = await issuer.issue({ ...request, lifetimeMs: 24 * HOUR_MS })
    await time.advance(500)
    const second = await issuer.rotate()
    const next = await issuer.issue(request)
    t.equal(decodeProtectedHeader(next.token).kid, second.kid)
    t.same(await Promise.all([short, long, next].map(({ token }) => who(token))), [
      'user:ada',
      'user:ada',
      'user:ada',
    ])
    t.equal(issuer.jwks().keys.length, 2)
    await time.advance(HOUR_MS + TOLERANCE_MS)
    t.same(await Promise.all([short, long, next].map(({ token }) => who(token))), [
      'EXPIRED',
      'user:ada',
      'EXPIRED',
    ])
    await time.advance(23 * HOUR_MS - 501)
    t.equal(await who(long.token), 'user:ada', 'to its last moment')
    await time.advance(2_000)
    t.equal(issuer.jwks().keys.length, 1, 'a key that is over is published no more')
    t.equal(await who(long.token), 'BAD_SIGNATURE')
    t.equal(store.list().length, 2)
    await issuer.rotate()
    t.equal(store.list().length, 2, 'and deleted by the next rotation')
    t.equal(store.list().filter(({ retiredAtMs }) => retiredAtMs === null).length, 1)
  },
)

t.test('a rotation without overlap ends all tokens', async (t) => {
  const { issuer, authenticator, who, store } = setUp()
  const { token } = await issuer.issue(request)
  t.equal(authenticator.takesOneSignature(token), true)
  for (const odd of [
    '',
    'x',
    'e.e.e',
    token.replace(/^e[^.]*/, 'eyJhbGciOiJub25lIn0'),
    token.padEnd(20_000, 'A'),
  ])
    t.equal(authenticator.takesOneSignature(odd), false)
  await issuer.rotate({ overlap: false })
  t.equal(authenticator.takesOneSignature(token), false, 'it names a key that is not there')
  t.equal(await who(token), 'BAD_SIGNATURE')
  t.equal(store.list().length, 1)
  t.equal(await who((await issuer.issue(request)).token), 'user:ada')
})

t.test('rotations at one time, and one that was cut short', async (t) => {
  const { issuer, store, time, who } = setUp()
  const tokens = await Promise.all(Array.from({ length: 5 }, () => issuer.issue(request)))
  for (const { token } of tokens) t.equal(await who(token), 'user:ada')
  t.equal(store.list().length, 1, 'the first key is made once')
  await Promise.all([issuer.rotate(), issuer.rotate()])
  t.equal(store.list().filter(({ retiredAtMs }) => retiredAtMs === null).length, 1, 'one of them signs')

  const put = store.put.bind(store)
  let puts = 0
  store.put = async (key: IssuerKey) => {
    if (++puts === 2) throw new Error('the disk is full')
    await put(key)
  }
  await time.advance(10)
  await t.rejects(issuer.rotate(), { message: 'the disk is full' })
  const both = store.list().filter(({ retiredAtMs }) => retiredAtMs === null)
  t.equal(both.length, 2)
  const { token } = await issuer.issue(request)
  t.equal(
    decodeProtectedHeader(token).kid,
    both.toSorted((a, b) => b.createdAtMs - a.createdAtMs)[0].kid,
    'the newer one signs',
  )
  t.equal(await who(token), 'user:ada')
  await issuer.rotate()
  t.equal(
    store.list().filter(({ retiredAtMs }) => retiredAtMs === null).length,
    1,
    'the next one puts it right',
  )
})

t.test('a token is revoked by its id until it would have expired', async (t) => {
  const { issuer, revocations, time, who } = setUp(3)
  const tokens = await Promise.all(Array.from({ length: 4 }, () => issuer.issue(request)))
  for (const { tokenId, expiresAtMs } of tokens.slice(0, 3))
    await revocations.revokeToken(tokenId, expiresAtMs)
  t.same(await Promise.all(tokens.map(({ token }) => who(token))), [
    'REVOKED',
    'REVOKED',
    'REVOKED',
    'user:ada',
  ])
  await t.rejects(revocations.revokeToken(tokens[3].tokenId, tokens[3].expiresAtMs), {
    message: /^3 revocations are kept, which is all there may be/,
  })
  await revocations.revokeToken(tokens[0].tokenId, tokens[0].expiresAtMs)
  await time.advance(HOUR_MS + TOLERANCE_MS)
  const later = await issuer.issue(request)
  await revocations.revokeToken(tokens[0].tokenId, tokens[0].expiresAtMs)
  await revocations.revokeToken(later.tokenId, later.expiresAtMs)
  t.equal(await who(later.token), 'REVOKED', 'those that are over make room')
})

t.test('all tokens of a user until now, and none from then on', async (t) => {
  const { issuer, revocations, time, who } = setUp()
  const before = await issuer.issue(request)
  const other = await issuer.issue({ ...request, principal: 'bob' })
  await time.advance(700)
  await revocations.revokeUser('ada')
  t.equal(await who(before.token), 'REVOKED')
  t.equal(await who(other.token), 'user:ada'.replace('ada', 'bob'))
  const after = await issuer.issue(request)
  t.equal(await who(after.token), 'user:ada', 'one of the same second is good')
  await time.advance(10_000)
  t.equal(await who(before.token), 'REVOKED')
})

t.test('tokens of this node’s key that say what it never would', async (t) => {
  const { issuer, store, who } = setUp()
  await issuer.rotate()
  const [key] = store.list()
  const privateKey = await importJWK(key.privateJwk, 'EdDSA')
  const signed = (claims: Record<string, unknown>, header: Record<string, unknown> = {}) =>
    new SignJWT({
      iss: 'urn:octopus:c1',
      aud: 'urn:octopus:c1',
      sub: 'ada',
      jti: 'x',
      iat: 1_700_000_000,
      exp: 1_700_000_060,
      groups: [],
      roles: [],
      ...claims,
    })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'octopus+jwt', kid: key.kid, ...header })
      .sign(privateKey)
  t.equal(await who(await signed({})), 'user:ada')
  t.equal(await who(await signed({}, { typ: 'JWT' })), 'REFUSED', 'made for something else')
  t.equal(await who(await signed({}, { kid: 'other' })), 'BAD_SIGNATURE')
  t.equal(await who(await signed({ aud: 'urn:octopus:c2' })), 'WRONG_AUDIENCE', 'for another cluster')
  for (const claims of [
    { groups: 'lab' },
    { roles: [1] },
    { sub: 7 },
    { octopus_scope: null },
    { octopus_scope: {} },
    { octopus_scope: [null] },
    { octopus_scope: [{ operations: ['fly'], resource: 'topic:x' }] },
    { octopus_scope: [{ operations: ['read'], resource: 'topic:' }] },
    { octopus_scope: [{ operations: 'read', resource: 'topic:x' }] },
  ])
    t.equal(await who(await signed(claims)), 'MALFORMED', JSON.stringify(claims))
  const lifetimeS = (24 * HOUR_MS) / 1_000
  t.equal(await who(await signed({ exp: 1_700_000_000 + lifetimeS })), 'user:ada')
  t.equal(await who(await signed({ exp: 1_700_000_002 + lifetimeS })), 'EXPIRED', 'longer than any lives')
})

t.test('a key that ends while a signature is looked at ends that token, too', async (t) => {
  const { issuer, who } = setUp()
  const { token } = await issuer.issue(request)
  const looking = who(token)
  await issuer.rotate({ overlap: false })
  t.equal(await looking, 'BAD_SIGNATURE')
})

t.test('users fill the list of revocations in part only', async (t) => {
  const { issuer, revocations, who } = setUp(5)
  const tokens = await Promise.all(Array.from({ length: 6 }, () => issuer.issue(request)))
  const end = (i: number, isOwn: boolean) =>
    revocations.revokeToken(tokens[i].tokenId, tokens[i].expiresAtMs, { isOwn })
  for (const i of [0, 1, 2, 3]) await end(i, true)
  await t.rejects(end(4, true), { message: /^4 revocations are kept/ })
  await end(4, false)
  t.equal(await who(tokens[4].token), 'REVOKED')
  await t.rejects(end(5, false), { message: /^5 revocations are kept/ })
})

t.test('a token ends with the credentials it was issued with', async (t) => {
  const { issuer, authenticator, who, ended } = setUp()
  const issuedWith = ['key:k1', 'token:t1']
  const { token } = await issuer.issue({ ...request, issuedWith })
  t.same((await authenticator.authenticate(token)).issuedWith, issuedWith)
  const { token: other } = await issuer.issue({ ...request, issuedWith: ['key:k2'] })
  for (const credentialId of issuedWith) {
    ended.add(credentialId)
    t.equal(await who(token), 'REVOKED', credentialId)
    t.not(await who(other), 'REVOKED')
    ended.clear()
  }
  await t.rejects(issuer.issue({ ...request, issuedWith: Array(10).fill('token:t') }), {
    message: 'a token is asked for with a token at most 7 times in a row; use the first credential',
  })
})

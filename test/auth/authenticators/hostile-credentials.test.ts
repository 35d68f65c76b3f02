/**
 * Credentials nobody foresaw: damaged, mixed and invented ones are refused with CredentialError and nothing else, and
 * what is said of them holds no part of them. `OCTOPUS_SEED` repeats a run.
 */
import { randomBytes } from 'node:crypto'
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose'
import t from 'tap'
import { ApiKeyAuthenticator } from '../../../auth/authenticators/api-key.ts'
import { mintApiKey } from '../../../auth/authenticators/api-key-token.ts'
import { Authenticators } from '../../../auth/authenticators/chain.ts'
import {
  JwtAuthenticator,
  type SignatureAlgorithm,
  signatureAlgorithms,
} from '../../../auth/authenticators/jwt.ts'
import { Revocations } from '../../../auth/authenticators/revocations.ts'
import { identifyByClaims } from '../../../auth/claims.ts'
import { CredentialError } from '../../../auth/credential-error.ts'
import { ManualTime } from '../../broker/manual-time.ts'
import { type SeededRandom, seededRandom } from '../../support/seeded-random.ts'
import { holdsPartOf, outcome } from '../support/refusals.ts'
import { MemoryApiKeys, MemoryRevocations } from '../support/stores.ts'

const ISSUER = 'https://issuer.example'
const runs = process.env.OCTOPUS_SOAK === '1' ? 100_000 : 2_000

/** Made once: RSA keys take their time. */
const keys = makeKeys()

async function makeKeys() {
  const signing = new Map<string, CryptoKey>()
  const verifying = new Map<string, CryptoKey>()
  for (const alg of signatureAlgorithms) {
    const { privateKey, publicKey } = await generateKeyPair(alg)
    signing.set(alg, privateKey)
    verifying.set(alg, (await importJWK(await exportJWK(publicKey), alg)) as CryptoKey)
  }
  return { signing, verifying }
}

/** A chain that takes every algorithm, the private keys, and an API key it knows. */
async function setUp() {
  const time = new ManualTime()
  const store = new MemoryApiKeys()
  const key = mintApiKey({ bytes: (count) => new Uint8Array(randomBytes(count)) })
  store.records.set(key.id, {
    id: key.id,
    principal: 'ada',
    name: 'x',
    secretHashes: [{ hash: key.secretHash, expiresAtMs: null }],
    createdAtMs: 0,
    expiresAtMs: null,
    groups: [],
    roles: [],
    scope: null,
  })
  const { signing, verifying } = await keys
  const mapping = {
    principal: 'sub',
    groups: ['groups', 'realm_access.roles'],
    roles: ['roles'],
    prefix: '',
    foreignPrefixes: ['cern/'],
    requiredScopes: [],
    scopePrefix: 'octopus.',
  }
  const jwt = new JwtAuthenticator(
    [
      {
        issuer: ISSUER,
        method: 'oidc',
        audiences: ['octopus'],
        algorithms: signatureAlgorithms,
        type: undefined,
        clockToleranceMs: 0,
        // The worst there could be: the key is chosen by the token, and may be of any kind.
        keys: {
          findKey: async ({ kid }) => verifying.get(String(kid)) ?? (verifying.get('ES256') as CryptoKey),
          hasAtHand: () => true,
        },
        identify: (claims) => identifyByClaims(mapping, claims),
        hasOwnTokenIds: false,
      },
    ],
    new Revocations(new MemoryRevocations(), time),
    time,
  )
  const chain = new Authenticators([new ApiKeyAuthenticator(store, time), jwt])
  const sign = (
    alg: SignatureAlgorithm,
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
  ) =>
    new SignJWT({ iss: ISSUER, aud: 'octopus', sub: 'ada', exp: time.nowMs() / 1000 + 60, ...claims })
      .setProtectedHeader({ alg, kid: alg, ...header })
      .sign(signing.get(alg) as CryptoKey)
  return { chain, sign, key, time }
}

/** Undefined: refused as it should be. */
async function complaint(chain: Authenticators, token: string): Promise<string | undefined> {
  try {
    await chain.authenticate(token)
    return 'was accepted'
  } catch (error) {
    if (!(error instanceof CredentialError)) return `was answered with ${(error as Error).stack}`
    if (error.cause !== undefined) return 'has a cause'
    // The stack begins with the message and goes on with places in files.
    const part = holdsPartOf(error.message, token)
    return part === undefined ? undefined : `was answered with a part of itself: ${part} in ${error.message}`
  }
}

const odd: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  -1e308,
  1.5,
  '',
  'x',
  '\u0000',
  '__proto__',
  [],
  [[]],
  {},
  { a: 1 },
  ['a', 7, null],
  'x'.repeat(300),
  2 ** 60,
  '2030-01-01',
  Array(2_000).fill('g'),
]

function damaged(token: string, random: SeededRandom): string {
  const at = random.below(token.length)
  const letters = 'ABCabc019-_.+/=~ \n\u00e9\ud800'
  const letter = letters[random.below(letters.length)]
  switch (random.below(7)) {
    case 0:
      return token.slice(0, at)
    case 1:
      return token.slice(at)
    case 2:
      return token.slice(0, at) + letter + token.slice(at + 1)
    case 3:
      return token.slice(0, at) + letter + token.slice(at)
    case 4:
      return token + token
    case 5:
      return token.split('.').reverse().join('.')
    default:
      return token.slice(0, at) + token.slice(at + 1 + random.below(20))
  }
}

/** Of the same signature: the last character may hold bits that stand for nothing. */
function isOtherSpelling(given: string, token: string): boolean {
  const signed = token.slice(0, token.lastIndexOf('.') + 1)
  if (signed === '' || !given.startsWith(signed)) return false
  const [a, b] = [given, token].map((text) => Buffer.from(text.slice(signed.length), 'base64url'))
  return a.equals(b)
}

t.test('every algorithm is taken, with its own key only', async (t) => {
  const { chain, sign } = await setUp()
  for (const alg of signatureAlgorithms)
    t.equal(await outcome(chain.authenticate(await sign(alg))), 'user:ada', alg)
  for (const alg of signatureAlgorithms)
    for (const other of signatureAlgorithms) {
      const isSameKind = alg.slice(0, 2) === 'Ed' && other.slice(0, 2) === 'Ed'
      if (alg === other || isSameKind) continue
      const token = await sign(alg, {}, { kid: other })
      t.equal(await outcome(chain.authenticate(token)), 'BAD_SIGNATURE', `${alg} with the key of ${other}`)
    }
})

t.test('damaged credentials', async (t) => {
  const random = seededRandom(t)
  const { chain, sign, key } = await setUp()
  const sound = [
    key.token,
    await sign('EdDSA'),
    await sign('ES256'),
    await sign('RS256', { groups: ['a', 'b'] }),
  ]
  for (let run = 0; run < runs; run++) {
    const token = random.pick(sound)
    const given = damaged(token, random)
    if (sound.includes(given) || isOtherSpelling(given, token)) continue
    const complaintOfIt = await complaint(chain, given)
    if (complaintOfIt !== undefined) t.fail(`${JSON.stringify(given)} ${complaintOfIt}`)
  }
  t.pass(`${runs} runs`)
})

t.test('headers and claims of every kind, rightly signed', async (t) => {
  const random = seededRandom(t)
  const { chain, sign } = await setUp()
  const outcomes = new Map<string, number>()
  for (let run = 0; run < runs / 4; run++) {
    const claims: Record<string, unknown> = {}
    for (const name of [
      'iss',
      'aud',
      'sub',
      'exp',
      'nbf',
      'iat',
      'jti',
      'groups',
      'roles',
      'scope',
      'realm_access',
      '_claim_names',
    ])
      if (random.unit() < 0.2) claims[name] = random.pick(odd)
    const header: Record<string, unknown> = {}
    for (const name of ['typ', 'cty', 'crit', 'jku', 'x5c'])
      if (random.unit() < 0.05) header[name] = random.pick(odd)
    let token: string
    try {
      token = await sign('EdDSA', claims, header)
    } catch {
      // What the library refuses to sign is put together below, without a signature that fits.
      token = [{ alg: 'EdDSA', kid: 'EdDSA', ...header }, claims].map(encoded).concat('AAAA').join('.')
    }
    const found = await outcome(chain.authenticate(token))
    outcomes.set(found, (outcomes.get(found) ?? 0) + 1)
  }
  t.comment(JSON.stringify(Object.fromEntries(outcomes)))
  t.ok(
    (outcomes.get('user:ada') ?? 0) > 0 && outcomes.size > 5,
    'some are in order, others for many reasons not',
  )
})

t.test('headers and payloads that are no JSON objects, or deep ones', async (t) => {
  const { chain, sign } = await setUp()
  const [, payload, signature] = (await sign('EdDSA')).split('.')
  const deep = `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`
  const given = [
    ...odd.map((value) => `${encoded({ alg: 'EdDSA', kid: value })}.${payload}.AAAA`),
    ...odd.map((value) => `${encoded({ alg: value, kid: 'EdDSA' })}.${payload}.${signature}`),
    ...odd.map((value) => `${encoded({ alg: 'EdDSA' })}.${encoded(value)}.AAAA`),
    `${encodedText('{')}.${payload}.AAAA`,
    `${encodedText(deep)}.${payload}.AAAA`,
    `${encoded({ alg: 'EdDSA' })}.${encodedText(deep)}.AAAA`,
    `${encodedText('{"alg":"EdDSA","alg":"none"}')}.${payload}.${signature}`,
    `e.e.`,
    `ew.ew.ew`,
    `${encoded({ alg: 'EdDSA' })}.${payload}.${signature}.${signature}`,
    `${encoded({ alg: 'dir', enc: 'A128GCM' })}..AAAA.AAAA.AAAA`,
  ].filter((token) => token.length <= 16 * 1024)
  for (const token of given) t.equal(await complaint(chain, token), undefined, token.slice(0, 60))
})

t.test('whatever text, also of no shape', async (t) => {
  const random = seededRandom(t)
  const { chain } = await setUp()
  for (let run = 0; run < runs; run++) {
    const bytes = Buffer.from(random.bytes(random.below(200)))
    const text = bytes.toString(random.pick(['latin1', 'utf8', 'base64url', 'ucs2']))
    const token = random.pick(['', 'oct_', 'oct_abcdefghijklmnop_', 'eyJ', 'eyJhbGciOiJub25lIn0.']) + text
    const complaintOfIt = await complaint(chain, token)
    if (complaintOfIt !== undefined) t.fail(`${JSON.stringify(token)} ${complaintOfIt}`)
  }
  t.pass(`${runs} runs`)
})

t.test('how fast', async (t) => {
  const { chain, sign, key } = await setUp()
  const count = process.env.OCTOPUS_SOAK === '1' ? 20_000 : 200
  for (const [name, token] of [
    ['API key', key.token],
    ['EdDSA', await sign('EdDSA')],
    ['ES256', await sign('ES256')],
    ['RS256', await sign('RS256')],
  ]) {
    const before = process.cpuUsage()
    for (let i = 0; i < count; i += 20)
      await Promise.all(Array.from({ length: 20 }, () => chain.authenticate(token)))
    const { user, system } = process.cpuUsage(before)
    t.ok(user + system > 0)
    t.comment(`${name}: ${Math.round((count / (user + system)) * 1e6)} a second of one core`)
  }
})

function encoded(value: unknown): string {
  return encodedText(JSON.stringify(value))
}

function encodedText(text: string): string {
  return Buffer.from(text).toString('base64url')
}

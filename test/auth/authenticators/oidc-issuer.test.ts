/** Providers that lie, are slow, huge or elsewhere: no key of theirs is taken, nothing hangs, nothing grows. */
import { gzipSync } from 'node:zlib'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import t, { type Test } from 'tap'
import { OidcIssuer } from '../../../auth/authenticators/oidc-issuer.ts'
import { mayLeadTo, trustedUrlProblem } from '../../../auth/authenticators/trusted-url.ts'
import type { Fetch } from '../../../auth/ports.ts'
import { ManualTime } from '../../broker/manual-time.ts'
import { json, oddServer } from '../support/odd-server.ts'
import { refusal } from '../support/refusals.ts'

const DISCOVERY = '/.well-known/openid-configuration'
const COOLDOWN_MS = 10_000
const MAX_AGE_MS = 3_600_000
const OFFLINE_MS = 86_400_000
const TIMEOUT_MS = 5_000
const header = (kid: string) => ({ alg: 'ES256', kid })

async function publicJwk(kid: string): Promise<JWK> {
  const { publicKey } = await generateKeyPair('ES256')
  return { ...(await exportJWK(publicKey)), kid }
}

function issuerAt(issuer: string, fetch: Fetch = globalThis.fetch, jwksUri?: string) {
  const time = new ManualTime()
  const reports: string[] = []
  const config = {
    issuer,
    jwksUri,
    jwksMaxAgeMs: MAX_AGE_MS,
    jwksCooldownMs: COOLDOWN_MS,
    offlineMs: OFFLINE_MS,
    fetchTimeoutMs: TIMEOUT_MS,
  }
  const report = (sentence: string) => void reports.push(sentence)
  return { time, reports, issuer: new OidcIssuer(config, { fetch, clock: time, timers: time, report }) }
}

/** A provider whose discovery is in order. */
async function setUp(t: Test) {
  const server = await oddServer(t)
  server.answers[DISCOVERY] = json({ issuer: server.url, jwks_uri: `${server.url}/jwks` })
  server.answers['/jwks'] = json({ keys: [await publicJwk('a')] })
  return { server, ...issuerAt(server.url) }
}

t.test('a discovery document that is not that of the issuer', async (t) => {
  const { server, issuer, time, reports } = await setUp(t)
  const cases: [document: unknown, expected: RegExp][] = [
    [
      { issuer: 'https://elsewhere.example', jwks_uri: `${server.url}/jwks` },
      /is the document of another issuer/,
    ],
    [{ issuer: `${server.url}/`, jwks_uri: `${server.url}/jwks` }, /is the document of another issuer/],
    [{ jwks_uri: `${server.url}/jwks` }, /is the document of another issuer/],
    [{ issuer: server.url }, /names no jwks_uri that is https/],
    [{ issuer: server.url, jwks_uri: 'http://keys.example/jwks' }, /names no jwks_uri that is https/],
    [{ issuer: server.url, jwks_uri: 'file:///etc/passwd' }, /names no jwks_uri that is https/],
    [{ issuer: server.url, jwks_uri: ['x'] }, /names no jwks_uri that is https/],
    [[], /does not answer with a JSON object/],
    ['text', /does not answer with a JSON object/],
    [null, /does not answer with a JSON object/],
  ]
  for (const [document, expected] of cases) {
    server.answers[DISCOVERY] = json(document)
    t.match(await refusal(issuer.findKey(header('a'))), { code: 'UNAVAILABLE', retryAfterMs: COOLDOWN_MS })
    t.match(reports.pop(), expected)
    await time.advance(COOLDOWN_MS)
  }
  t.notOk(server.requests.includes('/jwks'), 'its keys were never asked for')
})

t.test('answers that are no answers', async (t) => {
  const { server, issuer, time, reports } = await setUp(t)
  const tenMegabytes = JSON.stringify({ keys: [], junk: 'x'.repeat(10 * 1024 * 1024) })
  const chunk = 'x'.repeat(64 * 1024)
  const cases: [why: string, answer: (typeof server.answers)[string], expected: RegExp][] = [
    ['a set of 10 MB', (_q, r) => r.end(tenMegabytes), /answers with more than 524288 bytes/],
    [
      'without an end',
      (_q, r) => {
        const more = () => {
          while (!r.destroyed && r.write(chunk));
          if (!r.destroyed) r.once('drain', more)
        }
        more()
      },
      /answers with more than 524288 bytes/,
    ],
    [
      'small on the wire, large when unpacked',
      (_q, r) => r.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(tenMegabytes)),
      /answers with more than 524288 bytes/,
    ],
    [
      'a redirect',
      (_q, r) => r.writeHead(302, { location: `${server.url}/other` }).end(),
      /redirect, which is not followed/,
    ],
    [
      'a permanent redirect',
      (_q, r) => r.writeHead(308, { location: `${server.url}/other` }).end(),
      /redirect/,
    ],
    ['an error', (_q, r) => r.writeHead(500).end('{"keys":[]}'), /answers with HTTP status 500/],
    ['no content', (_q, r) => r.writeHead(204).end(), /answers with HTTP status 204/],
    ['no JSON', (_q, r) => r.end('<html>secret</html>'), /does not answer with JSON$/],
    ['half of it', (_q, r) => r.end('{"keys": ['), /does not answer with JSON$/],
    [
      'cut off',
      (_q, r) => r.writeHead(200, { 'content-length': 100 }).write('{', () => r.destroy()),
      /cannot be reached/,
    ],
    ['no set', json({ keys: 'none' }), /is no JWK Set/],
    [
      'too many keys',
      json({ keys: Array.from({ length: 257 }, () => ({ kty: 'EC' })) }),
      /more than 256 keys/,
    ],
  ]
  for (const [why, answer, expected] of cases) {
    server.answers['/jwks'] = answer
    t.match(await refusal(issuer.findKey(header('a'))), { code: 'UNAVAILABLE' }, why)
    t.match(reports.pop(), expected, why)
    await time.advance(COOLDOWN_MS)
  }
  t.notOk(server.requests.includes('/other'))
  t.equal(time.timerCount, 0, 'no timer is left')
})

t.test('a provider that answers a byte at a time', async (t) => {
  const { server, issuer, time, reports } = await setUp(t)
  let hasBegun: () => void = () => undefined
  const begun = new Promise<void>((resolve) => {
    hasBegun = resolve
  })
  let closed: Promise<unknown> | undefined
  server.answers['/jwks'] = (_request, response) => {
    response.writeHead(200).write('{')
    closed = new Promise((resolve) => response.once('close', resolve))
    hasBegun()
  }
  const attempts = Array.from({ length: 100 }, () => refusal(issuer.findKey(header('a'))))
  await begun
  await time.advance(TIMEOUT_MS)
  for (const { code } of await Promise.all(attempts)) if (code !== 'UNAVAILABLE') t.fail(code)
  await closed
  t.same(reports, [
    `the keys of the issuer ${server.url} could not be fetched: ${server.url}/jwks did not answer in full within 5000 ms`,
  ])
  t.equal(
    server.requests.filter((path) => path === '/jwks').length,
    1,
    'asked once, given up, the socket closed',
  )
})

t.test('a fetch that never settles hangs nobody', async (t) => {
  const { issuer, time } = issuerAt('https://a.example', () => new Promise(() => undefined))
  const attempt = refusal(issuer.findKey(header('a')))
  await time.advance(TIMEOUT_MS)
  t.equal((await attempt).code, 'UNAVAILABLE')
})

t.test('keys that are none of ours are passed over', async (t) => {
  const { server, issuer } = await setUp(t)
  const good = await publicJwk('good')
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  server.answers['/jwks'] = json({
    keys: [
      null,
      7,
      'x',
      {},
      { kty: 'oct', k: 'c2VjcmV0', kid: 'secret' },
      { ...(await exportJWK(privateKey)), kid: 'private' },
      { kty: 'EC', crv: 'P-256', x: '!', y: '!', kid: 'broken' },
      { ...good, kid: 'for-encryption', use: 'enc' },
      { ...good, kid: 'other-algorithm', alg: 'ES384' },
      { kty: 'EC', crv: ['P-256'], kid: { a: 1 } },
      good,
    ],
  })
  t.equal((await issuer.findKey(header('good'))).type, 'public')
  for (const kid of ['secret', 'private', 'broken', 'for-encryption', 'other-algorithm', '__proto__'])
    t.match(await refusal(issuer.findKey(header(kid))), { code: 'UNAVAILABLE' }, kid)
})

t.test('a token that names no key', async (t) => {
  const { server, issuer, time } = await setUp(t)
  t.equal((await issuer.findKey({ alg: 'ES256' })).type, 'public', 'there is one')
  server.answers['/jwks'] = json({ keys: [await publicJwk('a'), await publicJwk('b')] })
  await time.advance(MAX_AGE_MS)
  t.match(await refusal(issuer.findKey({ alg: 'ES256' })), { code: 'BAD_SIGNATURE', message: /names no key/ })
})

t.test('where the keys are may be given, without discovery', async (t) => {
  const server = await oddServer(t)
  server.answers['/keys'] = json({ keys: [await publicJwk('a')] })
  const { issuer } = issuerAt('https://issuer.example', globalThis.fetch, `${server.url}/keys`)
  t.equal((await issuer.findKey(header('a'))).type, 'public')
  t.same(server.requests, ['/keys'])
})

t.test('a known key waits for nobody while the provider is known to be down', async (t) => {
  const { server, issuer, time } = await setUp(t)
  t.equal(issuer.hasAtHand(header('a')), false, 'nothing is fetched for that')
  await issuer.findKey(header('a'))
  t.equal(issuer.hasAtHand(header('a')), true)
  t.equal(issuer.hasAtHand(header('b')), false)
  t.equal(issuer.hasAtHand({ alg: 'ES256' }), false, 'what names none may need another fetch')
  let isAsked = 0
  server.answers['/jwks'] = () => {
    isAsked++
  }
  server.answers[DISCOVERY] = server.answers['/jwks']
  await time.advance(MAX_AGE_MS)
  t.equal(issuer.hasAtHand(header('a')), false, 'too old')
  const first = issuer.findKey(header('a'))
  while (isAsked === 0) await new Promise((resolve) => setImmediate(resolve))
  await time.advance(TIMEOUT_MS)
  t.equal((await first).type, 'public', 'the first one finds out')
  t.equal(issuer.hasAtHand(header('a')), true, 'they serve as they are now')
  await time.advance(COOLDOWN_MS)
  t.equal((await issuer.findKey(header('a'))).type, 'public', 'later ones go on while it is asked again')
  while (isAsked === 1) await new Promise((resolve) => setImmediate(resolve))
  await time.advance(TIMEOUT_MS)
})

t.test('which addresses are taken', async (t) => {
  for (const url of ['https://a.example/x?y=1', 'http://localhost:1', 'http://127.0.0.1', 'http://[::1]:2/x'])
    t.equal(trustedUrlProblem(url), undefined, url)
  for (const [url, problem] of [
    ['', /is no URL/],
    ['a.example', /is no URL/],
    ['http://a.example', /must be https/],
    ['http://127.0.0.1.evil.example', /must be https/],
    ['http://localhost.evil.example', /must be https/],
    ['http://0.0.0.0', /must be https/],
    ['ftp://localhost', /must be https/],
    ['https://u:p@a.example', /user name or a password/],
    ['https://a.example/#x', /fragment/],
  ] as const)
    t.match(trustedUrlProblem(url), problem, url)
  t.ok(mayLeadTo('https://a.example', 'https://b.example/jwks'))
  t.ok(mayLeadTo('http://127.0.0.1:1', 'http://localhost:2/jwks'))
  t.notOk(
    mayLeadTo('https://a.example', 'http://127.0.0.1:2/jwks'),
    'a stranger does not send the node to itself',
  )
  t.notOk(mayLeadTo('https://a.example', 'javascript:x'))
})

/** Introspection by servers that are wrong, slow, down or asked too much; what is remembered, and how long. */
import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import {
  IntrospectionAuthenticator,
  type IntrospectionConfig,
} from '../../../auth/authenticators/introspection.ts'
import { Revocations } from '../../../auth/authenticators/revocations.ts'
import type { Fetch } from '../../../auth/ports.ts'
import { ManualTime, settled } from '../../broker/manual-time.ts'
import { json, oddServer } from '../support/odd-server.ts'
import { outcome, refusal } from '../support/refusals.ts'
import { MemoryRevocations } from '../support/stores.ts'

const SECRET = 'the secret of this node: + % ü'
const URL_OF_NOBODY = 'https://auth.example/introspect'

function setUp(fields: Partial<IntrospectionConfig> = {}, fetch: Fetch = globalThis.fetch) {
  const time = new ManualTime()
  const reports: string[] = []
  const revocations = new Revocations(new MemoryRevocations(), time)
  const config: IntrospectionConfig = {
    url: URL_OF_NOBODY,
    clientId: 'octopus: a',
    clientSecret: SECRET,
    issuer: 'https://auth.example',
    audiences: ['octopus'],
    clockToleranceMs: 1_000,
    mapping: {
      principal: 'sub',
      groups: ['groups'],
      roles: ['roles'],
      prefix: 'globus/',
      foreignPrefixes: [],
      requiredScopes: [],
      scopePrefix: undefined,
    },
    timeoutMs: 5_000,
    cooldownMs: 1_000,
    cacheMaxMs: 60_000,
    cacheNegativeMs: 5_000,
    cacheEntriesMax: 10,
    sessionMaxMs: 3_600_000,
    ...fields,
  }
  const report = (sentence: string) => void reports.push(sentence)
  const authenticator = new IntrospectionAuthenticator(
    config,
    { fetch, clock: time, timers: time, report },
    revocations,
  )
  const seconds = () => time.nowMs() / 1000
  return { authenticator, time, reports, revocations, seconds }
}

/** A server in memory: what it is asked, and what it says. */
function answering(answer: (token: string) => unknown) {
  const asked: string[] = []
  const fetch: Fetch = async (_url, init) => {
    const token = new URLSearchParams(init.body as string).get('token') as string
    asked.push(token)
    return new Response(JSON.stringify(await answer(token)))
  }
  return { asked, fetch }
}

const sound = { active: true, sub: 'ada', aud: 'octopus', iss: 'https://auth.example' }

t.test('what is asked, and how', async (t) => {
  const server = await oddServer(t)
  let request = ''
  server.answers['/introspect'] = (incoming, response) => {
    const { authorization } = incoming.headers
    request = `${incoming.method} ${incoming.headers['content-type']} ${authorization} `
    incoming.on('data', (chunk) => {
      request += chunk
    })
    incoming.on('end', () =>
      json({ ...sound, groups: ['lab'], roles: ['admin', 'operator'] })(incoming, response),
    )
  }
  const { authenticator, time } = setUp({ url: `${server.url}/introspect` })
  t.same(await authenticator.authenticate('a+b/c=='), {
    principal: {
      name: 'globus/ada',
      isAnonymous: false,
      groups: ['globus/lab'],
      roles: ['globus/admin', 'globus/operator'],
    },
    method: 'introspection',
    expiresAtMs: time.nowMs() + 3_600_000,
    credentialId: `token:${createHash('sha256').update('a+b/c==').digest('base64url').slice(0, 22)}`,
    scope: undefined,
  })
  const basic = Buffer.from('octopus%3A+a:the+secret+of+this+node%3A+%2B+%25+%C3%BC').toString('base64')
  t.equal(
    request,
    `POST application/x-www-form-urlencoded Basic ${basic} token=a%2Bb%2Fc%3D%3D&token_type_hint=access_token`,
  )
})

t.test('what the server says of a token is checked', async (t) => {
  const now = 1_700_000_000
  const cases: [why: string, answer: unknown, expected: string][] = [
    ['sound', sound, 'user:globus/ada'],
    ['several audiences', { ...sound, aud: ['x', 'octopus'] }, 'user:globus/ada'],
    ['it names no issuer', { ...sound, iss: undefined }, 'user:globus/ada'],
    ['not active', { active: false }, 'REFUSED'],
    ['not active, but all else', { ...sound, active: false }, 'REFUSED'],
    ['another audience', { ...sound, aud: 'other' }, 'WRONG_AUDIENCE'],
    ['no audience', { ...sound, aud: undefined }, 'WRONG_AUDIENCE'],
    ['another issuer', { ...sound, iss: 'https://other.example' }, 'WRONG_ISSUER'],
    ['expired', { ...sound, exp: now - 2 }, 'EXPIRED'],
    ['expired within the tolerance', { ...sound, exp: now - 0.5 }, 'user:globus/ada'],
    ['not valid yet', { ...sound, nbf: now + 2 }, 'NOT_YET_VALID'],
    ['nobody', { ...sound, sub: undefined }, 'MALFORMED'],
    ['active as a text', { ...sound, active: 'true' }, 'UNAVAILABLE'],
    ['active as a number', { ...sound, active: 1 }, 'UNAVAILABLE'],
    ['says nothing', {}, 'UNAVAILABLE'],
    ['no object', [sound], 'UNAVAILABLE'],
    ['an expiry that is none', { ...sound, exp: 'soon' }, 'UNAVAILABLE'],
    ['a time of issue that is none', { ...sound, iat: {} }, 'UNAVAILABLE'],
  ]
  for (const [why, answer, expected] of cases) {
    const { authenticator } = setUp({}, answering(() => answer).fetch)
    t.equal(await outcome(authenticator.authenticate('token')), expected, why)
  }
})

t.test('a token is remembered as long as it lives, and no longer than the cache', async (t) => {
  const { asked, fetch } = answering((token) => ({
    ...sound,
    exp: 1_700_000_000 + (token === 'short' ? 30 : 600),
  }))
  const { authenticator, time } = setUp({}, fetch)
  const short = await authenticator.authenticate('short')
  t.equal(short.expiresAtMs, 1_700_000_031_000)
  await authenticator.authenticate('long')
  await time.advance(30_999)
  t.equal(await outcome(authenticator.authenticate('short')), 'user:globus/ada')
  t.equal(asked.length, 2)
  await time.advance(1)
  t.equal(await outcome(authenticator.authenticate('short')), 'EXPIRED')
  t.equal(await outcome(authenticator.authenticate('short')), 'EXPIRED', 'remembered, too')
  t.equal(asked.length, 3)
  await time.advance(28_999)
  await authenticator.authenticate('long')
  t.equal(asked.length, 3)
  await time.advance(1)
  await authenticator.authenticate('long')
  t.equal(asked.length, 4, 'after cacheMaxMs it is asked for anew')
})

t.test('a revocation over there is seen when the cache ends; one here at once', async (t) => {
  let isActive = true
  const { fetch } = answering(() => (isActive ? sound : { active: false }))
  const { authenticator, time, revocations } = setUp({}, fetch)
  await authenticator.authenticate('token')
  isActive = false
  await time.advance(59_999)
  t.equal(await outcome(authenticator.authenticate('token')), 'user:globus/ada')
  await time.advance(1)
  t.equal(await outcome(authenticator.authenticate('token')), 'REFUSED')
  isActive = true
  t.equal(await outcome(authenticator.authenticate('token')), 'REFUSED', 'for a moment')
  await time.advance(5_000)
  t.equal(await outcome(authenticator.authenticate('token')), 'user:globus/ada')
  await revocations.revokeUser('globus/ada')
  t.equal(await outcome(authenticator.authenticate('token')), 'REVOKED', 'it does not say when it was issued')
})

t.test('a flood of inventions pushes out no good token', async (t) => {
  const { asked, fetch } = answering((token) => (token === 'good' ? sound : { active: false }))
  const { authenticator } = setUp({}, fetch)
  await authenticator.authenticate('good')
  for (let i = 0; i < 100; i++) t.equal(await outcome(authenticator.authenticate(`invented-${i}`)), 'REFUSED')
  await authenticator.authenticate('good')
  t.equal(asked.length, 101)
})

t.test('so many questions at once, so many waiting, and the same one once', async (t) => {
  const open: (() => void)[] = []
  const { asked, fetch } = answering(() => new Promise((resolve) => open.push(() => resolve(sound))))
  const { authenticator } = setUp({ cacheEntriesMax: 10_000 }, fetch)
  const attempts = Array.from({ length: 2_000 }, (_, i) => outcome(authenticator.authenticate(`token-${i}`)))
  const again = outcome(authenticator.authenticate('token-0'))
  await settled()
  t.equal(asked.length, 16)
  let most = 0
  for (let answered = 0; answered < 1_016; answered++) {
    most = Math.max(most, open.length)
    open.shift()?.()
    await settled()
  }
  t.equal(most, 16)
  const outcomes = await Promise.all(attempts)
  t.equal(outcomes.filter((found) => found === 'user:globus/ada').length, 1_016)
  t.equal(outcomes.filter((found) => found === 'UNAVAILABLE').length, 984)
  t.equal(await again, 'user:globus/ada')
  t.equal(asked.length, 1_016)
  t.equal(new Set(asked).size, 1_016)
})

t.test('a server that is down, slow or refuses us is left alone for a moment', async (t) => {
  const server = await oddServer(t)
  const { authenticator, time, reports } = setUp({ url: `${server.url}/introspect` })
  const good = json(sound)
  const cases: [why: string, answer: (typeof server.answers)[string], said: RegExp][] = [
    ['an error', json({}, 500), /answers with HTTP status 500$/],
    ['it does not know us', json({ error: SECRET }, 401), /answers with HTTP status 401$/],
    ['too much', json({}, 429), /answers with HTTP status 429$/],
    [
      'elsewhere',
      (_q, r) => r.writeHead(307, { location: `${server.url}/thief` }).end(),
      /answers with a redirect/,
    ],
    ['garbage', (_q, r) => r.end('<html>'), /does not answer with JSON$/],
    ['no sense', json({ active: 'yes' }), /does not say whether a token is active$/],
    [
      'large',
      (_q, r) => r.end(JSON.stringify({ ...sound, junk: 'x'.repeat(70_000) })),
      /more than 65536 bytes$/,
    ],
    ['cut off', (_q, r) => r.destroy(), /cannot be reached/],
  ]
  for (const [why, answer, said] of cases) {
    server.answers['/introspect'] = answer
    const before = server.requests.length
    t.match(
      await refusal(authenticator.authenticate(`token-${before}`)),
      { code: 'UNAVAILABLE', retryAfterMs: 1_000 },
      why,
    )
    t.equal(await outcome(authenticator.authenticate('other')), 'UNAVAILABLE')
    t.equal(server.requests.length, before + 1, 'the second was not asked for')
    t.match(reports, [said])
    t.notMatch(reports.pop(), SECRET)
    server.answers['/introspect'] = good
    await time.advance(1_000)
    t.equal(
      await outcome(authenticator.authenticate(`token-${before}`)),
      'user:globus/ada',
      'afterwards it is',
    )
  }
  t.notOk(server.requests.includes('/thief'))

  let isAsked: () => void = () => undefined
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve
  })
  server.answers['/introspect'] = (_request, response) => {
    response.writeHead(200).write('{"active"')
    isAsked()
  }
  const slow = refusal(authenticator.authenticate('slow'))
  await asked
  await time.advance(5_000)
  t.equal((await slow).code, 'UNAVAILABLE')
  t.match(reports, [/did not answer in full within 5000 ms$/])
})

t.test('what one token is refused for does not close the others out', async (t) => {
  const server = await oddServer(t)
  const { authenticator, reports } = setUp({ url: `${server.url}/introspect` })
  server.answers['/introspect'] = json({ error: 'invalid_request' }, 400)
  t.equal(await outcome(authenticator.authenticate('strange')), 'UNAVAILABLE')
  server.answers['/introspect'] = json(sound)
  t.equal(await outcome(authenticator.authenticate('other')), 'user:globus/ada')
  t.same(reports, [])
})

t.test('which credentials are taken for opaque tokens', async (t: Test) => {
  const { authenticator } = setUp()
  for (const token of ['AgB-_.~+/x==', 'a', 'ya29.a0AfH6', 'a.b.c.d.e'])
    t.ok(authenticator.matches(token), token)
  for (const token of ['', '=', 'a=b', 'a b', 'ä', 'oct_abc', 'a"b', 'a\n'])
    t.notOk(authenticator.matches(token), token)
  t.equal(await outcome(authenticator.authenticate('x'.repeat(17_000))), 'TOO_LARGE')
})

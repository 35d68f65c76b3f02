/**
 * Tokens of a real OpenID provider on loopback: what it issues is taken, what attackers make of it is not, and what
 * becomes of both when it changes its keys or goes away.
 */
import { createHash, createPublicKey } from 'node:crypto'
import { decodeJwt, importJWK, type JWK, SignJWT, UnsecuredJWT } from 'jose'
import t, { type Test } from 'tap'
import { IntrospectionAuthenticator } from '../../auth/authenticators/introspection.ts'
import { JwtAuthenticator, type SignatureAlgorithm } from '../../auth/authenticators/jwt.ts'
import { OidcIssuer } from '../../auth/authenticators/oidc-issuer.ts'
import { Revocations } from '../../auth/authenticators/revocations.ts'
import { identifyByClaims } from '../../auth/claims.ts'
import { AUDIENCE, CLIENT_ID, CLIENT_SECRET, newJwk, ProviderServer } from './support/provider-server.ts'
import { outcome, refusal } from './support/refusals.ts'
import { MemoryRevocations, MovedClock } from './support/stores.ts'

const HOUR_MS = 3_600_000
const COOLDOWN_MS = 10_000
const TOLERANCE_MS = 5_000
const mapping = {
  principal: 'sub',
  groups: ['groups'],
  roles: [],
  prefix: '',
  foreignPrefixes: [],
  requiredScopes: [],
  scopePrefix: 'octopus.',
}
const realTimers = {
  after(delayMs: number, run: () => void) {
    const timer = setTimeout(run, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

async function setUp(t: Test, algorithms: readonly SignatureAlgorithm[] = ['ES256']) {
  const provider = await ProviderServer.start()
  t.teardown(() => provider.stop())
  const clock = new MovedClock()
  const reports: string[] = []
  const revocations = new Revocations(new MemoryRevocations(), clock)
  const ports = {
    fetch,
    clock,
    timers: realTimers,
    report: (sentence: string) => void reports.push(sentence),
  }
  const issuer = new OidcIssuer(
    {
      issuer: provider.issuer,
      jwksUri: undefined,
      jwksMaxAgeMs: HOUR_MS,
      jwksCooldownMs: COOLDOWN_MS,
      offlineMs: 24 * HOUR_MS,
      fetchTimeoutMs: 5_000,
    },
    ports,
  )
  const authenticator = new JwtAuthenticator(
    [
      {
        issuer: provider.issuer,
        method: 'oidc',
        audiences: [AUDIENCE],
        algorithms,
        type: 'at+jwt',
        clockToleranceMs: TOLERANCE_MS,
        keys: issuer,
        identify: (claims) => identifyByClaims(mapping, claims),
        hasOwnTokenIds: false,
      },
    ],
    revocations,
    clock,
  )
  return { provider, clock, authenticator, revocations, reports, ports }
}

/** What the provider signed, signed anew by somebody else or with other claims. */
async function forge(
  token: string,
  key: JWK,
  claims: Record<string, unknown> = {},
  header = {},
): Promise<string> {
  return new SignJWT({ ...decodeJwt(token), ...claims })
    .setProtectedHeader({ alg: key.alg as string, typ: 'at+jwt', kid: key.kid as string, ...header })
    .sign(await importJWK(key, key.alg as string))
}

t.test('a token of the provider names who it is for, until when, and for what', async (t) => {
  const { provider, authenticator } = await setUp(t)
  const token = await provider.token({ scope: 'octopus.read:topic:lab.* other' })
  const identity = await authenticator.authenticate(token)
  const { exp, jti } = decodeJwt(token)
  t.same(identity, {
    principal: { name: CLIENT_ID, isAnonymous: false, groups: [], roles: [] },
    method: 'oidc',
    expiresAtMs: (exp as number) * 1000 + TOLERANCE_MS,
    credentialId: `token:${createHash('sha256').update(`${provider.issuer}\n${jti}`).digest('base64url').slice(0, 22)}`,
    scope: [{ operations: ['read'], resource: { type: 'topic', name: 'lab.', match: 'prefix' } }],
  })
  await authenticator.authenticate(token)
  t.equal(provider.count('/.well-known/openid-configuration'), 1, 'found once')
  t.equal(provider.count('/jwks'), 1, 'the keys were fetched once')
})

t.test('what attackers make of a token is not taken', async (t) => {
  const { provider, authenticator, clock } = await setUp(t)
  const token = await provider.token()
  const [own] = provider.keys
  const foreign = await newJwk(own.kid as string)
  const now = Math.floor(clock.nowMs() / 1000)
  const { issuer } = provider
  const [header, payload, signature] = token.split('.')
  // The oldest trick: the public key, which everybody has, as the secret of a symmetric signature.
  const publicPem = createPublicKey({ key: own as never, format: 'jwk' }).export({
    type: 'spki',
    format: 'pem',
  })
  const asSecret = (alg: string) =>
    new SignJWT(decodeJwt(token))
      .setProtectedHeader({ alg, typ: 'at+jwt', kid: own.kid as string })
      .sign(Buffer.from(publicPem as string))
  const unsigned = new UnsecuredJWT(decodeJwt(token)).encode()
  const cases: [why: string, token: string, expected: string][] = [
    ['signed anew by the provider itself', await forge(token, own), `user:${CLIENT_ID}`],
    ['alg none', unsigned, 'BAD_ALGORITHM'],
    [
      'alg None with a signature',
      `${encoded({ alg: 'None', kid: own.kid })}.${payload}.${signature}`,
      'BAD_ALGORITHM',
    ],
    ['HS256 with the public key as its secret', await asSecret('HS256'), 'BAD_ALGORITHM'],
    ['HS512 with the public key as its secret', await asSecret('HS512'), 'BAD_ALGORITHM'],
    ['an algorithm that is not allowed', await forge(token, await newJwk('first', 'ES384')), 'BAD_ALGORITHM'],
    ['a stranger’s key under the same name', await forge(token, foreign), 'BAD_SIGNATURE'],
    [
      'the key brought along',
      await forge(token, foreign, {}, { jwk: { kty: 'EC' }, jku: `${issuer}/evil` }),
      'BAD_SIGNATURE',
    ],
    ['no signature', `${header}.${payload}.`, 'BAD_SIGNATURE'],
    [
      'another payload',
      `${header}.${encoded({ ...decodeJwt(token), sub: 'root' })}.${signature}`,
      'BAD_SIGNATURE',
    ],
    [
      'an extension we do not know',
      `${encoded({ alg: 'ES256', typ: 'at+jwt', kid: own.kid, crit: ['x'], x: 1 })}.${payload}.${signature}`,
      'MALFORMED',
    ],
    ['another audience', await provider.token({ audience: 'urn:other:service' }), 'WRONG_AUDIENCE'],
    ['an audience that only begins so', await forge(token, own, { aud: `${AUDIENCE}x` }), 'WRONG_AUDIENCE'],
    [
      'an audience that is no text',
      await forge(token, own, { aud: [[AUDIENCE]] as never }),
      'WRONG_AUDIENCE',
    ],
    ['a foreign issuer', await forge(token, own, { iss: 'https://elsewhere.example' }), 'WRONG_ISSUER'],
    ['an issuer spelt with a slash', await forge(token, own, { iss: `${issuer}/` }), 'WRONG_ISSUER'],
    ['an issuer that is no text', await forge(token, own, { iss: [issuer] }), 'WRONG_ISSUER'],
    ['the name of a property of objects', await forge(token, own, { iss: '__proto__' }), 'WRONG_ISSUER'],
    ['of another type', await forge(token, own, {}, { typ: 'JWT' }), 'REFUSED'],
    ['expired', await forge(token, own, { exp: now - 6 }), 'EXPIRED'],
    ['expired within the tolerance', await forge(token, own, { exp: now - 2 }), `user:${CLIENT_ID}`],
    ['never expiring', await forge(token, own, { exp: undefined }), 'MALFORMED'],
    ['an expiry that is no number', await forge(token, own, { exp: '9999999999' }), 'MALFORMED'],
    ['not valid yet', await forge(token, own, { nbf: now + 30 }), 'NOT_YET_VALID'],
    ['valid in a moment', await forge(token, own, { nbf: now + 3 }), `user:${CLIENT_ID}`],
    ['issued in the future', await forge(token, own, { iat: now + 30 }), 'NOT_YET_VALID'],
    ['without a user', await forge(token, own, { sub: undefined }), 'MALFORMED'],
    ['for a user that breaks a line', await forge(token, own, { sub: 'a\nb' }), 'MALFORMED'],
    ['for this node’s administrator', await forge(token, own, { sub: 'admin' }), 'REFUSED'],
    ['of a size nobody needs', await forge(token, own, { junk: 'x'.repeat(17 * 1024) }), 'TOO_LARGE'],
  ]
  for (const [why, given, expected] of cases)
    t.equal(await outcome(authenticator.authenticate(given)), expected, why)
  t.equal(provider.count('/jwks'), 1, 'none of it had the keys fetched')
  t.notOk(provider.requests.includes('/evil'), 'nor anything else')
})

t.test('clocks that differ', async (t) => {
  const { provider, authenticator, clock } = await setUp(t)
  const token = await provider.token()
  const at = async (movedMs: number) => {
    clock.movedMs = movedMs
    return outcome(authenticator.authenticate(token))
  }
  t.equal(await at(-3_000), `user:${CLIENT_ID}`, 'ours is a little late')
  t.equal(await at(-60_000), 'NOT_YET_VALID', 'ours is much too late')
  t.equal(await at(590_000), `user:${CLIENT_ID}`)
  t.equal(await at(603_000), `user:${CLIENT_ID}`, 'ours is a little early')
  t.equal(await at(606_500), 'EXPIRED', 'over, tolerance included')
})

t.test('keys that are rotated while in use', async (t) => {
  const { provider, authenticator, clock } = await setUp(t)
  const [first, second] = [provider.keys[0], await newJwk('second')]
  const old = await provider.token()
  t.equal(await outcome(authenticator.authenticate(old)), `user:${CLIENT_ID}`)

  provider.useKeys([second, first])
  const next = await provider.token()
  const early = await refusal(authenticator.authenticate(next))
  t.equal(early.code, 'UNAVAILABLE', 'the keys were fetched a moment ago')
  t.ok(early.retryAfterMs !== undefined && early.retryAfterMs <= COOLDOWN_MS, 'and can be fetched again soon')
  clock.movedMs += COOLDOWN_MS
  t.equal(await outcome(authenticator.authenticate(next)), `user:${CLIENT_ID}`, 'the new key is found')
  t.equal(
    await outcome(authenticator.authenticate(old)),
    `user:${CLIENT_ID}`,
    'the old one is still published',
  )
  t.equal(provider.count('/jwks'), 2)
  t.equal(provider.count('/.well-known/openid-configuration'), 1)

  provider.useKeys([second])
  clock.movedMs += COOLDOWN_MS
  const unknown = await forge(next, await newJwk('third'))
  t.equal(await outcome(authenticator.authenticate(unknown)), 'BAD_SIGNATURE', 'a key that is nowhere')
  clock.movedMs += 1
  t.equal(await outcome(authenticator.authenticate(old)), 'UNAVAILABLE', 'a key withdrawn there ends here')
  clock.movedMs += COOLDOWN_MS
  t.equal(await outcome(authenticator.authenticate(old)), 'BAD_SIGNATURE')
  t.equal(await outcome(authenticator.authenticate(await provider.token())), `user:${CLIENT_ID}`)
})

t.test('a storm of tokens with keys nobody has makes one fetch a cool-down', async (t) => {
  const { provider, authenticator, clock } = await setUp(t)
  const token = await provider.token()
  await authenticator.authenticate(token)
  const [, payload, signature] = token.split('.')
  const invented = (i: number) =>
    `${encoded({ alg: 'ES256', typ: 'at+jwt', kid: `key-${i}` })}.${payload}.${signature}`
  for (let round = 1; round <= 2; round++) {
    clock.movedMs += COOLDOWN_MS
    const outcomes = new Set<string>()
    const attempts = Array.from({ length: 10_000 }, (_, i) =>
      outcome(authenticator.authenticate(invented(i))),
    )
    for (const attempt of attempts) outcomes.add(await attempt)
    t.same([...outcomes], ['BAD_SIGNATURE'], 'those that came together wait for one fetch')
    t.equal(await outcome(authenticator.authenticate(invented(-1))), 'UNAVAILABLE', 'later ones do not')
    t.equal(provider.count('/jwks'), 1 + round)
    t.equal(await outcome(authenticator.authenticate(token)), `user:${CLIENT_ID}`, 'a known key goes on')
  }
})

t.test('a provider that is down', async (t) => {
  const { provider, authenticator, clock, reports } = await setUp(t)
  const [first, second] = [provider.keys[0], await newJwk('second')]
  const token = await provider.token()
  await provider.down()
  const early = await refusal(authenticator.authenticate(token))
  t.equal(early.code, 'UNAVAILABLE', 'nothing is taken before the keys were there once')
  await provider.up()
  t.equal(await outcome(authenticator.authenticate(token)), 'UNAVAILABLE', 'it is left alone for a moment')
  clock.movedMs += COOLDOWN_MS
  t.equal(await outcome(authenticator.authenticate(token)), `user:${CLIENT_ID}`)

  await provider.down()
  /** What the provider would sign later: our clock moves, its own does not. */
  const later = (key: JWK) => {
    const now = Math.floor(clock.nowMs() / 1000)
    return forge(token, key, { iat: now, exp: now + 60 })
  }
  clock.movedMs += HOUR_MS + 1
  t.equal(
    await outcome(authenticator.authenticate(await later(first))),
    `user:${CLIENT_ID}`,
    'known keys are good on',
  )
  t.equal(
    await outcome(authenticator.authenticate(await later(second))),
    'UNAVAILABLE',
    'an unknown one is not',
  )
  clock.movedMs += 24 * HOUR_MS - 2
  t.equal(
    await outcome(authenticator.authenticate(await later(first))),
    `user:${CLIENT_ID}`,
    'until offlineMs are over',
  )
  clock.movedMs += COOLDOWN_MS
  t.equal(await outcome(authenticator.authenticate(await later(first))), 'UNAVAILABLE', 'then it is closed')
  t.match(
    reports[0],
    /^the keys of the issuer \S+ could not be fetched: \S+ cannot be reached \(ECONNREFUSED\)$/,
  )

  await provider.up()
  provider.useKeys([second])
  clock.movedMs += COOLDOWN_MS
  t.equal(
    await outcome(authenticator.authenticate(await later(second))),
    `user:${CLIENT_ID}`,
    'back, with other keys',
  )
  t.equal(await outcome(authenticator.authenticate(await later(first))), 'UNAVAILABLE')
  clock.movedMs += COOLDOWN_MS
  t.equal(await outcome(authenticator.authenticate(await later(first))), 'BAD_SIGNATURE')
})

t.test('a signed token that was revoked here is not replayed, however it is spelt', async (t) => {
  const { provider, authenticator, revocations } = await setUp(t)
  const token = await provider.token()
  const { credentialId, expiresAtMs } = await authenticator.authenticate(token)
  await revocations.revokeToken((credentialId as string).slice('token:'.length), expiresAtMs as number)
  t.equal(await outcome(authenticator.authenticate(token)), 'REVOKED')
  t.equal(
    await outcome(authenticator.authenticate(await forge(token, provider.keys[0]))),
    'REVOKED',
    'signed again',
  )
  t.equal(
    await outcome(authenticator.authenticate(await provider.token())),
    `user:${CLIENT_ID}`,
    'others go on',
  )
  await revocations.revokeUser(CLIENT_ID)
  t.equal(
    await outcome(authenticator.authenticate(await provider.token())),
    'REVOKED',
    'all of the user until now',
  )
})

t.test('opaque tokens: introspection by the provider', async (t) => {
  const { provider, clock, revocations, reports, ports } = await setUp(t)
  provider.useKeys(provider.keys, 'opaque')
  const authenticator = new IntrospectionAuthenticator(
    {
      url: provider.introspectionUrl,
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      issuer: provider.issuer,
      audiences: [AUDIENCE],
      clockToleranceMs: TOLERANCE_MS,
      mapping: { ...mapping, principal: 'client_id' },
      timeoutMs: 5_000,
      cooldownMs: 1_000,
      cacheMaxMs: 60_000,
      cacheNegativeMs: 5_000,
      cacheEntriesMax: 100,
      sessionMaxMs: HOUR_MS,
    },
    ports,
    revocations,
  )
  const asked = () => provider.count('/token/introspection')
  const token = await provider.token({ scope: 'octopus.read:topic:lab.*' })
  const identity = await authenticator.authenticate(token)
  t.match(identity, {
    principal: { name: CLIENT_ID, isAnonymous: false },
    method: 'introspection',
    credentialId: /^token:[\w-]{22}$/,
    scope: [{ operations: ['read'] }],
  })
  t.ok(
    (identity.expiresAtMs as number) <= clock.nowMs() + 600_000 + TOLERANCE_MS,
    'no longer than the token lives',
  )
  await Promise.all(Array.from({ length: 100 }, () => authenticator.authenticate(token)))
  t.equal(asked(), 1, 'asked once')

  const other = await provider.token({ audience: 'urn:other:service' })
  t.equal(await outcome(authenticator.authenticate(other)), 'WRONG_AUDIENCE')
  t.equal(await outcome(authenticator.authenticate('invented')), 'REFUSED')
  t.equal(await outcome(authenticator.authenticate('invented')), 'REFUSED')
  t.equal(asked(), 3, 'that a token is none is remembered a moment')

  await provider.revoke(token)
  t.equal(await outcome(authenticator.authenticate(token)), `user:${CLIENT_ID}`, 'at most as long as cached')
  clock.movedMs += 60_000
  t.equal(
    await outcome(authenticator.authenticate(token)),
    'REFUSED',
    'then the revocation over there is seen',
  )

  const cached = await provider.token()
  const fresh = await provider.token()
  t.equal(await outcome(authenticator.authenticate(cached)), `user:${CLIENT_ID}`)
  await provider.down()
  t.equal(await outcome(authenticator.authenticate(cached)), `user:${CLIENT_ID}`, 'what is cached goes on')
  const closed = await refusal(authenticator.authenticate(fresh))
  t.match(closed, { code: 'UNAVAILABLE', retryAfterMs: 1_000 }, 'what is new is not taken')
  t.equal(reports.length, 1)
  await provider.up()
  clock.movedMs += 1_000
  t.equal(await outcome(authenticator.authenticate(fresh)), `user:${CLIENT_ID}`)

  const { credentialId, expiresAtMs } = await authenticator.authenticate(fresh)
  await revocations.revokeToken((credentialId as string).slice('token:'.length), expiresAtMs as number)
  t.equal(await outcome(authenticator.authenticate(fresh)), 'REVOKED', 'revoked here, at once')
})

function encoded(json: unknown): string {
  return Buffer.from(JSON.stringify(json)).toString('base64url')
}

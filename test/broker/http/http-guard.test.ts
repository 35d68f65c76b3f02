/** The HTTP side of the port: what is open, who may see the rest, and what strangers are told. */
import pino from 'pino'
import t from 'tap'
import { CredentialError } from '../../../auth/credential-error.ts'
import { anonymousIdentity, type Identity } from '../../../auth/identity.ts'
import { httpGuard } from '../../../broker/http/http-guard.ts'
import { httpHandler } from '../../../broker/http/http-handler.ts'
import { BrowserPages } from '../../../broker/server/browser-pages.ts'
import type { HttpRequest } from '../../../broker/transport/transport.ts'

const GOOD = 'good-token'

function setUp(options: { isAnonymousAllowed?: boolean; sees?: (identity: Identity) => boolean } = {}) {
  const asked: string[] = []
  const identity: Identity = {
    ...anonymousIdentity,
    principal: { ...anonymousIdentity.principal, name: 'ada', isAnonymous: false },
  }
  const guard = httpGuard({
    identify: async (token, address) => {
      asked.push(`${token} ${address}`)
      if (token === GOOD) return identity
      if (token === 'slow') throw new CredentialError('THROTTLED', 'wait 1500 ms', 1_500)
      if (token === 'down') throw new CredentialError('UNAVAILABLE', 'the server does not answer')
      if (token === 'bug') throw new TypeError('unexpected')
      throw new CredentialError('REFUSED', 'not known here')
    },
    mayDescribeCluster: options.sees ?? (({ principal }) => !principal.isAnonymous),
    isAnonymousAllowed: options.isAnonymousAllowed ?? false,
  })
  const handler = httpHandler({
    readiness: { reason: () => undefined } as never,
    disk: { state: 'ok', reason: '' } as never,
    metrics: { contentType: 'text/plain', text: async () => 'octopus_topics 1\n' },
    jwks: () => ({ keys: [{ kty: 'OKP', kid: 'k' }] }),
    pages: new BrowserPages([]),
    guard,
    logger: pino({ level: 'silent' }),
  })
  const get = async (path: string, authorization = '', method = 'GET') => {
    const request: HttpRequest = {
      method,
      path,
      query: `access_token=${GOOD}`,
      header: (name) => (name === 'authorization' ? authorization : ''),
      remoteAddress: '192.0.2.1',
    }
    const { status, headers, body } = await handler(request)
    return { status, headers, body }
  }
  return { get, asked }
}

t.test('open are whether it lives, and the public keys', async (t) => {
  const { get, asked } = setUp()
  t.match(await get('/healthz'), { status: 200, body: 'alive\n' })
  t.match(await get('/.well-known/jwks.json'), {
    status: 200,
    headers: { 'content-type': 'application/jwk-set+json' },
    body: '{"keys":[{"kty":"OKP","kid":"k"}]}',
  })
  t.equal((await get('/healthz', 'Bearer wrong')).status, 200, 'a credential there is not looked at')
  t.same(asked, [])
})

t.test('the rest is for who may see the cluster', async (t) => {
  const { get, asked } = setUp()
  for (const path of ['/', '/readyz', '/metrics', '/nothing', '/healthz/', '/.well-known/jwks.json/']) {
    t.match(
      await get(path),
      {
        status: 401,
        headers: { 'www-authenticate': 'Bearer realm="octopus"', 'cache-control': 'no-store' },
        body: 'Say who you are: Authorization: Bearer, and an API key or a token.\n',
      },
      `${path}, also with a token in the address`,
    )
  }
  t.same(asked, [])
  t.match(await get('/metrics', `Bearer ${GOOD}`), { status: 200, body: 'octopus_topics 1\n' })
  t.match(await get('/readyz', `bearer  ${GOOD} `), { status: 200 })
  t.match(await get('/nothing', `Bearer ${GOOD}`), { status: 404 })
  t.same(new Set(asked), new Set([`${GOOD} 192.0.2.1`]))
})

t.test('what is wrong with a credential', async (t) => {
  const { get } = setUp()
  for (const header of ['Basic abc', 'Bearer', 'Bearer ', `Bearer a b`, GOOD])
    t.match(await get('/metrics', header), {
      status: 401,
      body: 'The header Authorization must be: Bearer, and an API key or a token.\n',
    })
  t.match(await get('/metrics', 'Bearer wrong'), {
    status: 401,
    headers: { 'www-authenticate': 'Bearer realm="octopus"' },
    body: 'not known here\n',
  })
  t.match(await get('/metrics', 'Bearer slow'), {
    status: 429,
    headers: { 'retry-after': '2' },
    body: 'wait 1500 ms\n',
  })
  t.match(await get('/metrics', 'Bearer down'), { status: 503, headers: { 'retry-after': '1' } })
  t.match(await get('/metrics', 'Bearer bug'), {
    status: 500,
    body: 'The server met an error it did not expect.\n',
  })
})

t.test('who is known may still not see it', async (t) => {
  const { get } = setUp({ sees: () => false })
  t.match(await get('/metrics', `Bearer ${GOOD}`), {
    status: 403,
    body: 'This takes the right to describe the cluster.\n',
  })
})

t.test('without a credential, where anonymous ones may come', async (t) => {
  t.equal((await setUp({ isAnonymousAllowed: true }).get('/metrics')).status, 403)
  const { get } = setUp({ isAnonymousAllowed: true, sees: () => true })
  t.equal((await get('/metrics')).status, 200, 'if the rules let them see the cluster')
  t.equal((await get('/metrics', 'Bearer wrong')).status, 401, 'a wrong credential is not taken for none')
})

/** Which web pages may use the broker: the rule, and what HTTP makes of it. */
import { pino } from 'pino'
import t from 'tap'
import { httpHandler } from '../../../broker/http/http-handler.ts'
import { Readiness } from '../../../broker/readiness.ts'
import { BrowserPages } from '../../../broker/server/browser-pages.ts'

const LAB = 'https://lab.example.edu'
const pages = new BrowserPages([LAB, 'http://localhost:3000'])

t.test('an origin counts whole, byte for byte', async (t) => {
  for (const origin of ['', LAB, 'http://localhost:3000']) t.equal(pages.refusal(origin), undefined, origin)
  for (const origin of [
    'http://lab.example.edu',
    'https://lab.example.edu:8443',
    'https://lab.example.edu.evil.example',
    'https://evil.example/https://lab.example.edu',
    'https://lab.example.edu/',
    'https://LAB.example.edu',
    'http://localhost',
    'http://127.0.0.1:3000',
    '*',
    // Several headers, as the transport hands them on.
    `${LAB}, https://evil.example`,
    `${LAB}, ${LAB}`,
    `${LAB} `,
  ])
    t.match(pages.refusal(origin), /^A page of .+ may not use this broker; whoever runs it can allow that/)
  t.match(pages.refusal('null'), /^A page without an origin of its own/)
  t.equal(new BrowserPages(['null']).refusal('null')?.startsWith('A page without'), undefined)
  t.ok((pages.refusal('x'.repeat(10_000)) ?? '').length < 400, 'what is repeated has a bound')
  t.match(new BrowserPages([]).refusal('http://localhost'), /^A page of http:\/\/localhost may not/)
})

t.test('HTTP', async (t) => {
  const readiness = new Readiness()
  readiness.started()
  const handler = httpHandler({
    readiness,
    disk: { state: 'ok', reason: undefined },
    metrics: { contentType: 'text/plain', text: async () => 'figures' },
    pages,
    jwks: () => ({ keys: [] }),
    guard: async () => undefined,
    logger: pino({ level: 'silent' }),
  })
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    handler({ method, path, query: '', header: (name) => headers[name] ?? '', remoteAddress: '127.0.0.1' })

  for (const path of ['/healthz', '/readyz', '/metrics', '/', '/nowhere']) {
    const refused = await ask(path, { origin: 'https://evil.example' })
    t.equal(refused.status, 403, path)
    t.notOk(refused.headers['access-control-allow-origin'])
    const plain = await ask(path)
    t.equal(plain.status, path === '/nowhere' ? 404 : 200)
    t.notOk('access-control-allow-origin' in plain.headers)
    const allowed = await ask(path, { origin: LAB })
    t.equal(allowed.status, plain.status)
    t.equal(allowed.body, plain.body)
    t.same(allowed.headers, { ...plain.headers, 'access-control-allow-origin': LAB, vary: 'Origin' })
  }

  const asked = { 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' }
  t.same(await ask('/metrics', { origin: LAB, ...asked }, 'OPTIONS'), {
    status: 204,
    headers: {
      'access-control-allow-origin': LAB,
      vary: 'Origin',
      'access-control-allow-methods': 'GET, HEAD',
      'access-control-allow-headers': 'Authorization',
    },
    body: '',
  })
  t.equal((await ask('/metrics', { origin: 'https://evil.example', ...asked }, 'OPTIONS')).status, 403)
  t.equal((await ask('/metrics', asked, 'OPTIONS')).status, 405, 'no browser asks without an origin')
  t.equal((await ask('/metrics', { origin: LAB }, 'OPTIONS')).status, 405)
  t.equal((await ask('/metrics', { origin: LAB }, 'POST')).status, 405)
})

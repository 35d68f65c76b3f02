/**
 * Cross-site WebSocket hijacking: somebody who may reach the broker opens a page of somebody else, and the page opens a
 * WebSocket to the broker in his place. Tried with the header a browser sends, and where there is one with a real
 * browser, which nobody can tell what to send.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { SUBPROTOCOL } from '../../../client/protocol/frame.ts'
import { BrokerProcess } from '../../support/broker-process.ts'
import { chromium, requireTool } from '../../support/tools.ts'

/** A web site that serves one page everywhere and keeps what the page tells it. */
async function site(t: Test, page: () => string) {
  let tell: (outcome: string) => void = () => {}
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://site')
    if (url.pathname === '/outcome') tell(url.searchParams.get('is') ?? '')
    response.setHeader('content-type', 'text/html')
    response.end(url.pathname === '/' ? page() : '')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, outcome: () => new Promise<string>((resolve) => (tell = resolve)) }
}

/** Tries the socket, and HTTP with and without a credential (which a browser asks first for), and tells its own site. */
function page(broker: BrokerProcess): string {
  return `<!doctype html><script type="module">
    const socket = new WebSocket(${JSON.stringify(broker.url)}, ${JSON.stringify(SUBPROTOCOL)})
    const opened = await new Promise((done) => {
      socket.onopen = () => done('opened')
      socket.onclose = (event) => done('closed ' + event.code)
    })
    const read = (headers) => fetch(${JSON.stringify(`${broker.httpUrl}/healthz`)}, { headers }).then(
      async (answer) => answer.status + ' ' + (await answer.text()).trim(),
      (error) => error.name,
    )
    const told = [opened, await read({}), await read({ authorization: 'Bearer x' })].join(', ')
    await fetch('/outcome?is=' + encodeURIComponent(told))
  </script>`
}

/** How an upgrade with these headers ends: the status, or `opened`. */
async function upgrade(url: string, headers: Record<string, string>): Promise<string> {
  const socket = new WebSocket(url, SUBPROTOCOL, { headers })
  socket.on('error', () => {})
  const result = await Promise.race([
    once(socket, 'open').then(() => 'opened'),
    once(socket, 'unexpected-response').then(([, response]) => `${response.statusCode}`),
  ])
  socket.terminate()
  return result
}

t.test('without any allowed origin every page is refused, also one of this machine', async (t) => {
  const broker = await BrokerProcess.start()
  t.teardown(() => broker.destroy())
  t.equal(await upgrade(broker.url, {}), 'opened')
  for (const origin of ['https://evil.example', 'http://localhost', broker.httpUrl, 'null', 'file://'])
    t.equal(await upgrade(broker.url, { origin }), '403', origin)
  // A name of the attacker's that leads here: Host and Origin agree.
  t.equal(await upgrade(broker.url, { host: 'evil.example', origin: 'http://evil.example' }), '403')
})

t.test('only the allowed origin goes through', async (t) => {
  const broker = await BrokerProcess.start(['--allowed-origins', 'https://lab.example.edu'])
  t.teardown(() => broker.destroy())
  t.equal(await upgrade(broker.url, { origin: 'https://lab.example.edu' }), 'opened')
  for (const origin of ['http://lab.example.edu', 'https://lab.example.edu:444', 'https://evil.example'])
    t.equal(await upgrade(broker.url, { origin }), '403', origin)
  const health = (origin: string) => fetch(`${broker.httpUrl}/healthz`, { headers: { origin } })
  t.equal((await health('https://evil.example')).status, 403)
  const allowed = await health('https://lab.example.edu')
  t.equal(allowed.status, 200)
  t.equal(allowed.headers.get('access-control-allow-origin'), 'https://lab.example.edu')
})

t.test('in a real browser', { skip: requireTool('chromium') }, async (t) => {
  let broker: BrokerProcess | undefined
  const content = () => (broker ? page(broker) : '')
  const [friend, stranger] = [await site(t, content), await site(t, content)]
  broker = await BrokerProcess.start(['--allowed-origins', friend.origin])
  t.teardown(() => broker?.destroy())
  const profile = await mkdtemp(join(tmpdir(), 'octopus-chromium-'))
  t.teardown(() => rm(profile, { recursive: true, force: true }))
  for (const [{ origin, outcome }, expected] of [
    [friend, 'opened, 200 alive, 200 alive'],
    [stranger, 'closed 1006, TypeError, TypeError'],
  ] as const) {
    const told = outcome()
    const args = ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${profile}`, `${origin}/`]
    const browser = spawn(chromium() as string, args, { stdio: 'ignore' })
    const ended = once(browser, 'exit').then(() => 'the browser ended')
    t.match(await Promise.race([told, ended]), expected, origin)
    browser.kill('SIGKILL')
    await ended
  }
})

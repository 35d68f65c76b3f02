/** The Node entry: what importing it loads, and real WebSockets. */
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import t from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'
import { connect, ErrorCode } from '../../../client/index.ts'
import { nodePorts } from '../../../client/node/node-ports.ts'
import { nodeWebSockets } from '../../../client/node/websocket-connector.ts'
import { apis } from '../../../client/protocol/api.ts'
import { encodeResponse } from '../../../client/protocol/codec.ts'
import { readFrame, SUBPROTOCOL } from '../../../client/protocol/frame.ts'
import { failureOf } from '../support/harness.ts'

const run = promisify(execFile)

t.test('importing the client loads neither the storage engine nor the server', async (t) => {
  // Tells every module that is asked for, and then every shared library that is loaded.
  const hooks = `export async function resolve(specifier, context, next) {
    const resolved = await next(specifier, context)
    process._rawDebug('module ' + resolved.url)
    return resolved
  }`
  const script = `
    import { register } from 'node:module'
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)})
    const client = await import(${JSON.stringify(new URL('../../../client/index.js', import.meta.url).href)})
    if (typeof client.connect !== 'function') throw new Error('no connect')
    for (const library of process.report.getReport().sharedObjects) process._rawDebug('library ' + library)
  `
  const { stderr } = await run(process.execPath, ['--input-type=module', '--eval', script])
  const loaded = stderr.split('\n')
  t.ok(
    loaded.some((line) => /^module .*\/client\/index\.js$/.test(line)),
    'modules are seen',
  )
  t.ok(
    loaded.some((line) => /^library .*crc32/.test(line)),
    'native libraries are seen',
  )
  t.same(
    loaded.filter((line) => /lmdb|uwebsockets|uws/i.test(line)),
    [],
  )
  const root = `module ${new URL('../../../', import.meta.url).href}`
  const ours = loaded.filter((line) => line.startsWith(root)).map((line) => line.slice(root.length))
  t.same(
    ours.filter((path) => !/^(?:client|storage\/record|node_modules)\//.test(path)),
    [],
    'nor any room but its own and the record batch',
  )
})

/** A WebSocket server on a free port; `url` of it and what each connection is given to. */
async function serving(onConnection: (socket: WebSocket) => void) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => SUBPROTOCOL })
  server.on('connection', onConnection)
  await new Promise((resolve) => {
    server.once('listening', resolve)
  })
  const { port } = server.address() as { port: number }
  const close = () =>
    new Promise<void>((resolve) => {
      for (const client of server.clients) client.terminate()
      server.close(() => resolve())
    })
  return { url: `ws://127.0.0.1:${port}`, close }
}

t.test('bytes go both ways whole, and may be overwritten once they are sent', async (t) => {
  const { url, close } = await serving((socket) => {
    t.equal(socket.protocol, SUBPROTOCOL)
    socket.on('message', (data, isBinary) => {
      if (isBinary) socket.send(data)
      if ((data as Buffer).length === 1) socket.send('text')
    })
  })
  t.teardown(close)
  const received: (Uint8Array | string)[] = []
  let wake: () => void = () => undefined
  const closed = new Promise<string>((resolve) => {
    void nodeWebSockets
      .connect(
        url,
        { subprotocol: SUBPROTOCOL, signal: new AbortController().signal },
        {
          message: (data) => {
            received.push(data)
            wake()
          },
          closed: resolve,
        },
      )
      .then(async (socket) => {
        const large = new Uint8Array(3_000_000).fill(7)
        socket.send(large)
        t.ok(socket.bufferedBytes() >= 0)
        large.fill(9)
        socket.send(Uint8Array.of(1))
        while (received.length < 3)
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        socket.close(1000, '')
        socket.send(Uint8Array.of(2))
        socket.close(1000, '')
      })
  })
  t.equal(await closed, 'closed with code 1000')
  t.equal(received.length, 3)
  const [large, small, text] = received
  t.ok(large instanceof Uint8Array && large.length === 3_000_000 && large.every((byte) => byte === 7))
  t.same([...(small as Uint8Array)], [1])
  t.equal(text, 'text')
})

t.test('why a connection ended', async (t) => {
  const { url, close } = await serving((socket) =>
    socket.on('message', () => socket.close(1001, 'going away')),
  )
  t.teardown(close)
  const reason = await new Promise((resolve, reject) => {
    nodeWebSockets
      .connect(
        url,
        { subprotocol: SUBPROTOCOL, signal: new AbortController().signal },
        { message: () => undefined, closed: resolve },
      )
      .then((socket) => socket.send(Uint8Array.of(1)), reject)
  })
  t.equal(reason, 'closed with code 1001, going away')
})

t.test('why there is no connection, in one line', async (t) => {
  // A port that was free a moment ago.
  const probe = createServer()
  await new Promise<void>((resolve) => {
    probe.listen(0, '127.0.0.1', resolve)
  })
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => {
    probe.close(resolve)
  })
  for (const host of ['127.0.0.1', 'localhost']) {
    const refused = await failureOf(connect({ url: `ws://${host}:${port}` }))
    t.match(refused, { code: ErrorCode.DISCONNECTED })
    t.equal(
      refused.message,
      `cannot connect to ws://${host}:${port}: connection refused; is the broker running? (octopus serve) (ECONNREFUSED)`,
    )
  }

  const notOctopus = createServer((socket) =>
    socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'),
  )
  await new Promise<void>((resolve) => {
    notOctopus.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => void notOctopus.close())
  const { port: other } = notOctopus.address() as { port: number }
  t.equal(
    (await failureOf(connect({ url: `ws://127.0.0.1:${other}` }))).message,
    `cannot connect to ws://127.0.0.1:${other}: Unexpected server response: 404`,
  )

  const mute = createServer()
  await new Promise<void>((resolve) => {
    mute.listen(0, '127.0.0.1', resolve)
  })
  const { port: silent } = mute.address() as { port: number }
  t.teardown(() => void mute.close())
  t.equal(
    (await failureOf(connect({ url: `ws://127.0.0.1:${silent}`, connectTimeoutMs: 50 }))).message,
    `cannot connect to ws://127.0.0.1:${silent}: no answer within 50 ms`,
  )
  const reason = new Error('changed my mind')
  t.equal(
    await failureOf(connect({ url: `ws://127.0.0.1:${silent}`, signal: AbortSignal.abort(reason) })),
    reason,
  )
})

t.test('a greeting over a real socket, and a clean end', async (t) => {
  const { url, close } = await serving((socket) =>
    socket.on('message', (data) => {
      const frame = readFrame(data as Buffer)
      const offers = Object.values(apis).map(({ key, name }) => ({ key, name, versionMin: 1, versionMax: 1 }))
      const limits = {
        frameBytesMax: 1_000_000,
        batchBytesMax: 1_000_000,
        windowBytes: 1_000_000,
        inFlightRequestsMax: 10,
        fetchBytesMax: 1_000_000,
      }
      const hello = {
        nodeId: 1,
        clusterId: 'c',
        software: 's',
        apis: offers,
        limits,
        authenticationRequired: false,
        serverTimeMs: 0,
      }
      socket.send(
        frame.apiKey === apis.hello.key
          ? encodeResponse(apis.hello, frame.correlationId, hello)
          : encodeResponse(apis.listTopics, frame.correlationId, { topics: [] }),
      )
    }),
  )
  t.teardown(close)
  const client = await connect({ url })
  t.ok(client.isConnected)
  t.equal(client.url, url)
  t.same(await client.admin().listTopics(), [])
  await client.close()
  t.notOk(client.isConnected)
})

t.test('the real ports', async (t) => {
  const { clock, timers, random, crc32c, codecs } = nodePorts
  const before = clock.monotonicMs()
  await new Promise<void>((resolve) => {
    timers.after(1, resolve)
  })
  await new Promise<void>((resolve) => {
    timers.soon(resolve)
  })
  timers.after(1, () => t.fail('it was cancelled')).cancel()
  t.ok(clock.monotonicMs() > before)
  t.ok(clock.nowMs() > 1_700_000_000_000)
  const unit = random.unit()
  t.ok(unit >= 0 && unit < 1)
  t.equal(crc32c(new TextEncoder().encode('123456789')), 0xe3069283, 'the check value of CRC-32C')
  const gzip = codecs.gzip
  const bytes = new Uint8Array(10_000).fill(5)
  const packed = gzip?.compress(bytes) ?? bytes
  t.ok(packed.length < 100)
  t.same(new Uint8Array(gzip?.decompress(packed, 10_000) ?? []), bytes)
  t.throws(() => gzip?.decompress(packed, 9_999), 'it stops at the bound')
})

/**
 * What every transport must do, run against a real one over real sockets with clients that know nothing
 * of it.
 */
import { once } from 'node:events'
import type { Test } from 'tap'
import {
  type HttpHandler,
  type HttpRequest,
  idleTimeoutLimits,
  SEND_OVERFLOW,
  type Socket,
  TransportError,
} from '../../../broker/transport/transport.ts'
import {
  handshake,
  MESSAGE_BYTES_MAX,
  maskedFrame,
  pattern,
  readAll,
  readUntil,
  SUB_PROTOCOL,
  start,
  type TestedTransport,
} from './fixture.ts'

/** Registers the suite's subtests on `t`. They run in order; the slow one overlaps the others. */
export async function transportSuite(t: Test, transport: TestedTransport): Promise<void> {
  // Waits for the transport's own clock, so it starts first and is asked last.
  const silence = silentClientIsClosed(t, transport)
  await upgrades(t, transport)
  await messages(t, transport)
  await hostile(t, transport)
  await endings(t, transport)
  await http(t, transport)
  await listening(t, transport)
  await t.test('a client that stays silent, without even a pong, is closed', async (t) => {
    const { closed, elapsedMs } = await silence
    t.equal(closed.length, 1)
    t.equal(closed[0]?.code, 1006)
    t.ok(elapsedMs >= 6_000, `closed after ${elapsedMs} ms, not before the time-out had any meaning`)
  })
}

async function silentClientIsClosed(t: Test, transport: TestedTransport) {
  const fixture = await start(t, transport, { idleTimeoutMs: idleTimeoutLimits.minimumMs })
  await fixture.rawUpgraded()
  const startMs = performance.now()
  await fixture.recorder.until(() => fixture.recorder.closed.length > 0)
  return { closed: fixture.recorder.closed, elapsedMs: Math.round(performance.now() - startMs) }
}

async function upgrades(t: Test, transport: TestedTransport) {
  await t.test('the sub-protocol is confirmed, alone or among several', async (t) => {
    const { client: clientOf, recorder } = await start(t, transport)
    for (const offered of [[SUB_PROTOCOL], ['other.v9', SUB_PROTOCOL], [SUB_PROTOCOL, 'octopus.v2']]) {
      const client = clientOf(offered)
      await once(client, 'open')
      t.equal(client.protocol, SUB_PROTOCOL)
      t.equal(client.extensions, '', 'no compression is negotiated')
      client.terminate()
    }
    await recorder.until(() => recorder.opened.length === 3)
    t.equal(recorder.opened[0]?.remoteAddress, '127.0.0.1')
  })

  await t.test('an upgrade without the sub-protocol is refused with 400 and a sentence', async (t) => {
    const { raw, recorder } = await start(t, transport)
    for (const [offered, got] of [
      ['', 'none was offered'],
      ['mqtt, octopus.v11', 'offered: mqtt, octopus.v11'],
    ] as const) {
      const socket = await raw()
      socket.write(handshake(offered))
      const answer = await readUntil(socket, '.\n')
      t.match(answer, /^HTTP\/1.1 400 Bad Request\r\n/)
      t.ok(answer.endsWith(`This WebSocket speaks the sub-protocol octopus.v1; ${got}.\n`), answer)
      socket.destroy()
    }
    t.equal(recorder.opened.length, 0)
  })

  await t.test('what the owner learns from an upgrade is there when the socket opens', async (t) => {
    const { client: connect, recorder } = await start(t, transport)
    for (const data of ['first', undefined, 'third']) {
      recorder.data = data
      const client = connect(SUB_PROTOCOL)
      await once(client, 'open')
      client.terminate()
    }
    await recorder.until(() => recorder.opened.length === 3)
    t.same(
      recorder.opened.map((socket) => socket.data),
      ['first', undefined, 'third'],
    )
  })

  await t.test('the owner can refuse an upgrade', async (t) => {
    const { raw, recorder } = await start(t, transport)
    recorder.refuse = { status: 503, text: 'full' }
    const socket = await raw()
    socket.write(handshake(SUB_PROTOCOL))
    const answer = await readUntil(socket, 'full /')
    t.match(answer, /^HTTP\/1.1 503 Service Unavailable\r\n/)
    t.equal(recorder.opened.length, 0)
  })
}

async function messages(t: Test, transport: TestedTransport) {
  await t.test('messages of every frame length class go both ways unchanged', async (t) => {
    const { open, recorder } = await start(t, transport)
    recorder.onMessage = (socket, bytes) => t.equal(socket.send(bytes), true)
    const client = await open()
    for (const length of [0, 1, 125, 126, 65_535, 65_536, MESSAGE_BYTES_MAX]) {
      const sent = pattern(length)
      client.send(sent)
      const [echo, isBinary] = (await once(client, 'message')) as [Buffer, boolean]
      t.equal(isBinary, true)
      t.ok(Buffer.compare(echo, sent) === 0, `${length} bytes`)
    }
    t.ok(recorder.messages.every(({ isBinary }) => isBinary))
  })

  await t.test('a text message is told as text', async (t) => {
    const { open, recorder } = await start(t, transport)
    const client = await open()
    client.send('hello')
    await recorder.until(() => recorder.messages.length === 1)
    t.equal(recorder.messages[0]?.isBinary, false)
    t.equal(Buffer.from(recorder.messages[0]?.bytes ?? []).toString(), 'hello')
  })

  await t.test('data belongs to the owner and stays with its socket', async (t) => {
    const { open, recorder } = await start(t, transport)
    recorder.onMessage = (socket, bytes) => {
      socket.data = `${socket.data ?? ''}${bytes[0]}`
    }
    const clients = [await open(), await open()]
    for (const value of [0, 1, 1, 0]) clients[value]?.send(Uint8Array.of(value))
    await recorder.until(() => recorder.messages.length === 4)
    t.strictSame(recorder.opened.map((socket) => socket.data).sort(), ['00', '11'])
  })

  await t.test('corked sends arrive in order', async (t) => {
    const { open, recorder } = await start(t, transport)
    recorder.onMessage = (socket) =>
      socket.cork(() => {
        for (let i = 0; i < 200; i++) socket.send(Uint8Array.of(i))
      })
    const client = await open()
    const got: number[] = []
    client.on('message', (bytes: Buffer) => got.push(bytes[0] as number))
    client.send(new Uint8Array(0))
    while (got.length < 200) await once(client, 'message')
    t.strictSame(
      got,
      Array.from({ length: 200 }, (_, i) => i),
    )
  })

  await t.test(
    'buffered bytes grow while a client does not read and drain tells when they shrink',
    async (t) => {
      const { open, recorder } = await start(t, transport)
      const client = await open()
      client.pause()
      await recorder.until(() => recorder.opened.length === 1)
      const socket = recorder.opened[0] as Socket
      const piece = pattern(256 * 1024)
      let sent = 0
      while (socket.bufferedBytes() < 4 * 1024 * 1024) {
        t.ok(socket.send(piece))
        sent += 1
        await new Promise((resolve) => setImmediate(resolve))
      }
      let received = 0
      client.on('message', (bytes: Buffer) => {
        if (Buffer.compare(bytes, piece) === 0) received += 1
      })
      client.resume()
      await recorder.until(() => recorder.drained.length > 0 && socket.bufferedBytes() === 0)
      while (received < sent) await once(client, 'message')
      t.equal(received, sent)
    },
  )
}

async function hostile(t: Test, transport: TestedTransport) {
  await t.test('a message is never skipped: who is sent too much loses the connection', async (t) => {
    const { open, recorder } = await start(t, transport)
    const client = await open()
    client.pause()
    await recorder.until(() => recorder.opened.length === 1)
    const socket = recorder.opened[0] as Socket
    const piece = new Uint8Array(8 * 1024 * 1024)
    let sent = 0
    while (sent < 1000 && socket.send(piece)) sent += 1
    t.ok(sent > 2 && sent < 1000, `${sent} pieces were taken`)
    t.same(
      recorder.closed.map(({ code, reason }) => ({ code, reason })),
      [{ code: 1006, reason: SEND_OVERFLOW }],
    )
  })

  await t.test('a client that sends a byte at a time is understood', async (t) => {
    const { raw, recorder } = await start(t, transport)
    const socket = await raw()
    socket.setNoDelay(true)
    const payload = pattern(300)
    const [requestLine, headers] = [handshake(SUB_PROTOCOL).slice(0, 16), handshake(SUB_PROTOCOL).slice(16)]
    // uWebSockets.js answers 505 to a request line in pieces; no client sends one.
    socket.write(requestLine)
    for (const byte of Buffer.concat([Buffer.from(headers), maskedFrame(2, payload)])) {
      socket.write(Uint8Array.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await recorder.until(() => recorder.messages.length === 1)
    t.strictSame(recorder.messages[0]?.bytes, payload)
  })

  await t.test('a message in fragments arrives whole', async (t) => {
    const { rawUpgraded, recorder } = await start(t, transport)
    const socket = await rawUpgraded()
    const first = maskedFrame(2, Uint8Array.of(1, 2))
    first[0] = 0x02
    const middle = maskedFrame(0, Uint8Array.of(3))
    middle[0] = 0x00
    socket.write(Buffer.concat([first, middle, maskedFrame(0, Uint8Array.of(4, 5))]))
    await recorder.until(() => recorder.messages.length === 1)
    t.strictSame([...(recorder.messages[0]?.bytes ?? [])], [1, 2, 3, 4, 5])
  })

  await t.test('an oversized message ends its connection and no other', async (t) => {
    const { open, recorder } = await start(t, transport)
    const [bad, good] = [await open(), await open()]
    bad.on('error', () => {})
    bad.send(new Uint8Array(MESSAGE_BYTES_MAX + 1))
    await once(bad, 'close')
    good.send(Uint8Array.of(7))
    await recorder.until(() => recorder.messages.length === 1)
    t.equal(recorder.closed.length, 1)
    t.equal(recorder.messages[0]?.socket, recorder.opened[1])
  })

  await t.test('bytes that are no WebSocket frame end the connection', async (t) => {
    const { rawUpgraded, recorder } = await start(t, transport)
    for (const bytes of [
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
      // A continuation of nothing.
      [0x80, 0x81, 0, 0, 0, 0, 0],
      // A ping longer than a ping may be.
      [0x89, 0xfe, 0x01, 0x00, 0, 0, 0, 0],
      // A length of 2^63.
      [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]) {
      const closedBefore = recorder.closed.length
      const socket = await rawUpgraded()
      socket.on('error', () => {})
      socket.write(Uint8Array.from(bytes))
      socket.resume()
      await recorder.until(() => recorder.closed.length === closedBefore + 1)
    }
    t.equal(recorder.messages.length, 0)
  })

  await t.test('an abrupt reset is told once', async (t) => {
    const { rawUpgraded, reset, recorder } = await start(t, transport)
    const socket = await rawUpgraded()
    socket.on('error', () => {})
    reset(socket)
    await recorder.until(() => recorder.closed.length === 1)
    t.equal(recorder.closed[0]?.code, 1006)
    t.equal(recorder.closed[0]?.socket, recorder.opened[0])
    t.equal(recorder.opened[0]?.send(Uint8Array.of(1)), false, 'sending to a closed socket says so')
    t.equal(recorder.opened[0]?.bufferedBytes(), 0)
  })

  await t.test('a client that ends only its half is closed', async (t) => {
    const { rawUpgraded, recorder } = await start(t, transport)
    const socket = await rawUpgraded()
    socket.end()
    await recorder.until(() => recorder.closed.length === 1)
    t.equal(recorder.closed[0]?.code, 1006)
  })
}

async function endings(t: Test, transport: TestedTransport) {
  await t.test('a good-bye of the client brings code and reason', async (t) => {
    const { open, recorder } = await start(t, transport)
    const client = await open()
    client.close(4001, 'enough')
    await recorder.until(() => recorder.closed.length === 1)
    t.match(recorder.closed[0], { code: 4001, reason: 'enough' })
  })

  await t.test('a good-bye of the server brings code and reason, after what was sent', async (t) => {
    const { open, recorder } = await start(t, transport)
    const client = await open()
    let received = 0
    client.on('message', () => {
      received += 1
    })
    await recorder.until(() => recorder.opened.length === 1)
    const socket = recorder.opened[0] as Socket
    for (let i = 0; i < 10; i++) socket.send(pattern(500_000))
    socket.close(1001, 'going away')
    t.match(recorder.closed, [{ code: 1001, reason: 'going away' }], 'told at once')
    t.equal(socket.send(Uint8Array.of(1)), false)
    const [code, reason] = (await once(client, 'close')) as [number, Buffer]
    t.equal(code, 1001)
    t.equal(reason.toString(), 'going away')
    t.equal(received, 10)
    socket.close(1000, 'again')
    socket.terminate()
    t.equal(recorder.closed.length, 1, 'ending an ended socket does nothing')
  })

  await t.test('terminate ends the connection without a word', async (t) => {
    const { open, recorder } = await start(t, transport)
    const client = await open()
    await recorder.until(() => recorder.opened.length === 1)
    recorder.opened[0]?.terminate()
    const [code] = (await once(client, 'close')) as [number]
    t.equal(code, 1006)
    t.equal(recorder.closed.length, 1)
  })

  await t.test('a socket may be closed from within its own message', async (t) => {
    const { open, recorder } = await start(t, transport)
    recorder.onMessage = (socket) => socket.close(1002, 'bad frame')
    const client = await open()
    client.send(Uint8Array.of(1))
    client.send(Uint8Array.of(2))
    const [code] = (await once(client, 'close')) as [number]
    t.equal(code, 1002)
    t.equal(recorder.messages.length, 1, 'nothing more is read of it')
  })
}

async function http(t: Test, transport: TestedTransport) {
  const seen: HttpRequest[] = []
  const handler: HttpHandler = async (request) => {
    seen.push(request)
    await new Promise((resolve) => setImmediate(resolve))
    if (request.path === '/boom') throw new Error('secret')
    return {
      status: 404,
      headers: { 'content-type': 'text/plain', 'x-seen': request.header('x-custom') },
      body: `nothing at ${request.path}\n`,
    }
  }

  await t.test('HTTP on the same port', async (t) => {
    const { ask } = await start(t, transport, { http: handler })
    const got = await ask('/some/where?a=1&b=2', { headers: { 'X-Custom': 'yes' } })
    t.equal(got.status, 404)
    t.equal(got.header('content-type'), 'text/plain')
    t.equal(got.header('x-seen'), 'yes')
    t.equal(got.text, 'nothing at /some/where\n')
    t.match(seen[0], {
      method: 'GET',
      path: '/some/where',
      query: 'a=1&b=2',
      remoteAddress: '127.0.0.1',
    })

    const head = await ask('/x', { method: 'HEAD' })
    t.equal(head.status, 404)
    t.equal(head.header('content-length'), String('nothing at /x\n'.length))
    t.equal(head.text, '')

    const post = await ask('/post', { method: 'POST', body: 'x'.repeat(100_000) })
    t.equal(post.text, 'nothing at /post\n')
    t.equal(seen[2]?.method, 'POST')

    const failed = await ask('/boom')
    t.equal(failed.status, 500)
    t.equal(failed.text, 'The server met an error it did not expect.\n')
  })

  await t.test('headers of one name are one, so that none of them hides', async (t) => {
    const { raw, recorder } = await start(t, transport)
    let origin = ''
    recorder.upgrade = (request) => {
      origin = request.header('origin')
      return { accept: false, status: 403, text: 'no.\n' }
    }
    const socket = await raw()
    const twice = 'Origin: https://lab.example.edu\r\nORIGIN: https://evil.example\r\n'
    socket.write(handshake(SUB_PROTOCOL).replace('Host:', `${twice}Host:`))
    t.match(await readUntil(socket, 'no.\n'), /^HTTP\/1.1 403 Forbidden\r\n/)
    t.equal(origin, 'https://lab.example.edu, https://evil.example')
  })

  await t.test('a client that leaves before its answer disturbs nobody', async (t) => {
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    let arrived = 0
    const { ask, raw, reset } = await start(t, transport, {
      http: async () => {
        arrived += 1
        if (arrived === 1) await gate
        return { status: 200, headers: {}, body: 'ok' }
      },
    })
    const socket = await raw()
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    while (arrived === 0) await new Promise((resolve) => setImmediate(resolve))
    socket.on('error', () => {})
    reset(socket)
    t.equal((await ask()).text, 'ok')
    release()
    t.equal((await ask()).text, 'ok')
  })

  await t.test('bytes that are no HTTP are answered or hung up on', async (t) => {
    const { raw, ask } = await start(t, transport)
    const socket = await raw()
    socket.on('error', () => {})
    socket.write('\0\x01\x02garbage\r\n\r\n')
    const answer = await readAll(socket)
    t.match(answer, /^(HTTP\/1.1 [45]\d\d|$)/)
    t.equal((await ask()).text, 'plain')
  })
}

async function listening(t: Test, transport: TestedTransport) {
  await t.test(
    'a port in use, an address of another machine and an unknown host are told apart',
    async (t) => {
      const { listening } = await start(t, transport)
      const refused = async (host: string, port: number) => {
        const error = await start(t, transport, { host, port }).then(
          () => undefined,
          (cause) => cause,
        )
        t.type(error, TransportError)
        return error as TransportError
      }
      const inUse = await refused('127.0.0.1', listening.port)
      t.equal(inUse.code, 'ADDRESS_IN_USE')
      t.equal(
        inUse.message,
        `cannot listen on 127.0.0.1:${listening.port}: the port is in use by another program; stop it or listen on another port`,
      )
      const foreign = await refused('192.0.2.1', 0)
      t.equal(foreign.code, 'ADDRESS_UNAVAILABLE')
      t.equal(
        foreign.message,
        'cannot listen on 192.0.2.1:0: this machine has no such address; use one it has, such as 127.0.0.1',
      )
      const unknown = await refused('no-such-host.invalid', 0)
      t.equal(unknown.code, 'ADDRESS_UNAVAILABLE')
    },
  )

  await t.test('an idle time-out that cannot be kept is refused', async (t) => {
    await t.rejects(start(t, transport, { idleTimeoutMs: 1000 }), {
      code: 'LISTEN_FAILED',
      message: 'idleTimeoutMs is 1000; it must be from 8000 to 960000',
    })
  })

  await t.test('stopAccepting refuses new connections and keeps the open ones', async (t) => {
    const { open, client: clientOf, recorder, listening } = await start(t, transport)
    const client = await open()
    listening.stopAccepting()
    listening.stopAccepting()
    const late = clientOf(SUB_PROTOCOL)
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException]
    t.equal(error.code, 'ECONNREFUSED')
    client.send(Uint8Array.of(1))
    await recorder.until(() => recorder.messages.length === 1)
    listening.close()
    t.equal(recorder.closed.length, 1)
    await once(client, 'close')
  })
}

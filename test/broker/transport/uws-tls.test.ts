/**
 * What TLS adds to the transport: versions, a certificate that changes under open connections, a port that nobody
 * else gets, and a library that forgets what it reads while something is sent.
 */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { TransportError } from '../../../broker/transport/transport.ts'
import { loadUwsTransport } from '../../../broker/transport/uws-transport.ts'
import { makePair, writePair } from '../../support/certificates.ts'
import { readAll, SUB_PROTOCOL, secured, start } from './fixture.ts'

const transport = await loadUwsTransport()

async function withPair(t: Test) {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-tls-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const issuer = await makePair({ isIssuer: true, names: ['CA of this test'], addresses: [] })
  const another = () => makePair({ issuer })
  const files = writePair(directory, await another())
  return { directory, files, another, secure: secured(transport, files, issuer.cert) }
}

/** What a new connection is shown. */
async function shown(rawSecure: (options: object) => Promise<TLSSocket>): Promise<string> {
  const socket = await rawSecure({})
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

t.test('TLS 1.2 and 1.3 are spoken, nothing older', async (t) => {
  const { secure } = await withPair(t)
  const { rawSecure } = await start(t, secure)
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await rawSecure({ minVersion: version, maxVersion: version })
    t.equal(socket.getProtocol(), version)
    t.match(socket.getCipher().name, /GCM|CHACHA20/, 'authenticated encryption')
    t.match(socket.getEphemeralKeyInfo(), { type: 'ECDH' }, 'forward secrecy')
  }
  for (const version of ['TLSv1', 'TLSv1.1'] as const)
    await t.rejects(
      rawSecure({ minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }),
      { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' },
      version,
    )
})

t.test('keys of the usual kinds are taken', async (t) => {
  const { directory } = await withPair(t)
  const pair = await makePair({ keyType: 'rsa' })
  const { rawSecure } = await start(t, secured(transport, writePair(directory, pair), pair.cert))
  const socket = await rawSecure({ maxVersion: 'TLSv1.2' })
  t.equal(socket.authorized, true)
})

t.test('plain text and garbage on the port are hung up on and disturb nobody', async (t) => {
  const { secure } = await withPair(t)
  const { open, recorder, listening } = await start(t, secure)
  const client = await open()
  for (const bytes of [
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    '\x16\x03\x01\xff\xff\x01',
    '\0'.repeat(100_000),
  ]) {
    const socket = connect(listening.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.end(bytes)
    t.notMatch(await readAll(socket), /HTTP/)
  }
  client.send(Uint8Array.of(1))
  await recorder.until(() => recorder.messages.length === 1)
  t.equal(recorder.closed.length, 0)
})

// Without the wait for the end of the turn the library loses the rest of a read, and the connection with it.
for (const [name, answering] of [
  ['at once', (send: () => void) => send()],
  ['in a promise', (send: () => void) => void Promise.resolve().then(send)],
] as const)
  t.test(`answers given ${name} while much comes in`, async (t) => {
    const { secure } = await withPair(t)
    const { open, recorder } = await start(t, secure)
    const count = 400
    recorder.onMessage = (socket, bytes) => {
      const answer = bytes.slice(0, 4)
      answering(() => t.ok(socket.send(answer) || recorder.closed.length > 0))
      // Let the system's buffer fill, so that one read brings all that it can.
      if (recorder.messages.length % 16 === 0) for (const end = Date.now() + 30; Date.now() < end; );
    }
    const client = await open()
    const answers: number[] = []
    client.on('message', (bytes: Buffer) => answers.push(bytes.readUInt32LE(0)))
    for (let i = 0; i < count; i++) {
      const message = Buffer.alloc(65_536 + ((i * 37) % 999))
      message.writeUInt32LE(i)
      client.send(message)
    }
    const closed = once(client, 'close')
    while (answers.length < count && recorder.closed.length === 0)
      await Promise.race([once(client, 'message'), closed])
    t.same(
      answers,
      Array.from({ length: count }, (_, i) => i),
    )
  })

t.test(
  'what is sent while reading counts as buffered, is drained, and leaves before a good-bye',
  async (t) => {
    const { secure } = await withPair(t)
    const { open, recorder } = await start(t, secure)
    const [client, other] = [await open(), await open()]
    await recorder.until(() => recorder.opened.length === 2)
    const [reader, bystander] = recorder.opened
    if (!reader || !bystander) throw new Error('two are open')
    const seen: unknown[] = []
    recorder.onMessage = (socket) => {
      t.equal(socket, reader)
      t.equal(socket.send(new Uint8Array(1000)), true)
      bystander.send(Uint8Array.of(1))
      seen.push(socket.bufferedBytes(), bystander.bufferedBytes())
      bystander.close(4000, 'not the one that is read')
      t.equal(bystander.send(Uint8Array.of(2)), false, 'behind a good-bye nothing is sent')
      seen.push(recorder.closed.length)
    }
    const bystanderHeard: Buffer[] = []
    other.on('message', (bytes: Buffer) => bystanderHeard.push(bytes))
    // Handed on at once; a small one would wait for the end of the turn.
    client.send(new Uint8Array(5000))
    const [code, reason] = await once(other, 'close')
    t.same([code, reason.toString()], [4000, 'not the one that is read'])
    t.same(bystanderHeard, [Buffer.of(1)])
    t.same(seen, [1000, 1, 0])
    t.match(recorder.closed, [{ socket: bystander, code: 4000, reason: 'not the one that is read' }])
    await recorder.until(() => recorder.drained.includes(reader))
    t.equal(reader.bufferedBytes(), 0)
  },
)

t.test('small messages wait and large ones do not, and each is told in its place', async (t) => {
  const { secure } = await withPair(t)
  const { open, recorder } = await start(t, secure)
  const client = await open()
  const sizes = [10, 5000, 4096, 4097, 0, 70_000, 1, 1]
  sizes.forEach((size, i) => {
    client.send(new Uint8Array(size).fill(i + 1))
  })
  // What was sent before a good-bye, or before an end without one, has arrived.
  client.send(Uint8Array.of(9))
  client.close(4001, 'done')
  await recorder.until(() => recorder.closed.length === 1)
  t.same(
    recorder.messages.map(({ bytes }) => [bytes.length, bytes[0]]),
    [...sizes.map((size, i) => [size, size === 0 ? undefined : i + 1]), [1, 9]],
  )
  t.ok(recorder.messages.every(({ bytes }) => bytes.every((byte) => byte === bytes[0])))
  t.match(recorder.closed, [{ code: 4001, reason: 'done' }])
})

t.test('another certificate, for those who come; for the others nothing changes', async (t) => {
  const { directory, secure, another } = await withPair(t)
  const { open, rawSecure, listening, recorder } = await start(t, secure)
  recorder.onMessage = (socket, bytes) => socket.send(bytes)
  const before = await shown(rawSecure)
  t.equal(await shown(rawSecure), before)
  const clients = [await open()]
  for (let round = 1; round <= 5; round++) {
    writePair(directory, await another())
    t.equal(await shown(rawSecure), await shown(rawSecure), 'nothing happens by itself')
    await listening.renewCertificate()
    await new Promise((resolve) => setImmediate(resolve))
    const seen = new Set<string>()
    for (let i = 0; i < 20; i++) seen.add(await shown(rawSecure))
    t.equal(seen.size, 1, 'only one of them is shown')
    t.notOk(seen.has(before))
    clients.push(await open())
  }
  for (const client of clients) {
    client.send(Uint8Array.of(7))
    t.same((await once(client, 'message'))[0], Buffer.of(7))
  }
  // As it ends, those of every certificate end, and the port is free.
  const closed = clients.map((client) => once(client, 'close'))
  listening.stopAccepting()
  await t.rejects(rawSecure({}), { code: 'ECONNREFUSED' })
  await listening.renewCertificate()
  await t.rejects(rawSecure({}), { code: 'ECONNREFUSED' }, 'what has stopped does not begin again')
  listening.close()
  await Promise.all(closed)
})

t.test('who comes while certificates change is served, if need be at the next attempt', async (t) => {
  const { directory, secure, another } = await withPair(t)
  const { open, listening } = await start(t, secure)
  const pairs = [await another(), await another()] as const
  const renewals = 30
  const comerCount = 8
  let isOver = false
  let served = 0
  let reset = 0
  const comers = Array.from({ length: comerCount }, async () => {
    while (!isOver)
      try {
        const client = await open()
        client.terminate()
        served++
      } catch (error) {
        // The system resets what it has taken for a port that is closed before it was handed on.
        t.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET')
        reset++
      }
  })
  for (let i = 0; i < renewals; i++) {
    writePair(directory, pairs[i % 2 ? 1 : 0])
    await listening.renewCertificate()
    const enough = served + 10
    while (served < enough) await new Promise((resolve) => setImmediate(resolve))
  }
  isOver = true
  await Promise.all(comers)
  t.comment(`${served} served, ${reset} reset in ${renewals} renewals`)
  t.ok(reset <= renewals * comerCount, 'only those that were under way at a renewal')
})

t.test('files that are no pair leave everything as it is', async (t) => {
  const { files, directory, secure } = await withPair(t)
  const { rawSecure, listening } = await start(t, secure)
  const before = await shown(rawSecure)
  const refused = {
    name: 'TransportError',
    code: 'CERTIFICATE',
    message: `uWebSockets.js does not take the certificate in ${files.certFile} with the key in ${files.keyFile}; RSA and ECDSA P-256 are safe choices`,
  }
  await writeFile(files.certFile, (await makePair()).cert)
  await t.rejects(listening.renewCertificate(), refused, 'mismatched')
  await writeFile(files.certFile, 'garbage')
  await t.rejects(listening.renewCertificate(), refused, 'garbage')
  await rm(files.keyFile)
  await t.rejects(listening.renewCertificate(), refused, 'gone')
  t.equal(await shown(rawSecure), before)
  await t.rejects(transport.listen({ ...options(), tls: files }), refused)
  const pair = await makePair({ passphrase: 'secret' })
  await t.rejects(transport.listen({ ...options(), tls: writePair(directory, pair) }), refused)
})

t.test('a port is nobody else’s, whoever speaks TLS', async (t) => {
  const { secure } = await withPair(t)
  for (const [first, second] of [
    [secure, secure],
    [secure, transport],
    [transport, secure],
  ] as const)
    for (const host of ['127.0.0.1', 'localhost']) {
      const { listening } = await start(t, first, { host })
      const error = await start(t, second, { host, port: listening.port }).catch((cause) => cause)
      t.type(error, TransportError)
      t.equal(error.code, 'ADDRESS_IN_USE')
      t.equal(
        error.message,
        `cannot listen on ${host}:${listening.port}: the port is in use by another program; stop it or listen on another port`,
      )
      await listening.renewCertificate()
      listening.close()
      const again = await start(t, second, { host, port: listening.port })
      t.equal(again.listening.port, listening.port, 'free when it has ended')
      again.listening.close()
    }
})

function options() {
  return {
    host: '127.0.0.1',
    port: 0,
    subProtocol: SUB_PROTOCOL,
    messageBytesMax: 1000,
    idleTimeoutMs: 60_000,
    soon: (run: () => void) => void setImmediate(run),
    websocket: {
      upgrade: () => ({ accept: true }) as const,
      open: () => {},
      message: () => {},
      drain: () => {},
      close: () => {},
    },
    http: () => ({ status: 200, headers: {}, body: '' }),
  }
}

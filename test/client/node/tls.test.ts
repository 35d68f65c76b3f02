/** `wss://` from Node: whom a client trusts, and what it says when it cannot, in words for people. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerOptions } from 'node:https'
import { type AddressInfo, createServer as createTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import { connect, type TlsOptions } from '../../../client/index.ts'
import { nodeWebSockets } from '../../../client/node/websocket-connector.ts'
import { SUBPROTOCOL } from '../../../client/protocol/frame.ts'
import { makePair, type Pair } from '../../support/certificates.ts'
import { failureOf } from '../support/harness.ts'

const DAY_MS = 86_400_000
const at = (days: number) => new Date(Date.now() + days * DAY_MS)
const issuer = await makePair({ isIssuer: true, names: ['Lab CA'], addresses: [] })
const leaf = await makePair({ issuer })

/** An echo over TLS; its address. */
async function serving(t: Test, pair: Pair, options: ServerOptions = {}): Promise<string> {
  const server = createServer({ cert: pair.cert, key: pair.key, ...options })
  const sockets = new WebSocketServer({ server, handleProtocols: () => SUBPROTOCOL })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const client of sockets.clients) client.terminate()
    server.close()
  })
  return `wss://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const why = async (url: string, tls: TlsOptions = {}) => {
  const { message } = await failureOf(connect({ url, tls, connectTimeoutMs: 5_000 }))
  const start = `cannot connect to ${url}: `
  t.ok(message.startsWith(start), message)
  return message.slice(start.length)
}

t.test('with the issuer as text or bytes, every byte goes both ways', async (t) => {
  const url = await serving(t, leaf)
  for (const ca of [issuer.cert, Buffer.from(issuer.cert), `${leaf.cert}\n${issuer.cert}`]) {
    const received: Buffer[] = []
    let wake = () => {}
    const socket = await nodeWebSockets.connect(
      url,
      { subprotocol: SUBPROTOCOL, signal: new AbortController().signal, tls: { ca } },
      {
        message: (data) => {
          received.push(Buffer.from(data as Uint8Array))
          wake()
        },
        closed: () => wake(),
      },
    )
    const sizes = [0, 1, 125, 126, 65_535, 65_536, 200_000]
    for (const size of sizes) socket.send(Buffer.alloc(size, size % 251))
    while (received.length < sizes.length) await new Promise<void>((resolve) => (wake = resolve))
    t.same(
      received.map((bytes) => [bytes.length, bytes.every((byte) => byte === bytes.length % 251)]),
      sizes.map((size) => [size, true]),
    )
    socket.close(1000, '')
  }
})

t.test('who cannot be trusted is named, with what would help', async (t) => {
  const selfSigned = await makePair()
  const url = await serving(t, leaf)
  t.equal(
    await why(await serving(t, selfSigned)),
    "the broker's certificate is self-signed, so anybody could have made it; name it as one to trust (tls.ca, --ca-file) if it is the right one (DEPTH_ZERO_SELF_SIGNED_CERT)",
  )
  t.equal(
    await why(url),
    "the issuer of the broker's certificate is not known here: name its certificate (tls.ca, --ca-file), or let the broker send those between (--tls-cert takes several) (UNABLE_TO_VERIFY_LEAF_SIGNATURE)",
  )
  t.equal(
    await why(await serving(t, { cert: leaf.cert + issuer.cert, key: leaf.key })),
    "the broker's certificate comes from an issuer that is not trusted here; name that issuer's certificate (tls.ca, --ca-file) (SELF_SIGNED_CERT_IN_CHAIN)",
  )
  const expired = await makePair({ issuer, notBefore: at(-10), notAfter: at(-1) })
  t.equal(
    await why(await serving(t, expired), { ca: issuer.cert }),
    "the broker's certificate has expired; whoever runs the broker has to renew it (CERT_HAS_EXPIRED)",
  )
  const early = await makePair({ issuer, notBefore: at(1), notAfter: at(10) })
  t.equal(
    await why(await serving(t, early), { ca: issuer.cert }),
    "the broker's certificate is not valid yet; is the clock of this machine right? (CERT_NOT_YET_VALID)",
  )
  const elsewhere = await makePair({ issuer, names: ['lab.example.edu'], addresses: [] })
  t.equal(
    await why(await serving(t, elsewhere), { ca: issuer.cert }),
    "the broker's certificate is not for 127.0.0.1 but for DNS:lab.example.edu; use a name it is for, or let it have this one (ERR_TLS_CERT_ALTNAME_INVALID)",
  )
  const { ca } = { ca: (await makePair({ isIssuer: true, names: ['Another CA'] })).cert }
  t.match(await why(url, { ca }), /^the issuer of the broker's certificate is not known here/)
})

t.test('a version nobody should speak, and plain text on either side', async (t) => {
  const old = await serving(t, leaf, {
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
    ciphers: 'ALL@SECLEVEL=0',
  })
  t.match(await why(old, { ca: issuer.cert }), /PROTOCOL|EPROTO|version/i)

  const plain = createTcp((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  plain.listen(0, '127.0.0.1')
  await once(plain, 'listening')
  t.teardown(() => void plain.close())
  t.match(
    await why(`wss://127.0.0.1:${(plain.address() as AddressInfo).port}`),
    /plain text there .*ws:\/\/.*\((?:EPROTO|ERR_SSL_WRONG_VERSION_NUMBER)\)$/,
  )
})

t.test('options that cannot be meant', async (t) => {
  const wrong = (url: string, tls: TlsOptions) => failureOf(connect({ url, tls }))
  t.match(await wrong('ws://127.0.0.1:1', { ca: issuer.cert }), {
    name: 'RangeError',
    message: 'option tls: "ws://127.0.0.1:1" is not encrypted; an address that is begins with wss://',
  })
  for (const ca of ['', 'garbage', Buffer.from([1, 2]), issuer.key])
    t.match(await wrong('wss://127.0.0.1:1', { ca }), {
      name: 'RangeError',
      message: 'option tls.ca: expected certificates in PEM form, beginning with -----BEGIN CERTIFICATE-----',
    })
})

t.test('the environment can add an issuer, and cannot switch verification off', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-ca-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const caFile = join(directory, 'ca.pem')
  await writeFile(caFile, issuer.cert)
  const url = await serving(t, leaf)
  const module = new URL('../../../client/node/websocket-connector.js', import.meta.url).href
  const script = `
    const { nodeWebSockets } = await import(${JSON.stringify(module)})
    const options = { subprotocol: ${JSON.stringify(SUBPROTOCOL)}, signal: new AbortController().signal }
    const told = await nodeWebSockets.connect(${JSON.stringify(url)}, options, { message() {}, closed() {} }).then(
      (socket) => (socket.close(1000, ''), 'connected'),
      (error) => error.message,
    )
    console.log(told)
  `
  const told = async (env: Record<string, string>) => {
    const args = ['--input-type=module', '--eval', script]
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } })
    return stdout.trim()
  }
  t.equal(await told({ NODE_EXTRA_CA_CERTS: caFile }), 'connected')
  t.match(
    await told({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }),
    /^the issuer of the broker's certificate is not known/,
  )
})

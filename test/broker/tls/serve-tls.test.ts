/**
 * The program with TLS: what it refuses at start, a certificate that is replaced under load, by files that change, by a
 * link that is turned and by SIGHUP, and commands that have to trust it.
 */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { type ConnectionEvent, connect, serializers } from '../../../client/index.ts'
import { provisionAdminKey } from '../../support/admin-key.ts'
import { makePair, type Pair, writePair } from '../../support/certificates.ts'
import { asProcess, ended, inProcess, mainScript, start } from '../cli/octopus.ts'

const DAY_MS = 86_400_000
const directory = await mkdtemp(join(tmpdir(), 'octopus-serve-tls-'))
t.teardown(() => rm(directory, { recursive: true, force: true }))
const issuer = await makePair({ isIssuer: true, names: ['Lab CA'], addresses: [] })
const caFile = join(directory, 'ca.pem')
await writeFile(caFile, issuer.cert)
const another = () => makePair({ issuer })
let number = 0

async function place(
  pair?: Pair,
): Promise<{ home: string; flags: string[]; certFile: string; keyFile: string }> {
  const home = join(directory, `${++number}`)
  for (const name of ['data', 'plain']) await provisionAdminKey(join(home, name))
  const files = writePair(home, pair ?? (await another()))
  const flags = ['--data', join(home, 'data'), '--tls-cert', files.certFile, '--tls-key', files.keyFile]
  return { home, flags, ...files }
}

/** A broker that is ready; its log is read while it runs. */
async function serve(flags: readonly string[], listen = '127.0.0.1:0') {
  const child = start(['serve', '--log-format', 'json', '--listen', listen, ...flags])
  const end = ended(child)
  t.teardown(() => child.kill('SIGKILL'))
  let log = ''
  child.stderr!.on('data', (chunk) => (log += chunk))
  const first = await Promise.race([once(child.stdout!, 'data').then(([bytes]) => `${bytes}`), end])
  if (typeof first !== 'string') throw new Error(`it ended: ${first.err}`)
  const { url } = JSON.parse(first) as { url: string }
  const logged = async (word: string, count = 1) => {
    while (log.split(word).length <= count) await once(child.stderr!, 'data')
  }
  const stop = () => {
    child.kill('SIGTERM')
    return end
  }
  return { child, url, port: Number(new URL(url).port), end, logged, stop }
}

/** The certificate that a new connection is shown; one that meets a renewal may be reset, and comes again. */
async function shown(port: number): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, ca: issuer.cert })
  try {
    await once(socket, 'secureConnect')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
    return shown(port)
  }
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

t.test('what is wrong at start is one line that names the file, and exit code 78', async (t) => {
  const pair = await another()
  const wrong = [
    [
      { cert: pair.cert, key: issuer.key },
      /^octopus: \S+tls\.key: this private key does not belong to the certificate/,
    ],
    [
      await makePair({
        issuer,
        notBefore: new Date(Date.now() - 9 * DAY_MS),
        notAfter: new Date(Date.now() - DAY_MS),
      }),
      /^octopus: \S+tls\.crt: the certificate \(CN=localhost\) has expired at \d{4}-.* UTC; no client would accept it/,
    ],
    [{ cert: 'garbage', key: pair.key }, /^octopus: \S+tls\.crt: holds no certificate in PEM form/],
    [{ cert: pair.cert, key: 'garbage' }, /^octopus: \S+tls\.key: holds no private key in PEM form/],
    [
      { cert: pair.cert.slice(0, 300), key: pair.key },
      /^octopus: \S+tls\.crt: ends in the middle of a certificate\n$/,
    ],
  ] as const
  for (const [bad, sentence] of wrong) {
    const { flags } = await place(bad)
    t.match(await inProcess(['serve', ...flags, '--listen', '127.0.0.1:0']), {
      exitCode: 78,
      out: '',
      err: sentence,
    })
  }
  const { flags, certFile } = await place()
  t.match(await inProcess(['serve', ...flags, '--tls-key', '/nowhere/tls.key']), {
    exitCode: 78,
    err: /^octopus: \/nowhere\/tls\.key: the private key cannot be read: ENOENT.*\n$/,
  })
  t.match(await inProcess(['serve', '--tls-cert', certFile]), {
    exitCode: 78,
    err: /^octopus: tls\.cert = ".*" \(--tls-cert\): needs tls\.key beside it/,
  })
})

t.test('a second broker is refused the port; a killed one leaves it free', async (t) => {
  const one = await serve((await place()).flags)
  const two = await place()
  t.match(await inProcess(['serve', ...two.flags, '--listen', `127.0.0.1:${one.port}`]), {
    exitCode: 69,
    err: /^octopus: cannot listen on 127\.0\.0\.1:\d+: the port is in use by another program; .*\n$/m,
  })
  t.match(
    await inProcess(['serve', '--data', join(two.home, 'plain'), '--listen', `127.0.0.1:${one.port}`]),
    {
      exitCode: 69,
      err: /the port is in use by another program/,
    },
  )
  // Open connections are what kept a port that the system had chosen for a minute.
  const open = connectTls({ host: '127.0.0.1', port: one.port, ca: issuer.cert })
  open.on('error', () => {})
  await once(open, 'secureConnect')
  one.child.kill('SIGKILL')
  await one.end
  const again = await serve(two.flags, `127.0.0.1:${one.port}`)
  t.equal(again.port, one.port)
  t.equal((await again.stop()).exitCode, 0)

  const plain = await serve(['--data', join(two.home, 'plain')])
  const client = await connect({ url: plain.url, onConnection: () => {} })
  plain.child.kill('SIGKILL')
  await plain.end
  const after = await serve(['--data', join(two.home, 'plain')], `127.0.0.1:${plain.port}`)
  t.equal(after.port, plain.port, 'in plain text too')
  await client.close()
  t.equal((await after.stop()).exitCode, 0)
})

t.test('beyond this machine', async (t) => {
  const { flags, home } = await place()
  const everywhere = await serve(flags, '0.0.0.0:0')
  t.equal(everywhere.url, `wss://0.0.0.0:${everywhere.port}`)
  t.match(await shown(everywhere.port), /^[0-9A-F:]{95}$/)
  await everywhere.stop()

  const plain = await serve(['--data', join(home, 'plain'), '--insecure-plaintext'], '0.0.0.0:0')
  await plain.logged('connections are not encrypted')
  const sentence =
    '0.0.0.0 is listened on in plain text (--insecure-plaintext): anybody on the way can read and change credentials and events'
  const url = `ws://127.0.0.1:${plain.port}`
  t.match(JSON.parse((await inProcess(['status', '--json', '--url', url])).out), { warnings: [sentence] })
  t.ok((await inProcess(['status', '--url', url])).out.includes(sentence))
  await plain.stop()
  t.match(
    await inProcess([
      'serve',
      '--data',
      join(home, 'no'),
      '--listen',
      '0.0.0.0:0',
      '--insecure-plaintext',
      'off',
    ]),
    {
      exitCode: 78,
      err: /others could read and change credentials and events/,
    },
  )
})

t.test('commands trust whom they are told to', async (t) => {
  const soon = await makePair({ issuer, notAfter: new Date(Date.now() + 3.5 * DAY_MS) })
  const { flags, certFile } = await place(soon)
  const broker = await serve(flags)
  const { url, port } = broker
  t.equal(url, `wss://127.0.0.1:${port}`)
  t.match(await inProcess(['topic', 'list', '--url', url]), {
    exitCode: 69,
    out: '',
    err: /^octopus: cannot trust wss:\/\/\S+: the issuer of the broker's certificate is not known here: .*--ca-file.*\n$/,
  })
  t.match(await inProcess(['topic', 'list', '--url', url, '--ca-file', caFile]), { exitCode: 0 })
  t.match(await inProcess(['topic', 'list', '--url', url], { env: { OCTOPUS_CA_FILE: caFile } }), {
    exitCode: 0,
  })
  t.match(await inProcess(['topic', 'list', '--url', url], { env: { OCTOPUS_CA_FILE: '/nowhere' } }), {
    exitCode: 64,
    err: /^octopus: OCTOPUS_CA_FILE: \/nowhere cannot be read: ENOENT/,
  })
  t.match(await inProcess(['topic', 'list', '--url', url, '--ca-file', mainScript]), {
    exitCode: 64,
    err: /^octopus: --ca-file: \S+ holds no certificate in PEM form/,
  })
  const plainUrl = `ws://127.0.0.1:${port}`
  t.match(await inProcess(['topic', 'list', '--url', plainUrl, '--ca-file', caFile]), {
    exitCode: 64,
    err: `octopus: --ca-file: ${plainUrl} is not encrypted; the address of a broker with TLS begins with wss://\n`,
  })
  t.match(await inProcess(['topic', 'list', '--url', plainUrl], { env: { OCTOPUS_CA_FILE: caFile } }), {
    exitCode: 69,
    err: /the other side hung up; does it speak TLS\? Then its address begins with wss:/,
  })
  t.match(await asProcess(['status', '--json', '--url', url], { env: { NODE_EXTRA_CA_CERTS: caFile } }), {
    exitCode: 0,
  })
  t.match(JSON.parse((await inProcess(['status', '--json', '--url', url, '--ca-file', caFile])).out), {
    url,
    warnings: [
      `the certificate in ${certFile} expires in 3 days, at ${iso(soonEnd(soon))}: put a new one in its place`,
    ],
  })
  const healthy = request({ host: '127.0.0.1', port, path: '/healthz', ca: issuer.cert, agent: false }).end()
  const [response] = await once(healthy, 'response')
  t.equal(response.statusCode, 200)
  response.resume()
  t.equal((await broker.stop()).exitCode, 0)
})

t.test('a certificate is replaced under load: nothing acknowledged is lost, nobody is cut off', async (t) => {
  const { flags, home, certFile, keyFile } = await place()
  // As Kubernetes and certbot have it: the names are links, and what they lead to is replaced as a whole.
  const pairs: Pair[] = []
  const version = async (name: string, pair: Pair) => {
    pairs.push(pair)
    await mkdir(join(home, name))
    writePair(join(home, name), pair)
    await symlink(name, join(home, 'next'))
    await rename(join(home, 'next'), join(home, 'current'))
  }
  await version('v0', await another())
  for (const [file, name] of [
    [certFile, 'tls.crt'],
    [keyFile, 'tls.key'],
  ] as const) {
    await rm(file)
    await symlink(join('current', name), file)
  }
  const broker = await serve(flags)
  const events: ConnectionEvent[] = []
  const onConnection = (event: ConnectionEvent) => void events.push(event)
  const client = await connect({ url: broker.url, tls: { ca: issuer.cert }, onConnection })
  await client.admin().createTopic('load', { partitions: 2 })
  const producer = client.producer()
  let produced = 0
  let isOver = false
  const load = (async () => {
    let acknowledged = 0
    while (!isOver) {
      for (let i = 0; i < 100; i++) {
        const room = producer.append('load', { value: `event ${produced++} ${'x'.repeat(500)}` })
        if (room) await room
      }
      const flushed = await producer.flush()
      if (flushed.failed > 0) throw flushed.error
      acknowledged += flushed.acknowledged
    }
    return acknowledged
  })()

  const seen = [await shown(broker.port)]
  const changes = async () => {
    while (seen.includes(await shown(broker.port))) await new Promise((resolve) => setImmediate(resolve))
    seen.push(await shown(broker.port))
  }
  await version('v1', await another())
  await changes()
  // At a word, without waiting for a look; and what is no pair changes nothing.
  for (const name of ['v2', 'v3', 'v4']) {
    await version(name, await another())
    broker.child.kill('SIGHUP')
    await changes()
  }
  await version('v5', { cert: (await another()).cert, key: 'half' })
  broker.child.kill('SIGHUP')
  await broker.logged('the certificate was not renewed, the old one stays')
  t.equal(await shown(broker.port), seen.at(-1))
  const { warnings } = await client.admin().status()
  t.match(warnings, [/^the certificate was not renewed: \S+tls\.key: holds no private key/])
  await version('v6', await another())
  broker.child.kill('SIGHUP')
  await changes()
  t.same((await client.admin().status()).warnings, [])

  isOver = true
  t.equal(await load, produced)
  t.same(
    events.map(({ kind }) => kind),
    ['connected'],
    'one connection from beginning to end',
  )
  const consumer = client.consumer({
    topics: ['load'],
    from: 'earliest',
    untilEnd: true,
    deserializer: serializers.text,
  })
  const found = new Set<string>()
  let count = 0
  for await (const { value } of consumer) {
    count++
    found.add(String(value).split(' ')[1] as string)
  }
  t.equal(count, produced)
  t.equal(found.size, produced, 'each of them once')
  await client.close()
  const { exitCode, err } = await broker.stop()
  t.equal(exitCode, 0)
  for (const { key } of pairs)
    for (const line of key.split('\n').slice(1, -2))
      t.notOk(err.includes(line), 'nothing of a key is in the log')
})

function soonEnd({ cert }: Pair): number {
  return Date.parse(new X509Certificate(cert).validTo)
}

function iso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

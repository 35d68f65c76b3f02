/** The certificate before it is used, and the watch over its files: every refusal, every change, on a clock of our own. */
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { pino } from 'pino'
import t from 'tap'
import type { FilePort } from '../../../broker/ports.ts'
import { CertificateError, readCertificate } from '../../../broker/tls/certificate.ts'
import {
  CertificateWatch,
  EXPIRY_WARNING_MS,
  LOOK_INTERVAL_MS,
} from '../../../broker/tls/certificate-watch.ts'
import { NodeTls } from '../../../broker/tls/node-tls.ts'
import { makePair, type Pair } from '../../support/certificates.ts'
import { ManualTime } from '../manual-time.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const tlsFiles = { certFile: 'tls.crt', keyFile: 'tls.key' }
const time0 = new ManualTime().nowMs()
const at = (days: number) => new Date(time0 + days * DAY_MS)
const make = (days: number, more = {}) => makePair({ notBefore: at(-1), notAfter: at(days), ...more })

const issuer = await make(1000, { isIssuer: true, names: ['CA'], addresses: [] })
const leaf = await make(90, { issuer, names: ['lab.example.edu', '*.lab.example.edu'] })
const other = await make(90)

function refusal(cert: string, key: string, nowMs = time0): string {
  try {
    readCertificate(tlsFiles, (path) => Buffer.from(path === 'tls.crt' ? cert : key), nowMs)
    return 'taken'
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    if (error.message.includes('\n')) t.fail(`several lines: ${error.message}`)
    for (const line of key.split('\n').slice(1, -2))
      if (line.length > 8 && error.message.includes(line)) t.fail(`it tells of the key: ${error.message}`)
    return error.message
  }
}

t.test('a pair that clients can accept', async (t) => {
  const found = readCertificate(
    tlsFiles,
    (path) => Buffer.from(path === 'tls.crt' ? leaf.cert : leaf.key),
    time0,
  )
  t.match(found, {
    fingerprint: new X509Certificate(leaf.cert).fingerprint256,
    names: /^DNS:lab\.example\.edu, DNS:\*\.lab\.example\.edu, IP Address:127\.0\.0\.1/,
    notAfterMs: Math.floor(at(90).getTime() / 1000) * 1000,
  })
  t.equal(refusal(leaf.cert + issuer.cert, leaf.key), 'taken', 'with its chain')
  t.equal(
    refusal(`Subject: somebody\n${leaf.cert}\n# the issuer\n${issuer.cert}`, leaf.key),
    'taken',
    'with text',
  )
  t.equal(refusal(leaf.cert.replaceAll('\n', '\r\n'), leaf.key.replaceAll('\n', '\r\n')), 'taken')
  const rsa = await make(1, { keyType: 'rsa' })
  t.equal(refusal(rsa.cert, rsa.key), 'taken')
})

t.test('every refusal names the file and what would be right', async (t) => {
  t.equal(
    refusal(leaf.cert, other.key),
    'tls.key: this private key does not belong to the certificate in tls.crt (CN=lab.example.edu)',
  )
  t.equal(
    refusal(issuer.cert + leaf.cert, leaf.key),
    'tls.crt: the certificate that belongs to the key in tls.key must be the first in the file, before those of its issuers',
  )
  t.equal(
    refusal(leaf.cert, leaf.key, at(91).getTime()),
    'tls.crt: the certificate (CN=lab.example.edu) has expired at 2024-02-12 22:13:20 UTC; no client would accept it, get a new one',
  )
  t.equal(
    refusal(leaf.cert, leaf.key, at(-2).getTime()),
    'tls.crt: the certificate (CN=lab.example.edu) is not valid before 2023-11-13 22:13:20 UTC; is the clock of this machine right? It says 2023-11-12 22:13:20 UTC',
  )
  const swapped = refusal(leaf.key, leaf.cert)
  t.equal(
    swapped,
    'tls.crt: holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----") but a private key; are the two files swapped?',
  )
  t.equal(
    refusal(leaf.cert, leaf.cert),
    'tls.key: holds no private key in PEM form ("-----BEGIN PRIVATE KEY-----") but a certificate; are the two files swapped?',
  )
  t.equal(refusal('', leaf.key), 'tls.crt: holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----")')
  t.equal(
    refusal('garbage', leaf.key),
    'tls.crt: holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----")',
  )
  t.equal(
    refusal(leaf.cert, '\0\xff'),
    'tls.key: holds no private key in PEM form ("-----BEGIN PRIVATE KEY-----")',
  )
  const encrypted = await make(90, { passphrase: 'secret' })
  t.match(
    refusal(encrypted.cert, encrypted.key),
    /^tls\.key: the private key is encrypted, and the broker has no/,
  )
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const old = privateKey.export({ type: 'pkcs1', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'secret' })
  t.match(refusal(leaf.cert, String(old)), /^tls\.key: the private key is encrypted/)
  t.equal(
    refusal(leaf.cert.trimEnd() + issuer.cert, leaf.key),
    'tls.crt: a line break is missing behind "-----END CERTIFICATE-----"',
  )
  const damage = (pem: string) => pem.replace(/\nM.{8}/, '\nAAAAAAAAA')
  t.match(refusal(damage(leaf.cert), leaf.key), /^tls\.crt: certificate 1 of 1 is damaged: /)
  t.match(refusal(leaf.cert + damage(issuer.cert), leaf.key), /^tls\.crt: certificate 2 of 2 is damaged: /)
  t.equal(
    refusal(leaf.cert, damage(leaf.key)),
    'tls.key: the private key is damaged, or of a kind nobody knows here',
  )
  const gone = () => {
    throw new Error("ENOENT: no such file or directory, open 'tls.crt'")
  }
  t.throws(() => readCertificate(tlsFiles, gone, time0), {
    message: "tls.crt: the certificate cannot be read: ENOENT: no such file or directory, open 'tls.crt'",
  })
  const halfGone = (path: string) => (path === 'tls.crt' ? Buffer.from(leaf.cert) : gone())
  t.throws(() => readCertificate(tlsFiles, halfGone, time0), {
    message: /^tls\.key: the private key cannot be read: /,
  })
})

t.test('a file that was cut anywhere is refused or whole', async (t) => {
  let refused = 0
  const chain = leaf.cert + issuer.cert
  const whole = new Set([leaf.cert.trimEnd().length, leaf.cert.length, chain.trimEnd().length])
  for (let length = 0; length < chain.trimEnd().length; length++) {
    const found = refusal(chain.slice(0, length), leaf.key)
    if (found !== 'taken') refused++
    // Between two certificates nothing tells that there was to be another one.
    const isBetween =
      length >= leaf.cert.trimEnd().length && length < leaf.cert.length + '-----BEGIN CERTIFICATE-----'.length
    if (found === 'taken' && !isBetween && !whole.has(length)) t.fail(`cut at ${length} it was taken`)
  }
  for (let length = 0; length < leaf.key.trimEnd().length; length++)
    if (refusal(leaf.cert, leaf.key.slice(0, length)) === 'taken') t.fail(`a key cut at ${length} was taken`)
  t.ok(refused > chain.length - 100, `${refused} of ${chain.length}`)
})

/** Two files in memory, and everything that the watch does with them. */
class World implements FilePort {
  readonly time = new ManualTime()
  readonly logged: { level: number; msg: string; reason?: string }[] = []
  readonly logger = pino({ base: null }, { write: (line) => this.logged.push(JSON.parse(line)) })
  readonly shown: string[] = []
  content: Record<string, string> = {}
  onRenew: () => void = () => {}
  #writes = 0
  #stamps: Record<string, string> = {}

  write(pair: Partial<Pair>): void {
    if (pair.cert !== undefined) this.put('tls.crt', pair.cert)
    if (pair.key !== undefined) this.put('tls.key', pair.key)
  }

  put(path: string, text: string): void {
    this.content[path] = text
    this.#stamps[path] = `${++this.#writes}`
  }

  read(path: string): Uint8Array {
    const text = this.content[path]
    if (text === undefined) throw new Error('ENOENT')
    return Buffer.from(text)
  }

  mode(): undefined {}

  stamp(path: string): string {
    return this.#stamps[path] ?? 'ENOENT'
  }

  watch(intervalMs = LOOK_INTERVAL_MS): CertificateWatch {
    const { time, logger } = this
    const renew = async () => {
      this.onRenew()
      this.shown.push(new X509Certificate(this.content['tls.crt'] ?? '').fingerprint256)
    }
    return new CertificateWatch({
      files: tlsFiles,
      disk: this,
      clock: time,
      timers: time,
      logger,
      renew,
      intervalMs,
    })
  }

  /** Messages logged since the last call, with their levels. */
  heard(): string[] {
    return this.logged.splice(0).map(({ level, msg }) => `${level} ${msg}`)
  }
}

const fingerprint = (pair: Pair) => new X509Certificate(pair.cert).fingerprint256

t.test('a change of the files is taken when it has settled', async (t) => {
  const world = new World()
  world.write(leaf)
  const watch = world.watch()
  watch.start()
  await world.time.advance(10 * LOOK_INTERVAL_MS)
  t.same(world.shown, [])
  t.same(watch.warnings, [])

  // The certificate now and its key a moment later, as many programs do it.
  world.write({ cert: other.cert })
  await world.time.advance(LOOK_INTERVAL_MS)
  world.write({ key: other.key })
  await world.time.advance(LOOK_INTERVAL_MS)
  t.same(world.shown, [], 'it may go on')
  await world.time.advance(LOOK_INTERVAL_MS)
  t.same(world.shown, [fingerprint(other)])
  t.equal(watch.certificate.fingerprint, fingerprint(other))
  t.same(world.heard(), ['30 a new certificate is shown to new connections'])
  await world.time.advance(10 * LOOK_INTERVAL_MS)
  t.equal(world.shown.length, 1)

  world.write(other)
  await world.time.advance(2 * LOOK_INTERVAL_MS)
  t.same(world.heard(), ['30 the certificate was read again and is the same'])
  t.equal(world.shown.length, 1, 'files that are only touched are no renewal')
  world.write({ cert: other.cert + issuer.cert })
  await world.time.advance(2 * LOOK_INTERVAL_MS)
  t.equal(world.shown.length, 2, 'the chain counts')
  await watch.stop()
  t.equal(world.time.timerCount, 0)
  world.write(leaf)
  await watch.reload()
  t.equal(world.shown.length, 2, 'nothing after the end')
})

t.test('what is no pair keeps the old one in force, and says so until it is mended', async (t) => {
  const world = new World()
  world.write(leaf)
  const watch = world.watch()
  watch.start()
  world.write({ cert: other.cert })
  await world.time.advance(3 * LOOK_INTERVAL_MS)
  t.same(world.shown, [])
  t.equal(watch.certificate.fingerprint, fingerprint(leaf))
  t.same(watch.warnings, [
    'the certificate was not renewed: tls.key: this private key does not belong to the certificate in tls.crt (CN=localhost). The old one stays, valid until 2024-02-12 22:13:20 UTC',
  ])
  t.same(world.heard(), ['50 the certificate was not renewed, the old one stays'])
  await world.time.advance(100 * LOOK_INTERVAL_MS)
  t.same(world.heard(), [], 'once')

  delete world.content['tls.key']
  world.write({ cert: `${other.cert} ` })
  await world.time.advance(3 * LOOK_INTERVAL_MS)
  t.match(watch.warnings, [
    /^the certificate was not renewed: tls\.key: the private key cannot be read: ENOENT/,
  ])
  const expired = await make(-0.5)
  world.write(expired)
  await world.time.advance(3 * LOOK_INTERVAL_MS)
  t.match(watch.warnings, [
    /^the certificate was not renewed: tls\.crt: the certificate \(CN=localhost\) has expired at/,
  ])
  world.write(other)
  world.onRenew = () => {
    throw new Error('the port is gone')
  }
  await world.time.advance(3 * LOOK_INTERVAL_MS)
  t.match(watch.warnings, [/^the certificate was not renewed: the port is gone\. The old one stays/])
  t.equal(watch.certificate.fingerprint, fingerprint(leaf))
  world.onRenew = () => {}
  await watch.reload()
  t.same(watch.warnings, [])
  t.same(world.shown, [fingerprint(other)])
  await watch.stop()
})

t.test('what was checked is what is shown, also when files change between', async (t) => {
  const world = new World()
  world.write(leaf)
  const watch = world.watch()
  const third = await make(90)
  world.write(third)
  world.onRenew = () => {
    world.onRenew = () => {}
    world.write(other)
  }
  await watch.reload()
  t.same(world.shown, [fingerprint(other), fingerprint(other)])
  t.equal(watch.certificate.fingerprint, fingerprint(other))
  // For ever: what the port shows in the end is not known, so the next reading renews whatever it finds.
  let i = 0
  world.onRenew = () => world.write({ cert: `${leaf.cert}\n# ${i++}`, key: leaf.key })
  world.write(leaf)
  await watch.reload()
  t.match(watch.warnings, [/^the certificate was not renewed: its files do not stop changing/])
  world.onRenew = () => {}
  world.write(other)
  const shownBefore = world.shown.length
  await watch.reload()
  t.equal(world.shown.length, shownBefore + 1)
  t.same(watch.warnings, [])
  await watch.stop()
})

t.test('an end that comes near is told in time, in the log once a day', async (t) => {
  const world = new World()
  const short = await make(20)
  world.write(short)
  const watch = world.watch(HOUR_MS)
  watch.start()
  const endMs = Math.floor(at(20).getTime() / 1000) * 1000
  const until = (leftMs: number) => world.time.advance(endMs - world.time.nowMs() - leftMs)
  await until(EXPIRY_WARNING_MS + 1)
  t.same(watch.warnings, [])
  await until(EXPIRY_WARNING_MS - HOUR_MS)
  t.same(watch.warnings, [
    'the certificate in tls.crt expires in 13 days, at 2023-12-04 22:13:20 UTC: put a new one in its place',
  ])
  t.same(world.heard(), ['40 the certificate needs to be renewed'])
  await world.time.advance(DAY_MS / 2)
  t.same(world.heard(), [])
  await until(1.5 * DAY_MS)
  t.equal(world.heard().length, 12)
  t.match(watch.warnings, [/expires in a day, at/])
  await until(1)
  t.match(watch.warnings, [/expires in less than a day, at/])
  await until(-1)
  t.match(watch.warnings, [
    'the certificate in tls.crt has expired at 2023-12-04 22:13:20 UTC: no client accepts it',
  ])
  const fresh = await makePair({ notBefore: at(0), notAfter: at(200) })
  world.write(fresh)
  await world.time.advance(3 * HOUR_MS)
  t.same(watch.warnings, [])
  await watch.stop()
})

t.test('a node: at start a bad pair is an error, plain text that was allowed a warning', async (t) => {
  const world = new World()
  const node = (config: Partial<ConstructorParameters<typeof NodeTls>[0]['config']>) =>
    new NodeTls({
      config: {
        listen: { host: '127.0.0.1', port: 1 },
        tls: { cert: undefined, key: undefined },
        insecurePlaintext: 'off',
        ...config,
      },
      files: world,
      clock: world.time,
      timers: world.time,
      logger: world.logger,
    })
  const tls = { cert: 'tls.crt', key: 'tls.key' }
  t.throws(() => node({ tls }), {
    name: 'CertificateError',
    message: /^tls\.crt: the certificate cannot be read: /,
  })
  world.write({ cert: leaf.cert, key: other.key })
  t.throws(() => node({ tls }), { message: /does not belong/ })
  world.write(leaf)
  const secure = node({ tls, insecurePlaintext: 'on', listen: { host: '0.0.0.0', port: 1 } })
  t.same(secure.files, tlsFiles)
  t.same(secure.warnings, [])
  const plain = node({})
  t.equal(plain.files, undefined)
  t.same(plain.warnings, [])
  await plain.reload()
  t.same(node({ insecurePlaintext: 'on' }).warnings, [], 'on this machine there is nothing to be said')
  t.same(world.heard(), [])
  t.same(node({ insecurePlaintext: 'on', listen: { host: '0.0.0.0', port: 1 } }).warnings, [
    '0.0.0.0 is listened on in plain text (--insecure-plaintext): anybody on the way can read and change credentials and events',
  ])
  t.same(world.heard(), ['40 connections are not encrypted'])
})

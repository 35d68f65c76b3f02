/**
 * A busy life of a real broker with every kind of credential, good ones and wrong ones. Then everything it said, answered
 * and keeps is searched for every secret that was used: log lines, metrics, answers, what the command line
 * printed, and each file of the data directory. In none of them is any part of one, but for `admin.key`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import { WebSocket } from 'ws'
import { decodeIssuerKey } from '../../broker/access/issuer-key-store.ts'
import { connect } from '../../client/index.ts'
import { apis } from '../../client/protocol/api.ts'
import { encodeRequest } from '../../client/protocol/codec.ts'
import { ErrorCode } from '../../client/protocol/errors.ts'
import { SUBPROTOCOL } from '../../client/protocol/frame.ts'
import { createLmdbMetadataStore } from '../../storage/metadata/lmdb-metadata-store.ts'
import { AUDIENCE, CLIENT_ID, CLIENT_SECRET, ProviderServer } from '../auth/support/provider-server.ts'
import { asProcess, cleanEnvironment, inProcess, mainScript } from '../broker/cli/octopus.ts'
import { ProtocolClient } from '../broker/protocol-client.ts'
import { freePort } from '../support/broker-process.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { SecretSearch, secretOf } from './secret-search.ts'

const random = seededRandom(t)
const directory = await mkdtemp(join(tmpdir(), 'octopus-secrets-'))
const data = join(directory, 'data')
const port = await freePort()
const url = `ws://127.0.0.1:${port}`
const http = `http://127.0.0.1:${port}`
const secrets = new Map<string, string>()
/** Everything that was said, by where. */
const said = new Map<string, string[]>()

function used(name: string, secret: string): string {
  secrets.set(name, secret)
  return secret
}

function heard(where: string, what: unknown): void {
  const text = typeof what === 'string' ? what : inspect(what, { depth: 9, maxStringLength: null })
  const texts = said.get(where)
  if (texts) texts.push(text)
  else said.set(where, [text])
}

/** Characters that a secret may be made of. */
function characters(count: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return Array.from({ length: count }, () => alphabet[random.below(64)]).join('')
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** What a call says when it is refused, told as a program would print it at its most talkative. */
async function refused(where: string, call: Promise<unknown>): Promise<void> {
  try {
    await call
    throw new Error(`${where}: nobody refused it`)
  } catch (error) {
    heard(where, error)
    heard(where, (error as Error).stack)
    heard(where, JSON.stringify(error))
  }
}

async function startBroker(config: string): Promise<ChildProcess> {
  const args = ['serve', '--config', config, '--data', data, '--listen', `127.0.0.1:${port}`]
  const child = spawn(
    process.execPath,
    [mainScript, ...args, '--log-level', 'trace', '--log-format', 'json'],
    { env: { ...cleanEnvironment(), OCTOPUS_TOKEN: '' } },
  )
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      output.text += chunk
      heard('what the broker logs and prints', chunk.toString('latin1'))
    })
  const ended = once(child, 'close').then(() => {
    throw new Error(`the broker ended: ${output.text}`)
  })
  // Nobody waits any more once it is ready.
  ended.catch(() => {})
  await Promise.race([until(() => output.text.includes('"ready":true')), ended])
  return child
}

async function stop(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close')
  child.kill('SIGTERM')
  t.same(await closed, [0, null], 'it stops as it should')
}

/** A command line in this process; what it prints is searched, but for the one secret it is there to show. */
async function octopus(token: string, line: string, shows?: string) {
  const ran = await inProcess([...line.split(' '), '--url', url], {
    env: { OCTOPUS_TOKEN: token, OCTOPUS_DEBUG: '1' },
    stdin: 'one\ntwo\n',
    answer: 'yes',
  })
  heard(`octopus ${line}`, ran.err)
  if (shows === undefined) heard(`octopus ${line}`, ran.out)
  else {
    if (ran.exitCode !== 0) throw new Error(ran.err)
    used(shows, ran.out.trim())
  }
  return ran
}

async function get(path: string, authorization?: string): Promise<number> {
  const response = await fetch(`${http}${path}`, { headers: authorization ? { authorization } : {} })
  heard(`GET ${path.split('?')[0]}`, [response.status, ...response.headers, await response.text()].join('\n'))
  return response.status
}

/** The upgrade; every frame that comes is searched. Undefined: it was refused. */
async function upgraded(path: string, headers: Record<string, string>): Promise<ProtocolClient | undefined> {
  try {
    const client = await ProtocolClient.open(`${url}${path}`, headers)
    client.socket.on('message', (bytes: Buffer) => heard('frames', bytes.toString('latin1')))
    await client.call(apis.hello, { clientName: 'test', clientVersion: '1' })
    return client
  } catch (error) {
    heard('a refused upgrade', error)
    return undefined
  }
}

async function authenticated(token: string): Promise<ProtocolClient> {
  const client = (await upgraded('/', {})) as ProtocolClient
  await client.call(apis.authenticate, { mechanism: 'token', token })
  return client
}

/** Everything a broker tells of itself and of what it keeps. */
async function askEverything(client: ProtocolClient): Promise<void> {
  await client.call(apis.whoami, {})
  await client.call(apis.listKeys, { principal: null })
  await client.call(apis.describeAcls, { principal: null, resource: null })
  await client.call(apis.listNamespaces, {})
  await client.call(apis.listTopics, { includeInternal: true })
  await client.call(apis.status, {})
}

async function filesIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true })
  const inner = entries.map((entry) => {
    const at = join(path, entry.name)
    return entry.isDirectory() ? filesIn(at) : [at]
  })
  return (await Promise.all(inner)).flat()
}

t.teardown(() => rm(directory, { recursive: true, force: true }))

t.test('what looks for secrets finds one in a log line, however it is written', async (t) => {
  const key = `oct_${'k'.repeat(16)}_${characters(43)}`
  const token = `eyJhbGciOiJFZERTQSJ9.${characters(60)}.${characters(86)}`
  const search = new SecretSearch([secretOf('key', key), secretOf('token', token)])
  const line = (text: string) => `{"level":20,"time":"2026-01-01","connection":17,"reason":"${text}"}\n`
  const spellings = (text: string) => {
    const bytes = Buffer.from(text)
    const encoded = (['base64', 'base64url', 'hex'] as const).flatMap((encoding) =>
      ['', 'x', 'xy'].map((before) => Buffer.concat([Buffer.from(before), bytes]).toString(encoding)),
    )
    return [text, ...encoded]
  }
  for (const spelled of spellings(key)) t.same(search.in(line(spelled)), ['key'], spelled)
  for (const spelled of spellings(token)) t.same(search.in(line(spelled)), ['token'], spelled)
  t.same(search.in(line(`${token} and ${key}`)), ['key', 'token'])
  t.same(search.in(line(key.slice(-20, -8))), ['key'], 'a part of it')
  t.same(search.in(Buffer.concat([Buffer.alloc(99), Buffer.from(key.slice(-43), 'base64url')])), ['key'])
  t.same(search.in(line(key.slice(0, 24))), [], 'the id of a key is none')
  t.same(search.in(line(token.split('.')[0])), [], 'nor is the head of a token')
  t.same(
    search.in(line(`${characters(43)} and ${characters(86)}`)),
    [],
    'nor what is random and not a secret',
  )
})

t.test('nothing of a secret is told or kept', { timeout: 120_000 }, async (t) => {
  const signing = await ProviderServer.start()
  const opaque = await ProviderServer.start()
  opaque.useKeys(opaque.keys, 'opaque')
  t.teardown(() => Promise.all([signing.stop(), opaque.stop()]))
  const clientSecretFile = join(directory, 'client-secret')
  await writeFile(clientSecretFile, `${used('secret of the introspection client', CLIENT_SECRET)}\n`, {
    mode: 0o600,
  })
  const config = join(directory, 'octopus.yaml')
  const provider = { audience: AUDIENCE, clockToleranceMs: 0 }
  await writeFile(
    config,
    JSON.stringify({
      storage: { segmentBytes: 32 * 1024 * 1024 },
      auth: {
        throttleBurst: 10_000,
        issuers: [{ ...provider, issuer: signing.issuer, prefix: 'lab/', jwksCooldownMs: 1_000 }],
        introspection: {
          ...provider,
          url: opaque.introspectionUrl,
          clientId: CLIENT_ID,
          clientSecretFile,
          principalClaim: 'client_id',
          prefix: 'globus/',
        },
      },
    }),
  )
  let broker = await startBroker(config)
  const admin = used('key of the administrator', (await readFile(join(data, 'admin.key'), 'utf8')).trim())

  // Good ones of every kind.
  const client = await connect({ url, token: admin })
  const keys = client.admin()
  for (const user of ['ada', 'bob']) await keys.createNamespace(user, { owners: [`user:${user}`] })
  const bySdk = await keys.createKey({ name: 'sdk', principal: 'ada' })
  const ada = used('key by the SDK', bySdk.key)
  const rotated = await keys.rotateKey(bySdk.keyId, 600_000)
  used('key by the SDK, rotated', rotated.key)
  const revoked = await keys.createKey({ name: 'revoked', principal: 'ada' })
  used('revoked key', revoked.key)
  await keys.revokeKeys([revoked.keyId])
  const short = await keys.createKey({ name: 'short', principal: 'ada', expiresAtMs: Date.now() + 300 })
  used('expired key', short.key)
  const issued = await keys.issueToken({ principal: 'ada', groups: ['lab'] })
  used('token of the broker', issued.token)
  const ended = await keys.issueToken({ principal: 'bob' })
  used('revoked token of the broker', ended.token)
  await keys.revokeTokens({ tokenId: ended.tokenId })
  await keys.rotateIssuerKey()
  used('token of the rotated key', (await keys.issueToken({ principal: 'ada' })).token)
  await octopus(admin, 'key create cli --for bob --scope read:topic:bob.*', 'key by the command line')
  const byCli = (secrets.get('key by the command line') as string).split('_')[1]
  await octopus(admin, `key rotate ${byCli}`, 'key by the command line, rotated')
  await octopus(admin, 'token issue --for bob', 'token by the command line')
  const keyFile = join(directory, 'bob.key')
  await octopus(admin, `key create out --for bob --out ${keyFile}`)
  used('key in a file', (await readFile(keyFile, 'utf8')).trim())
  const signed = used('token of a provider', await signing.token())
  const unreadable = used('opaque token', await opaque.token())
  const withdrawn = used('revoked opaque token', await opaque.token())
  await opaque.revoke(withdrawn)
  signing.tokenLifetime = 1
  const late = used('expired token of a provider', await signing.token())
  const lateSince = Date.now()

  const good = [admin, ada, rotated.key, issued.token, signed, unreadable]
  for (const token of good) {
    const [byFrame, byHeader] = [
      await authenticated(token),
      await upgraded('/', { authorization: `Bearer ${token}` }),
    ]
    for (const open of [byFrame, byHeader as ProtocolClient]) {
      await open.call(apis.whoami, {})
      await open.call(apis.listKeys, { principal: null }).catch((error) => heard('listKeys', error))
    }
    for (const path of ['/metrics', '/readyz'])
      t.equal(await get(path, `Bearer ${token}`), token === admin ? 200 : 403)
    await octopus(token, 'whoami --json')
    await octopus(token, 'key list --json')
  }
  await until(() => Date.now() > lateSince + 1_500)

  // Wrong ones of every shape.
  const id = bySdk.keyId
  const [head, payload, signature] = issued.token.split('.')
  const wrong = {
    'right id, wrong secret': `oct_${id}_${characters(43)}`,
    'unknown id': `oct_${'q'.repeat(16)}_${characters(43)}`,
    'truncated key': ada.slice(0, -1),
    'key with more': `${ada}${characters(20)}`,
    'key of another form': `OCT-${characters(16)}-${characters(43)}`,
    'revoked key': revoked.key,
    'expired key': short.key,
    'revoked token': ended.token,
    'truncated token': issued.token.slice(0, -20),
    'token with another payload': `${head}.${payload.slice(0, -4)}${characters(8)}.${signature}`,
    'token without a signature': `${head}.${payload}.`,
    'expired token': late,
    'token of nobody': `${head}.${Buffer.from(JSON.stringify({ iss: 'https://other.example', nonce: characters(30) })).toString('base64url')}.${characters(86)}`,
    'token that is no JSON': `eyJ${characters(40)}.${characters(60)}.${characters(86)}`,
    'revoked opaque': withdrawn,
    'opaque of nobody': characters(43),
    'short opaque': characters(14),
    oversized: characters(20_000),
    'oversized key': `oct_${id}_${characters(17_000)}`,
    'with a space': `${characters(20)} ${characters(20)}`,
    'with a line break': `${characters(20)}\n${characters(20)}`,
    'not ASCII': `${characters(20)}ä${characters(20)}`,
  }
  for (const [name, token] of Object.entries(wrong)) used(`wrong: ${name}`, token)
  for (const [name, token] of Object.entries(wrong)) {
    const anybody = (await upgraded('/', {})) as ProtocolClient
    await refused(`authenticate, ${name}`, anybody.call(apis.authenticate, { mechanism: 'token', token }))
    await refused(`authenticate, ${name}`, anybody.call(apis.whoami, {}))
    await refused(
      `another mechanism, ${name}`,
      anybody.call(apis.authenticate, { mechanism: token.slice(0, 200), token }),
    )
    await refused(`the SDK, ${name}`, connect({ url, token }))
    anybody.socket.terminate()
    await octopus(token, 'whoami')
    if (/[^ -~]/.test(token)) continue
    for (const form of [`Bearer ${token}`, `bearer  ${token}`, `Basic ${token}`, token]) {
      const open = await upgraded('/', { authorization: form })
      await open?.call(apis.whoami, {}).catch((error) => heard('after an upgrade', error))
      for (const path of ['/metrics', '/readyz', '/healthz', '/nothing', '/.well-known/jwks.json'])
        await get(path, form)
    }
  }
  const written = Object.values(wrong).filter((token) => token.length < 2_000)
  for (const token of [...good, ...written]) {
    const query = encodeURIComponent(token)
    for (const path of ['/', '/metrics', '/healthz', '/nothing']) {
      await get(`${path}?token=${query}`)
      await get(`${path}?access_token=${query}`, `Bearer ${admin}`)
    }
    t.equal(await get(`/${query}`, `Bearer ${admin}`), 404)
    const open = await upgraded(`/?token=${query}`, {})
    await refused('after ?token=', (open as ProtocolClient).call(apis.whoami, {}))
    await refused('the SDK with a token in its address', connect({ url: `${url}/?token=${query}` }))
    await refused('the SDK with a token as user', connect({ url: `ws://${query}@127.0.0.1:${port}` }))
    heard('--url with a token', await inProcess(['whoami', '--url', `${url}/?token=${query}`]))
  }

  // Frames that are broken in the middle of a secret.
  for (const cut of [1, 10, 40]) {
    const socket = new WebSocket(url, SUBPROTOCOL)
    socket.on('message', (bytes: Buffer) => heard('frames', bytes.toString('latin1')))
    await once(socket, 'open')
    socket.send(encodeRequest(apis.hello, 1, { clientName: 'test', clientVersion: '1' }))
    socket.send(encodeRequest(apis.authenticate, 2, { mechanism: 'token', token: ada }).subarray(0, -cut))
    heard('a broken frame', await once(socket, 'close'))
  }
  for (const token of [ada, wrong['right id, wrong secret']]) {
    const socket = new WebSocket(url, SUBPROTOCOL)
    await once(socket, 'open')
    socket.send(token)
    const [code, reason] = await once(socket, 'close')
    heard('a secret as text', `${code} ${reason}`)
  }

  // Every command with a token that is wrong, and one that may little.
  const commands = [
    ...['create x', 'list', 'describe x', 'alter x --partitions 9', 'delete x --yes'].map(
      (line) => `topic ${line}`,
    ),
    ...['produce x', 'consume x --from earliest --until-end', 'status', 'status --json', 'whoami'],
    ...['create x --for ada', 'list', `revoke ${'a'.repeat(16)}`, `rotate ${'b'.repeat(16)}`].map(
      (line) => `key ${line}`,
    ),
    ...['issue --for ada', 'revoke --for carl', 'revoke x', 'rotate-issuer-key'].map(
      (line) => `token ${line}`,
    ),
    ...['create x', 'list', 'alter x --add-owner user:bob', 'delete x'].map((line) => `namespace ${line}`),
    'grant read x user:bob',
    ...['list', 'explain --operation read --resource topic:x', 'delete x'].map((line) => `acl ${line}`),
    'acl create --principal user:bob --resource topic:x --operation read',
  ]
  const little = secrets.get('key in a file') as string
  for (const line of commands) {
    for (const token of [wrong['right id, wrong secret'], issued.token.slice(0, -3)])
      t.not((await octopus(token, line)).exitCode, 0, line)
    if (!/^(?:key create|token issue)/.test(line)) await octopus(little, line)
  }

  // As processes, with both variables and a file.
  const wrongFile = join(directory, 'wrong.key')
  await writeFile(wrongFile, `${wrong['unknown id']}\n`, { mode: 0o600 })
  const runs = [
    [{ OCTOPUS_TOKEN: admin }, 0],
    [{ OCTOPUS_TOKEN: wrong['right id, wrong secret'] }, 1],
    [{ OCTOPUS_TOKEN: '', OCTOPUS_TOKEN_FILE: keyFile }, 0],
    [{ OCTOPUS_TOKEN: admin, OCTOPUS_TOKEN_FILE: wrongFile }, 1],
  ] as const
  for (const [env, exitCode] of runs) {
    const ran = await asProcess(['whoami', '--url', url, '--json'], { env: { ...env, OCTOPUS_DEBUG: '1' } })
    t.equal(ran.exitCode, exitCode, ran.err)
    heard('octopus as a process', ran)
  }

  // Work, and a provider that goes away in the middle of it.
  await keys.createTopic('ada.readings', { partitions: 2 })
  const worker = await connect({ url, token: rotated.key })
  const producer = worker.producer({ producerName: 'ada.detector' })
  await Promise.all(
    Array.from({ length: 500 }, (_, i) => producer.send('ada.readings', { value: `event ${i}` })),
  )
  await producer.close()
  await opaque.down()
  const fresh = used('token of a provider that is down', characters(43))
  const waiting = (await upgraded('/', {})) as ProtocolClient
  await t.rejects(waiting.call(apis.authenticate, { mechanism: 'token', token: fresh }), {
    code: ErrorCode.AUTHENTICATION_UNAVAILABLE,
  })
  await opaque.up()
  await keys.revokeKeys([byCli])
  await askEverything(await authenticated(admin))
  heard('status --json', await octopus(admin, 'status --json'))
  await worker.close()
  await client.close()
  await stop(broker)

  // Once more, from what it keeps.
  broker = await startBroker(config)
  await askEverything(await authenticated(admin))
  for (const token of [rotated.key, issued.token, signed, unreadable])
    await (await authenticated(token)).call(apis.whoami, {})
  await refused('a revoked key after a restart', authenticated(revoked.key))
  await refused('a revoked token after a restart', authenticated(ended.token))
  t.equal(await get('/metrics', `Bearer ${admin}`), 200)
  await stop(broker)

  const signingKeys = await privateKeys()
  t.equal(signingKeys.length, 2, 'both keys of the issuer')
  for (const [i, key] of signingKeys.entries()) used(`private key ${i} of the issuer`, key)

  const search = new SecretSearch([...secrets].map(([name, text]) => secretOf(name, text)))
  t.ok(said.size > 50, `${said.size} places were listened to`)
  for (const [where, texts] of said) t.same(search.in(texts.join('')), [], where)

  const files = await filesIn(data)
  const names = files.map((file) => file.slice(data.length + 1))
  for (const name of ['admin.key', 'metadata.lmdb', 'octopus.json', 'shard-0/segment-0000000001.lmdb'])
    t.ok(names.includes(name), name)
  for (const [i, file] of files.entries()) {
    const bytes = await readFile(file)
    const kept: Record<string, string[]> = {
      'admin.key': ['key of the administrator'],
      'metadata.lmdb': ['private key 0 of the issuer', 'private key 1 of the issuer'],
    }
    t.same(search.in(bytes), kept[names[i]] ?? [], names[i])
    t.equal((await stat(file)).mode & 0o777, 0o600, `nobody else reads ${names[i]}`)
  }
  for (const path of [data, join(data, 'shard-0')]) t.equal((await stat(path)).mode & 0o777, 0o700, path)
})

async function privateKeys(): Promise<string[]> {
  const store = createLmdbMetadataStore({
    path: join(data, 'metadata.lmdb'),
    closePatience: () => new Promise((resolve) => setTimeout(resolve, 2_000)),
    onListenerError: (error) => t.error(error),
  })
  await store.open()
  const { entries } = await store.list('/issuer/keys/')
  await store.close()
  return entries.map((entry) => decodeIssuerKey(entry).privateJwk.d as string)
}

/**
 * Tokens of the built-in issuer that live for seconds, against a whole node and the real client: renewed in the open
 * connection, ahead of their end and after it, while events flow. Time runs ten times as fast for both.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { loadConfig } from '../../../broker/config/load-config.ts'
import { startNode } from '../../../broker/node.ts'
import { systemPorts } from '../../../broker/system-ports.ts'
import { loadUwsTransport } from '../../../broker/transport/uws-transport.ts'
import { OctopusClient } from '../../../client/client.ts'
import { nodePorts } from '../../../client/node/node-ports.ts'
import type { ClientPorts } from '../../../client/ports.ts'
import { apis } from '../../../client/protocol/api.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { provisionAdminKey } from '../../support/admin-key.ts'
import { batchOf, ProtocolClient } from '../protocol-client.ts'

const transport = await loadUwsTransport()
const SPEED = 10
/** What the built-in issuer adds to the life of a token. */
const TOLERANCE_MS = 5_000

async function node(t: Test, more: Record<string, string> = {}) {
  const path = await mkdtemp(join(tmpdir(), 'octopus-renewal-'))
  const data = join(path, 'data')
  await provisionAdminKey(data)
  const flags = { data, listen: '127.0.0.1:0', 'storage.segmentBytes': '16MiB', ...more }
  const config = loadConfig({ flags, env: {}, readFile: () => '' })
  const ports = systemPorts()
  const startMs = ports.clock.nowMs()
  let jumpMs = 0
  const nowMs = () => Math.floor(startMs + SPEED * (ports.clock.nowMs() - startMs) + jumpMs)
  const started = await startNode({
    config,
    logger: pino({ level: 'silent' }),
    transport,
    ...ports,
    clock: { ...ports.clock, nowMs },
  })
  const admin = await ProtocolClient.connect(started.url)
  t.teardown(async () => {
    await admin.close()
    await started.stop()
    await rm(path, { recursive: true })
  })
  const topicId = await admin.createTopic('a', 2)
  const entry = { principal: 'user:agent', operations: ['read', 'write'], resource: 'topic:a' }
  await admin.call(apis.createAcls, {
    entries: [{ ...entry, effect: 'allow', expiresAtMs: null, note: null }],
  })
  const shown = { count: 0 }
  const token = async (lifetimeMs = 1_000) => {
    const wanted = { principal: 'agent', groups: [], roles: [], lifetimeMs, scope: null }
    shown.count++
    return (await admin.call(apis.issueToken, wanted)).token
  }
  const jump = (ms: number) => {
    jumpMs += ms
  }
  return { url: started.url, admin, topicId, token, shown, jump }
}

/** A client whose time runs as fast as the node's. */
const fastPorts: ClientPorts = {
  ...nodePorts,
  clock: { ...nodePorts.clock, monotonicMs: () => SPEED * nodePorts.clock.monotonicMs() },
  timers: { ...nodePorts.timers, after: (delayMs, run) => nodePorts.timers.after(delayMs / SPEED, run) },
}

type Node = Awaited<ReturnType<typeof node>>

/** A producer and a consumer until so many tokens were shown; `between` comes while records are on their way. */
async function flow(t: Test, { url, token, shown }: Node, tokens: number, between: (round: number) => void) {
  const events: string[] = []
  const client = await OctopusClient.open(
    { url, token: () => token(), onConnection: ({ kind }) => events.push(kind) },
    fastPorts,
  )
  const consumer = client.consumer({ topics: ['a'], from: 'earliest', maxWaitMs: 60_000 })
  await consumer.ready()
  const producer = client.producer()
  const given: string[][] = [[], []]
  const got: string[][] = [[], []]
  const reading = (async () => {
    for await (const event of consumer) {
      got[event.partition].push(event.text() ?? '')
      if (got.every((values) => values.at(-1) === 'last')) return
    }
  })()
  const send = (value: string, partition: number) => {
    given[partition].push(value)
    return producer.send('a', { value, partition })
  }
  for (let round = 0; shown.count < tokens; round++) {
    const sends = Array.from({ length: 50 }, (_, i) => send(`${round}:${i}`, i % 2))
    between(round)
    await Promise.all(sends)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await Promise.all([send('last', 0), send('last', 1)])
  await reading
  await client.close()
  t.same(got, given, 'every event once, in order')
  t.same(
    events.filter((kind) => kind !== 'renewed'),
    ['connected'],
    'in one connection, and no renewal failed',
  )
}

t.test('tokens that live for seconds are renewed ahead: nothing lost, nothing twice', async (t) => {
  await flow(t, await node(t), 6, () => undefined)
})

t.test('tokens whose time is suddenly over are renewed when that is noticed', async (t) => {
  const given = await node(t)
  await flow(t, given, 8, (round) => {
    if (round % 10 === 9) given.jump(1_000 + TOLERANCE_MS)
  })
})

t.test('a parked fetch outlives the credential it came with, if that was renewed', async (t) => {
  const { url, admin, topicId, token, jump } = await node(t)
  const client = await ProtocolClient.connect(url, await token(60_000))
  const parked = client.fetch(topicId, 0, 0, 20_000)
  await client.call(apis.authenticate, { mechanism: 'token', token: await token(3_600_000) })
  jump(60_000 + TOLERANCE_MS)
  // The node has looked for what has expired since: here is one that did.
  const other = await ProtocolClient.connect(url, await token(60_000))
  const ended = other.fetch(topicId, 0, 0, 20_000)
  jump(60_000 + TOLERANCE_MS)
  await t.rejects(ended, { code: ErrorCode.CREDENTIAL_EXPIRED })
  await admin.produce(topicId, 0, batchOf(['x']))
  t.match((await parked).records, [{ offset: 0, value: 'x' }])
  await client.close()
  await other.close()
})

t.test('nor does one outlive the rights it came with', async (t) => {
  const { url, admin, topicId, token } = await node(t)
  const client = await ProtocolClient.connect(url, await token(60_000))
  const parked = client.fetch(topicId, 0, 0, 20_000)
  const wanted = { principal: 'agent', groups: [], roles: [], lifetimeMs: 60_000 }
  const scope = [{ operations: ['write'], resource: 'topic:a' }]
  const narrow = (await admin.call(apis.issueToken, { ...wanted, scope })).token
  await client.call(apis.authenticate, { mechanism: 'token', token: narrow })
  await admin.produce(topicId, 0, batchOf(['x']))
  const { response, records } = await parked
  t.equal(response?.error, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
  t.same(records, [])
  await client.close()
})

t.test('a client that was idle when its credential was revoked comes again by itself', async (t) => {
  const given = await node(t, { 'auth.timeoutMs': '100' })
  const { admin, url } = given
  const none = { groups: [], roles: [], scope: null, expiresAtMs: null }
  const keys: string[] = []
  const nextKey = async () => {
    const { keyId, key } = await admin.call(apis.createKey, { principal: 'agent', name: 'k', ...none })
    keys.push(keyId)
    return key
  }
  const events: string[] = []
  let again = () => {}
  const client = await OctopusClient.open(
    {
      url,
      token: nextKey,
      onConnection: ({ kind }) => {
        events.push(kind)
        if (events.filter((each) => each === 'connected').length === 2) again()
      },
    },
    nodePorts,
  )
  const producer = client.producer()
  await producer.send('a', { value: 'before' })
  const cameAgain = new Promise<void>((resolve) => {
    again = resolve
  })
  await admin.call(apis.revokeKeys, { keyIds: [keys[0]] })
  await cameAgain
  t.same(
    events,
    ['connected', 'disconnected', 'waiting', 'connected'],
    'it was closed, and asked nothing before',
  )
  await producer.send('a', { value: 'after' })
  await client.close()
})

t.test('what waits for a newer credential longer than the broker does is delivered, once', async (t) => {
  const { admin, url, token, topicId } = await node(t, { 'auth.timeoutMs': '100' })
  const events: string[] = []
  let isOut = false
  let back = () => {}
  const source = () => {
    if (isOut) throw new Error('out of reach')
    return token(3_600_000)
  }
  const client = await OctopusClient.open(
    {
      url,
      token: source,
      onConnection: ({ kind }) => {
        events.push(kind)
        if (kind === 'disconnected') back()
      },
    },
    nodePorts,
  )
  const producer = client.producer()
  await producer.send('a', { value: 'first', partition: 0 })
  isOut = true
  await admin.call(apis.revokeToken, { tokenId: null, principal: 'agent' })
  const closed = new Promise<void>((resolve) => {
    back = resolve
  })
  const sends = Array.from({ length: 50 }, (_, i) => producer.send('a', { value: `${i}`, partition: 0 }))
  await closed
  isOut = false
  await Promise.all(sends)
  await client.close()
  t.ok(events.indexOf('unrenewed') < events.indexOf('disconnected'), `${events}`)
  const got: unknown[] = []
  while (got.length < 51) got.push(...(await admin.fetch(topicId, 0, got.length, 1_000)).records)
  t.same(
    got.map((record) => (record as { value: string }).value),
    ['first', ...Array.from({ length: 50 }, (_, i) => `${i}`)],
  )
})

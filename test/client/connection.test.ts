/** One connection and the tie over many: greeting, limits, time-outs, liveness, broken brokers, coming back. */
import t from 'tap'
import { OctopusClient } from '../../client/client.ts'
import { Connection } from '../../client/connection.ts'
import { type ClientOptions, type ConnectionEvent, clientSettings } from '../../client/options.ts'
import type { WebSocketConnector } from '../../client/ports.ts'
import { apis } from '../../client/protocol/api.ts'
import { encodeFetchData, encodeResponse } from '../../client/protocol/codec.ts'
import { ErrorCode, type ProtocolError } from '../../client/protocol/errors.ts'
import { writeFrame } from '../../client/protocol/frame.ts'
import { FakeBroker, type FakeRequest, type Misbehaviour } from './support/fake-broker.ts'
import { connected, failureOf } from './support/harness.ts'
import { World } from './support/world.ts'

async function opened(options: ClientOptions = {}) {
  const world = new World()
  const broker = new FakeBroker(world)
  const settings = clientSettings(options)
  const connection = await world.until(Connection.open(settings, broker.ports, new AbortController().signal))
  const ended: ProtocolError[] = []
  connection.onClosed((error) => ended.push(error))
  return { world, broker, connection, ended }
}

function opening(options: ClientOptions, prepare: (broker: FakeBroker) => void) {
  const world = new World()
  const broker = new FakeBroker(world)
  prepare(broker)
  return { world, broker, failure: failureOf(world.until(OctopusClient.open(options, broker.ports))) }
}

const onlyFor =
  (name: string, wrong: Misbehaviour) =>
  ({ api }: FakeRequest): Misbehaviour | undefined =>
    api.name === name ? wrong : undefined

t.test('a broker that cannot be reached: one line, at once', async (t) => {
  const { world, broker, failure } = opening({ url: 'ws://edge:1' }, ({ network }) => {
    network.isDown = true
  })
  t.match(await failure, {
    code: ErrorCode.DISCONNECTED,
    message: 'cannot connect to ws://edge:1: connection refused',
  })
  t.equal(broker.network.attempts, 1)
  t.equal(world.pendingCount, 0)
})

t.test('a broker that accepts and says nothing: the connect time-out', async (t) => {
  const { world, failure } = opening({ connectTimeoutMs: 700 }, (broker) => {
    broker.misbehave = () => ({ kind: 'ignore' })
  })
  t.match(await failure, { message: 'cannot connect to ws://127.0.0.1:7654: no answer within 700 ms' })
  t.equal(world.nowMs, 700)
  await world.pass(1)
  t.equal(world.pendingCount, 0)
})

t.test('retryFirstConnect goes on until the broker is there, or until the signal', async (t) => {
  const world = new World()
  const broker = new FakeBroker(world)
  broker.network.isDown = true
  const opening = OctopusClient.open({ retryFirstConnect: true }, broker.ports)
  await world.pass(20_000)
  t.ok(broker.network.attempts > 5)
  broker.start()
  t.ok((await world.until(opening)).isConnected)

  broker.network.isDown = true
  const patience = new AbortController()
  const waiting = OctopusClient.open({ retryFirstConnect: true, signal: patience.signal }, broker.ports)
  const failure = failureOf(waiting)
  await world.pass(20_000)
  patience.abort(new Error('enough'))
  t.match(await world.until(failure), { message: 'enough' })
})

t.test('an aborted signal ends the first attempt', async (t) => {
  const { world, failure } = opening({ signal: AbortSignal.abort(new Error('never mind')) }, () => undefined)
  t.match(await failure, { message: 'never mind' })
  t.equal(world.pendingCount, 0)
})

t.test('tokens: sent after the greeting, asked for anew at each connect, missed when wanted', async (t) => {
  const tokens: string[] = []
  const world = new World()
  const broker = new FakeBroker(world)
  broker.authenticationRequired = true
  broker.misbehave = ({ api, message }) => {
    if (api.name === 'authenticate') tokens.push(message.token)
    return undefined
  }
  let count = 0
  const client = await world.until(OctopusClient.open({ token: () => `token ${++count}` }, broker.ports))
  broker.network.dropAll()
  await world.pass(100)
  t.ok(client.isConnected)
  t.same(tokens, ['token 1', 'token 2'])
  t.match(await failureOf(world.until(OctopusClient.open({}, broker.ports))), {
    code: ErrorCode.SASL_AUTHENTICATION_FAILED,
    message: 'ws://127.0.0.1:7654 asks for a credential: give the option token',
  })
})

t.test('a credential that cannot be had is an attempt that failed', async (t) => {
  const { failure } = opening(
    { token: () => Promise.reject(new Error('the issuer is down')) },
    () => undefined,
  )
  t.match(await failure, {
    code: ErrorCode.DISCONNECTED,
    message: 'cannot connect to ws://127.0.0.1:7654: no credential: the issuer is down',
  })
})

t.test('a source of credentials that never answers does not hold up an attempt', async (t) => {
  const token = () => new Promise<string>(() => undefined)
  const late = opening({ token, connectTimeoutMs: 700 }, () => undefined)
  t.match(await late.failure, { message: 'cannot connect to ws://127.0.0.1:7654: no answer within 700 ms' })
  t.equal(late.world.nowMs, 700)
  await late.world.pass(1)
  t.equal(late.world.pendingCount, 0)
  t.equal(late.broker.network.sockets.size, 0)

  const cut = opening({ token }, () => undefined)
  cut.world.after(50, () => cut.broker.network.dropAll())
  t.match(await cut.failure, { message: /ended: the connection was cut$/ })
  t.equal(cut.world.nowMs, 50)

  const patience = new AbortController()
  const aborted = opening({ token, signal: patience.signal }, () => undefined)
  aborted.world.after(50, () => patience.abort(new Error('enough')))
  t.match(await aborted.failure, { message: 'enough' })
  t.equal(aborted.world.nowMs, 50)
})

t.test('whenever the first connection is given up, none stays open that nobody has', async (t) => {
  const outcomes = new Set<boolean>()
  for (let steps = 0; steps < 20; steps++) {
    const world = new World()
    const broker = new FakeBroker(world)
    const patience = new AbortController()
    const giveUpAfter = async (microtasks: number) => {
      for (let i = 0; i < microtasks; i++) await undefined
      patience.abort(new Error('enough'))
    }
    const { connect } = broker.network.connector
    const websockets: WebSocketConnector = {
      connect: (url, options, handlers) =>
        connect(url, options, {
          ...handlers,
          message: (data) => {
            handlers.message(data)
            void giveUpAfter(steps)
          },
        }),
    }
    const opening = OctopusClient.open({ signal: patience.signal }, { ...broker.ports, websockets })
    // Whether the attempt still succeeds depends on the step; what must not happen is a connection left open.
    const client = await world.until(opening.catch(() => undefined))
    await client?.close()
    await world.pass(1)
    t.equal(broker.network.sockets.size, 0, `given up ${steps} steps after the greeting`)
    outcomes.add(client !== undefined)
  }
  t.same(outcomes, new Set([false, true]), 'from too early to too late')
})

t.test('long polls leave a place to producers, however few requests the broker allows', async (t) => {
  for (const inFlightRequestsMax of [2, 3, 5]) {
    const world = new World()
    const broker = new FakeBroker(world)
    broker.createTopic('t', 1)
    broker.limits = { ...broker.limits, inFlightRequestsMax }
    const client = await world.until(OctopusClient.open({}, broker.ports))
    const consumers = Array.from({ length: 6 }, () => client.consumer({ topics: ['t'], maxWaitMs: 10_000 }))
    await world.until(Promise.all(consumers.map((consumer) => consumer.ready())))
    await world.pass(100)
    const startMs = world.nowMs
    await world.until(client.producer().send('t', { value: 'x' }))
    t.ok(world.nowMs - startMs < 100, `${inFlightRequestsMax}`)
    t.ok(broker.unansweredMost <= inFlightRequestsMax)
  }
})

t.test('a long poll that follows on a long poll does not keep others from their turn', async (t) => {
  const world = new World()
  const broker = new FakeBroker(world)
  broker.createTopic('t', 3)
  broker.limits = { ...broker.limits, inFlightRequestsMax: 2 }
  const client = await world.until(OctopusClient.open({}, broker.ports))
  const consumer = client.consumer({ topics: ['t'], from: 'earliest', maxWaitMs: 25_000 })
  await world.until(consumer.ready())
  await world.until(client.admin().metadata())
  t.ok(world.nowMs < 80_000, `${world.nowMs} ms`)
  t.equal(
    broker.network.attempts,
    1,
    'nor is a broker that lives taken for dead, because nobody could ask it',
  )
  await world.until(client.close())
})

t.test('a credential that is refused later ends everything, with the reason', async (t) => {
  const { world, broker, client } = await connected(1, { token: 'secret' })
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'x' }))
  broker.misbehave = onlyFor('authenticate', { kind: 'refuse', code: ErrorCode.SASL_AUTHENTICATION_FAILED })
  broker.network.dropAll()
  const refused = { code: ErrorCode.SASL_AUTHENTICATION_FAILED }
  t.match(await failureOf(world.until(producer.send('t', { value: 'y' }))), refused)
  t.match(await failureOf(producer.send('t', { value: 'z' })), refused)
  t.throws(() => client.producer(), refused)
  t.match(await failureOf(world.until(client.admin().metadata())), refused)
  await world.until(client.close())
  await world.pass(1)
  t.equal(world.pendingCount, 0)
})

t.test('requests are pipelined and answered in any order', async (t) => {
  const { world, broker, connection } = await opened()
  broker.createTopic('a', 1)
  let asked = 0
  broker.misbehave = () => (++asked === 1 ? { kind: 'delay', ms: 100 } : undefined)
  const order: string[] = []
  const ask = (name: string) =>
    connection.call(apis.metadata, { topics: [{ name, topicId: null }] }).then(({ topics }) => {
      order.push(topics[0].name ?? '')
    })
  await world.until(Promise.all([ask('slow'), ask('b'), ask('c')]))
  t.same(order, ['b', 'c', 'slow'])
})

t.test('no more requests are in flight than the broker allows; the others wait their turn', async (t) => {
  const world = new World()
  const broker = new FakeBroker(world)
  broker.limits = { ...broker.limits, inFlightRequestsMax: 3 }
  const settings = clientSettings({})
  const connection = await world.until(Connection.open(settings, broker.ports, new AbortController().signal))
  broker.misbehave = () => ({ kind: 'delay', ms: 10 })
  const all = Array.from({ length: 10 }, () => connection.call(apis.metadata, { topics: [] }))
  await world.until(Promise.all(all))
  t.equal(broker.unansweredMost, 2, 'one place is left to producers')
  t.equal(world.nowMs, 50)
  const cut = Array.from({ length: 5 }, () => failureOf(connection.call(apis.metadata, { topics: [] })))
  broker.network.dropAll()
  for (const error of await world.until(Promise.all(cut))) t.match(error, { code: ErrorCode.DISCONNECTED })
})

t.test('what the broker does not offer is not asked for', async (t) => {
  const world = new World()
  const broker = new FakeBroker(world)
  broker.misbehave = ({ api, frame }) => {
    if (api.name !== 'hello') return undefined
    const hello = {
      nodeId: 1,
      clusterId: 'c',
      software: 's',
      apis: [{ key: apis.metadata.key, name: 'metadata', versionMin: 2, versionMax: 3 }],
      limits: broker.limits,
      authenticationRequired: false,
      serverTimeMs: 0,
    }
    return { kind: 'answer', data: encodeResponse(apis.hello, frame.correlationId, hello) }
  }
  const client = await world.until(OctopusClient.open({}, broker.ports))
  const unsupported = { code: ErrorCode.UNSUPPORTED_API, message: 'ws://127.0.0.1:7654 has no metadata' }
  t.match(await failureOf(world.until(client.admin().metadata())), unsupported)
  t.same(broker.requests, ['hello'])
})

t.test('a message that breaks its description is refused here, and the connection holds', async (t) => {
  const { world, connection } = await opened()
  const wrong = { topics: [{ name: 'x'.repeat(1_000), topicId: null }] }
  t.match(await failureOf(world.until(connection.call(apis.metadata, wrong))), {
    code: ErrorCode.INVALID_REQUEST,
    message: /MetadataRequest.topics\[0\].name/,
  })
  t.ok(connection.isOpen)
})

t.test('a refused request fails alone', async (t) => {
  const { world, broker, connection } = await opened()
  broker.misbehave = () => ({ kind: 'refuse', code: ErrorCode.BACKPRESSURE, retryAfterMs: 7 })
  const error = await failureOf(world.until(connection.call(apis.metadata, { topics: [] })))
  t.match(error, { code: ErrorCode.BACKPRESSURE, retryAfterMs: 7, retriable: true })
  t.ok(connection.isOpen)
})

t.test('an overdue answer ends the connection', async (t) => {
  const { world, broker, connection, ended } = await opened({ requestTimeoutMs: 1_000 })
  broker.misbehave = onlyFor('list-topics', { kind: 'ignore' })
  const overdue = failureOf(connection.call(apis.listTopics, { includeInternal: false }))
  await world.pass(500)
  broker.misbehave = () => ({ kind: 'ignore' })
  const other = failureOf(connection.call(apis.metadata, { topics: [] }))
  t.match(await world.until(overdue), {
    code: ErrorCode.REQUEST_TIMED_OUT,
    message: 'ws://127.0.0.1:7654: list-topics was not answered within 1000 ms',
  })
  t.match(await world.until(other), { code: ErrorCode.DISCONNECTED })
  t.equal(ended.length, 1)
  t.ok(world.nowMs >= 1_000 && world.nowMs <= 1_250)
  await world.pass(1)
  t.equal(world.pendingCount, 0)
})

t.test('a silent broker is asked something cheap, and taken for dead when it stays silent', async (t) => {
  const { world, broker, connection, ended } = await opened({
    livenessTimeoutMs: 4_000,
    requestTimeoutMs: 60_000,
  })
  broker.misbehave = onlyFor('list-topics', { kind: 'ignore' })
  const asked = failureOf(connection.call(apis.listTopics, { includeInternal: false }))
  await world.pass(30_000)
  t.ok(connection.isOpen, 'it answers the cheap questions')
  const probes = broker.requests.filter((name) => name === 'metadata').length
  t.ok(probes >= 10 && probes <= 16, `${probes}`)
  broker.misbehave = () => ({ kind: 'ignore' })
  t.match(await world.until(asked), {
    code: ErrorCode.DISCONNECTED,
    message: /^the connection to ws:\/\/127.0.0.1:7654 ended: nothing came for [45]\d{3} ms$/,
  })
  t.equal(ended.length, 1)
})

t.test('silence is fine while nothing is asked', async (t) => {
  const { world, broker, connection } = await opened({ livenessTimeoutMs: 1_000 })
  await world.pass(3_600_000)
  t.ok(connection.isOpen)
  t.same(broker.requests, ['hello'])
  await world.until(connection.call(apis.metadata, { topics: [] }))
  t.ok(connection.isOpen)
})

t.test('a broker that breaks the protocol loses the connection', async (t) => {
  const topicId = new Uint8Array(16)
  const data = { topicId, partition: 0, highWatermark: 0, logStartOffset: 0, examined: 0, notJson: 0 }
  const empty = encodeResponse(apis.listTopics, 2, { topics: [] })
  const brokenAnswers: [string, Uint8Array | string, RegExp][] = [
    ['text', 'hello?', /a text message/],
    ['nothing', new Uint8Array(0), /a frame has at least 12 bytes/],
    ['noise', Uint8Array.from({ length: 100 }, (_, i) => i * 37), /broken frame/],
    [
      'a request',
      writeFrame(1000, 1, 0, 2, new Uint8Array([0x90])),
      /expected the last frame of a list-topics answer/,
    ],
    [
      'another id',
      encodeResponse(apis.listTopics, 77, { topics: [] }),
      /correlation id 77, which no request has/,
    ],
    [
      'another API',
      encodeResponse(apis.metadata, 2, { clusterId: '', controllerId: 0, brokers: [], topics: [] }),
      /API 3 with correlation id 2, which the list-topics request has/,
    ],
    ['a stream', encodeFetchData(2, data, new Uint8Array(0)), /API 1 with correlation id 2/],
    [
      'more to come',
      writeFrame(1000, 1, 3, 2, new Uint8Array([0x90])),
      /a list-topics answer in several frames/,
    ],
    ['a broken header', writeFrame(1000, 1, 1, 2, new Uint8Array([0xc1])), /header/],
    [
      'a wrong header',
      writeFrame(1000, 1, 1, 2, new Uint8Array([0x91, 0x01])),
      /ListTopicsResponse.topics: expected/,
    ],
    ['a cut frame', empty.subarray(0, empty.length - 1), /headerLength says/],
    [
      'an answer to nothing',
      encodeResponse(apis.produce, 2, { windowBytes: 1, answers: [{ correlationId: 9, partitions: [] }] }),
      /correlation id 9, which no request has/,
    ],
  ]
  for (const [name, answer, expected] of brokenAnswers) {
    const { world, broker, connection, ended } = await opened()
    broker.misbehave = () => ({ kind: 'answer', data: answer })
    const error = await failureOf(world.until(connection.call(apis.listTopics, { includeInternal: false })))
    t.match(
      error,
      { code: ErrorCode.DISCONNECTED, message: /^the broker at ws:.* broke the protocol: / },
      name,
    )
    t.match(error.message, expected, name)
    t.equal(ended.length, 1, name)
    t.equal(connection.isOpen, false)
  }
})

t.test('the tie comes back with growing delays, tells of it, and stops when closed', async (t) => {
  const events: ConnectionEvent[] = []
  const { world, broker, client } = await connected(1, { onConnection: (event) => events.push(event) })
  await world.pass(10_000)
  broker.stop()
  await world.pass(30_000)
  t.equal(client.isConnected, false)
  t.same(
    events.slice(0, 3).map(({ kind }) => kind),
    ['connected', 'disconnected', 'waiting'],
  )
  const delays = events.flatMap((event) => (event.kind === 'waiting' ? [event.delayMs] : []))
  const ceilings = delays.map((_, i) => Math.min(5_000, 50 * 2 ** i))
  for (const [i, delay] of delays.entries()) t.ok(delay <= ceilings[i], `${delay} ms, attempt ${i + 1}`)
  t.ok(delays.length > 8 && delays.length < 40)
  broker.start()
  await world.pass(5_001)
  t.equal(events.at(-1)?.kind, 'connected')
  await world.until(client.close())
  await world.pass(100_000)
  t.equal(world.pendingCount, 0)
  t.equal(events.at(-1)?.kind, 'connected', 'an end that was wanted is no event')
})

t.test('a broker that accepts and hangs up at once is not met with a storm', async (t) => {
  const { world, broker } = await connected(1)
  broker.misbehave = () => {
    world.after(1, () => broker.network.dropAll())
    return undefined
  }
  broker.network.dropAll()
  await world.pass(60_000)
  t.ok(
    broker.network.attempts > 10 && broker.network.attempts < 60,
    `${broker.network.attempts} attempts in a minute`,
  )
})

t.test('questions are asked again over a lost connection, changes are not', async (t) => {
  const { world, broker, client } = await connected(1)
  let asked = 0
  broker.misbehave = ({ api }) => (api.name !== 'hello' && ++asked <= 2 ? { kind: 'drop before' } : undefined)
  t.match(await world.until(client.admin().metadata(['t'])), { topics: [{ name: 't' }] })
  asked = 0
  t.match(await failureOf(world.until(client.admin().createTopic('new'))), { code: ErrorCode.DISCONNECTED })
})

t.test('a question without a broker fails after the request time-out, with the reason', async (t) => {
  const { world, broker, client } = await connected(1, { requestTimeoutMs: 3_000 })
  broker.stop()
  await world.pass(1)
  t.match(await failureOf(world.until(client.admin().metadata())), {
    code: ErrorCode.DISCONNECTED,
    message: 'cannot connect to ws://127.0.0.1:7654: connection refused',
  })
  t.equal(Math.round(world.nowMs), 3_001)
})

t.test('what is outstanding when the client is closed fails with CLOSED', async (t) => {
  const { world, broker, client } = await connected(1)
  broker.misbehave = () => ({ kind: 'ignore' })
  const asked = failureOf(client.admin().metadata())
  await world.pass(1)
  await world.until(client.close())
  t.match(await world.until(asked), { code: ErrorCode.CLOSED })
  t.match(await failureOf(client.admin().metadata()), { code: ErrorCode.CLOSED })
  t.equal(client.close(), client.close())
})

/** Who may ask what, what becomes of it, and the accounts of produce, on a transport of the test. */
import t from 'tap'
import type { RequestContext } from '../../../broker/handlers/context.ts'
import { ProduceBudget } from '../../../broker/server/produce-budget.ts'
import { ProduceWindow } from '../../../broker/server/produce-window.ts'
import { apiByKey, apis } from '../../../client/protocol/api.ts'
import { decodeResponse, encodeHeader, encodeRequest } from '../../../client/protocol/codec.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import { FLAG_RESPONSE, writeFrame } from '../../../client/protocol/frame.ts'
import type { ProducedPartition } from '../../../client/protocol/messages/produce.ts'
import { LogError } from '../../../storage/log/log-error.ts'
import { Gate, greeting, produced, sample, smallLimits, startServer } from './harness.ts'

t.test('greeting', async (t) => {
  await t.test('anything but hello first is refused and ends the connection', async (t) => {
    const { connect, tally, logged } = await startServer()
    const client = connect()
    client.send(apis.status, 9, {})
    t.same(await client.error(), {
      correlationId: 9,
      name: 'HELLO_REQUIRED',
      message: 'the first request of a connection must be hello (API 18), this one is for API 1001',
      retryAfterMs: 0,
    })
    t.equal(client.socket.ended?.code, 1008)
    t.match(client.socket.ended?.reason, /^HELLO_REQUIRED: the first request/)
    t.equal(tally.breaches, 1)
    t.match(logged.at(-2), { level: 40, msg: 'protocol breached', connection: 1, error: 'HELLO_REQUIRED' })
  })

  await t.test('a hello that is refused may be said again', async (t) => {
    const { connect } = await startServer()
    const client = connect()
    client.socket.receive(writeFrame(apis.hello.key, 9, 0, 1, encodeHeader(apis.hello.request, greeting)))
    t.match(await client.error(), {
      name: 'UNSUPPORTED_VERSION',
      message: 'hello is spoken in versions 1 to 1, not 9',
    })
    client.send(apis.status, 2, {})
    t.same(await client.heard(), ['status#2 HELLO_REQUIRED'])
    const second = connect()
    second.send(apis.hello, 3, greeting)
    t.same(await second.heard(), ['hello#3'])
  })

  await t.test('a client that never says hello is sent away', async (t) => {
    const { connect, greeted, time } = await startServer()
    const silent = connect()
    const polite = await greeted()
    await time.advance(smallLimits.helloTimeoutMs - 1)
    t.equal(silent.socket.ended, undefined)
    await time.advance(1)
    t.same(silent.socket.ended, { code: 1008, reason: 'no hello within 5000 ms' })
    t.equal(polite.socket.ended, undefined)
  })
})

t.test('what cannot be read', async (t) => {
  const { connect, greeted, tally } = await startServer()
  const text = connect()
  text.socket.receive(new TextEncoder().encode('hello'), false)
  t.same(text.socket.ended, {
    code: 1003,
    reason: 'octopus.v1 has binary messages only, this one is text',
  })
  const short = await greeted()
  short.socket.receive(Uint8Array.of(1, 2, 3))
  t.same(short.socket.ended, {
    code: 1002,
    reason: 'broken frame: a frame has at least 12 bytes, this message has 3',
  })
  t.equal(tally.breaches, 2)

  const client = await greeted()
  client.socket.receive(writeFrame(4242, 1, 0, 1, new Uint8Array(0)))
  t.match(await client.error(), {
    correlationId: 1,
    name: 'UNSUPPORTED_API',
    message: 'there is no API 4242',
  })
  client.socket.receive(writeFrame(apis.status.key, 1, FLAG_RESPONSE, 2, new Uint8Array(0)))
  t.match(await client.error(), { correlationId: 2, name: 'INVALID_REQUEST' })
  client.socket.receive(writeFrame(apis.listTopics.key, 1, 0, 3, Uint8Array.of(0xc1)))
  t.match(await client.error(), { correlationId: 3, name: 'INVALID_REQUEST' })
  client.socket.receive(writeFrame(apis.produce.key, 1, 0, 4, Uint8Array.of(0x90), Uint8Array.of(1)))
  t.match(await client.error(), {
    correlationId: 4,
    name: 'INVALID_REQUEST',
    message: /ProduceRequest\.acks/,
  })
  t.equal(client.socket.ended, undefined, 'one bad request does not end the connection')
})

t.test('handlers', async (t) => {
  await t.test('exactly the APIs of the table are handled, each after it was authorized', async (t) => {
    const asked: number[] = []
    const refusal = new ProtocolError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, 'not you')
    const { connect } = await startServer(
      {},
      {
        limits: { inFlightRequestsMax: 100 },
        authorize: (session, api) => {
          t.equal(session.identity.principal.name, 'admin')
          asked.push(api.key)
          return api.key === apis.hello.key ? undefined : refusal
        },
      },
    )
    const client = connect()
    const sampled = new Map<number, Uint8Array>()
    for (const api of apiByKey.values()) sampled.set(api.key, encodeRequest(api, api.key, sample(api.key)))
    const keys = [apis.hello.key, ...[...apiByKey.keys()].filter((key) => key !== apis.hello.key)]
    for (const key of keys) client.socket.receive(sampled.get(key) as Uint8Array)
    t.same(asked, keys)
    const heard = await client.heard()
    t.same(
      heard.sort(),
      keys
        .map((key) => `${apiByKey.get(key)?.name}#${key}${key === 18 ? '' : ' CLUSTER_AUTHORIZATION_FAILED'}`)
        .sort(),
    )
  })

  await t.test('a handler is called with the context of its connection', async (t) => {
    const contexts: RequestContext[] = []
    const { greeted, time } = await startServer({
      listTopics: async (_request, context) => {
        contexts.push(context)
        return { topics: [] }
      },
    })
    const client = await greeted()
    client.send(apis.listTopics, 1, { includeInternal: true })
    t.same(await client.heard(), ['list-topics#1'])
    const [context] = contexts as [RequestContext]
    t.equal(context.session.identity.principal.name, 'admin')
    t.equal(context.connection.id, 1)
    t.equal(context.connection.remoteAddress, '127.0.0.1')
    t.equal(context.clock.nowMs(), time.nowMs())
    t.equal(context.signal.aborted, false)
    client.socket.reset()
    t.equal(context.signal.aborted, true, 'what is parked for a connection is released when it is gone')
  })

  await t.test('accidents are answered by kind, and bugs are logged with their stack', async (t) => {
    const { greeted, logged, tally } = await startServer({
      listTopics: async () => {
        throw new ProtocolError(ErrorCode.POLICY_VIOLATION, 'no lists on Sundays')
      },
      deleteTopics: async () => {
        throw new LogError('CLOSED', 'the log is closed')
      },
      status: async () => {
        throw new TypeError('secret: x is undefined')
      },
      metadata: () => {
        throw new RangeError('thrown before there was a promise')
      },
      describeTopics: async () => ({ topics: [{ nonsense: true }] }) as never,
    })
    const client = await greeted()
    client.send(apis.listTopics, 1, { includeInternal: false })
    t.match(await client.error(), { name: 'POLICY_VIOLATION', message: 'no lists on Sundays' })
    client.send(apis.deleteTopics, 2, { topics: [], timeoutMs: 1 })
    t.match(await client.error(), { name: 'SHUTTING_DOWN' })
    t.equal(logged.filter(({ level }) => level >= 50).length, 0)

    client.send(apis.status, 3, {})
    t.match(await client.error(), {
      correlationId: 3,
      name: 'UNKNOWN_SERVER_ERROR',
      message: 'The server met an error it did not expect.',
    })
    t.match(logged.at(-1), {
      level: 50,
      msg: 'a request met an unexpected error',
      api: 'status',
      err: { type: 'TypeError', stack: /dispatch\.test/ },
    })
    client.send(apis.metadata, 4, { topics: null })
    t.match(await client.error(), { correlationId: 4, name: 'UNKNOWN_SERVER_ERROR' })
    client.send(apis.describeTopics, 5, { names: null })
    t.match(await client.error(), { correlationId: 5, name: 'UNKNOWN_SERVER_ERROR' })
    t.equal(client.socket.ended, undefined)
    t.equal(tally.requests.get('status')?.get(ErrorCode.UNKNOWN_SERVER_ERROR), 1)
    t.equal(tally.requests.get('hello')?.get(ErrorCode.NONE), 1)
  })

  await t.test('more unanswered requests than allowed end the connection', async (t) => {
    const gate = new Gate<{ topics: [] }>()
    const { greeted, server } = await startServer({ listTopics: () => gate.promise })
    const client = await greeted()
    for (let id = 1; id <= smallLimits.inFlightRequestsMax; id++)
      client.send(apis.listTopics, id, { includeInternal: false })
    t.equal(client.socket.ended, undefined)
    client.send(apis.listTopics, 5, { includeInternal: false })
    t.match(await client.error(), {
      correlationId: 5,
      name: 'WINDOW_EXCEEDED',
      message: '4 requests may be unanswered, this is one more',
    })
    t.equal(client.socket.ended?.code, 1008)
    t.equal(server.statistics().unfinishedRequests, 4)
    gate.resolve({ topics: [] })
    t.same(await client.heard(), [], 'answers of a connection that is gone go nowhere')
    t.equal(server.statistics().unfinishedRequests, 0)
  })
})

/** A server whose produce requests are answered by the test. */
async function producing(limits: Partial<typeof smallLimits> = {}) {
  const gates: Gate<ProducedPartition[]>[] = []
  const bodies: number[][] = []
  const harness = await startServer(
    {
      produce: (_request, body) => {
        bodies.push([body.length, body[0] as number])
        const gate = new Gate<ProducedPartition[]>()
        gates.push(gate)
        return gate.promise
      },
    },
    { limits },
  )
  return { ...harness, gates, bodies }
}

t.test('produce', async (t) => {
  await t.test('answers of one turn leave in one frame, in the order of the requests', async (t) => {
    const { greeted, gates, bodies, time } = await producing()
    const [client, other] = [await greeted(), await greeted()]
    for (const id of [11, 12, 13]) client.produce(id, 100)
    other.produce(21, 50)
    t.same(bodies, [
      [100, 11],
      [100, 12],
      [100, 13],
      [50, 21],
    ])
    gates[2]?.resolve(produced(30))
    gates[0]?.resolve(produced(10))
    gates[3]?.resolve(produced(40))
    const frames = await client.frames()
    t.equal(frames.length, 1)
    const answer = decodeResponse(apis.produce, frames[0] as never)
    t.equal(answer.windowBytes, 1000)
    t.same(
      answer.answers.map(({ correlationId, partitions }) => [correlationId, partitions[0]?.baseOffset]),
      [
        [11, 10],
        [13, 30],
      ],
    )
    t.equal(frames[0]?.correlationId, 11)
    t.same(await other.heard(), ['produce#21[21]'])
    gates[1]?.resolve(produced(20))
    await time.turn()
    t.same(await client.heard(), ['produce#12[12]'])
  })

  await t.test('one failed request is an ERROR frame and does not hold up the others', async (t) => {
    const { greeted, gates, budget } = await producing()
    const client = await greeted()
    for (const id of [1, 2, 3]) client.produce(id, 100)
    gates[0]?.resolve(produced(0))
    gates[1]?.reject(new ProtocolError(ErrorCode.INVALID_REQUEST, 'nonsense'))
    gates[2]?.resolve([{ wrong: true }] as never)
    t.same(await client.heard(), [
      'produce#2 INVALID_REQUEST',
      'produce#1[1]',
      'produce#3 UNKNOWN_SERVER_ERROR',
    ])
    t.equal(budget.usedBytes, 0)
    client.produce(4, 1000)
    gates[3]?.resolve(produced(1))
    t.same(await client.heard(), ['produce#4[4]'])
  })

  await t.test('a window is granted; twice as much ends the connection', async (t) => {
    const { greeted, gates, bodies, budget } = await producing()
    const client = await greeted()
    client.produce(1, 1500)
    client.produce(2, 500)
    t.equal(bodies.length, 2, 'up to twice the grant is tolerated')
    client.produce(3, 1)
    t.equal(bodies.length, 2)
    t.match(await client.error(), {
      correlationId: 3,
      name: 'WINDOW_EXCEEDED',
      message:
        '2000 bytes of record batches are unanswered, this request has 1; together more than twice what was granted',
    })
    t.equal(client.socket.ended?.code, 1008)
    t.equal(budget.usedBytes, 2000)
    for (const gate of gates) gate.resolve(produced(0))
    await client.heard()
    t.equal(budget.usedBytes, 0, 'what was taken is given back though the client is gone')
  })

  await t.test('one request is always taken, whatever its size', async (t) => {
    const { greeted, bodies } = await producing()
    const client = await greeted()
    client.produce(1, 2900)
    t.equal(bodies.length, 1)
  })

  await t.test('a full node refuses, stores nothing, and takes more when there is room', async (t) => {
    const { greeted, gates, bodies, budget, tally } = await producing()
    const [first, second] = [await greeted(), await greeted()]
    first.produce(1, 2500)
    second.produce(2, 501)
    t.same(await second.error(), {
      correlationId: 2,
      name: 'BACKPRESSURE',
      message: 'produce requests under way fill the 3000 bytes this node has for them',
      retryAfterMs: 50,
    })
    t.equal(bodies.length, 1)
    t.equal(tally.produceRequestsRefused, 1)
    second.produce(3, 500)
    t.equal(bodies.length, 2)
    gates[0]?.resolve(produced(0))
    t.same(await first.heard(), ['produce#1[1]'])
    t.equal(budget.usedBytes, 500)
    t.equal(second.socket.ended, undefined)
  })

  await t.test('the grant shrinks as connections come and is told with every answer', async (t) => {
    const { greeted, gates } = await producing({ connectionsMax: 100 })
    const client = await greeted()
    for (let i = 0; i < 4; i++) await greeted()
    client.produce(1, 900)
    gates[0]?.resolve(produced(0))
    const [frame] = await client.frames()
    t.equal(decodeResponse(apis.produce, frame as never).windowBytes, 600, '3000 bytes over 5 connections')
    for (let i = 0; i < 10; i++) await greeted()
    client.produce(2, 100)
    gates[1]?.resolve(produced(0))
    const [later] = await client.frames()
    t.equal(decodeResponse(apis.produce, later as never).windowBytes, 400, 'never below the minimum')
  })
})

t.test('the produce window', async (t) => {
  await t.test('before a grant one request may be under way', async (t) => {
    const window = new ProduceWindow()
    t.equal(window.take(5), true)
    t.equal(window.take(1), false)
    window.give(5)
    t.equal(window.take(1_000_000), true)
    t.equal(window.inFlightBytes, 1_000_000)
  })

  await t.test('a client that has not heard of a smaller grant keeps to the larger one', async (t) => {
    const window = new ProduceWindow()
    window.grant(1000)
    t.ok(window.take(1000))
    window.give(500)
    window.grant(100)
    t.ok(window.take(500), 'sent before the answer with the smaller grant had arrived')
    window.give(500)
    window.grant(100)
    t.ok(window.take(500), 'the same answer is still under way')
    window.give(500)
    window.give(500)
    t.ok(window.take(150), 'beyond 1000 bytes after it, the client has heard')
    t.notOk(window.take(51))
    t.ok(window.take(50))
  })

  await t.test('a larger grant holds at once', async (t) => {
    const window = new ProduceWindow()
    window.grant(100)
    window.grant(1000)
    t.ok(window.take(1999))
    t.ok(window.take(1))
    t.notOk(window.take(1))
  })

  await t.test('the budget is never exceeded and is shared among the connections', async (t) => {
    const budget = new ProduceBudget({
      produceBufferBytesMax: 1000,
      produceWindowBytesMax: 600,
      produceWindowBytesMin: 50,
    })
    t.equal(budget.grantBytes, 600)
    for (let i = 0; i < 4; i++) budget.connected()
    t.equal(budget.grantBytes, 250)
    for (let i = 0; i < 96; i++) budget.connected()
    t.equal(budget.grantBytes, 50)
    for (let i = 0; i < 99; i++) budget.disconnected()
    t.equal(budget.grantBytes, 600)
    t.ok(budget.take(1000))
    t.notOk(budget.take(1))
    budget.give(1)
    t.ok(budget.take(1))
  })
})

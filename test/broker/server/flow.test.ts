/** Fetches, clients that do not read, who may connect, stopping, and random frames. */
import t from 'tap'
import { apiByKey, apis } from '../../../client/protocol/api.ts'
import { decodeHeader, decodeResponse, encodeRequest } from '../../../client/protocol/codec.ts'
import { FLAG_RESPONSE, readFrame } from '../../../client/protocol/frame.ts'
import { fetchData } from '../../../client/protocol/messages/fetch.ts'
import type { ProducedPartition } from '../../../client/protocol/messages/produce.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { settled } from '../manual-time.ts'
import { type Client, Gate, produced, sample, startServer, topicId } from './harness.ts'

t.test('fetch', async (t) => {
  const answer = { partitions: [] }
  const source = { topicId, partition: 3, highWatermark: 90, logStartOffset: 10, examined: 0, notJson: 0 }

  await t.test(
    'data is framed in place, or copied where there is no room, and precedes the answer',
    async (t) => {
      const { greeted } = await startServer({
        fetch: async (_request, sink) => {
          const roomy = new Uint8Array(200)
          roomy.fill(5, 120, 150)
          sink.data(source, roomy, 120, 150)
          t.same([...roomy.subarray(117, 120)], [10, 0, 0], 'the header was written before the batches')
          const tight = Uint8Array.of(0, 1, 2, 3)
          sink.data(source, tight, 1, 3)
          t.same([...tight], [0, 1, 2, 3])
          return answer
        },
      })
      const client = await greeted()
      client.fetch(77)
      const frames = await client.frames()
      t.same(
        frames.map(({ flags, correlationId }) => [flags, correlationId]),
        [
          [3, 77],
          [3, 77],
          [1, 77],
        ],
      )
      t.same([...(frames[0]?.body ?? [])], new Array(30).fill(5))
      t.same([...(frames[1]?.body ?? [])], [1, 2])
      for (const frame of frames.slice(0, 2)) t.same(decodeHeader(fetchData, frame.header), source)
      t.same(decodeResponse(apis.fetch, frames[2] as never), answer)
    },
  )

  await t.test('more bytes than the server gives are taken as its limit', async (t) => {
    const asked: number[] = []
    const { greeted } = await startServer({
      fetch: async ({ maxBytes }) => {
        asked.push(maxBytes)
        return answer
      },
    })
    const client = await greeted()
    for (const maxBytes of [5, 100_000, 100_001, 4_000_000_000])
      client.send(apis.fetch, 1, {
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes,
        isolationLevel: 0,
        partitions: [],
        filter: null,
        compressions: null,
      })
    t.same(asked, [5, 100_000, 100_000, 100_000])
  })

  await t.test('a fetch halts while its client does not read, and goes on when it does', async (t) => {
    let sent = 0
    const { greeted } = await startServer({
      fetch: async (_request, sink) => {
        for (; sent < 20; sent++) {
          if (!sink.canWrite()) await sink.writable()
          sink.data(source, new Uint8Array(300), 200, 300)
        }
        return answer
      },
    })
    const client = await greeted()
    client.socket.isReading = false
    client.fetch(1)
    await client.heard()
    const halted = sent
    t.ok(halted < 6, `${halted} pieces of 100 bytes before 500 were buffered`)
    client.socket.take(client.socket.bufferedBytes() - 501)
    await client.heard()
    t.equal(sent, halted, 'one byte too many is still buffered')
    client.socket.take(1)
    await client.heard()
    t.equal(sent, halted + 1)
    client.socket.isReading = true
    client.socket.take(10_000)
    t.equal((await client.heard()).at(-1), 'fetch#1')
    t.equal(sent, 20)
  })

  await t.test('a wait for a client that goes away ends, in silence', async (t) => {
    let ended: unknown
    const { greeted, logged } = await startServer({
      fetch: async (_request, sink) => {
        while (sink.canWrite()) sink.data(source, new Uint8Array(300), 0, 300)
        await sink.writable().catch((error) => {
          ended = error
          throw error
        })
        return answer
      },
    })
    const client = await greeted()
    client.socket.isReading = false
    client.fetch(1)
    await client.heard()
    client.socket.reset()
    await client.heard()
    t.match(ended, { name: 'ConnectionGone' })
    t.equal(logged.filter(({ level }) => level >= 40).length, 0)
  })
})

t.test('clients that do not read', async (t) => {
  const listing = {
    listTopics: async () => ({
      topics: [{ name: 'x'.repeat(200), topicId, isInternal: false, partitions: 1 }],
    }),
  }
  const ask = (client: Client, id: number) => client.send(apis.listTopics, id, { includeInternal: false })

  await t.test('answers wait in order and leave when there is room', async (t) => {
    const { greeted, server } = await startServer(listing)
    const client = await greeted()
    client.socket.isReading = false
    const ids = [1, 2, 3, 4, 5]
    for (const id of ids) {
      ask(client, id)
      await settled()
    }
    t.same(await client.heard(), ['list-topics#1', 'list-topics#2', 'list-topics#3'])
    t.ok(server.statistics().queuedBytes > 0)
    client.socket.take(10_000)
    t.same(await client.heard(), ['list-topics#4', 'list-topics#5'])
    t.equal(server.statistics().queuedBytes, 0)
  })

  await t.test('too many waiting answers end the connection, and only that one', async (t) => {
    const { greeted, tally, logged } = await startServer(listing)
    const [bad, good] = [await greeted(), await greeted()]
    bad.socket.isReading = false
    for (let id = 1; id < 20 && !bad.socket.ended; id++) {
      ask(bad, id)
      await bad.heard()
    }
    t.equal(bad.socket.ended?.code, 1006)
    t.ok(bad.socket.sent.length < 6)
    t.equal(tally.slowClientsTerminated, 1)
    t.match(
      logged.find(({ msg }) => msg.startsWith('client does not read')),
      { level: 40, connection: 1, reason: 'more than 700 bytes of answers wait for it' },
    )
    ask(good, 1)
    t.same(await good.heard(), ['list-topics#1'])
  })

  await t.test('nothing taken for too long ends the connection; a byte now and then does not', async (t) => {
    const { greeted, time, tally } = await startServer(listing)
    const [dead, slow, idle] = [await greeted(), await greeted(), await greeted()]
    for (const client of [dead, slow]) {
      client.socket.isReading = false
      ask(client, 1)
      await client.heard()
    }
    for (let i = 0; i < 12; i++) {
      await time.advance(1000)
      slow.socket.take(1)
    }
    t.equal(dead.socket.ended?.code, 1006)
    t.equal(slow.socket.ended, undefined)
    t.equal(idle.socket.ended, undefined)
    t.equal(tally.slowClientsTerminated, 1)
  })
})

t.test('a transport that could not take a message is told to operators', async (t) => {
  const { greeted, tally, logged, server } = await startServer()
  const client = await greeted()
  client.socket.overflow()
  t.equal(tally.slowClientsTerminated, 1)
  t.equal(server.statistics().connections, 0)
  t.match(
    logged.find(({ level }) => level === 50),
    { connection: 1, reason: 'outgoing buffer overflow' },
  )
})

t.test('who may connect', async (t) => {
  const { transport, greeted, server, tally } = await startServer(
    {},
    { origins: ['https://lab.example.edu'] },
  )
  t.same(transport.upgrade({ origin: 'https://evil.example' }), {
    accept: false,
    status: 403,
    text: 'A page of https://evil.example may not use this broker; whoever runs it can allow that with --allowed-origins.\n',
  })
  t.same(transport.upgrade({ origin: 'null' }), {
    accept: false,
    status: 403,
    text: 'A page without an origin of its own (a file, a sandboxed frame) may not use this broker.\n',
  })
  t.same(transport.upgrade({ origin: 'https://lab.example.edu' }), { accept: true })
  const clients = [await greeted(), await greeted(), await greeted()]
  t.equal(server.statistics().connections, 3)
  t.same(transport.upgrade(), {
    accept: false,
    status: 503,
    text: 'The broker takes 3 connections and has as many.\n',
  })
  clients[0]?.socket.reset()
  t.same(transport.upgrade(), { accept: true })
  t.equal(tally.connectionsRefused, 3)
  t.equal(tally.connectionsOpened, 3)
})

t.test('stopping', async (t) => {
  await t.test(
    'requests under way are answered, new ones refused, then everyone hears good-bye',
    async (t) => {
      const parked = new Gate<{ partitions: [] }>()
      const gates: Gate<ProducedPartition[]>[] = []
      const harness = await startServer({
        produce: () => {
          gates.push(new Gate())
          return (gates.at(-1) as Gate<ProducedPartition[]>).promise
        },
        fetch: () => parked.promise,
      })
      const { server, transport, time } = harness
      const client = await harness.greeted()
      client.produce(1, 10)
      client.fetch(2)
      let isClosed: boolean | undefined
      void server.close(5_000).then((finished) => {
        isClosed = finished
      })
      t.equal(transport.isAccepting, false)
      t.same(transport.upgrade(), { accept: false, status: 503, text: 'The broker is shutting down.\n' })
      client.produce(3, 10)
      t.match(await client.error(), { correlationId: 3, name: 'SHUTTING_DOWN' })
      await time.advance(1000)
      t.equal(client.socket.ended, undefined)
      gates[0]?.resolve(produced(0))
      t.same(await client.heard(), ['produce#1[1]'])
      t.same(client.socket.ended, { code: 1001, reason: 'the broker is shutting down' })
      t.equal(isClosed, undefined)
      await time.advance(1000)
      t.equal(isClosed, true)
      t.equal(transport.isClosed, true)
      t.equal(time.timerCount, 0, 'no timer is left')
    },
  )

  await t.test('what does not finish in time is left behind', async (t) => {
    const harness = await startServer({ status: () => new Promise(() => {}) })
    const client = await harness.greeted()
    client.send(apis.status, 1, {})
    const closing = harness.server.close(2_000)
    await harness.time.advance(1_999)
    t.equal(client.socket.ended, undefined)
    await harness.time.advance(1)
    t.equal(client.socket.ended?.code, 1001)
    await harness.time.advance(1_000)
    t.equal(await closing, false)
  })

  await t.test('answers on their way are waited for', async (t) => {
    const harness = await startServer({ listTopics: async () => ({ topics: [] }) })
    const client = await harness.greeted()
    client.socket.isReading = false
    client.send(apis.listTopics, 1, { includeInternal: false })
    await client.heard()
    const closing = harness.server.close(2_000)
    await harness.time.advance(100)
    t.equal(client.socket.ended, undefined)
    client.socket.take(10_000)
    await harness.time.advance(20)
    t.equal(client.socket.ended?.code, 1001)
    await harness.time.advance(1_000)
    t.equal(await closing, true)
  })
})

t.test('random frames never disturb the server or other clients', async (t) => {
  const random = seededRandom(t)
  const { connect, greeted, server, budget, time, logged } = await startServer(
    {
      produce: async (request) => {
        if (random.unit() < 0.2) throw new Error('a bug')
        return request.partitions.map(() => produced(0)[0] as ProducedPartition)
      },
      fetch: async (_request, sink) => {
        const empty = { highWatermark: 0, logStartOffset: 0, examined: 0, notJson: 0 }
        sink.data({ topicId, partition: 0, ...empty }, random.bytes(80), 60, 80)
        return { partitions: [] }
      },
      listTopics: async () => ({ topics: [] }),
    },
    { limits: { connectionsMax: 10, inFlightRequestsMax: 64 } },
  )
  const witness = await greeted()
  const valid = [...apiByKey.values()].map((api) => encodeRequest(api, api.key, sample(api.key)))
  let client = connect()
  for (let round = 0; round < 1_500; round++) {
    if (client.socket.ended) client = random.unit() < 0.9 ? await greeted() : connect()
    const frame = random.pick(valid).slice()
    const kind = random.unit()
    if (kind < 0.1) client.socket.receive(random.bytes(random.below(60)))
    else if (kind < 0.4) client.socket.receive(frame.subarray(0, random.below(frame.length + 1)))
    else {
      for (let i = random.below(4); i >= 0; i--) frame[random.below(frame.length)] = random.below(256)
      const body = random.unit() < 0.3 ? random.bytes(random.below(300)) : new Uint8Array(0)
      client.socket.receive(Buffer.concat([frame, body]))
    }
    if (random.unit() < 0.05) await time.turn()
    if (random.unit() < 0.01) client.socket.reset()
  }
  await time.turn()
  t.equal(server.statistics().unfinishedRequests, 0)
  t.equal(budget.usedBytes, 0)
  const bugs = logged.filter(
    ({ level, err }) => level >= 50 && !/a bug|not part of/.test(JSON.stringify(err)),
  )
  t.same(bugs, [], 'no frame met an error that nobody foresaw')
  witness.send(apis.listTopics, 1, { includeInternal: false })
  t.same(await witness.heard(), ['list-topics#1'])
  t.equal(readFrame(witness.socket.sent.at(-1) as Uint8Array).flags, FLAG_RESPONSE)
})

/** Credentials that end while a connection is open: renewed ahead, renewed when refused, and what cannot be renewed. */
import t from 'tap'
import { OctopusClient } from '../../client/client.ts'
import type { ClientOptions, ConnectionEvent } from '../../client/options.ts'
import { apis } from '../../client/protocol/api.ts'
import { encodeResponse } from '../../client/protocol/codec.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { renewalDelayMs } from '../../client/renewal-time.ts'
import { FakeBroker } from './support/fake-broker.ts'
import { refusedToken } from './support/fake-credentials.ts'
import { batchOf, failureOf, numbered } from './support/harness.ts'
import { World } from './support/world.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

interface Given extends ClientOptions {
  /** Of the n-th token shown, from 1 on. */
  readonly lifeMs?: number | ((count: number) => number)
  readonly brokerAheadMs?: number
  readonly seed?: number
}

/** Connected with a source of ever new tokens, to a broker that asks for them. */
async function open({ lifeMs = HOUR, brokerAheadMs = 0, seed = 1, ...options }: Given) {
  const world = new World(seed)
  const broker = new FakeBroker(world)
  broker.createTopic('t', 2)
  let accepted = 0
  const credentials = broker.askForCredentials(() => {
    accepted++
    return typeof lifeMs === 'number' ? lifeMs : lifeMs(accepted)
  })
  credentials.aheadMs = brokerAheadMs
  const events: ConnectionEvent[] = []
  const asked: number[] = []
  const token = () => {
    asked.push(world.nowMs)
    return `token ${asked.length}`
  }
  const delays: number[] = []
  const { ports } = broker
  const timers = {
    ...ports.timers,
    after: (delayMs: number, run: () => void) => {
      delays.push(delayMs)
      return ports.timers.after(delayMs, run)
    },
  }
  const client = await world.until(
    OctopusClient.open(
      { token, onConnection: (event) => events.push(event), ...options },
      { ...ports, timers },
    ),
  )
  const requestsOf = (name: string) => broker.requests.filter((each) => each === name).length
  /** The same connection all the time, and nothing left at the end. */
  const close = async () => {
    await world.until(client.close())
    await world.pass(1)
    return { attempts: broker.network.attempts, timersLeft: world.pendingCount }
  }
  return { world, broker, client, credentials, events, asked, delays, requestsOf, close }
}

const clean = { attempts: 1, timersLeft: 0 }

t.test('when: a fifth before the end and at most a minute, up to twice that by chance', async (t) => {
  t.equal(renewalDelayMs(HOUR, 0), HOUR - 60_000)
  t.ok(renewalDelayMs(HOUR, 0.999) > HOUR - 120_000)
  t.equal(renewalDelayMs(10_000, 0), 8_000)
  t.equal(renewalDelayMs(10_000, 0.5), 7_000)
  t.equal(renewalDelayMs(1, 0.5), 1_000, 'never more than once a second')
  for (let leftMs = 2_000; leftMs < 400 * DAY; leftMs *= 1.7)
    for (const unit of [0, 0.3, 0.99]) {
      const delayMs = renewalDelayMs(leftMs, unit)
      t.ok(delayMs >= 1_000 && delayMs <= leftMs - Math.min(leftMs / 5, 60_000), `${leftMs} ms`)
    }
})

t.test('it is renewed ahead of its end, on the open connection, with a token asked for anew', async (t) => {
  const { world, asked, credentials, requestsOf, close } = await open({ lifeMs: HOUR })
  await world.pass(10 * HOUR)
  t.equal(asked.length, 11)
  for (let i = 1; i < asked.length; i++) {
    const aheadMs = asked[i - 1] + HOUR - asked[i]
    t.ok(aheadMs >= 60_000 && aheadMs <= 120_000, `${aheadMs} ms ahead`)
  }
  t.equal(new Set(asked.slice(1).map((atMs, i) => atMs - asked[i])).size, 10, 'by chance')
  t.same(credentials.shown, numbered('token ', 11, 1))
  t.equal(requestsOf('hello'), 1)
  t.same(await close(), clean)
})

t.test('however far the clocks of client and broker are apart', async (t) => {
  for (const brokerAheadMs of [-400 * DAY, -90_000, 90_000, 400 * DAY]) {
    const { world, asked, close } = await open({ lifeMs: HOUR, brokerAheadMs })
    await world.pass(2 * HOUR)
    t.equal(asked.length, 3, `${brokerAheadMs}`)
    t.ok(asked[1] >= HOUR - 120_000 && asked[1] <= HOUR - 60_000)
    t.same(await close(), clean)
  }
})

t.test(
  'a clock of the broker that is set on makes its refusal come early, back makes it come late',
  async (t) => {
    const early = await open({ lifeMs: HOUR })
    await early.world.pass(1_000)
    early.credentials.endAll()
    await early.world.until(early.client.admin().metadata())
    t.equal(early.asked.length, 2)
    t.same(await early.close(), clean)

    // What the broker says of its time is nonsense: by its answers every credential has ended long ago.
    const late = await open({ lifeMs: HOUR })
    late.credentials.aheadMs = -DAY
    late.credentials.endAll()
    await late.world.until(late.client.admin().metadata())
    const before = late.asked.length
    await late.world.pass(HOUR - 1)
    t.equal(late.asked.length, before, 'no circle')
    await late.world.pass(2)
    await late.world.until(late.client.admin().metadata())
    t.equal(late.asked.length, before + 1, 'the refusal says so')
    t.same(await late.close(), clean)
  },
)

t.test('one that lives for months is renewed at its end, with timers that do not overflow', async (t) => {
  const { world, asked, delays, close } = await open({ lifeMs: 90 * DAY })
  await world.pass(89 * DAY)
  t.equal(asked.length, 1)
  await world.pass(DAY)
  t.equal(asked.length, 2)
  t.ok(Math.max(...delays) <= DAY)
  t.same(await close(), clean)
})

t.test('one that never ends is never renewed', async (t) => {
  const { world, asked, close, events } = await open({ lifeMs: Number.POSITIVE_INFINITY })
  await world.pass(1_000)
  t.equal(world.pendingCount, 0, 'nothing is waited for')
  await world.pass(400 * DAY)
  t.equal(asked.length, 1)
  t.same(
    events.map(({ kind }) => kind),
    ['connected'],
  )
  t.same(await close(), clean)
})

t.test('a source that has nothing newer yet is asked again, more often towards the end', async (t) => {
  let current = 'old'
  const ends = new Map([
    ['old', 600_000],
    ['new', 2 * HOUR],
  ])
  const world = new World()
  const broker = new FakeBroker(world)
  const credentials = broker.askForCredentials((token) => (ends.get(token) as number) - world.nowMs)
  const client = await world.until(OctopusClient.open({ token: () => current }, broker.ports))
  await world.pass(598_000)
  t.ok(credentials.shown.length >= 3 && credentials.shown.length < 12, `${credentials.shown.length} times`)
  current = 'new'
  await world.pass(2_001)
  t.equal(credentials.shown.at(-1), 'new')
  const count = credentials.shown.length
  await world.until(client.admin().metadata())
  await world.pass(HOUR)
  t.equal(credentials.shown.length, count)
  await world.until(client.close())
})

for (const idempotence of [true, false])
  t.test(`a producer loses nothing, ${idempotence ? 'with' : 'without'} sequences`, async (t) => {
    const { world, broker, client, credentials, requestsOf, close } = await open({ lifeMs: HOUR })
    broker.network.latencyMsMax = 4
    const producer = client.producer({
      batchBytes: 1_024,
      idempotence,
      ...(!idempotence && { maxInFlight: 1 }),
    })
    const sends: Promise<{ offset: number }>[] = []
    const given: string[] = []
    for (let round = 0; round < 40; round++) {
      for (const value of numbered(`${round}:`, 30)) {
        given.push(value)
        sends.push(producer.send('t', { value, partition: 0 }))
      }
      await world.pass(1 + world.below(5))
      // In the middle of what is under way.
      if (round % 8 === 4) credentials.endAll()
      if (round % 8 === 7) await world.pass(6_000)
    }
    const places = await world.until(Promise.all(sends))
    t.same(broker.texts('t', 0), given, 'once and in order')
    t.same(
      places.map(({ offset }) => offset),
      given.map((_, i) => i),
    )
    t.equal(requestsOf('authenticate'), 6, 'one for all who wait')
    t.same(await close(), clean)
  })

t.test('a consumer goes on where it was, parked or in the middle of an answer', async (t) => {
  const { world, broker, client, credentials, requestsOf, close } = await open({ lifeMs: HOUR })
  broker.network.latencyMsMax = 3
  const consumer = client.consumer({
    topics: ['t'],
    from: 'earliest',
    maxWaitMs: 20_000,
    fetchBytesMax: 2_000,
  })
  await world.until(consumer.ready())
  const got: (string | null)[][] = [[], []]
  const reading = (async () => {
    for await (const record of consumer) {
      got[record.partition].push(record.text())
      if (got[0].length + got[1].length === 800) return
    }
  })()
  for (let round = 0; round < 40; round++) {
    for (const partition of [0, 1]) broker.append('t', partition, batchOf(numbered(`${round}:`, 10)))
    await world.pass(world.below(20))
    if (round % 8 === 4) credentials.endAll()
    if (round % 8 === 7) await world.pass(6_000)
  }
  await world.until(reading)
  for (const partition of [0, 1]) t.same(got[partition], broker.texts('t', partition))
  t.equal(requestsOf('authenticate'), 6)
  t.equal((await close()).attempts, 1)
})

t.test('a renewal ahead of time leaves a parked fetch where it is', async (t) => {
  const { world, client, requestsOf, close } = await open({ lifeMs: 10_000 })
  const consumer = client.consumer({ topics: ['t'], from: 'earliest', maxWaitMs: 60_000 })
  await world.until(consumer.ready())
  await world.pass(100)
  const count = requestsOf('fetch')
  await world.pass(50_000)
  t.ok(requestsOf('authenticate') >= 5)
  t.equal(requestsOf('fetch'), count)
  t.equal((await close()).attempts, 1)
})

t.test('nor does it wait for a place that long polls hold', async (t) => {
  const world = new World()
  const broker = new FakeBroker(world)
  broker.createTopic('t', 1)
  const credentials = broker.askForCredentials(() => 10_000)
  broker.limits = { ...broker.limits, inFlightRequestsMax: 2 }
  const client = await world.until(OctopusClient.open({ token: () => 'token' }, broker.ports))
  const consumer = client.consumer({ topics: ['t'], from: 'earliest', maxWaitMs: 60_000 })
  await world.until(consumer.ready())
  await world.pass(50_000)
  t.ok(credentials.shown.length >= 5)
  t.equal(credentials.refusedCount, 0, 'nothing met a credential that had ended')
  await world.until(client.close())
})

t.test('what was refused has not been done, so that everything is asked again', async (t) => {
  const { world, broker, client, credentials, requestsOf, close } = await open({ lifeMs: HOUR })
  broker.misbehave = ({ api, frame }) => {
    if (api !== apis.createTopics) return undefined
    const topic = {
      name: 'n',
      error: 0,
      message: null,
      topicId: new Uint8Array(16),
      partitions: 1,
      replicationFactor: 1,
    }
    return {
      kind: 'answer',
      data: encodeResponse(apis.createTopics, frame.correlationId, { topics: [topic] }),
    }
  }
  credentials.endAll()
  const admin = client.admin()
  const outcomes = await world.until(
    Promise.all([admin.createTopic('n'), admin.metadata(), admin.metadata(['t']), admin.createTopic('n')]),
  )
  t.match(outcomes, [{ name: 'n' }, {}, {}, { name: 'n' }])
  t.equal(requestsOf('create-topics'), 4)
  t.equal(requestsOf('authenticate'), 2)
  t.same(await close(), clean)
})

t.test('a refusal that comes after the renewal starts no other', async (t) => {
  const { world, broker, client, credentials, requestsOf, close } = await open({ lifeMs: HOUR })
  let count = 0
  broker.misbehave = ({ api }) =>
    api === apis.listOffsets && ++count === 1
      ? { kind: 'refuse', code: ErrorCode.CREDENTIAL_EXPIRED, afterMs: 100 }
      : undefined
  const late = client.admin().listOffsets([{ topic: 't', partition: 0, at: 'latest' }])
  await world.pass(10)
  credentials.endAll()
  await world.until(client.admin().metadata())
  t.equal(requestsOf('authenticate'), 2)
  t.match(await world.until(late), [{ offset: 0 }])
  t.equal(requestsOf('authenticate'), 2)
  t.same(await close(), clean)
})

t.test('a source that fails: those who wait fail in their own time with the reason, and go on', async (t) => {
  let isDown = false
  let asked = 0
  const token = () => {
    asked++
    if (isDown) throw new Error('the issuer is down')
    return `token ${asked}`
  }
  const { world, broker, client, credentials, events, close } = await open({ token, requestTimeoutMs: 3_000 })
  const producer = client.producer({ deliveryTimeoutMs: 10_000 })
  await world.until(producer.send('t', { value: 'a', partition: 0 }))
  isDown = true
  credentials.endAll()
  const consumer = client.consumer({ topics: ['t'], from: 'earliest' })
  const first = consumer.batches().next()
  const startMs = world.nowMs
  const sent = failureOf(producer.send('t', { value: 'b', partition: 0 }))
  const reason =
    /the credential shown to ws:\/\/127.0.0.1:7654 has expired: no credential: the issuer is down$/
  t.match(await failureOf(world.until(client.admin().metadata())), {
    code: ErrorCode.CREDENTIAL_EXPIRED,
    retriable: true,
    message: reason,
  })
  t.equal(world.nowMs - startMs, 3_000)
  t.equal(client.isConnected, false)
  t.match(await world.until(sent), {
    code: ErrorCode.REQUEST_TIMED_OUT,
    message: /^topic t: not acknowledged within 10000 ms; the credential .* the issuer is down$/,
  })
  t.equal(world.nowMs - startMs, 10_000)
  t.ok(asked > 5 && asked < 25, `asked ${asked} times in ten seconds`)
  const told = events.flatMap((event) => (event.kind === 'unrenewed' ? [event] : []))
  t.equal(told.length, asked - 1)
  t.match(told[0], { isExpired: true, url: 'ws://127.0.0.1:7654', error: { message: reason } })

  const later = failureOf(producer.send('t', { value: 'c', partition: 0 }))
  t.match(await world.until(later), { code: ErrorCode.REQUEST_TIMED_OUT })
  isDown = false
  await world.pass(5_001)
  t.equal(client.isConnected, true)
  await world.until(producer.send('t', { value: 'd', partition: 0 }))
  t.same(broker.texts('t', 0), ['a', 'd'])
  t.match((await world.until(first)).value, { baseOffset: 0 })
  t.equal((await close()).attempts, 1)
})

t.test('a source that fails ahead of the end harms nobody', async (t) => {
  let isDown = false
  let asked = 0
  const token = async () => {
    asked++
    if (isDown) throw new Error('the issuer is down')
    return `token ${asked}`
  }
  const { world, client, events, close } = await open({ token, lifeMs: HOUR })
  isDown = true
  await world.pass(HOUR - 5_000)
  t.ok(asked >= 3 && asked < 12, `asked ${asked} times`)
  const told = events.find((event) => event.kind === 'unrenewed')
  t.match(told, {
    isExpired: false,
    error: { message: /could not be renewed ahead of its end: no credential: the issuer/ },
  })
  await world.until(client.admin().metadata())
  await world.pass(HOUR)
  const before = asked
  await world.pass(10 * HOUR)
  t.equal(asked, before, 'nobody asks anything of the broker, so nobody needs one')
  isDown = false
  await world.until(client.admin().metadata())
  t.equal(asked, before + 1)
  t.same(await close(), clean)
})

t.test('a source that never answers is asked again, and a late answer is not used', async (t) => {
  let answerLate: (token: string) => void = () => undefined
  let asked = 0
  const token = () => {
    asked++
    if (asked === 2)
      return new Promise<string>((resolve) => {
        answerLate = resolve
      })
    return `token ${asked}`
  }
  const { world, client, credentials, close } = await open({ token, connectTimeoutMs: 700 })
  credentials.endAll()
  const startMs = world.nowMs
  const waiting = client.admin().metadata()
  await world.pass(690)
  t.equal(asked, 2)
  await world.until(waiting)
  t.ok(world.nowMs - startMs >= 700 && world.nowMs - startMs <= 800)
  answerLate('token 2')
  await world.pass(10_000)
  t.same(credentials.shown, ['token 1', 'token 3'])
  t.same(await close(), clean)
})

t.test('a source that is slow holds nothing up that needs no credential anew', async (t) => {
  const world = new World()
  const broker = new FakeBroker(world)
  broker.createTopic('t', 1)
  const credentials = broker.askForCredentials(() => 10_000)
  let count = 0
  const token = () =>
    new Promise<string>((resolve) => {
      world.after(count === 0 ? 0 : 1_500, () => resolve(`token ${count}`))
      count++
    })
  const client = await world.until(OctopusClient.open({ token }, broker.ports))
  const producer = client.producer()
  for (let i = 0; i < 100; i++) {
    const startMs = world.nowMs
    await world.until(producer.send('t', { value: `${i}`, partition: 0 }))
    t.ok(world.nowMs - startMs < 10)
    await world.pass(500)
  }
  t.same(broker.texts('t', 0), numbered('', 100))
  t.ok(credentials.shown.length >= 5)
  await world.until(client.close())
})

t.test('a new credential that the broker refuses is the end, with its reason', async (t) => {
  const { world, broker, client, credentials } = await open({})
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'a', partition: 0 }))
  const consumer = client.consumer({ topics: ['t'], maxWaitMs: 60_000 })
  await world.until(consumer.ready())
  const next = failureOf(consumer.batches().next())
  credentials.lifeMsOf = () => {
    throw refusedToken('the key is not known')
  }
  credentials.endAll()
  const refused = { code: ErrorCode.SASL_AUTHENTICATION_FAILED, message: 'the key is not known' }
  t.match(await failureOf(world.until(producer.send('t', { value: 'b', partition: 0 }))), refused)
  t.match(await world.until(next), refused)
  t.match(await failureOf(world.until(client.admin().metadata())), refused)
  t.throws(() => client.producer(), refused)
  await world.until(client.close())
  t.equal(broker.network.sockets.size, 0)
  t.equal(broker.network.attempts, 1)
  // As long as the fetch would have been parked.
  await world.pass(60_000)
  t.equal(world.pendingCount, 0)
})

t.test('what is under way when that is the end fails with the same reason', async (t) => {
  const { world, broker, client, credentials } = await open({})
  const producer = client.producer()
  await world.until(producer.send('t', { value: 'a', partition: 0 }))
  broker.misbehave = ({ api }) => (api === apis.produce ? { kind: 'delay', ms: 10_000 } : undefined)
  const sent = failureOf(producer.send('t', { value: 'b', partition: 0 }))
  await world.pass(10)
  credentials.lifeMsOf = () => {
    throw refusedToken('the key is not known')
  }
  credentials.endAll()
  const refused = { code: ErrorCode.SASL_AUTHENTICATION_FAILED, message: 'the key is not known' }
  t.match(await failureOf(world.until(client.admin().metadata())), refused)
  t.match(await world.until(sent), refused)
  await world.until(client.close())
})

t.test('a fixed text that ends: what to give instead', async (t) => {
  const { world, client, credentials } = await open({ token: 'secret', lifeMs: HOUR })
  credentials.lifeMsOf = () => {
    throw refusedToken()
  }
  await world.pass(2 * HOUR)
  t.equal(client.isConnected, true, 'nobody has asked anything')
  const error = await failureOf(world.until(client.admin().metadata()))
  t.match(error, {
    code: ErrorCode.SASL_AUTHENTICATION_FAILED,
    message:
      /^the token has expired; .* had before: give a function as option token .* OCTOPUS_TOKEN_FILE names/,
  })
  t.notMatch(error.message, /secret/)
  t.ok(credentials.shown.length < 15, `shown ${credentials.shown.length} times`)
  await world.until(client.close())
})

t.test('a new credential refused ahead of the end does no harm while the old one is good', async (t) => {
  const { world, client, credentials, events, asked, close } = await open({ lifeMs: HOUR })
  const good = credentials.lifeMsOf
  credentials.lifeMsOf = () => {
    throw refusedToken('the token is not valid yet')
  }
  await world.pass(HOUR - 61_000)
  credentials.lifeMsOf = good
  t.match(
    events.find((event) => event.kind === 'unrenewed'),
    { isExpired: false, error: { message: /: the token is not valid yet$/ } },
  )
  await world.pass(61_000)
  const { length } = asked
  await world.until(client.admin().metadata())
  t.equal(asked.length, length, 'it was renewed meanwhile')
  t.same(await close(), clean)
})

t.test('whoever checks credentials is out of reach for a while', async (t) => {
  const { world, client, credentials, close } = await open({})
  const good = credentials.lifeMsOf
  const failures: number[] = []
  credentials.lifeMsOf = () => {
    failures.push(world.nowMs)
    throw new ProtocolError(ErrorCode.AUTHENTICATION_UNAVAILABLE, 'the issuer is down', {
      retryAfterMs: 2_000,
    })
  }
  credentials.endAll()
  const waiting = client.admin().metadata()
  await world.pass(7_000)
  t.equal(failures.length, 4, 'not sooner than it was told')
  credentials.lifeMsOf = good
  await world.until(waiting)
  t.same(await close(), clean)
})

t.test('a broker that accepts what is no good at the next request is not asked in a circle', async (t) => {
  const { world, client, credentials, requestsOf } = await open({
    lifeMs: (count) => (count === 1 ? HOUR : 0),
    requestTimeoutMs: 60_000,
  })
  credentials.endAll()
  t.match(await failureOf(world.until(client.admin().metadata())), { code: ErrorCode.CREDENTIAL_EXPIRED })
  t.ok(world.nowMs >= 60_000)
  const count = requestsOf('authenticate')
  t.ok(count > 5 && count < 60, `${count} times in a minute`)
  t.ok(requestsOf('metadata') <= count)
  await world.until(client.close())
})

t.test('credentials that live for seconds are renewed ahead each time', async (t) => {
  const { world, client, requestsOf, close } = await open({ lifeMs: 3_000 })
  for (let i = 0; i < 300; i++) {
    await world.pass(100)
    await world.until(client.admin().metadata())
  }
  t.equal(requestsOf('metadata'), 300, 'none was refused')
  t.ok(requestsOf('authenticate') >= 10 && requestsOf('authenticate') <= 31)
  t.same(await close(), clean)
})

t.test('the client is closed while a credential is asked for, or on its way', async (t) => {
  for (const isShown of [false, true]) {
    let asked = 0
    const token = () => (++asked === 1 || isShown ? `token ${asked}` : new Promise<string>(() => undefined))
    const { world, broker, client, credentials, close } = await open({ token })
    credentials.endAll()
    if (isShown) broker.misbehave = ({ api }) => (api === apis.authenticate ? { kind: 'ignore' } : undefined)
    const waiting = failureOf(client.admin().metadata())
    const sent = failureOf(
      client.producer({ deliveryTimeoutMs: 1_000 }).send('t', { value: 'x', partition: 0 }),
    )
    await world.pass(100)
    t.equal(asked, 2)
    t.same(await close(), clean, isShown ? 'on its way' : 'asked for')
    t.match(await waiting, { code: ErrorCode.CLOSED })
    t.match(await sent, { code: ErrorCode.REQUEST_TIMED_OUT })
  }
})

t.test('the connection is lost while a credential is asked for: the next one shows another', async (t) => {
  let asked = 0
  const answers: ((token: string) => void)[] = []
  const token = () => {
    asked++
    if (asked !== 2) return `token ${asked}`
    return new Promise<string>((resolve) => answers.push(resolve))
  }
  const { world, broker, client, credentials } = await open({ token })
  credentials.endAll()
  const waiting = client.admin().metadata()
  await world.pass(100)
  broker.network.dropAll()
  await world.until(waiting)
  answers[0]('token 2')
  await world.pass(20_000)
  t.same(credentials.shown, ['token 1', 'token 3'])
  t.equal(broker.network.attempts, 2)
  t.equal(client.isConnected, true)
  await world.until(client.close())
  await world.pass(1)
  t.equal(world.pendingCount, 0)
})

t.test('an authenticate that is not answered ends the connection, and the next one goes on', async (t) => {
  const { world, broker, client, credentials } = await open({ requestTimeoutMs: 2_000 })
  let isDeaf = true
  broker.misbehave = ({ api }) => (isDeaf && api === apis.authenticate ? { kind: 'ignore' } : undefined)
  credentials.endAll()
  const producer = client.producer()
  const sent = producer.send('t', { value: 'x', partition: 0 })
  await world.pass(1_000)
  isDeaf = false
  await world.until(sent)
  t.same(broker.texts('t', 0), ['x'])
  t.equal(broker.network.attempts, 2)
  await world.until(client.close())
})

t.test('a broker that speaks of a credential although none was shown', async (t) => {
  const world = new World()
  const broker = new FakeBroker(world)
  broker.misbehave = ({ api }) =>
    api === apis.metadata ? { kind: 'refuse', code: ErrorCode.CREDENTIAL_EXPIRED } : undefined
  const client = await world.until(OctopusClient.open({}, broker.ports))
  t.match(await failureOf(world.until(client.admin().metadata())), {
    code: ErrorCode.SASL_AUTHENTICATION_FAILED,
    message: 'ws://127.0.0.1:7654 asks for a credential: give the option token',
  })
  await world.until(client.close())
})

t.test('what is no text is no credential', async (t) => {
  for (const [given, message] of [
    ['', /no credential: the option token gave an empty text$/],
    [undefined, /no credential: the option token gave no text$/],
  ] as const) {
    const world = new World()
    const broker = new FakeBroker(world)
    const token = () => given as unknown as string
    t.match(await failureOf(world.until(OctopusClient.open({ token }, broker.ports))), {
      code: ErrorCode.DISCONNECTED,
      message,
    })
  }
})

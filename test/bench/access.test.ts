/** The figures of `bench access`, on numbers one can check by hand, and the newcomer that is made by hand. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { entriesOf, membersOf } from '../../bench/access/population.ts'
import type { ProduceRound } from '../../bench/access/produce-cost.ts'
import { accessResult, accessTargets } from '../../bench/access/result.ts'
import type { AccessOptions, AccessRun, Arrival } from '../../bench/access/run.ts'
import { arriveLeanly, authentication, scriptFor } from '../../bench/load/lean-newcomer.ts'
import type { Machine } from '../../bench/machine/machine.ts'
import { cpuSeconds, exactCpuSeconds } from '../../bench/machine/process-statistics.ts'
import { type AnyApi, apis } from '../../client/protocol/api.ts'
import { encodeError, encodeResponse } from '../../client/protocol/codec.ts'
import { ErrorCode } from '../../client/protocol/errors.ts'

const machine: Machine = { cpu: 'x', cores: 2, memoryBytes: 1, system: 'y', versions: {} }

const options: AccessOptions = {
  principals: 1_000,
  produceRounds: 3,
  produceWarmupRounds: 1,
  bulkEvents: 1_000_000,
  singleEvents: 1_000,
  valueBytes: 32,
  partitions: 1,
  checks: 1,
  liveConnections: 4,
  rightsRounds: 2,
  bulkRounds: 1,
  bulkEntries: 1_000,
  newcomerRounds: 2,
  newcomers: 100,
  newcomersAtOnce: 4,
  sdkNewcomers: 10,
  storm: 100,
  smallSyncs: 1,
  processorProbes: 1,
  seed: 1,
}

function produced(batches: number, ...cpu: (readonly [number, number, number, number])[]): ProduceRound[] {
  const turn = (cpuSecondsPerMillionEvents: number) => ({
    eventsPerSecond: 1e6 / cpuSecondsPerMillionEvents,
    batches,
    cpuSecondsPerMillionEvents,
  })
  return cpu.map(([a, b, c, d]) => ({ administrator: [turn(a), turn(d)], user: [turn(b), turn(c)] }))
}

const arrival = (seconds: number, p50Ms = 1): Arrival => ({
  connections: 100,
  seconds,
  brokerCpuSeconds: 0.02,
  generatorCpuSeconds: 0.01,
  p50Ms,
  p99Ms: 5,
})

const run: AccessRun = {
  entries: 10_000,
  // One of the rounds met a disturbance; it must not count for more than a round.
  bulk: produced(100, [1, 1.01, 1.01, 1], [2, 2.02, 2.02, 2], [1, 5, 5, 1]),
  single: produced(1_000, [4, 4, 4, 4.4], [4, 4, 4, 4.4], [4, 4, 4, 4.4]),
  check: { nanoseconds: 100, compileMicroseconds: 1, compileChangedMicroseconds: 2 },
  rights: {
    roundTripMs: [1, 1, 2],
    changeMs: [3, 3, 3],
    grantMs: [1, 2],
    revokeMs: [1, 1_001],
    parkedMs: [50, 52],
    keyMs: [1, 1],
    keyParkedMs: [50, 50],
    bulkChangeMs: [2_000, 3_000],
    bulkGrantMs: [1],
    bulkRevokeMs: [1],
    bulkParkedMs: [80],
    bulkRoundTripMaxMs: [20, 1_030],
  },
  steady: {
    none: [arrival(0.02), arrival(0.04)],
    key: [arrival(0.05), arrival(0.04)],
    eddsa: [arrival(0.09), arrival(0.11)],
    es256: [arrival(0.2), arrival(0.11)],
  },
  storms: {
    none: [arrival(1), arrival(1)],
    key: [arrival(2, 1), arrival(4, 2)],
    eddsa: [arrival(9), arrival(11)],
    es256: [arrival(9), arrival(10)],
  },
  sdk: arrival(0.1),
  anonymousRssBytesMax: 3e8,
  fdatasyncP50Ms: [0.2, 0.4],
  processorMegabytesPerSecond: [1_000, 1_000, 1_100],
}

t.test('what authorization costs is the middle one of the rounds, and how sure that is', async (t) => {
  const { cost, probes } = accessResult(run, options, machine)
  const near = (measured: number | null, right: number, what: string) =>
    t.ok(measured !== null && Math.abs(measured - right) < 1e-9, `${what}: ${measured}, not ${right}`)
  near(cost.bulk.cpuRatio, 1.01, 'ratio')
  near(cost.bulk.cpuRatioError, (0.93 * (5 - 1.01)) / Math.sqrt(3), 'its error')
  near(cost.bulk.noise, 0, 'turns of one caller')
  // 100 checks of 100 ns for a million events that take 1.505 s.
  near(cost.bulk.checkShare, 1e-5 / 1.505, 'share of the checks')
  near(cost.bulk.eventsPerBatch, 10_000, 'events of a batch')
  near(cost.single.cpuRatio, 8 / 8.4, 'ratio')
  near(cost.single.checkShare, 0.1 / 4, 'share of the checks')
  t.equal(probes.noisy, false, 'the processor strayed by a tenth')
})

t.test('newcomers: the best round, beside those that show nothing, and the worst storm', async (t) => {
  const { newcomers, probes } = accessResult(run, options, machine)
  t.equal(newcomers.key.perSecond, 2_500)
  t.equal(newcomers.key.anonymousRatio, (0.02 / 0.05 + 0.04 / 0.04) / 2)
  t.equal(newcomers.key.brokerCpuMicroseconds, 200)
  t.equal(newcomers.key.brokerCpuShare, 0.5)
  t.equal(newcomers.key.generatorCpuShare, 0.25)
  t.same([newcomers.key.storm.seconds, newcomers.key.storm.p50Ms], [4, 2])
  t.equal(probes.anonymous.perSecond, 5_000)
  t.equal(probes.sdk.generatorCpuMicroseconds, 100)
})

t.test('targets of access, and what is not known is missed', async (t) => {
  const missed = (of: AccessRun) =>
    accessTargets(accessResult(of, options, machine))
      .filter(({ met }) => !met)
      .map(({ name }) => name)
  t.same(missed(run), [
    'cost.single.checkShare',
    'effect.revoke.maxMs',
    'effect.bulk.roundTrip.maxMs',
    'newcomers.es256.perSecond',
    'newcomers.eddsa.storm.seconds',
  ])
  const blind = run.bulk.map(({ administrator, user }) => {
    const unknown = <T extends object>(turn: T) => ({ ...turn, cpuSecondsPerMillionEvents: null })
    return {
      administrator: [unknown(administrator[0]), unknown(administrator[1])] as const,
      user: [unknown(user[0]), unknown(user[1])] as const,
    }
  })
  t.same(missed({ ...run, bulk: blind, anonymousRssBytesMax: null }), [
    'cost.bulk.cpuRatio',
    'cost.bulk.checkShare',
    'cost.single.checkShare',
    'effect.revoke.maxMs',
    'effect.bulk.roundTrip.maxMs',
    'newcomers.es256.perSecond',
    'newcomers.eddsa.storm.seconds',
    'broker.anonymousRssBytesMax',
  ])
})

t.test('ten entries for each principal, none twice', async (t) => {
  for (const count of [80, 1_000]) {
    const members = membersOf(count)
    const entries = entriesOf(members)
    t.equal(entries.length, 10 * count)
    const rules = new Set(entries.map((entry) => JSON.stringify(entry)))
    t.equal(rules.size, entries.length)
    t.ok(members.every(({ groups }) => groups.length === 4))
  }
})

t.test('CPU time to the nanosecond', { skip: process.platform !== 'linux' }, async (t) => {
  const [coarse, exact] = [cpuSeconds(process.pid), exactCpuSeconds(process.pid)]
  // Threads of Node that have ended are in the coarse one only.
  t.ok(exact! > 0.05 && exact! < coarse! + 0.05, `${exact} s beside ${coarse} s`)
  const end = performance.now() + 100
  while (performance.now() < end);
  t.ok(exactCpuSeconds(process.pid)! > exact!)
  t.equal(exactCpuSeconds(2 ** 30), undefined, 'no such process')
})

/** A WebSocket server that answers each message with the next of the answers, byte for byte. */
async function answering(t: Test, answers: readonly Uint8Array[], head = 'HTTP/1.1 101 Switching Protocols') {
  const server = createServer({ noDelay: true }, (socket) => {
    let next = -1
    socket.on('error', () => socket.destroy())
    socket.on('data', () => {
      if (++next === 0) drip(socket, Buffer.from(`${head}\r\n\r\n`))
      else if (next > answers.length) socket.end()
      else drip(socket, unmasked(answers[next - 1]))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function drip(socket: Socket, bytes: Buffer): void {
  for (const byte of bytes) socket.write(Buffer.from([byte]))
}

function unmasked(payload: Uint8Array): Buffer {
  const head = Buffer.from([0x82, 126, payload.length >> 8, payload.length & 255])
  return Buffer.concat([payload.length < 126 ? Buffer.from([0x82, payload.length]) : head, payload])
}

const refused = (api: AnyApi, id: number) =>
  encodeError(api.key, api.versionMax, id, ErrorCode.SASL_AUTHENTICATION_FAILED, 'no such key', 0)
const hello = encodeResponse(apis.hello, 1, {
  nodeId: 0,
  clusterId: 'x'.repeat(60),
  software: 'x'.repeat(60),
  apis: [],
  limits: {
    frameBytesMax: 1,
    batchBytesMax: 1,
    windowBytes: 1,
    inFlightRequestsMax: 1,
    fetchBytesMax: 1,
  },
  authenticationRequired: true,
  serverTimeMs: 0,
})
const authenticated = encodeResponse(apis.authenticate, 2, {
  required: true,
  principal: 'user:ann',
  expiresAtMs: null,
})
const metadata = (error: number) =>
  encodeResponse(apis.metadata, 3, {
    clusterId: 'x',
    controllerId: 0,
    brokers: [],
    topics: [{ error, message: 'why', name: 'a', topicId: null, isInternal: false, partitions: [] }],
  })

t.test('a lean newcomer reads answers that come in pieces, and takes nothing wrong for right', async (t) => {
  const come = async (answers: readonly Uint8Array[], token: string | undefined, head?: string) => {
    const url = await answering(t, answers, head)
    return arriveLeanly(scriptFor(url, 'a'), token === undefined ? undefined : authentication(token))
  }
  const leave = await come([hello, authenticated, metadata(ErrorCode.NONE)], 't'.repeat(200))
  leave()
  const leaveToo = await come([hello, metadata(ErrorCode.NONE)], undefined)
  leaveToo()
  t.ok(hello.length > 126, 'one of the answers has a long head')
  await t.rejects(come([hello, refused(apis.authenticate, 2)], 't'), /no such key/)
  await t.rejects(come([hello, metadata(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)], undefined), /may not see/)
  await t.rejects(come([], undefined, 'HTTP/1.1 503 Service Unavailable'), /503/)
  await t.rejects(come([hello], undefined), /hung up/)
  await t.rejects(come([new Uint8Array(0)], undefined), /broken frame/)
})

/** A server with handlers of the test's own, on a fake transport and manual time. */
import { type Logger, pino } from 'pino'
import type { Handlers } from '../../../broker/handlers/handlers.ts'
import { Tally } from '../../../broker/observability/tally.ts'
import { type Authorize, authorize } from '../../../broker/server/authorize.ts'
import { BrowserPages } from '../../../broker/server/browser-pages.ts'
import type { ServerLimits } from '../../../broker/server/limits.ts'
import { ProduceBudget } from '../../../broker/server/produce-budget.ts'
import { Server, type ServerOptions } from '../../../broker/server/server.ts'
import { type Api, apis } from '../../../client/protocol/api.ts'
import { decodeHeader, decodeResponse, encodeRequest } from '../../../client/protocol/codec.ts'
import { ErrorCode, errorDefinition } from '../../../client/protocol/errors.ts'
import { FLAG_ERROR, type Frame, readFrame } from '../../../client/protocol/frame.ts'
import { errorResponse } from '../../../client/protocol/messages/error.ts'
import { ManualTime } from '../manual-time.ts'
import { sessionsOf } from '../sessions.ts'
import { type FakeSocket, FakeTransport } from './fake-transport.ts'

export const smallLimits: ServerLimits = {
  connectionsMax: 3,
  frameBytesMax: 100_000,
  batchBytesMax: 50_000,
  fetchBytesMax: 100_000,
  inFlightRequestsMax: 4,
  produceWindowBytesMax: 1000,
  produceWindowBytesMin: 400,
  produceBufferBytesMax: 3000,
  bufferedBytesMax: 500,
  queuedBytesMax: 700,
  helloTimeoutMs: 5_000,
  authenticationTimeoutMs: 5_000,
  stalledTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
}

export const topicId = new Uint8Array(16).fill(7)

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

export interface Harness {
  readonly server: Server
  readonly transport: FakeTransport
  readonly time: ManualTime
  readonly tally: Tally
  readonly budget: ProduceBudget
  readonly logged: LogLine[]
  /** A connection that has not said anything yet. */
  connect(): Client
  /** A connection after its hello. */
  greeted(): Promise<Client>
}

/** The client's side of a fake socket. */
export class Client {
  readonly socket: FakeSocket
  readonly #time: ManualTime
  #read = 0

  constructor(socket: FakeSocket, time: ManualTime) {
    this.socket = socket
    this.#time = time
  }

  send<Q, R>(api: Api<Q, R>, correlationId: number, message: Q, body?: Uint8Array): void {
    this.socket.receive(encodeRequest(api, correlationId, message, body))
  }

  produce(correlationId: number, bytes: number): void {
    const partitions = [{ topicId, partition: 0, leaderEpoch: -1, bytes }]
    const message = { acks: -1, timeoutMs: 1000, transactionalId: null, partitions }
    this.send(apis.produce, correlationId, message, new Uint8Array(bytes).fill(correlationId))
  }

  fetch(correlationId: number): void {
    const bounds = { maxWaitMs: 100, minBytes: 1, maxBytes: 1000, isolationLevel: 0 }
    this.send(apis.fetch, correlationId, { ...bounds, partitions: [], filter: null, compressions: null })
  }

  /** Frames that came since the last look, after the turn has ended. */
  async frames(): Promise<Frame[]> {
    await this.#time.turn()
    const fresh = this.socket.sent.slice(this.#read)
    this.#read = this.socket.sent.length
    return fresh.map((bytes) => readFrame(bytes))
  }

  /** What came, in short: `hello#1`, `produce#5[5,6]`, `fetch#7+`, `status#3 INVALID_REQUEST`. */
  async heard(): Promise<string[]> {
    return (await this.frames()).map(describe)
  }

  async error(): Promise<{
    correlationId: number
    name: string
    message: string | null
    retryAfterMs: number
  }> {
    const [frame] = await this.frames()
    if (!frame || !(frame.flags & FLAG_ERROR)) throw new Error('no ERROR frame came')
    const { code, message, retryAfterMs } = decodeHeader(errorResponse, frame.header)
    return { correlationId: frame.correlationId, name: errorDefinition(code).name, message, retryAfterMs }
  }
}

const byKey = new Map(Object.values(apis).map((api) => [api.key, api as Api<unknown, unknown>]))

function describe(frame: Frame): string {
  const head = `${byKey.get(frame.apiKey)?.name ?? frame.apiKey}#${frame.correlationId}`
  if (frame.flags & FLAG_ERROR)
    return `${head} ${errorDefinition(decodeHeader(errorResponse, frame.header).code).name}`
  if (frame.flags & 2) return `${head}+`
  if (frame.apiKey !== apis.produce.key) return head
  const { answers } = decodeResponse(apis.produce, frame)
  return `${head}[${answers.map(({ correlationId }) => correlationId).join(',')}]`
}

/** Handlers that fail the test's expectations when they are called without being given. */
export function handlersOf(given: Partial<Handlers>): Handlers {
  const rest = Object.keys(apis).map((name) => [
    name,
    async () => {
      throw new Error(`${name} was called and is not part of this test`)
    },
  ])
  return {
    ...(Object.fromEntries(rest) as unknown as Handlers),
    hello: async (_request, { clock }) => ({
      nodeId: 0,
      clusterId: 'c',
      software: 's',
      apis: [],
      limits: {
        frameBytesMax: 1,
        batchBytesMax: 1,
        windowBytes: 1000,
        inFlightRequestsMax: 4,
        fetchBytesMax: 1,
      },
      authenticationRequired: false,
      serverTimeMs: clock.nowMs(),
    }),
    ...given,
  }
}

export async function startServer(
  given: Partial<Handlers> = {},
  changes: {
    limits?: Partial<ServerLimits>
    authorize?: Authorize
    origins?: readonly string[]
    sessions?: ServerOptions['sessions']
  } = {},
): Promise<Harness> {
  const time = new ManualTime()
  const transport = new FakeTransport()
  const tally = new Tally()
  const limits = { ...smallLimits, ...changes.limits }
  const budget = new ProduceBudget(limits)
  const logged: LogLine[] = []
  const logger: Logger = pino(
    { level: 'trace', base: null },
    { write: (line) => logged.push(JSON.parse(line)) },
  )
  const server = new Server({
    handlers: handlersOf(given),
    authorize: changes.authorize ?? authorize,
    sessions: changes.sessions ?? sessionsOf(),
    limits,
    budget,
    pages: new BrowserPages(changes.origins ?? []),
    clock: time,
    timers: time,
    tally,
    logger,
  })
  await server.listen(transport, { host: '127.0.0.1', port: 0, tls: undefined }, () => ({
    status: 200,
    headers: {},
    body: '',
  }))
  const connect = () => new Client(transport.connect(), time)
  const greeted = async () => {
    const client = connect()
    client.send(apis.hello, 0, greeting)
    const heard = await client.heard()
    if (heard[0] !== 'hello#0') throw new Error(`hello was answered ${heard}`)
    return client
  }
  return { server, transport, time, tally, budget, logged, connect, greeted }
}

/** A promise settled by the test. */
export class Gate<T> {
  readonly promise: Promise<T>
  resolve!: (value: T) => void
  reject!: (error: Error) => void

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}

export function produced(baseOffset: number) {
  return [
    {
      topicId,
      partition: 0,
      error: ErrorCode.NONE,
      message: null,
      baseOffset,
      logAppendTimeMs: -1,
      logStartOffset: 0,
    },
  ]
}

export const greeting = { clientName: 'test', clientVersion: '1' }

/** The plainest request of each API. */
export function sample(key: number): never {
  const samples: Record<number, unknown> = {
    [apis.hello.key]: greeting,
    [apis.produce.key]: { acks: -1, timeoutMs: 1, transactionalId: null, partitions: [] },
    [apis.fetch.key]: {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 0,
      isolationLevel: 0,
      partitions: [],
      filter: null,
      compressions: null,
    },
    [apis.listOffsets.key]: { isolationLevel: 0, partitions: [] },
    [apis.metadata.key]: { topics: null },
    [apis.createTopics.key]: { topics: [], validateOnly: false, timeoutMs: 1 },
    [apis.deleteTopics.key]: { topics: [], timeoutMs: 1 },
    [apis.authenticate.key]: { mechanism: 'token', token: 'x' },
    [apis.alterTopics.key]: { topics: [], validateOnly: false, timeoutMs: 1 },
    [apis.describeTopics.key]: { names: null },
    [apis.listTopics.key]: { includeInternal: false },
    [apis.status.key]: {},
    [apis.initProducerId.key]: { producerName: null, producerId: -1, producerEpoch: -1 },
    [apis.describeProducers.key]: { producerId: 1, partitions: [] },
    [apis.describeAcls.key]: { principal: null, resource: null },
    [apis.createAcls.key]: { entries: [] },
    [apis.deleteAcls.key]: { ids: [] },
    [apis.whoami.key]: {},
    [apis.explainAccess.key]: {
      principal: null,
      groups: [],
      roles: [],
      operation: 'read',
      resource: 'topic:a',
    },
    [apis.createKey.key]: {
      principal: null,
      name: 'k',
      groups: [],
      roles: [],
      expiresAtMs: null,
      scope: null,
    },
    [apis.listKeys.key]: { principal: null },
    [apis.revokeKeys.key]: { keyIds: [] },
    [apis.rotateKey.key]: { keyId: 'k', overlapMs: 0 },
    [apis.createNamespace.key]: { namespaces: [] },
    [apis.listNamespaces.key]: {},
    [apis.alterNamespace.key]: { name: 'n', addOwners: [], removeOwners: [], topicConfigs: [] },
    [apis.deleteNamespace.key]: { name: 'n' },
    [apis.issueToken.key]: { principal: null, groups: [], roles: [], lifetimeMs: null, scope: null },
    [apis.revokeToken.key]: { tokenId: 't', principal: null },
    [apis.rotateIssuerKey.key]: { overlapMs: null },
    [apis.groupHeartbeat.key]: {
      groupId: 'g',
      memberId: 'm',
      memberEpoch: 0,
      instanceId: null,
      clientName: 'test',
      subscribedTopics: [],
      assignor: null,
      sessionTimeoutMs: 45_000,
      rebalanceTimeoutMs: 60_000,
      maxProcessingMs: null,
      processingMs: null,
      revision: 0,
      owned: [],
      maxWaitMs: 0,
    },
    [apis.offsetCommit.key]: { groupId: 'g', memberId: null, memberEpoch: -1, partitions: [] },
    [apis.offsetFetch.key]: { groupId: 'g', memberId: null, memberEpoch: -1, partitions: null },
    [apis.offsetDelete.key]: { groupId: 'g', partitions: [] },
    [apis.listGroups.key]: { states: null },
    [apis.describeGroups.key]: { groups: [] },
    [apis.deleteGroups.key]: { groups: [] },
  }
  return samples[key] as never
}

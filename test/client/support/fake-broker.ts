/**
 * A broker in a hundred lines that speaks `octopus.v1`, keeps its logs in arrays and misbehaves on request. It
 * checks every batch as the real one does, so that a client which sends nonsense fails the test.
 */
import { crc32c } from '@node-rs/crc32'
import { nodePorts } from '../../../client/node/node-ports.ts'
import type { ClientPorts } from '../../../client/ports.ts'
import { type AnyApi, apis } from '../../../client/protocol/api.ts'
import {
  decodeHeader,
  encodeError,
  encodeFetchData,
  encodeResponse,
  requestedApi,
} from '../../../client/protocol/codec.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import { type Frame, readFrame } from '../../../client/protocol/frame.ts'
import type { AuthenticateRequest } from '../../../client/protocol/messages/authenticate.ts'
import type { DescribeProducersRequest } from '../../../client/protocol/messages/describe-producers.ts'
import type { FetchRequest } from '../../../client/protocol/messages/fetch.ts'
import type { HelloResponse } from '../../../client/protocol/messages/hello.ts'
import type { InitProducerIdRequest } from '../../../client/protocol/messages/init-producer-id.ts'
import type { ListOffsetsRequest } from '../../../client/protocol/messages/list-offsets.ts'
import type { MetadataRequest } from '../../../client/protocol/messages/metadata.ts'
import type { ProducedPartition, ProduceRequest } from '../../../client/protocol/messages/produce.ts'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import {
  batchBytesAt,
  lastOffsetAt,
  maxTimestampAt,
  nextBatchEnd,
  producerIdAt,
  stampBatch,
} from '../../../storage/record/batch-header.ts'
import type { ConsumedRecord } from '../../../storage/record/record.ts'
import { checkProducedBatch } from '../../../storage/record/validate.ts'
import { FakeCredentials } from './fake-credentials.ts'
import { type FakeMatch, filteredBatch, lookedAt } from './fake-filter.ts'
import type { FakeGroups } from './fake-groups.ts'
import { FakeProducers } from './fake-producers.ts'
import { Network, type ServerSocket } from './network.ts'
import type { World } from './world.ts'

/** One partition: whole stored batches, in order. */
export interface FakePartition {
  batches: Uint8Array[]
  logStart: number
  logEnd: number
}

export interface FakeTopic {
  readonly name: string
  readonly topicId: Uint8Array
  readonly partitions: FakePartition[]
}

export interface FakeRequest {
  readonly api: AnyApi
  // biome-ignore lint/suspicious/noExplicitAny: the hooks of tests know which message they get
  readonly message: any
  readonly frame: Frame
  readonly socket: ServerSocket
}

/** How to misbehave for one request; `undefined` lets the broker do its duty. */
export type Misbehaviour =
  /** Cuts the connection; the request has had no effect. */
  | { readonly kind: 'drop before' }
  /** Does it, then cuts the connection without an answer. */
  | { readonly kind: 'drop after' }
  /** Refuses the whole request. */
  | {
      readonly kind: 'refuse'
      readonly code: number
      readonly retryAfterMs?: number
      /** When; default at once. */
      readonly afterMs?: number
    }
  /** Refuses some partitions of a produce or fetch request. */
  | {
      readonly kind: 'refuse partitions'
      readonly code: number
      readonly partitions: readonly number[]
      /** What was produced is stored all the same. */
      readonly isStored?: boolean
    }
  /** Does it at once and answers later, or, if it stores nothing, does it later. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Keeps what was produced for a while before it looks at it, also if the connection ends meanwhile. */
  | { readonly kind: 'hold'; readonly ms: number }
  /** Does it now, and once more later, as if the network had sent it twice; of groups only. */
  | { readonly kind: 'twice'; readonly ms: number }
  /** Never answers. */
  | { readonly kind: 'ignore' }
  /** Hears nothing on this connection from now on. */
  | { readonly kind: 'fall silent' }
  /** Answers with these bytes or this text. */
  | { readonly kind: 'answer'; readonly data: Uint8Array | string }

interface ParkedFetch {
  readonly request: FetchRequest
  readonly refused: ReadonlySet<number>
  readonly code: number
  readonly correlationId: number
  readonly socket: ServerSocket
}

type Answer = { correlationId: number; partitions: ProducedPartition[] }

export class FakeBroker {
  readonly network: Network
  readonly topics = new Map<string, FakeTopic>()
  readonly producers = new FakeProducers()
  /** Every request that came, as `api name`. */
  readonly requests: string[] = []
  /** Asked for every request. */
  misbehave: ((request: FakeRequest) => Misbehaviour | undefined) | undefined
  limits: HelloResponse['limits'] = {
    frameBytesMax: 16 * 1024 * 1024,
    batchBytesMax: 1024 * 1024,
    windowBytes: 4 * 1024 * 1024,
    inFlightRequestsMax: 100,
    fetchBytesMax: 16 * 1024 * 1024,
  }
  authenticationRequired = false
  /** Undefined: every filter is refused. */
  matches: FakeMatch | undefined
  /** Undefined: it knows no groups. */
  groups: FakeGroups | undefined
  /** Undefined: every credential is good for ever, and none is as well. */
  credentials: FakeCredentials | undefined
  /** Of every partition, as metadata tells it. */
  leaderEpoch = 0
  /** Time from a produce request to its answer: what comes within is answered together. */
  commitMs = 1
  /** Most batches in one data frame. */
  batchesPerFrameMax = 3
  /** Most body bytes of unanswered produce requests, and most requests, that one connection had. */
  unansweredBytesMost = 0
  unansweredMost = 0
  readonly #world: World
  readonly #unanswered = new Map<ServerSocket, { bytes: number; requests: number }>()
  readonly #silent = new WeakSet<ServerSocket>()
  readonly #ends = new Map<ServerSocket, AbortController>()
  readonly #commits = new Map<ServerSocket, { answers: Answer[]; bytes: number }>()
  #parked: ParkedFetch[] = []
  #topicIds = 0

  constructor(world: World) {
    this.#world = world
    this.network = new Network(world, {
      open: (socket) => this.#unanswered.set(socket, { bytes: 0, requests: 0 }),
      message: (socket, bytes) => this.#received(socket, bytes),
      closed: (socket) => {
        this.#parked = this.#parked.filter((parked) => parked.socket !== socket)
        this.#commits.delete(socket)
        this.#unanswered.delete(socket)
        this.credentials?.closed(socket)
        this.#ends.get(socket)?.abort()
        this.#ends.delete(socket)
      },
    })
  }

  /** What a client is built with to talk to this broker. */
  get ports(): ClientPorts {
    const { clock, timers, random } = this.#world
    return { ...nodePorts, clock, timers, random, websockets: this.network.connector }
  }

  createTopic(name: string, partitionCount: number): FakeTopic {
    const topicId = new Uint8Array(16).fill(++this.#topicIds)
    const partitions = Array.from({ length: partitionCount }, newPartition)
    const topic = { name, topicId, partitions }
    this.topics.set(name, topic)
    this.groups?.topicsChanged()
    return topic
  }

  /** From now on a credential is asked for, and is good for so many ms; throws ProtocolError for one that is not. */
  askForCredentials(lifeMsOf: (token: string) => number): FakeCredentials {
    this.authenticationRequired = true
    const credentials = new FakeCredentials(this.#world, lifeMsOf)
    credentials.onEnd = () => this.#endParked()
    this.credentials = credentials
    return credentials
  }

  addPartition(name: string): void {
    this.topic(name).partitions.push(newPartition())
    this.groups?.topicsChanged()
  }

  deleteTopic(name: string): void {
    this.topics.delete(name)
    this.groups?.topicsChanged()
    this.#serveParked()
  }

  topic(name: string): FakeTopic {
    const topic = this.topics.get(name)
    if (!topic) throw new Error(`the test has no topic ${name}`)
    return topic
  }

  /** The values of a partition as text, in order; and where each stands. */
  stored(name: string, partition: number): { offset: number; text: string | null; key: string | null }[] {
    return this.topic(name).partitions[partition].batches.flatMap((batch) =>
      decodeBatch(batch, 0, { topic: name, partition }, { codecs: nodePorts.codecs }).map((record) => ({
        offset: record.offset,
        text: record.text(),
        key: record.keyText(),
      })),
    )
  }

  texts(name: string, partition: number): (string | null)[] {
    return this.stored(name, partition).map(({ text }) => text)
  }

  /** Appends a batch as a producer would have. */
  append(name: string, partition: number, batch: Uint8Array): void {
    this.#append(this.topic(name).partitions[partition], batch)
    this.#serveParked()
  }

  /** Retention: everything below `offset` is gone. */
  truncateBefore(name: string, partition: number, offset: number): void {
    const log = this.topic(name).partitions[partition]
    log.batches = log.batches.filter((batch) => lastOffsetAt(batch, 0) >= offset)
    log.logStart = offset
  }

  /** The broker dies: connections end, what was not committed is answered to nobody. It stays down. */
  stop(): void {
    this.network.isDown = true
    this.network.dropAll()
  }

  start(): void {
    this.network.isDown = false
  }

  #received(socket: ServerSocket, bytes: Uint8Array): void {
    if (this.#silent.has(socket)) return
    const frame = readFrame(bytes)
    const api = requestedApi(frame)
    const message: unknown = decodeHeader(api.request, frame.header)
    this.requests.push(api.name)
    this.#count(socket, frame, 1)
    const { correlationId } = frame
    const isOpen = api === apis.hello || api === apis.authenticate
    const refusal = isOpen ? undefined : this.credentials?.refusalOf(socket)
    if (refusal !== undefined) {
      this.#count(socket, frame, -1)
      socket.send(encodeError(api.key, 1, correlationId, refusal, null))
      return
    }
    const wrong = this.misbehave?.({ api, message, frame, socket })
    const work = () => this.#handle(socket, frame, api, message, wrong)
    if (wrong?.kind === 'drop before') socket.drop()
    else if (wrong?.kind === 'fall silent') this.#silent.add(socket)
    else if (wrong?.kind === 'delay' && api !== apis.produce) this.#world.after(wrong.ms, work)
    else if (wrong?.kind === 'hold') this.#world.after(wrong.ms, work)
    else if (wrong?.kind === 'answer') socket.send(wrong.data)
    else if (wrong?.kind === 'refuse') {
      this.#world.after(wrong.afterMs ?? 0, () => {
        this.#count(socket, frame, -1)
        socket.send(encodeError(api.key, 1, correlationId, wrong.code, null, wrong.retryAfterMs))
      })
    } else if (wrong?.kind !== 'ignore') {
      work()
      if (wrong?.kind === 'drop after') socket.drop()
    }
  }

  #count(socket: ServerSocket, frame: Frame, sign: number): void {
    const unanswered = this.#unanswered.get(socket)
    if (!unanswered) return
    unanswered.bytes += sign * frame.body.length
    unanswered.requests += sign
    this.unansweredBytesMost = Math.max(this.unansweredBytesMost, unanswered.bytes)
    this.unansweredMost = Math.max(this.unansweredMost, unanswered.requests)
  }

  #handle(
    socket: ServerSocket,
    frame: Frame,
    api: AnyApi,
    message: unknown,
    wrong: Misbehaviour | undefined,
  ): void {
    const { correlationId } = frame
    const refused = wrong?.kind === 'refuse partitions' ? wrong : { code: 0, partitions: [] }
    const reply = (response: unknown) => {
      this.#count(socket, frame, -1)
      socket.send(encodeResponse(api, correlationId, response))
    }
    if (api === apis.hello) reply(this.#hello())
    else if (api === apis.authenticate) {
      const { token } = message as AuthenticateRequest
      try {
        const expiresAtMs = this.credentials?.authenticate(socket, token) ?? null
        reply({ required: this.authenticationRequired, principal: 'somebody', expiresAtMs })
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        const { code, message: sentence, retryAfterMs } = error
        this.#count(socket, frame, -1)
        socket.send(encodeError(api.key, 1, correlationId, code, sentence, retryAfterMs))
      }
    } else if (api === apis.metadata) reply(this.#metadata(message as MetadataRequest))
    else if (api === apis.listOffsets) reply(this.#listOffsets(message as ListOffsetsRequest))
    else if (api === apis.produce) {
      const delayMs = wrong?.kind === 'delay' ? wrong.ms : 0
      this.#produce(socket, frame, message as ProduceRequest, refused, delayMs)
    } else if (api === apis.fetch) {
      const request = message as FetchRequest
      const { code, partitions } = refused
      const parked = { request, refused: new Set(partitions), code, correlationId, socket }
      if (!this.#serve(parked, false)) {
        this.#parked.push(parked)
        this.#world.after(request.maxWaitMs, () => {
          if (!this.#parked.includes(parked)) return
          this.#parked.splice(this.#parked.indexOf(parked), 1)
          this.#serve(parked, true)
        })
      }
    } else if (api === apis.initProducerId) {
      const { producerName, producerId, producerEpoch } = message as InitProducerIdRequest
      const given = this.producers.init(producerName, producerId, producerEpoch)
      if (given) reply({ producerId: given.producerId, producerEpoch: given.producerEpoch })
      else socket.send(encodeError(api.key, 1, correlationId, ErrorCode.INVALID_PRODUCER_EPOCH, null))
    } else if (api === apis.describeProducers)
      reply(this.#describeProducers(message as DescribeProducersRequest, refused))
    else if (this.groups?.handles(api)) this.#group(socket, frame, api, message, wrong)
    else throw new Error(`the fake broker has no ${api.name}`)
  }

  #group(
    socket: ServerSocket,
    frame: Frame,
    api: AnyApi,
    message: unknown,
    wrong: Misbehaviour | undefined,
  ): void {
    const { groups } = this
    if (!groups) return
    const end = this.#ends.get(socket) ?? new AbortController()
    this.#ends.set(socket, end)
    groups.answer(api, message, end.signal).then(
      (response) => {
        this.#count(socket, frame, -1)
        socket.send(encodeResponse(api, frame.correlationId, response))
      },
      (error: unknown) => {
        if (!(error instanceof ProtocolError)) throw error
        const { code, message: sentence, retryAfterMs } = error
        this.#count(socket, frame, -1)
        socket.send(encodeError(api.key, 1, frame.correlationId, code, sentence, retryAfterMs))
      },
    )
    if (wrong?.kind === 'twice')
      this.#world.after(wrong.ms, () => {
        // Nobody hears the answer to the second.
        groups.answer(api, message, AbortSignal.abort()).catch(() => undefined)
      })
  }

  #describeProducers(
    { producerId, partitions }: DescribeProducersRequest,
    refused: { readonly code: number; readonly partitions: readonly number[] },
  ): unknown {
    return {
      partitions: partitions.map(({ topicId, partition }) => {
        const log = this.#find(topicId, partition)
        const error = refused.partitions.includes(partition)
          ? refused.code
          : log
            ? 0
            : ErrorCode.UNKNOWN_TOPIC_ID
        const standing = this.producers.describe(log ?? newPartition(), producerId)
        return { topicId, partition, error, message: null, ...standing }
      }),
    }
  }

  #hello(): HelloResponse {
    const offers = Object.values(apis).map(({ key, name }) => ({ key, name, versionMin: 1, versionMax: 1 }))
    return {
      nodeId: 1,
      clusterId: 'fake',
      software: 'fake broker',
      apis: offers,
      limits: this.limits,
      authenticationRequired: this.authenticationRequired,
      serverTimeMs: this.credentials?.nowMs ?? this.#world.clock.nowMs(),
    }
  }

  #metadata({ topics }: MetadataRequest): unknown {
    const names = topics?.map(({ name }) => name ?? '') ?? [...this.topics.keys()]
    return {
      clusterId: 'fake',
      controllerId: 1,
      brokers: [{ nodeId: 1, url: 'ws://fake', rack: null }],
      topics: names.map((name) => {
        const topic = this.topics.get(name)
        return {
          error: topic ? 0 : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          message: null,
          name,
          topicId: topic?.topicId ?? null,
          isInternal: false,
          partitions: (topic?.partitions ?? []).map((_, partition) => ({
            error: 0,
            partition,
            leaderId: 1,
            leaderEpoch: this.leaderEpoch,
            replicas: [1],
            inSyncReplicas: [1],
          })),
        }
      }),
    }
  }

  #find(topicId: Uint8Array, partition: number): FakePartition | undefined {
    for (const topic of this.topics.values())
      if (Buffer.compare(topic.topicId, topicId) === 0) return topic.partitions[partition]
    return undefined
  }

  #listOffsets({ partitions }: ListOffsetsRequest): unknown {
    return {
      partitions: partitions.map(({ topicId, partition, timestamp }) => {
        const log = this.#find(topicId, partition)
        const entry = {
          topicId,
          partition,
          error: 0,
          message: null,
          timestamp: -1,
          offset: -1,
          leaderEpoch: 0,
        }
        if (!log) return { ...entry, error: ErrorCode.UNKNOWN_TOPIC_ID }
        if (timestamp === -1) return { ...entry, offset: log.logEnd }
        if (timestamp === -2) return { ...entry, offset: log.logStart }
        for (const batch of log.batches) {
          if (maxTimestampAt(batch, 0) < timestamp) continue
          const records = decodeBatch(batch, 0, { topic: '', partition })
          const found = records.find((record) => record.timestampMs >= timestamp)
          if (found) return { ...entry, offset: found.offset, timestamp: found.timestampMs }
        }
        return entry
      }),
    }
  }

  #produce(
    socket: ServerSocket,
    frame: Frame,
    { partitions, acks }: ProduceRequest,
    refused: { readonly code: number; readonly partitions: readonly number[]; readonly isStored?: boolean },
    delayMs: number,
  ): void {
    let at = 0
    const produced = partitions.map(({ topicId, partition, bytes }): ProducedPartition => {
      const body = frame.body.subarray(at, at + bytes)
      at += bytes
      const log = this.#find(topicId, partition)
      const entry = {
        topicId,
        partition,
        message: null,
        baseOffset: -1,
        logAppendTimeMs: -1,
        logStartOffset: -1,
      }
      const isRefused = refused.partitions.includes(partition)
      if (isRefused && !refused.isStored) return { ...entry, error: refused.code }
      if (!log) return { ...entry, error: ErrorCode.UNKNOWN_TOPIC_ID }
      let baseOffset = log.logEnd
      for (let from = 0; from < body.length; ) {
        const problem = checkProducedBatch(body, from, body.length, crc32c, {
          bytesMax: this.limits.batchBytesMax,
        })
        if (problem) throw new Error(`the client sent a bad batch: ${problem.sentence}`)
        const end = nextBatchEnd(body, from, body.length)
        const batch = body.subarray(from, end)
        const isSequenced = producerIdAt(batch, 0) >= 0
        if (isSequenced && end - from !== body.length)
          throw new Error('the client sent two batches with sequences for one partition')
        const known = this.producers.check(log, batch)
        if (known && 'code' in known) return { ...entry, error: known.code }
        if (known) baseOffset = known.baseOffset
        else this.#append(log, batch)
        from = end
      }
      if (isRefused) return { ...entry, error: refused.code }
      return { ...entry, error: 0, baseOffset: acks === 0 ? -1 : baseOffset, logStartOffset: log.logStart }
    })
    if (at !== frame.body.length) throw new Error('the client sent a body that does not match its header')
    if (delayMs === 0) this.#commit(socket, frame, produced)
    else this.#world.after(delayMs, () => this.#commit(socket, frame, produced))
    this.#serveParked()
  }

  /** Answers together what comes within one commit. */
  #commit(socket: ServerSocket, frame: Frame, partitions: ProducedPartition[]): void {
    let commit = this.#commits.get(socket)
    if (!commit) {
      commit = { answers: [], bytes: 0 }
      this.#commits.set(socket, commit)
      const { answers } = commit
      this.#world.after(this.commitMs, () => {
        if (this.#commits.get(socket)?.answers !== answers) return
        this.#commits.delete(socket)
        const unanswered = this.#unanswered.get(socket)
        if (unanswered) {
          unanswered.requests -= answers.length
          unanswered.bytes -= commit?.bytes ?? 0
        }
        const { windowBytes } = this.limits
        socket.send(encodeResponse(apis.produce, answers[0].correlationId, { windowBytes, answers }))
      })
    }
    commit.answers.push({ correlationId: frame.correlationId, partitions })
    commit.bytes += frame.body.length
  }

  #append(log: FakePartition, batch: Uint8Array): void {
    const stored = batch.slice()
    stampBatch(stored, 0, log.logEnd, 0)
    this.producers.stored(log, stored, log.logEnd)
    log.batches.push(stored)
    log.logEnd = lastOffsetAt(stored, 0) + 1
  }

  #serveParked(): void {
    const parked = this.#parked
    this.#parked = []
    for (const fetch of parked) if (!this.#serve(fetch, false)) this.#parked.push(fetch)
  }

  /** Whose credential is no longer good is told. */
  #endParked(): void {
    const parked = this.#parked
    this.#parked = []
    for (const fetch of parked) {
      const { socket, correlationId } = fetch
      const refusal = this.credentials?.refusalOf(socket)
      if (refusal === undefined) this.#parked.push(fetch)
      else {
        const unanswered = this.#unanswered.get(socket)
        if (unanswered) unanswered.requests--
        socket.send(encodeError(apis.fetch.key, 1, correlationId, refusal, null))
      }
    }
  }

  /** Answers a fetch if there is something to say, or if it must. */
  #serve(fetch: ParkedFetch, mustAnswer: boolean): boolean {
    const { request, refused, code, correlationId, socket } = fetch
    const { filter } = request
    const { matches } = this
    const unanswered = this.#unanswered.get(socket)
    if (filter !== null && !matches) {
      if (unanswered) unanswered.requests--
      socket.send(encodeError(apis.fetch.key, 1, correlationId, ErrorCode.INVALID_FILTER, 'at /value: no'))
      return true
    }
    let leftBytes = request.maxBytes
    let isFirst = true
    const frames: Uint8Array[] = []
    let hasError = false
    let matchedBytes = 0
    const partitions = request.partitions.map(({ topicId, partition, fetchOffset, partitionMaxBytes }) => {
      const log = this.#find(topicId, partition)
      const end = log?.logEnd ?? -1
      const start = log?.logStart ?? -1
      const entry = { topicId, partition, error: 0, message: null, highWatermark: end, lastStableOffset: end }
      const full = { ...entry, logStartOffset: start, leaderEpoch: 0, bytes: 0 }
      const error = refused.has(partition)
        ? code
        : !log
          ? ErrorCode.UNKNOWN_TOPIC_ID
          : fetchOffset < start || fetchOffset > end
            ? ErrorCode.OFFSET_OUT_OF_RANGE
            : 0
      hasError ||= error !== 0
      if (error !== 0 || !log) return { ...full, error }
      let partitionLeft = partitionMaxBytes
      let chunk: Uint8Array[] = []
      const header = { topicId, partition, highWatermark: end, logStartOffset: start }
      const ship = () => {
        if (chunk.length > 0)
          frames.push(encodeFetchData(correlationId, { ...header, examined, notJson: 0 }, chunk))
        chunk = []
        examined = 0
      }
      let examined = 0
      let toldOffset = fetchOffset
      let offset = fetchOffset
      for (const stored of log.batches) {
        if (lastOffsetAt(stored, 0) < fetchOffset) continue
        // Its time may be over anywhere.
        if (filter !== null && this.#world.below(20) === 0) break
        let held = 0
        const isWanted = (record: ConsumedRecord) => {
          if (record.offset >= fetchOffset) held++
          return matches?.(filter as string, record) === true
        }
        const batch = filter === null ? stored : filteredBatch(stored, partition, isWanted)
        const bytes = batch ? batchBytesAt(batch, 0) : 0
        if (!isFirst && (bytes > leftBytes || bytes > partitionLeft)) break
        offset = lastOffsetAt(stored, 0) + 1
        examined += held
        if (!batch) continue
        isFirst = false
        leftBytes -= bytes
        partitionLeft -= bytes
        full.bytes += bytes
        matchedBytes += bytes
        toldOffset = offset
        chunk.push(batch)
        if (chunk.length >= 1 + this.#world.below(this.batchesPerFrameMax)) ship()
      }
      if (offset > toldOffset) chunk.push(lookedAt(toldOffset, offset))
      ship()
      return full
    })
    if (!mustAnswer && !hasError && matchedBytes < request.minBytes) return false
    if (unanswered) unanswered.requests--
    for (const frame of frames) socket.send(frame)
    socket.send(encodeResponse(apis.fetch, correlationId, { partitions }))
    return true
  }
}

function newPartition(): FakePartition {
  return { batches: [], logStart: 0, logEnd: 0 }
}

/**
 * A client made of nothing but the frame codec and `ws`, so that a test sees what really came. It knows no
 * flow control: a test sends what it wants to.
 */
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { systemPorts } from '../../broker/system-ports.ts'
import { type Api, apis } from '../../client/protocol/api.ts'
import { decodeHeader, decodeResponse, encodeRequest } from '../../client/protocol/codec.ts'
import { FLAG_MORE, type Frame, readFrame, SUBPROTOCOL } from '../../client/protocol/frame.ts'
import { fetchData } from '../../client/protocol/messages/fetch.ts'
import { decodeBatch } from '../../storage/record/batch-decoder.ts'
import { BatchEncoder, type FinishOptions } from '../../storage/record/batch-encoder.ts'
import { batchBytesAt } from '../../storage/record/batch-header.ts'
import { ADMIN_KEY } from '../support/admin-key.ts'

const { crc32c, codecs } = systemPorts()

interface Waiting {
  readonly frames: Frame[]
  resolve(frames: Frame[]): void
  reject(error: Error): void
}

export class ProtocolClient {
  readonly socket: WebSocket
  readonly #waiting = new Map<number, Waiting>()
  #correlationId = 0

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.binaryType = 'nodebuffer'
    socket.on('message', (bytes: Buffer) => this.#received(readFrame(bytes)))
    socket.on('error', () => socket.terminate())
    socket.on('close', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`closed with ${code}`))
      this.#waiting.clear()
    })
  }

  /** Without a word said. */
  static async open(url: string, headers: Record<string, string> = {}): Promise<ProtocolClient> {
    const socket = new WebSocket(url, SUBPROTOCOL, { headers })
    await once(socket, 'open')
    return new ProtocolClient(socket)
  }

  /** @param token null: none is sent; the administrator’s unless a test says otherwise */
  static async connect(url: string, token: string | null = ADMIN_KEY): Promise<ProtocolClient> {
    const client = await ProtocolClient.open(url)
    await client.call(apis.hello, { clientName: 'test', clientVersion: '1' })
    if (token !== null) await client.call(apis.authenticate, { mechanism: 'token', token })
    return client
  }

  /** Every frame of the answer. */
  exchange<Q, R>(api: Api<Q, R>, message: Q, body?: Uint8Array): Promise<Frame[]> {
    const correlationId = ++this.#correlationId
    return new Promise((resolve, reject) => {
      if (this.socket.readyState !== WebSocket.OPEN) return reject(new Error('the connection is closed'))
      this.#waiting.set(correlationId, { frames: [], resolve, reject })
      this.socket.send(encodeRequest(api, correlationId, message, body))
    })
  }

  /** Rejects with the ProtocolError of an ERROR frame. */
  async call<Q, R>(api: Api<Q, R>, message: Q, body?: Uint8Array): Promise<R> {
    return decodeResponse(api, (await this.exchange(api, message, body)).at(-1) as Frame)
  }

  async createTopic(
    name: string,
    partitions: number,
    configs: Record<string, string> = {},
  ): Promise<Uint8Array> {
    const entries = Object.entries(configs).map(([name, value]) => ({ name, value }))
    const topics = [{ name, partitions, replicationFactor: -1, configs: entries }]
    const { topics: created } = await this.call(apis.createTopics, {
      topics,
      validateOnly: false,
      timeoutMs: 5000,
    })
    const [topic] = created
    if (!topic?.topicId) throw new Error(`${name} was not created: ${topic?.message}`)
    return topic.topicId
  }

  /** Answer of the one partition. */
  async produce(topicId: Uint8Array, partition: number, batch: Uint8Array, acks = -1) {
    const partitions = [{ topicId, partition, leaderEpoch: -1, bytes: batch.length }]
    const message = { acks, timeoutMs: 5000, transactionalId: null, partitions }
    const correlationId = this.#correlationId + 1
    const { answers } = await this.call(apis.produce, message, batch)
    const answer = answers.find((candidate) => candidate.correlationId === correlationId)
    if (!answer?.partitions[0]) throw new Error('the answer of another request came')
    return answer.partitions[0]
  }

  /** The last frame of the answer and the records of one partition. */
  async fetch(topicId: Uint8Array, partition: number, fetchOffset: number, maxWaitMs = 0) {
    const asked = {
      topicId,
      partition,
      leaderEpoch: -1,
      fetchOffset,
      lastFetchedEpoch: -1,
      partitionMaxBytes: 10_000_000,
    }
    const limits = {
      maxWaitMs,
      minBytes: 1,
      maxBytes: 10_000_000,
      isolationLevel: 0,
      filter: null,
      compressions: null,
    }
    const frames = await this.exchange(apis.fetch, { ...limits, partitions: [asked] })
    const records: { offset: number; value: string }[] = []
    for (const { header, body } of frames.slice(0, -1)) {
      const source = decodeHeader(fetchData, header)
      for (let at = 0; at < body.length; at += batchBytesAt(body, at))
        for (const record of decodeBatch(
          body,
          at,
          { topic: '', partition: source.partition },
          { fromOffset: fetchOffset, crc32c, codecs },
        ))
          records.push({ offset: record.offset, value: Buffer.from(record.value ?? []).toString() })
    }
    return { response: decodeResponse(apis.fetch, frames.at(-1) as Frame).partitions[0], records }
  }

  async close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return
    this.socket.close()
    await once(this.socket, 'close')
  }

  #received(frame: Frame): void {
    const ids =
      frame.apiKey === apis.produce.key && frame.flags === 1
        ? decodeResponse(apis.produce, frame).answers.map(({ correlationId }) => correlationId)
        : [frame.correlationId]
    for (const id of ids) {
      const waiting = this.#waiting.get(id)
      if (!waiting) throw new Error(`nobody asked for ${id}`)
      waiting.frames.push(frame)
      if (frame.flags & FLAG_MORE) continue
      this.#waiting.delete(id)
      waiting.resolve(waiting.frames)
    }
  }
}

export function batchOf(
  values: readonly string[],
  timestampMs = Date.now(),
  producer: Pick<FinishOptions, 'producerId' | 'producerEpoch' | 'baseSequence'> = {},
): Uint8Array {
  const encoder = new BatchEncoder({ crc32c, bytesMax: 1_000_000 })
  for (const value of values) encoder.append(timestampMs, null, value)
  return encoder.finish(producer)
}

/**
 * One newcomer with as little work as there can be on this side: the same steps and the same frames as those of the SDK,
 * one after the other, on a bare TCP socket. The SDK spends more on a connection than the broker does, so that on the
 * same machine it would be measured and not the broker.
 *
 * Messages are masked with a key of zeros: correct to the broker, which unmasks them all the same, and no work here.
 * It reads what an Octopus broker sends and nothing else.
 */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { type AnyApi, apis } from '../../client/protocol/api.ts'
import { decodeResponse, encodeRequest } from '../../client/protocol/codec.ts'
import { ErrorCode } from '../../client/protocol/errors.ts'
import { readFrame, SUBPROTOCOL } from '../../client/protocol/frame.ts'
import { CLIENT_VERSION } from '../../client/version.ts'

const FINAL_BINARY = 0x82
const FINAL_CLOSE = 0x88
const MASKED = 0x80
const KEY_BYTES = 4
/** WebSocket's normal closure, 1000. */
const GOOD_BYE = Buffer.from([FINAL_CLOSE, MASKED | 2, 0, 0, 0, 0, 0x03, 0xe8])
const HEAD_END = '\r\n\r\n'
/** Everything is read into this and taken out of it before anything else is read. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024)

/** What all newcomers of a load say, put together once. */
export interface Script {
  readonly host: string
  readonly port: number
  readonly upgrade: Buffer
  readonly hello: Buffer
  readonly metadata: Buffer
}

export function scriptFor(url: string, topic: string): Script {
  const { hostname, port } = new URL(url)
  const upgrade = [
    'GET / HTTP/1.1',
    `Host: ${hostname}:${port}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
  ]
  const topics = [{ name: topic, topicId: null }]
  return {
    host: hostname,
    port: Number(port),
    upgrade: Buffer.from(upgrade.join('\r\n') + HEAD_END),
    hello: framed(
      encodeRequest(apis.hello, 1, { clientName: 'octopus-bench', clientVersion: CLIENT_VERSION }),
    ),
    metadata: framed(encodeRequest(apis.metadata, 3, { topics })),
  }
}

export function authentication(token: string): Buffer {
  return framed(encodeRequest(apis.authenticate, 2, { mechanism: 'token', token }))
}

/**
 * Resolves, when its topic was told, with how it leaves. Rejects when anything is not as it should be.
 * @param authenticate undefined: it shows nothing
 */
export function arriveLeanly(script: Script, authenticate: Buffer | undefined): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const steps = authenticate
      ? [script.hello, authenticate, script.metadata]
      : [script.hello, script.metadata]
    const answered: readonly AnyApi[] = authenticate
      ? [apis.hello, apis.authenticate, apis.metadata]
      : [apis.hello, apis.metadata]
    let step = -1
    let unread: Buffer | undefined
    let hasLeft = false

    const leave = () => {
      hasLeft = true
      socket.write(GOOD_BYE)
    }
    const fail = (error: Error) => {
      if (hasLeft) return
      hasLeft = true
      socket.destroy()
      reject(error)
    }
    const advance = (payload: Buffer) => {
      const response: unknown = decodeResponse(answered[step], readFrame(payload))
      if (step === steps.length - 1) {
        requireTopic(response)
        resolve(leave)
      } else socket.write(steps[++step])
    }
    const take = (bytes: Buffer): Buffer | undefined => {
      if (step >= 0) {
        const message = messageIn(bytes)
        if (message) advance(message)
        return message ? undefined : bytes
      }
      if (bytes.indexOf(HEAD_END) < 0) return bytes
      const status = bytes.toString('latin1', 0, bytes.indexOf('\r\n'))
      if (!status.includes(' 101 ')) throw new Error(`the broker answers ${status}`)
      socket.write(steps[++step])
      return undefined
    }
    const socket: Socket = connect({
      host: script.host,
      port: script.port,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (count) => {
          if (hasLeft) return true
          const read = readBuffer.subarray(0, count)
          try {
            const rest = take(unread ? Buffer.concat([unread, read]) : read)
            unread = rest && Buffer.from(rest)
          } catch (error) {
            fail(error as Error)
          }
          return true
        },
      },
    })
    socket.on('connect', () => socket.write(script.upgrade))
    socket.on('error', fail)
    socket.on('close', () => fail(new Error('the broker hung up on a newcomer')))
  })
}

/** The one message that is there, if all of it is; the broker sends nothing unasked. */
function messageIn(bytes: Buffer): Buffer | undefined {
  if (bytes.length < 2) return undefined
  if (bytes[0] !== FINAL_BINARY || bytes[1] > 126)
    throw new Error(`a frame begins with ${bytes[0]}, ${bytes[1]}: no short binary message in one frame`)
  const isLong = bytes[1] === 126
  if (isLong && bytes.length < 4) return undefined
  const start = isLong ? 4 : 2
  const end = start + (isLong ? bytes.readUInt16BE(2) : bytes[1])
  return bytes.length < end ? undefined : bytes.subarray(start, end)
}

function requireTopic(response: unknown): void {
  const { topics } = response as { topics: readonly { error: number; message: string | null }[] }
  const [{ error, message }] = topics
  if (error !== ErrorCode.NONE) throw new Error(`a newcomer may not see its topic: ${message}`)
}

/** One binary message of a client; what is said here is short. */
function framed(payload: Uint8Array): Buffer {
  const { length } = payload
  const isLong = length >= 126
  const head = Buffer.alloc((isLong ? 4 : 2) + KEY_BYTES)
  head[0] = FINAL_BINARY
  head[1] = MASKED | (isLong ? 126 : length)
  if (isLong) head.writeUInt16BE(length, 2)
  return Buffer.concat([head, payload])
}

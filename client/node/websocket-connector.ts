/**
 * The WebSocket port on `ws`, for Node: handshake, control frames and whatever is unusual are its. For speed, messages
 * that go out are framed in `masked-frames.ts`, plain TCP reads as `reading-socket.ts` says, and messages that
 * lie whole in one read are taken by `whole-messages.ts`.
 */
import type { createConnection, Socket, TcpNetConnectOpts } from 'node:net'
import { WebSocket } from 'ws'
import type { ClientSocket, SocketHandlers, WebSocketConnector } from '../ports.ts'
import { connectFailure } from './connect-failure.ts'
import { MaskedFrames } from './masked-frames.ts'
import { connectReading } from './reading-socket.ts'
import { WholeMessages } from './whole-messages.ts'

/** Larger messages end the connection; a fetch answer comes in frames far below this. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024

export const nodeWebSockets: WebSocketConnector = {
  connect(url, { subprotocol, signal, tls }, handlers) {
    return new Promise((resolve, reject) => {
      const messages = new WholeMessages()
      const connectPlain = (options: TcpNetConnectOpts) => connectReading(options, messages)
      const socket = new WebSocket(url, subprotocol, {
        ...(/^ws:/i.test(url) && { createConnection: connectPlain as typeof createConnection }),
        // Never anything else, whatever the environment says (NODE_TLS_REJECT_UNAUTHORIZED).
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        ...(tls?.ca !== undefined && { ca: Buffer.from(tls.ca) }),
        // Batches are compressed by their producers, if at all.
        perMessageDeflate: false,
        maxPayload: MESSAGE_BYTES_MAX,
        skipUTF8Validation: true,
      })
      const abort = () => socket.terminate()
      signal.addEventListener('abort', abort)
      let failure: Error | undefined
      socket.on('error', (error) => {
        failure = error
      })
      let stream: Socket
      socket.on('upgrade', (response) => {
        stream = response.socket
      })
      socket.on('open', () => {
        signal.removeEventListener('abort', abort)
        // What came together with the handshake is still to be read by `ws`, and then everything else is.
        if (stream.readableLength === 0) messages.begin(handlers.message)
        resolve(open(socket, stream, handlers, () => failure))
      })
      // `ws` tells of a failed attempt by an error and then a close.
      socket.once('close', () => {
        signal.removeEventListener('abort', abort)
        reject(signal.aborted ? signal.reason : new Error(connectFailure(failure), { cause: failure }))
      })
      if (signal.aborted) abort()
    })
  },
}

function open(
  socket: WebSocket,
  stream: Socket,
  handlers: SocketHandlers,
  failureOf: () => Error | undefined,
): ClientSocket {
  const frames = new MaskedFrames(stream)
  socket.on('message', (data, isBinary) => {
    // With the default binary type every message is one Buffer of its own.
    handlers.message(isBinary ? (data as Buffer) : data.toString())
  })
  socket.on('close', (code, reason) => {
    const failure = failureOf()
    handlers.closed(
      failure ? connectFailure(failure) : `closed with code ${code}${reason.length > 0 ? `, ${reason}` : ''}`,
    )
  })
  return {
    send(bytes) {
      if (socket.readyState === WebSocket.OPEN) frames.send(bytes)
    },
    bufferedBytes: () => socket.bufferedAmount,
    close: (code, reason) => socket.close(code, reason),
  }
}

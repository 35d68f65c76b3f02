/**
 * A TCP socket that reads into large pieces of memory of its own. Node reads 64 KiB at a time into fresh memory;
 * every fetched value is a little longer than that, so `ws` has to put each together from two reads, in fresh memory
 * again. Here most messages lie whole in one read, and `ws` hands them out where they are.
 *
 * What is handed out belongs to whoever gets it, as with any socket: bytes once read are never written again.
 */
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import type { WholeMessages } from './whole-messages.ts'

/** What one read may bring, and what a message keeps in memory at the most besides itself. */
const PIECE_BYTES = 512 * 1024
/** With less room left in a piece the next one is begun. */
const ROOM_BYTES_MIN = 128 * 1024
/** Less than this in one read is copied, so that a little that is kept for long does not hold a whole piece. */
const SMALL_BYTES_MAX = 16 * 1024

/**
 * What `ws` asks for: the options of a request, whose `path` is not that of a socket file. `messages` takes of
 * each read what it can; the rest comes out of the socket.
 */
export function connectReading(options: TcpNetConnectOpts, messages: WholeMessages): Socket {
  let piece = Buffer.allocUnsafeSlow(PIECE_BYTES)
  let used = 0
  const socket: Socket = connect({
    ...options,
    path: undefined,
    onread: {
      buffer: () => {
        if (PIECE_BYTES - used < ROOM_BYTES_MIN) {
          piece = Buffer.allocUnsafeSlow(PIECE_BYTES)
          used = 0
        }
        return piece.subarray(used)
      },
      // False pauses the socket until somebody reads on, as a stream does by itself.
      callback: (count, buffer) => {
        const read = Buffer.from(buffer.buffer, buffer.byteOffset, count)
        const isSmall = count <= SMALL_BYTES_MAX
        if (!isSmall) used += count
        const bytes = isSmall ? Buffer.from(read) : read
        const taken = messages.take(bytes, socket.readableLength > 0)
        if (taken === count) return true
        return socket.push(taken === 0 ? bytes : bytes.subarray(taken))
      },
    },
  })
  return socket
}

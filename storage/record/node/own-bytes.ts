/** Results of Node's libraries as the plain bytes that the record batch is made of. */
import { usedRoom } from '../codecs/room.ts'

/**
 * The content of a Buffer in memory that nobody else uses. Small Buffers are cut from a piece that many share, so they
 * are copied; the others keep theirs, unless most of it is empty and a copy fits into the bound beside it.
 */
export function ownBytes(buffer: Buffer, bytesMax = Number.POSITIVE_INFINITY): Uint8Array {
  return buffer.length <= Buffer.poolSize
    ? new Uint8Array(buffer)
    : usedRoom(new Uint8Array(buffer.buffer, buffer.byteOffset), buffer.length, bytesMax)
}

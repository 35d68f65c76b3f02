/** Results of Node's libraries as the plain bytes that the record batch is made of. */

/** The same memory, no longer a Buffer. It must not be a part of what Buffers share. */
export function ownBytes(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

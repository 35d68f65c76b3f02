/**
 * Bytes that have a buffer of their own, all of it: only these may be handed to another thread. Many a view shares its buffer
 * with others (Node's pool of small buffers, what came from a socket, the memory of a codec), and they would all be gone with it.
 */

/** The bytes themselves when they have a buffer of their own, else a copy. */
export function owned(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
}

/** One after the other; a single one is not copied. */
export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

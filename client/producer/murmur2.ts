/**
 * Kafka's murmur2, 32 bit, seed 0x9747b28c: the hash that decides which partition a key belongs to. It
 * must never change: another value for the same key would tear the key's history apart. Checked against
 * vectors of Kafka clients.
 */

const SEED = 0x9747b28c
const M = 0x5bd1e995

/** The hash of bytes `[0, length)`, a signed 32-bit number as in Kafka. */
export function murmur2(bytes: Uint8Array, length = bytes.length): number {
  let hash = SEED ^ length
  const whole = length & ~3
  for (let at = 0; at < whole; at += 4) {
    let word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
    word = Math.imul(word, M)
    word ^= word >>> 24
    hash = Math.imul(hash, M) ^ Math.imul(word, M)
  }
  const rest = length - whole
  if (rest > 2) hash ^= bytes[whole + 2] << 16
  if (rest > 1) hash ^= bytes[whole + 1] << 8
  if (rest > 0) hash = Math.imul(hash ^ bytes[whole], M)
  hash ^= hash >>> 13
  hash = Math.imul(hash, M)
  return hash ^ (hash >>> 15)
}

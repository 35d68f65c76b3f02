/**
 * Topic ids: 16 random bytes on the wire and in the log, hex in metadata, and a string of 16 characters
 * (one a byte) as a key of maps, because bytes have no equality of their own.
 */

import type { Random } from '../ports.ts'

export const TOPIC_ID_BYTES = 16

/** Marked as random, like a UUID (RFC 9562, version 4). */
export function newTopicId(random: Random): Uint8Array {
  const id = new Uint8Array(random.bytes(TOPIC_ID_BYTES))
  id[6] = (id[6] & 0x0f) | 0x40
  id[8] = (id[8] & 0x3f) | 0x80
  return id
}

/** The key of a map for these 16 bytes. */
export function topicIdKey(id: Uint8Array): string {
  return String.fromCharCode(
    id[0],
    id[1],
    id[2],
    id[3],
    id[4],
    id[5],
    id[6],
    id[7],
    id[8],
    id[9],
    id[10],
    id[11],
    id[12],
    id[13],
    id[14],
    id[15],
  )
}

/** The 16 bytes of which this is the key. */
export function topicIdOfKey(key: string): Uint8Array {
  const id = new Uint8Array(TOPIC_ID_BYTES)
  for (let at = 0; at < TOPIC_ID_BYTES; at++) id[at] = key.charCodeAt(at)
  return id
}

export function isSameTopicId(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true
  for (let at = 0; at < TOPIC_ID_BYTES; at++) if (a[at] !== b[at]) return false
  return true
}

export function topicIdHex(id: Uint8Array): string {
  return Buffer.from(id).toString('hex')
}

/** Undefined where the text is not 32 hex digits. */
export function parseTopicIdHex(hex: string): Uint8Array | undefined {
  return /^[0-9a-f]{32}$/.test(hex) ? new Uint8Array(Buffer.from(hex, 'hex')) : undefined
}

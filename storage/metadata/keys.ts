/**
 * Metadata keys: which strings are keys, how they are ordered, what a prefix matches. Pure.
 *
 * A key is compared by the bytes of its UTF-8 form, as etcd compares it. JavaScript orders strings by
 * UTF-16 units, which differs where one side is beyond U+FFFF; whoever sorts keys uses
 * {@link compareKeys}, never `<` or `sort()` alone.
 */

import { metadataLimits } from '../metadata-store.ts'
import { StorageError } from '../segment-store.ts'

/** Half of a surrogate pair without its other half: such a string has no UTF-8 form. */
const LONE_SURROGATE = /\p{Surrogate}/u

/** Bytes of a key in UTF-8. Throws MISUSE naming the key where it is not one. */
export function checkKey(key: string): number {
  checkWellFormed('key', key)
  const bytes = Buffer.byteLength(key)
  if (bytes === 0) throw new StorageError('MISUSE', 'A metadata key is empty: it must have at least 1 byte')
  if (bytes > metadataLimits.keyBytesMax) {
    throw new StorageError(
      'MISUSE',
      `The metadata key ${quoteKey(key)} has ${bytes} bytes of UTF-8: at most ${metadataLimits.keyBytesMax} are allowed`,
    )
  }
  return bytes
}

/** A prefix may be empty (every key) and of any length; it must only be text. Throws MISUSE. */
export function checkPrefix(prefix: string): void {
  checkWellFormed('prefix', prefix)
}

/**
 * Whether the bytes of the key start with the bytes of the prefix. Both are well formed, so a match of
 * their UTF-16 units is a match of their bytes: neither can end inside a character.
 */
export function hasPrefix(key: string, prefix: string): boolean {
  return key.startsWith(prefix)
}

/** Order of the UTF-8 bytes: negative, zero or positive. Both keys must be well formed. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left !== right) return byteRank(left) - byteRank(right)
  }
  return a.length - b.length
}

/**
 * Surrogates (0xD800 to 0xDFFF) stand for characters from U+10000 on, which come after 0xE000 to 0xFFFF
 * in UTF-8 but before them in UTF-16. Moving them to the end gives the order of the bytes.
 */
function byteRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

/** A key as an error message shows it: quoted, control characters escaped, cut where it is long. */
export function quoteKey(key: string): string {
  return key.length <= 64 ? JSON.stringify(key) : `${JSON.stringify(key.slice(0, 64)).slice(0, -1)}…"`
}

function checkWellFormed(what: string, text: string): void {
  if (LONE_SURROGATE.test(text)) {
    throw new StorageError(
      'MISUSE',
      `The metadata ${what} ${quoteKey(text)} is not text: it holds half of a surrogate pair`,
    )
  }
}

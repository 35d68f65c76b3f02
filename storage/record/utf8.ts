/**
 * Text and its UTF-8 bytes, in place. A lone surrogate, which has no UTF-8 form, becomes U+FFFD both when
 * counted and when written, so that the two always agree; bytes that are no UTF-8 are read as U+FFFD.
 */

const encoder = new TextEncoder()
/** Without `ignoreBOM` a leading byte order mark would vanish, and a text would not come back as it went in. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Bytes the text takes. A loop over the characters: meant for short text such as keys. */
export function utf8Bytes(text: string): number {
  let bytes = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) continue
    bytes += unit < 0x800 ? 1 : 2
    if (isPairAt(text, index, unit)) {
      // Four bytes for the two units: one for each is in the length already, two were just added.
      index++
    }
  }
  return bytes
}

function isPairAt(text: string, index: number, unit: number): boolean {
  if (unit < 0xd800 || unit > 0xdbff) return false
  // NaN behind the end, which lies in no range.
  const next = text.charCodeAt(index + 1)
  return next >= 0xdc00 && next <= 0xdfff
}

/**
 * Writes text whose {@link utf8Bytes} are known; returns the position after it. Plain ASCII goes
 * character by character, which for short text is twice as fast as a call of the encoder.
 */
export function writeUtf8(bytes: Uint8Array, at: number, text: string, textBytes: number): number {
  const end = at + textBytes
  if (textBytes === text.length) {
    for (let index = 0; index < textBytes; index++) bytes[at + index] = text.charCodeAt(index)
  } else {
    encoder.encodeInto(text, bytes.subarray(at, end))
  }
  return end
}

/** Encodes text of any length at a position that has room for three bytes a character; returns the bytes written. */
export function encodeUtf8Into(bytes: Uint8Array, at: number, text: string): number {
  return encoder.encodeInto(text, bytes.subarray(at)).written
}

export function readUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

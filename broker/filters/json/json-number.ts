/**
 * The double that a checked JSON number stands for, the same one that JSON.parse gives, without a string for
 * nearly all that are written: up to 15 digits and a power of ten up to 22 are exact in one operation of IEEE
 * arithmetic (Clinger, "How to read floating point numbers accurately", 1990). The others go by way of a string.
 */

export function jsonNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  const negative = bytes[at] === MINUS
  if (negative) at++
  let digits = 0
  let mantissa = 0
  let exponent = 0
  let pointSeen = false
  for (; at < end; at++) {
    const byte = bytes[at]
    if (byte >= ZERO && byte <= NINE) {
      mantissa = mantissa * 10 + (byte - ZERO)
      // Leading zeros are no digits that count.
      if (mantissa !== 0) digits++
      if (pointSeen) exponent--
    } else if (byte === POINT) {
      pointSeen = true
    } else {
      // An exponent.
      at++
      const sign = bytes[at] === MINUS ? -1 : 1
      if (bytes[at] === MINUS || bytes[at] === PLUS) at++
      let written = 0
      for (; at < end; at++) {
        written = written * 10 + (bytes[at] - ZERO)
        if (written > 9999) return byWayOfString(bytes, start, end)
      }
      exponent += sign * written
      break
    }
  }
  if (digits > DIGITS_MAX || exponent > EXPONENT_MAX || exponent < -EXPONENT_MAX) {
    return byWayOfString(bytes, start, end)
  }
  const value = exponent < 0 ? mantissa / powersOfTen[-exponent] : mantissa * powersOfTen[exponent]
  return negative ? -value : value
}

const MINUS = 0x2d
const PLUS = 0x2b
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39

/** 10^15 is below 2^53. */
const DIGITS_MAX = 15
/** 10^22 = 2^22 · 5^22, and 5^22 is below 2^53. */
const EXPONENT_MAX = 22
const powersOfTen = Float64Array.from({ length: EXPONENT_MAX + 1 }, (_, power) => Number(`1e${power}`))

function byWayOfString(bytes: Uint8Array, start: number, end: number): number {
  let text = ''
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at])
  return Number(text)
}

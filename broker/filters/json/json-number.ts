/**
 * The double that a checked JSON number stands for, the same one that JSON.parse gives, without a string for
 * nearly all that are written:
 *
 * - Up to 15 digits and a power of ten up to 22 are exact doubles, so one operation gives the right one (Clinger, "How
 *   to read floating point numbers accurately", 1990).
 * - Up to 19 digits, as programs print doubles, are taken as the sum of two doubles and so is what comes out (Dekker,
 *   "A floating-point technique for extending the available precision", 1971); if the second is so near to where the first
 *   would be rounded the other way that its own error might matter, this gives up.
 * - The others go by way of a string.
 */

export function jsonNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  const negative = bytes[at] === MINUS
  if (negative) at++
  let digits = 0
  let mantissa = 0
  /** Of the digits behind the 15th: what they are, and ten to the power of how many. */
  let rest = 0
  let restScale = 1
  let exponent = 0
  let pointSeen = false
  for (; at < end; at++) {
    const byte = bytes[at]
    if (byte >= ZERO && byte <= NINE) {
      if (digits < DIGITS_EXACT) mantissa = mantissa * 10 + (byte - ZERO)
      else {
        rest = rest * 10 + (byte - ZERO)
        restScale *= 10
      }
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
  let value: number
  if (digits <= DIGITS_EXACT) {
    value = exponent < 0 ? mantissa / powersOfTen[-exponent] : mantissa * powersOfTen[exponent]
  } else {
    value = scaled(mantissa, restScale, rest, exponent)
    if (value < 0) return byWayOfString(bytes, start, end)
  }
  return negative ? -value : value
}

const MINUS = 0x2d
const PLUS = 0x2b
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39

/** 10^15 is below 2^53. */
const DIGITS_EXACT = 15
const DIGITS_MAX = 19
/** 10^22 = 2^22 · 5^22, and 5^22 is below 2^53. */
const EXPONENT_MAX = 22
const powersOfTen = Float64Array.from({ length: EXPONENT_MAX + 1 }, (_, power) => Number(`1e${power}`))

/** (mantissa · restScale + rest) · 10^exponent, rounded once; -1: this cannot tell. All arguments are exact. */
function scaled(mantissa: number, restScale: number, rest: number, exponent: number): number {
  const product = mantissa * restScale
  const whole = product + rest
  // What the two roundings above left out. The product is the larger one.
  const part = productError(mantissa, restScale, product) + (rest - (whole - product))
  let first: number
  let second: number
  if (exponent < 0) {
    const divisor = powersOfTen[-exponent]
    first = whole / divisor
    const back = first * divisor
    second = (whole - back - productError(first, divisor, back) + part) / divisor
  } else {
    const factor = powersOfTen[exponent]
    first = whole * factor
    second = productError(whole, factor, first) + part * factor
  }
  // Far more than what is left out, far less than half of what the first could be off by.
  const error = Math.abs(second) * 2 ** -48 + first * 2 ** -100
  const value = first + (second - error)
  return value === first + (second + error) ? value : -1
}

/** a · b minus the double that it is rounded to, exactly, for what is far from where doubles end. */
function productError(a: number, b: number, product: number): number {
  const aLarge = upperHalf(a)
  const bLarge = upperHalf(b)
  const aSmall = a - aLarge
  const bSmall = b - bLarge
  return aSmall * bSmall - (product - aLarge * bLarge - aSmall * bLarge - aLarge * bSmall)
}

/** The upper 26 bits of a double. */
function upperHalf(value: number): number {
  const shifted = value * (2 ** 27 + 1)
  return shifted - (shifted - value)
}

function byWayOfString(bytes: Uint8Array, start: number, end: number): number {
  let text = ''
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at])
  return Number(text)
}

/**
 * The addresses that `cidr` compares, from text: IPv4 as four decimal numbers (RFC 791; no leading zeros, as
 * some read those as octal), IPv6 as RFC 4291 writes it, with `::` and with an IPv4 tail. No zone, no port,
 * no spaces. An IPv4 address inside an IPv6 one stays an IPv6 address.
 */

/** Writes the bytes into `into` (16 or more) and says how many: 4, 16, or 0 if it is no address. */
export function parseIpAddress(text: string, into: Uint8Array): 0 | 4 | 16 {
  if (text.length > LENGTH_MAX) return 0
  if (!text.includes(':')) return parseIpv4(text, 0, into, 0) ? 4 : 0
  return parseIpv6(text, into) ? 16 : 0
}

/** Eight groups of four digits, the last two as an IPv4 address. */
const LENGTH_MAX = '0000:0000:0000:0000:0000:0000:255.255.255.255'.length

function parseIpv4(text: string, from: number, into: Uint8Array, at: number): boolean {
  let index = from
  for (let part = 0; part < 4; part++) {
    if (part > 0 && text.charCodeAt(index++) !== DOT) return false
    const start = index
    let number = 0
    while (index < text.length && index - start < 3 && isDigit(text.charCodeAt(index)))
      number = number * 10 + text.charCodeAt(index++) - ZERO
    if (index === start || number > 255 || (index - start > 1 && text.charCodeAt(start) === ZERO))
      return false
    into[at + part] = number
  }
  return index === text.length
}

function parseIpv6(text: string, into: Uint8Array): boolean {
  let index = 0
  let at = 0
  /** Where the zeros of `::` go; -1: there was none. */
  let gap = -1
  if (text.startsWith('::')) {
    gap = 0
    index = 2
  }
  while (index < text.length) {
    if (at > 14) return false
    const start = index
    let group = 0
    while (index < text.length && index - start < 4) {
      const digit = hexDigit(text.charCodeAt(index))
      if (digit < 0) break
      group = group * 16 + digit
      index++
    }
    if (index === start) return false
    if (text.charCodeAt(index) === DOT) {
      if (at > 12 || !parseIpv4(text, start, into, at)) return false
      at += 4
      index = text.length
      break
    }
    into[at++] = group >> 8
    into[at++] = group & 0xff
    if (index === text.length) break
    if (text.charCodeAt(index++) !== COLON) return false
    if (text.charCodeAt(index) === COLON) {
      if (gap >= 0) return false
      gap = at
      index++
    } else if (index === text.length) return false
  }
  if (gap < 0) return at === 16
  // `::` stands for at least one group.
  if (at > 14) return false
  into.copyWithin(16 - (at - gap), gap, at)
  into.fill(0, gap, 16 - (at - gap))
  return true
}

const ZERO = 0x30
const DOT = 0x2e
const COLON = 0x3a

const isDigit = (code: number) => code >= ZERO && code <= 0x39

function hexDigit(code: number): number {
  if (isDigit(code)) return code - ZERO
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

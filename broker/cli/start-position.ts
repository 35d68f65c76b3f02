/**
 * Reads the values of `--from` and `--to`: where a consumer begins and ends. Pure; "now" is an argument.
 *
 *   earliest | latest        the ends of the partitions (`--from` only)
 *   1234                     this offset, in every partition read
 *   @2024-05-01T12:00:00Z    the first event at or after this time (ISO 8601; without a zone: local time)
 *   @1714564800000           the same, in ms since 1970
 *   @-2h                     so long before now: ms, s, m, h, d, also combined as in 1h30m
 */
import type { EndPosition, StartPosition } from '../../client/index.ts'

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Throws a RangeError whose message says what would be right. */
export function parseStartPosition(text: string, nowMs: number): StartPosition {
  if (text === 'earliest' || text === 'latest') return text
  const place = parsePlace(text, nowMs)
  if (place !== undefined) return place
  throw new RangeError(
    `"${text}" is no place to start; use earliest, latest, an offset such as 1234, or a time such as @2024-05-01T12:00:00Z or @-2h`,
  )
}

/** Throws a RangeError whose message says what would be right. */
export function parseEndPosition(text: string, nowMs: number): EndPosition {
  const place = parsePlace(text, nowMs)
  if (place !== undefined) return place
  throw new RangeError(
    `"${text}" is no place to end; use an offset such as 1234, or a time such as @2024-05-01T12:00:00Z or @-2h, and for the end of the topic --until-end instead`,
  )
}

function parsePlace(text: string, nowMs: number): EndPosition | undefined {
  if (/^\d+$/.test(text)) {
    const offset = Number(text)
    if (Number.isSafeInteger(offset)) return { offset }
  }
  // Nothing is older than 1970: a time before it means everything.
  if (text.startsWith('@')) return { timeMs: Math.max(0, parseTime(text.slice(1), nowMs)) }
  return undefined
}

/** A time without its @, in ms since 1970. Throws a RangeError whose message says what would be right. */
export function parseTime(text: string, nowMs: number): number {
  if (/^\d{5,}$/.test(text)) {
    const timeMs = Number(text)
    if (Number.isSafeInteger(timeMs)) return timeMs
  }
  const ago = durationMs(text)
  if (ago !== undefined) return nowMs - ago
  if (/^\d{4}-\d\d/.test(text)) {
    const timeMs = Date.parse(text)
    if (!Number.isNaN(timeMs)) return timeMs
  }
  throw new RangeError(
    `"@${text}" is no time; use ISO 8601 such as @2024-05-01T12:00:00Z, ms since 1970 such as @1714564800000, or a while ago such as @-2h`,
  )
}

function durationMs(text: string): number | undefined {
  if (!/^-(\d+(ms|s|m|h|d))+$/.test(text)) return undefined
  let totalMs = 0
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) totalMs += Number(count) * unitMs[unit]
  return Number.isSafeInteger(totalMs) ? totalMs : undefined
}

/**
 * The matcher by itself, on one core, without a broker: how many JSON events a second it looks at when nothing matches, by kind of rule
 * and by how many patterns are looked for at the same time. Where records lie is known already; what finding them costs is in
 * what is measured through a broker.
 */
import { parseRecordPattern } from '../../broker/filters/parse-pattern.ts'
import { PatternSet } from '../../broker/filters/pattern-set.ts'
import type { RecordFields } from '../../broker/filters/record-fields.ts'
import type { Progress } from '../display/progress.ts'
import { differentPatterns, type NamedPattern, patternKinds } from './patterns.ts'

export interface MatcherSpeedOptions {
  readonly matcherRounds: number
  /** Of each set in each round. */
  readonly matcherSampleMs: number
  /** How many patterns are in the sets of different ones. */
  readonly setSizes: readonly number[]
}

export interface MatcherSpeed {
  /** The kind of rule; of a set of different ones `different`. */
  readonly kind: string
  readonly patterns: number
  /** To parse and compile all of them, in ms: of the first time. */
  readonly compileMs: number
  /** One for each round. */
  readonly eventsPerSecond: readonly number[]
}

export function measureMatcherSpeeds(
  values: readonly Uint8Array[],
  { matcherRounds, matcherSampleMs, setSizes }: MatcherSpeedOptions,
  progress: Progress,
): MatcherSpeed[] {
  const sets = [
    ...patternKinds.map(({ kind, text }) => compiled(kind, [text])),
    ...setSizes.map((size) => compiled('different', differentPatterns(size))),
  ]
  const records = values.map(recordOf)
  for (const set of sets) requireNoMatch(set, records)
  for (let round = 0; round <= matcherRounds; round++) {
    progress.step(round === 0 ? 'matcher: warming up' : `matcher: round ${round} of ${matcherRounds}`)
    for (const set of sets) {
      progress.detail(`${set.kind}, ${set.patterns}`)
      const measured = eventsPerSecond(set.matcher, records, matcherSampleMs)
      // The first round has V8 compile what is called.
      if (round > 0) set.eventsPerSecond.push(measured)
    }
  }
  return sets.map(({ kind, patterns, compileMs, eventsPerSecond }) => {
    return { kind, patterns, compileMs, eventsPerSecond }
  })
}

function compiled(kind: NamedPattern['kind'], texts: readonly string[]) {
  const startMs = performance.now()
  const matcher = new PatternSet(texts.map(parseRecordPattern))
  const compileMs = performance.now() - startMs
  return { kind, patterns: texts.length, matcher, compileMs, eventsPerSecond: [] as number[] }
}

const TIMESTAMP_MS = 1_700_000_000_000

/** As it stands in a batch: behind the value the count of headers. */
function recordOf(value: Uint8Array): RecordFields {
  const { buffer, byteOffset, length } = value
  return {
    bytes: new Uint8Array(buffer),
    keyStart: -1,
    keyEnd: -1,
    valueStart: byteOffset,
    valueEnd: byteOffset + length,
    headersStart: byteOffset + length,
    headerCount: 0,
    timestampMs: TIMESTAMP_MS,
  }
}

/** Otherwise the patterns, the events or the matcher are not what they are taken for. */
function requireNoMatch(
  { kind, patterns, matcher }: { kind: string; patterns: number; matcher: PatternSet },
  records: readonly RecordFields[],
): void {
  for (const record of records) {
    if (matcher.match(record) === 0 && !matcher.notJson) continue
    const text = new TextDecoder().decode(record.bytes.subarray(record.valueStart, record.valueEnd))
    throw new Error(`${patterns} pattern(s) of kind ${kind}: an event matches that should not: ${text}`)
  }
}

function eventsPerSecond(matcher: PatternSet, records: readonly RecordFields[], sampleMs: number): number {
  let events = 0
  let matches = 0
  const startMs = performance.now()
  let elapsedMs = 0
  let next = 0
  do {
    for (let i = 0; i < STRETCH_EVENTS; i++) {
      if (next === records.length) next = 0
      matches += matcher.match(records[next++])
    }
    events += STRETCH_EVENTS
    elapsedMs = performance.now() - startMs
  } while (elapsedMs < sampleMs)
  if (matches !== 0) throw new Error(`${matches} events match that did not before`)
  return (events * 1000) / elapsedMs
}

/** How often the clock is looked at, in events. */
const STRETCH_EVENTS = 64

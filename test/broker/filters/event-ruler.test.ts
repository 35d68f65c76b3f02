/**
 * What event-ruler, the open matcher behind EventBridge, said of the conformance table and of random patterns, and
 * that we say the same: but for the cases that are marked as different, which must be. event-ruler/ask.sh
 * asks it anew, whenever the table has changed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parseRecordPattern } from '../../../broker/filters/parse-pattern.ts'
import { randomOf } from '../../support/seeded-random.ts'
import { recordOf, type ValueCases } from './conformance/cases.ts'
import { grid } from './conformance/grid.ts'
import { numbers } from './conformance/numbers.ts'
import { structures } from './conformance/structures.ts'
import { texts } from './conformance/texts.ts'
import { fast, slow } from './support/matchers.ts'
import { fieldsFor, type Json, randomObject } from './support/random-filters.ts'

interface Verdicts {
  readonly eventRuler: string
  readonly events: readonly string[]
  readonly cases: readonly {
    readonly rule: string
    readonly events: readonly number[]
    readonly verdicts: string
  }[]
}

const tables: readonly ValueCases[] = [...grid, ...texts, ...numbers, ...structures]

/** Of each pattern the events it is asked about. */
function questions(): { readonly rule: string; readonly events: readonly string[] }[] {
  const fromTables = tables.map(({ value, matches, not }) => ({
    rule: JSON.stringify(value),
    events: [...(matches ?? []), ...(not ?? [])],
  }))
  return [...fromTables, ...randomQuestions()]
}

const RANDOM_COUNT = 600
const EVENTS_EACH = 3

function randomQuestions(): { readonly rule: string; readonly events: readonly string[] }[] {
  const random = randomOf(2026)
  const chosen: { readonly rule: string; readonly events: readonly string[] }[] = []
  while (chosen.length < RANDOM_COUNT) {
    const jsons = Array.from({ length: EVENTS_EACH }, () => randomObject(random, 3))
    const value = fieldsFor(random, jsons[0], 3)
    const rule = JSON.stringify(value)
    const events = jsons.map((json) => JSON.stringify(json))
    if (
      isAlike(rule) &&
      events.every(isAlike) &&
      !(rule.includes('"exists":false') && jsons.some((json) => hasElements(json))) &&
      !asksTwice(value)
    )
      chosen.push({ rule, events })
  }
  return chosen
}

/** Without what the table marks as different, and without empty names, which event-ruler loses. */
function isAlike(text: string): boolean {
  return !/"":|a\.b|::ffff|𐐨|😀|ǅ|İ|i̇|\\ud83d|\\ude00|"anything-but":\{"(?:prefix|suffix)":\{|\/(?:0|32|128)"/.test(
    text,
  )
}

function hasElements(json: Json, isInArray = false): boolean {
  if (Array.isArray(json)) return json.some((item) => hasElements(item, true))
  if (typeof json !== 'object' || json === null) return false
  return isInArray || Object.values(json).some((item) => hasElements(item))
}

/** Whether a field is asked for both in a $or and beside it. */
function asksTwice(pattern: unknown): boolean {
  if (typeof pattern !== 'object' || pattern === null) return false
  const { $or, ...fields } = pattern as { readonly $or?: readonly object[]; readonly [name: string]: unknown }
  const named = (branch: object): string[] =>
    Object.entries(branch).flatMap(([name, inner]) =>
      name === '$or' ? (inner as object[]).flatMap(named) : [name],
    )
  const inside = new Set(($or ?? []).flatMap(named))
  return (
    Object.keys(fields).some((name) => inside.has(name)) ||
    [...Object.values(fields), ...($or ?? [])].some(asksTwice)
  )
}

const file = fileURLToPath(
  new URL('../../../../test/broker/filters/event-ruler/verdicts.json', import.meta.url),
)
const asked = process.env.OCTOPUS_QUESTIONS

if (asked !== undefined) {
  const all = questions()
  const events = [...new Set(all.flatMap((question) => question.events))]
  const indexes = new Map(events.map((event, index) => [event, index]))
  const cases = all.map(({ rule, events: own }) => ({ rule, events: own.map((event) => indexes.get(event)) }))
  writeFileSync(asked, JSON.stringify({ events, cases }))
  t.pass('the questions are written')
} else {
  const { eventRuler, events, cases } = JSON.parse(readFileSync(file, 'utf8')) as Verdicts
  const verdicts = new Map(
    cases.flatMap((known) =>
      known.events.map((event, at) => [`${known.rule} ${events[event]}`, known.verdicts[at]]),
    ),
  )

  /** The events of which we say something else. Of what is no object event-ruler has no opinion. */
  const differing = (rule: string, own: readonly string[]): string[] => {
    const pattern = parseRecordPattern(`{"value":${rule}}`)
    const [one, other] = [fast.build([pattern]), slow.build([pattern])]
    return own.filter((event) => {
      const verdict = verdicts.get(`${rule} ${event}`)
      if (verdict === undefined)
        throw new Error(`event-ruler was not asked about ${rule} and ${event}: run ask.sh`)
      if (verdict === 'e' && isJsonButNoObject(event)) return false
      const record = recordOf({ value: event })
      const says = (verdict === '1') as boolean
      return verdict === 'r' || (one(record).length === 1) !== says || (other(record).length === 1) !== says
    })
  }

  t.test(`the table, as event-ruler ${eventRuler} sees it`, async (t) => {
    for (const { says, value, matches, not, differs } of tables) {
      const found = differing(JSON.stringify(value), [...(matches ?? []), ...(not ?? [])])
      if (differs === undefined) t.same(found, [], says)
      else t.ok(found.length > 0, `${says} differs: ${differs}`)
    }
  })

  t.test(`random patterns, as event-ruler ${eventRuler} sees them`, async (t) => {
    const random = cases.slice(tables.length)
    t.equal(random.length, RANDOM_COUNT)
    const wrong = random.flatMap(({ rule, events: own }) =>
      differing(
        rule,
        own.map((event) => events[event]),
      ).map((event) => ({ rule, event })),
    )
    t.same(wrong, [])
    const letters = random.map((known) => known.verdicts).join('')
    const share = letters.replaceAll('0', '').length / letters.length
    t.ok(share > 0.3 && share < 0.7, `${Math.round(share * 100)} % of ${letters.length} match`)
  })
}

function isJsonButNoObject(event: string): boolean {
  try {
    const json: unknown = JSON.parse(event)
    return typeof json !== 'object' || json === null || Array.isArray(json)
  } catch {
    // No JSON at all: event-ruler refuses that for the same reason.
    return false
  }
}

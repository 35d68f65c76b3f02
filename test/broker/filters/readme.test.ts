/** The page on filters is true: every example of its table of rules, and every filter in it. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parseRecordPattern } from '../../../broker/filters/parse-pattern.ts'
import { operatorNames } from '../../../broker/filters/parse-rules.ts'
import { patternLimits } from '../../../broker/filters/pattern-limits.ts'
import { recordOf } from './conformance/cases.ts'
import { fast, slow } from './support/matchers.ts'

const page = readFileSync(
  fileURLToPath(new URL('../../../../broker/filters/README.md', import.meta.url)),
  'utf8',
)

/** From one title to the next. */
function section(title: string): string {
  const from = page.indexOf(title)
  return page.slice(from, page.indexOf('\n##', from))
}

/** What stands between backticks, and the word "nothing" as an event without the field. */
function eventsOf(cell: string): string[] {
  const events = [...cell.matchAll(/`([^`]+)`/g)].map(([, content]) => `{"a": ${content}}`)
  const words = cell.replace(/`[^`]+`/g, '').trim()
  return words === 'nothing' ? [...events, '{}'] : events
}

t.test('the table of rules', async (t) => {
  const rules = section('### Rules')
  const rows = rules.split('\n').filter((line) => line.startsWith('| `'))
  t.ok(rows.length > 20, `${rows.length} rows`)
  for (const row of rows) {
    const [rule, taking, refusing] = row.slice(1, -1).split('|')
    const text = /`(.+)`/.exec(rule)?.[1] ?? ''
    const pattern = parseRecordPattern(`{"value": {"a": [${text}]}}`)
    const [takes, refuses] = [eventsOf(taking), eventsOf(refusing)]
    t.ok(
      takes.length > 0 && refuses.length > 0,
      `${text}: ${takes.length} that match, ${refuses.length} that do not`,
    )
    for (const { name, build } of [slow, fast]) {
      const match = build([pattern])
      t.same(
        takes.filter((event) => match(recordOf({ value: event })).length === 0),
        [],
        `${name} takes those of ${text}`,
      )
      t.same(
        refuses.filter((event) => match(recordOf({ value: event })).length > 0),
        [],
        `${name} refuses those of ${text}`,
      )
    }
  }
  for (const name of operatorNames) t.ok(rules.includes(`{"${name}":`), `${name} has an example`)
})

t.test('the limits', async (t) => {
  t.same(
    [...section('### What is refused').matchAll(/^\| [^|]+ \| ([\d,]+(?: KiB)?) +\|$/gm)].map(
      ([, limit]) => limit,
    ),
    [
      `${patternLimits.textBytesMax / 1024} KiB`,
      ...[
        patternLimits.depthMax,
        patternLimits.rulesMax,
        patternLimits.alternativesMax,
        patternLimits.writtenRulesMax,
      ].map((limit) => limit.toLocaleString('en-US')),
    ],
  )
})

t.test('whole filters', async (t) => {
  const whole = [...page.matchAll(/^```json\n([^`]+)^```/gm)].map(([, text]) => text)
  const onCommandLine = [...page.matchAll(/--filter '(.+)'$/gm)].map(([, text]) => text)
  const fields = [...section('### Fields').matchAll(/`(\{"(?:people|runs|a)": [^`]+\})`/g)].map(
    ([, text]) => text,
  )
  const [people, anna, seven, none, or] = fields
  t.equal(fields.length, 5)
  for (const text of [...whole, ...onCommandLine]) t.ok(parseRecordPattern(text))
  t.ok(whole.length > 0 && onCommandLine.length > 0)
  const matches = (value: string, event: string) =>
    fast.build([parseRecordPattern(`{"value": ${value}}`)])(recordOf({ value: event })).length === 1
  t.notOk(matches(people, anna))
  const runs = '{"runs": [{"id": 7}, {"id": 8, "error": "x"}]}'
  t.same([matches(seven, runs), matches(none, runs)], [true, false])
  t.same([matches(or, '{"a": 1, "c": 3}'), matches(or, '{"a": 1}')], [true, false])
})

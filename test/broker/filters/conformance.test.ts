/** The conformance table, on every matcher: each pattern alone, and all of them together on each event. */
import t from 'tap'
import { parseRecordPattern } from '../../../broker/filters/parse-pattern.ts'
import type { RecordPattern } from '../../../broker/filters/pattern.ts'
import { type RecordCases, type RecordText, recordOf } from './conformance/cases.ts'
import { grid } from './conformance/grid.ts'
import { numbers } from './conformance/numbers.ts'
import { records } from './conformance/records.ts'
import { structures } from './conformance/structures.ts'
import { texts } from './conformance/texts.ts'
import { fast, type Matcher, slow } from './support/matchers.ts'

interface Group {
  readonly says: string
  readonly pattern: RecordPattern
  readonly matches: readonly RecordText[]
  readonly not: readonly RecordText[]
}

const group = ({ says, pattern, matches, not }: RecordCases): Group => ({
  says,
  pattern: parseRecordPattern(JSON.stringify(pattern)),
  matches: matches ?? [],
  not: not ?? [],
})

/** What is said of values holds of keys as well: every case is told of both. */
const groups: readonly Group[] = [
  ...[...grid, ...texts, ...numbers, ...structures].flatMap(({ says, value, matches, not }) => [
    group({
      says,
      pattern: { value },
      matches: (matches ?? []).map((event) => ({ value: event })),
      not: (not ?? []).map((event) => ({ value: event })),
    }),
    group({
      says: `${says} (of a key)`,
      pattern: { key: value },
      matches: (matches ?? []).map((event) => ({ key: event })),
      not: (not ?? []).map((event) => ({ key: event })),
    }),
  ]),
  ...records.map(group),
]

const all = groups.flatMap(({ matches, not }) => [...matches, ...not])

function conforms({ name, build }: Matcher): void {
  t.test(`${name}: each pattern alone`, async (t) => {
    for (const { says, pattern, matches, not } of groups) {
      const match = build([pattern])
      const wrong = [
        ...matches
          .filter((record) => match(recordOf(record)).length !== 1)
          .map((record) => ({ misses: record })),
        ...not.filter((record) => match(recordOf(record)).length !== 0).map((record) => ({ takes: record })),
      ]
      t.same(wrong, [], `${says}: ${matches.length} that match, ${not.length} that do not`)
    }
  })
}

/** Whatever stands beside a pattern in a set changes nothing. */
function conformsTogether({ name, build }: Matcher): void {
  t.test(`${name}: all patterns together are as each alone`, async (t) => {
    const patterns = groups.map(({ pattern }) => pattern)
    const together = build(patterns)
    const alone = slow.build(patterns)
    const wrong = all.filter((text) => {
      const record = recordOf(text)
      return JSON.stringify(together(record)) !== JSON.stringify(alone(record))
    })
    t.same(wrong, [])
  })
}

t.ok(all.length > 3000, `${all.length} cases`)
conforms(slow)
conforms(fast)
conformsTogether(fast)

/** The matchers that are tested, in one shape: which of several patterns a record matches. */
import type { RecordPattern } from '../../../../broker/filters/pattern.ts'
import { PatternSet } from '../../../../broker/filters/pattern-set.ts'
import { fieldsOf } from '../laid-out.ts'
import { slowMatch, type TestRecord } from './slow-matcher.ts'

export interface Matcher {
  readonly name: string
  /** Builds what is needed for these patterns once; gives the indexes of those that match, ascending. */
  build(patterns: readonly RecordPattern[]): (record: TestRecord) => number[]
}

export const slow: Matcher = {
  name: 'the slow matcher',
  build: (patterns) => (record) =>
    patterns.flatMap((pattern, index) => (slowMatch(pattern, record) ? [index] : [])),
}

export const fast: Matcher = {
  name: 'the fast matcher',
  build: (patterns) => {
    const set = new PatternSet(patterns)
    return (record) => {
      const count = set.match(fieldsOf(record))
      return [...set.matched.subarray(0, count)]
    }
  },
}

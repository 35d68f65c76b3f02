/** The rounds of a long test, told at each tenth: `npm run test:soak` shows the newest word of who takes long. */
import type { Test } from 'tap'

/** 0 to `count` - 1. */
export function* roundsOf(t: Pick<Test, 'comment'>, count: number): Generator<number> {
  const tenth = Math.ceil(count / 10)
  for (let round = 0; round < count; round++) {
    if (round > 0 && round % tenth === 0) t.comment(`${round} of ${count} rounds are done`)
    yield round
  }
}

/** Where a group is to go on: every target against every place it can be in. */
import t from 'tap'
import { checkTarget, decideReset, type OffsetTarget } from '../../../client/group/offset-reset.ts'

const place = (committed: number | null, atTime = -1) => ({
  logStartOffset: 10,
  logEndOffset: 100,
  committed,
  atTime,
})

t.test('what was asked for', async (t) => {
  const exactly = (newOffset: number) => ({ newOffset, note: null })
  t.same(decideReset('earliest', place(50)), exactly(10))
  t.same(decideReset('latest', place(null)), exactly(100))
  t.same(decideReset({ offset: 42 }, place(null)), exactly(42))
  t.same(decideReset({ offset: 10 }, place(50)), exactly(10))
  t.same(decideReset({ offset: 100 }, place(50)), exactly(100), 'the end is a place to go on from')
  t.same(decideReset({ timeMs: 5 }, place(50, 77)), exactly(77))
  t.same(decideReset({ by: -40 }, place(50)), exactly(10))
  t.same(decideReset({ by: 50 }, place(50)), exactly(100))
  t.same(decideReset({ by: 0 }, place(50)), exactly(50))
  t.same(decideReset({ offsets: [] }, place(50), 60), exactly(60))
})

t.test('what is not there is said', async (t) => {
  t.same(decideReset({ offset: 9 }, place(50)), {
    newOffset: 10,
    note: '9 is before what is kept: to the oldest, 10',
  })
  t.same(decideReset({ offset: 101 }, place(50)), {
    newOffset: 100,
    note: '101 is behind the end: to the end, 100',
  })
  t.same(decideReset({ by: -41 }, place(50)), {
    newOffset: 10,
    note: '9 is before what is kept: to the oldest, 10',
  })
  t.same(decideReset({ offsets: [] }, place(50), 200).newOffset, 100)
  t.same(decideReset({ timeMs: 5 }, place(50)), {
    newOffset: 100,
    note: 'no event is that young: to the end',
  })
  t.same(decideReset({ by: 5 }, place(null)), {
    newOffset: null,
    note: 'the group has no offset here to go on from',
  })
})

t.test('a target that is none is refused by its name', async (t) => {
  for (const [to, expected] of [
    [{ offset: -1 }, /to\.offset/],
    [{ timeMs: 1.5 }, /to\.timeMs/],
    [{ by: Number.NaN }, /to\.by/],
    [{ offsets: [] }, /expected earliest/],
    [{ offsets: [{ topic: 'a', partition: 0, offset: -1 }] }, /to\.offsets\.offset/],
    [{ last: 5 }, /expected earliest/],
    ['newest', /expected earliest/],
    [null, /expected earliest/],
  ] as const)
    t.throws(() => checkTarget(to as unknown as OffsetTarget), { name: 'RangeError', message: expected })
  for (const to of ['latest', { by: -5 }, { timeMs: 0 }] as const) t.equal(checkTarget(to), to)
})

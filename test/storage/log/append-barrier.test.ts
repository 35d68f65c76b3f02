/** The barrier of a partition's appends, against a list of who must have left. */
import t from 'tap'
import { AppendBarrier } from '../../../storage/log/append-barrier.ts'
import { seededRandom } from '../../support/seeded-random.ts'

t.test(
  'a barrier passes when those before it have left, in whatever order, and waits for nobody else',
  async (t) => {
    const random = seededRandom(t)
    const barrier = new AppendBarrier()
    const waiting: { readonly number: number; readonly generation: number }[] = []
    const open: { readonly before: number; hasPassed: boolean }[] = []
    let count = 0
    for (let step = 0; step < 5_000; step++) {
      const what = random.below(10)
      if (what < 4) waiting.push({ number: count++, generation: barrier.enter() })
      else if (what < 9 && waiting.length > 0) {
        const [left] = waiting.splice(random.below(waiting.length), 1)
        barrier.leave(left.generation)
      } else if (what === 9) {
        const each = { before: count, hasPassed: false }
        open.push(each)
        void barrier.passed().then(() => {
          each.hasPassed = true
        })
      }
      await Promise.resolve()
      const wrong = open.filter(
        ({ before, hasPassed }) => hasPassed === waiting.some(({ number }) => number < before),
      )
      if (wrong.length > 0) throw new Error(`step ${step}: ${JSON.stringify(wrong[0])}`)
      if (barrier.waiting !== waiting.length) throw new Error(`step ${step}: ${barrier.waiting} wait`)
    }
    t.ok(open.length > 100, `${open.length} barriers`)
  },
)

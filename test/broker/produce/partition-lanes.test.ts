/** Whoever enters a lane leaves it in the order of entering, once, however soon he is ready. */
import t from 'tap'
import { PartitionLanes } from '../../../broker/produce/partition-lanes.ts'
import { randomOf, seededRandom } from '../../support/seeded-random.ts'

t.test('those behind wait, others do not', async (t) => {
  const lanes = new PartitionLanes<object>()
  const [one, other] = [{}, {}]
  const left: string[] = []
  t.equal(lanes.isBusy(one), false)
  const first = lanes.enter(one, () => left.push('first'))
  const second = lanes.enter(one, () => left.push('second'))
  const beside = lanes.enter(other, () => left.push('beside'))
  t.equal(lanes.size, 3)
  second()
  t.same(left, [])
  beside()
  t.same(left, ['beside'])
  t.same([lanes.isBusy(one), lanes.isBusy(other)], [true, false])
  first()
  t.same(left, ['beside', 'first', 'second'])
  t.same([lanes.isBusy(one), lanes.size], [false, 0])
})

t.test('random entries become ready in any order', async (t) => {
  const { seed } = seededRandom(t)
  const random = randomOf(seed)
  for (let round = 0; round < 200; round++) {
    const lanes = new PartitionLanes<object>()
    const partitions = [{}, {}, {}]
    const entered = partitions.map((): number[] => [])
    const left = partitions.map((): number[] => [])
    const waiting: (() => void)[] = []
    for (let step = 0; step < 60; step++) {
      if (waiting.length === 0 || random.below(2) === 0) {
        const at = random.below(partitions.length)
        entered[at].push(step)
        waiting.push(lanes.enter(partitions[at], () => left[at].push(step)))
      } else waiting.splice(random.below(waiting.length), 1)[0]()
      for (const at of partitions.keys()) {
        t.same(left[at], entered[at].slice(0, left[at].length))
        if (lanes.isBusy(partitions[at]) !== left[at].length < entered[at].length) t.fail('busy or not')
      }
    }
    for (const ready of waiting) ready()
    if (lanes.size !== 0) t.fail(`${lanes.size} are left`)
    t.same(left, entered)
  }
})

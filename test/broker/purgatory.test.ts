/** Who asks again when rights change: only those it is about, and few in one turn of the event loop. */
import t from 'tap'
import { type Caller, Purgatory } from '../../broker/purgatory.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'

/** Nothing is looked at but which one it is. */
const log = {} as PartitionLog

function setup() {
  const soon: (() => void)[] = []
  const purgatory = new Purgatory({ after: () => ({ cancel: () => {} }), soon: (run) => soon.push(run) })
  const counts = { looks: 0, asks: 0 }
  let done = 0
  const park = (caller: Caller & { isDone: boolean }, requests = 1) => {
    for (let i = 0; i < requests; i++) {
      const isDone = () => {
        counts.asks++
        return caller.isDone
      }
      const { signal } = new AbortController()
      void purgatory.wait([log], isDone, 1_000, signal, caller).then((isDone) => {
        if (isDone) done++
      })
    }
  }
  const caller = () => {
    const caller = {
      changed: false,
      isDone: false,
      hasChanged: () => {
        counts.looks++
        const { changed } = caller
        caller.changed = false
        return changed
      },
    }
    return caller
  }
  /** One turn of the event loop; false: nothing was left to do in it. */
  const turn = () => {
    const runs = soon.splice(0)
    for (const run of runs) run()
    return runs.length > 0
  }
  return { purgatory, counts, park, caller, turn, answered: () => done }
}

t.test('of a thousand that wait, those ask again whom a change is about', async (t) => {
  const { purgatory, counts, park, caller, turn, answered } = setup()
  const callers = Array.from({ length: 1_000 }, caller)
  for (const each of callers) park(each, 3)
  for (const each of [callers[0], callers[500], callers[999]])
    Object.assign(each, { changed: true, isDone: true })
  Object.assign(callers[7], { changed: true })
  Object.assign(counts, { looks: 0, asks: 0 })
  purgatory.reconsider()
  const turns: { looks: number; asks: number }[] = [{ ...counts }]
  while (turn()) turns.push({ looks: counts.looks, asks: counts.asks })
  t.same(counts, { looks: 1_000, asks: 4 * 3 })
  let before = { looks: 0, asks: 0 }
  for (const now of turns) {
    const worked = now.looks - before.looks + now.asks - before.asks
    t.ok(worked <= 64 + 3, `${worked} in one turn`)
    before = now
  }
  t.ok(turns.length >= 16, `${turns.length} turns`)
  await Promise.resolve()
  t.equal(answered(), 9)
  t.equal(purgatory.size, 3_000 - 9)
})

t.test('changes while others are looked at are not missed and do not pile up', async (t) => {
  const { purgatory, counts, park, caller, turn } = setup()
  const callers = Array.from({ length: 200 }, caller)
  for (const each of callers) park(each)
  Object.assign(counts, { looks: 0, asks: 0 })
  purgatory.reconsider()
  Object.assign(callers[0], { changed: true, isDone: true })
  for (let i = 0; i < 100; i++) purgatory.reconsider()
  while (turn()) {}
  t.same(counts, { looks: 400, asks: 1 }, 'once more for all of them')
  t.equal(purgatory.size, 199)
  purgatory.reconsider()
  while (turn()) {}
  t.same(counts, { looks: 599, asks: 1 }, 'who has left is looked at no more')
})

t.test('what does not depend on rights is not asked', async (t) => {
  const { purgatory, counts, turn } = setup()
  const { signal } = new AbortController()
  void purgatory.wait([log], () => counts.asks++ > 10, 1_000, signal)
  purgatory.reconsider()
  while (turn()) {}
  t.equal(counts.asks, 1, 'when it came')
  purgatory.advanced(log)
  t.equal(counts.asks, 2)
  purgatory.release()
  t.equal(purgatory.size, 0)
})

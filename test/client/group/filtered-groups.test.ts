/** Groups that read with a filter: what matched nobody is committed, so that nobody looks at it again, and no match is skipped. */
import t from 'tap'
import type { FetchRequest } from '../../../client/protocol/messages/fetch.ts'
import { batchOf } from '../support/harness.ts'
import { GroupHarness } from './support/group-harness.ts'

const options = { filter: { value: [{ prefix: 'alarm' }] } }

/** A group on a broker on which the filter means that, and where members begin to fetch. */
async function start(...batches: readonly (readonly string[])[]) {
  const harness = await GroupHarness.start(1, 0)
  const offsets: number[] = []
  harness.broker.matches = (_, record) => record.text()?.startsWith('alarm') === true
  harness.broker.misbehave = ({ api, message }) => {
    if (api.name === 'fetch') offsets.push((message as FetchRequest).partitions[0].fetchOffset)
    return undefined
  }
  const append = (...values: readonly string[]) => harness.broker.append('t', 0, batchOf(values))
  for (const values of batches) append(...values)
  return { harness, world: harness.world, offsets, append }
}

t.test('by itself: what is at work holds the offset, and what is for nobody does not', async (t) => {
  const { harness, world, offsets, append } = await start(
    ['alarm 0', 'rain', 'rain'],
    ['rain'],
    ['alarm 4', 'rain'],
  )
  const { consumer, process } = await harness.member({}, options)
  const events = consumer[Symbol.asyncIterator]()
  t.equal((await world.until(events.next())).value?.offset, 0)
  await world.pass(2_000)
  t.equal(harness.committed(0)?.offset ?? 0, 0, 'the first is at work')
  t.equal((await world.until(events.next())).value?.offset, 4)
  await world.pass(2_000)
  t.equal(harness.committed(0)?.offset, 4, 'what lies before the second is done')
  const waiting = events.next()
  await world.pass(2_000)
  t.equal(harness.committed(0)?.offset, 6)
  for (let i = 0; i < 20; i++) append('rain')
  await world.pass(2_000)
  t.equal(harness.committed(0)?.offset, 26, 'also what came while nothing matched')

  process.kill()
  offsets.length = 0
  const next = await harness.member({}, options)
  const reading = next.consumer[Symbol.asyncIterator]().next()
  await world.pass(60_000)
  t.equal(offsets[0], 26, 'whoever takes over begins there')
  append('rain', 'alarm 27')
  t.equal((await world.until(reading)).value?.offset, 27)
  void waiting
})

t.test('of one’s own: all that was handed out, and what was looked at behind it', async (t) => {
  const { harness, world, append } = await start(['alarm 0', 'rain'])
  const { consumer } = await harness.member({ autoCommit: false }, options)
  await harness.read(consumer, 1)
  append('rain', 'rain')
  await world.pass(2_000)
  t.equal(harness.committed(0), undefined)
  await world.until(consumer.commit())
  t.equal(harness.committed(0)?.offset, 4)
  append('rain')
  await world.pass(2_000)
  await world.until(consumer.commit())
  t.equal(harness.committed(0)?.offset, 5, 'also when nothing was handed out since')
})

t.test('an event or a batch of one’s own: what lies behind the last one is committed with it', async (t) => {
  const { harness, world, append } = await start(['rain', 'alarm 1', 'rain', 'alarm 3', 'rain'], ['rain'])
  const { consumer } = await harness.member({ autoCommit: false }, options)
  const events = consumer[Symbol.asyncIterator]()
  const first = (await world.until(events.next())).value
  await world.pass(2_000)
  await world.until(consumer.commit(first))
  t.equal(harness.committed(0)?.offset, 3, 'up to the next that matches')
  const second = (await world.until(events.next())).value
  await world.until(consumer.commit(first))
  t.equal(harness.committed(0)?.offset, 2, 'the second was handed out since: no further than was said')
  await world.until(consumer.commit(second))
  t.equal(harness.committed(0)?.offset, 6)
  await events.return?.()

  append('rain', 'alarm 7', 'rain')
  append('rain')
  const batches = consumer.batches()
  const { value: batch } = await world.until(batches.next())
  t.same([batch?.baseOffset, batch?.lastOffset, batch?.count], [6, 8, 1])
  await world.pass(2_000)
  await world.until(consumer.commit(batch))
  t.equal(harness.committed(0)?.offset, 10)
})

t.test('a static member that comes back goes on behind what it looked at', async (t) => {
  const { harness, world, offsets, append } = await start(['alarm 0'], ['rain', 'rain'])
  const first = await harness.member({ instanceId: 'm1' }, options)
  const events = first.consumer[Symbol.asyncIterator]()
  await world.until(events.next())
  const reading = events.next()
  await world.pass(2_000)
  t.equal(harness.committed(0)?.offset, 3)
  first.process.kill()
  append('rain')
  offsets.length = 0
  const second = await harness.member({ instanceId: 'm1' }, options)
  const again = second.consumer[Symbol.asyncIterator]().next()
  // Until its session before is over.
  await world.pass(60_000)
  t.equal(offsets[0], 3)
  append('alarm 4')
  t.equal((await world.until(again)).value?.offset, 4)
  void reading
})

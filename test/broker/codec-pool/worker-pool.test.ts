/** The pool with real threads: exactly one answer for each task, whatever becomes of the threads. */
import t from 'tap'
import { CodecPoolError } from '../../../broker/codec-pool/codec-pool.ts'
import { performCodecTask } from '../../../broker/codec-pool/codec-task.ts'
import { systemPorts } from '../../../broker/system-ports.ts'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { batchOf, deathTask, deathWatch, limits, openPool, rebuildTask, tools } from './pools.ts'

const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'answered',
    (error: unknown) => (error instanceof CodecPoolError ? error.reason : String(error)),
  )

t.test('a worker answers what the loop would', async (t) => {
  const pool = openPool(t, { workersMax: 2 })
  const batches = Array.from({ length: 30 }, (_, index) => batchOf(`batch ${index}`, 10 + index))
  const expected = batches.map((bytes) => performCodecTask(rebuildTask(bytes.slice()), tools))
  const answers = await Promise.all(batches.map((bytes) => pool.run(rebuildTask(bytes))))
  t.same(answers, expected)
  t.ok(
    batches.every(({ length }) => length === 0),
    'the bytes went away and were not copied',
  )
  const bad = batchOf('bad')
  bad[bad.length - 1] ^= 1
  t.equal((await pool.run({ kind: 'check', bytes: bad, limits })).problem?.reason, 'crc')
  t.equal(pool.stats().tasks.rebuild.offloaded, 30)
  t.equal(pool.stats().queuedBytes, 0)
})

t.test('bytes that share a buffer are copied, and their neighbours stay', async (t) => {
  const pool = openPool(t)
  const batch = batchOf('neighbour')
  const slab = new Uint8Array(3 * batch.length).fill(7)
  slab.set(batch, batch.length)
  const view = slab.subarray(batch.length, 2 * batch.length)
  const answered = pool.run({ kind: 'check', bytes: view, limits })
  // Whoever shares the buffer may write into it as soon as the call has returned.
  view.fill(9)
  const { bytes } = await answered
  t.same(bytes, batch)
  t.equal(slab.length, 3 * batch.length)
  t.equal(slab[0], 7)
  t.equal(bytes?.byteLength, bytes?.buffer.byteLength)
})

t.test('bytes that are given away twice', async (t) => {
  const pool = openPool(t)
  await pool.run(rebuildTask(batchOf('first')))
  const bytes = batchOf('twice', 500)
  const queued = batchOf('twice in the queue', 500)
  // The first pair meets an idle worker; the second waits and may travel in one bundle or in two.
  const answers = [bytes, bytes, queued, queued].map((each) => reasonOf(pool.run(rebuildTask(each))))
  const others = Array.from({ length: 5 }, (_, index) => reasonOf(pool.run(rebuildTask(batchOf(`${index}`)))))
  t.same((await Promise.all(answers)).slice(0, 2), ['answered', 'failed'])
  t.same(await Promise.all(others), Array(5).fill('answered'))
  t.equal(pool.stats().queuedBytes, 0)
})

for (const how of ['exit', 'error', 'memory'] as const)
  t.test(`a worker that ends by ${how} fails the task it had and no other`, async (t) => {
    const { observer, told } = deathWatch()
    const pool = openPool(t, { observer })
    const others = (name: string) =>
      Array.from({ length: 10 }, (_, index) => {
        const bytes = batchOf(`${name} ${index}`)
        const expected = performCodecTask(rebuildTask(bytes.slice()), tools)
        return pool.run(rebuildTask(bytes)).then((answer) => t.same(answer, expected))
      })
    // All of them wait for the thread to start, and travel together.
    const before = others('before')
    const doomed = pool.run(deathTask(how))
    const behind = others('behind')
    t.equal(await reasonOf(doomed), 'worker-died')
    await Promise.all([...before, ...behind])
    t.equal(pool.stats().queuedBytes, 0)
    t.same(told, [how === 'memory' ? 'out-of-memory' : how])
    t.equal(pool.stats().workers.up, 1, 'it is replaced')
  })

for (const [how, end] of [
  ['later', 'exit'],
  ['later-error', 'error'],
] as const)
  t.test(`an idle worker that ends is replaced: ${end}`, async (t) => {
    const { observer, next } = deathWatch()
    const pool = openPool(t, { observer })
    const died = next()
    t.equal((await pool.run(deathTask(how))).problem?.reason, 'truncated', 'it has answered')
    t.equal(await died, end)
    t.equal((await pool.run(rebuildTask(batchOf('next')))).problem, undefined)
    t.equal(pool.stats().workers.up, 1)
    t.equal(pool.stats().workers.deaths[end], 1)
  })

t.test('a worker that is stuck is ended', async (t) => {
  const { observer, told } = deathWatch()
  const looks: (() => void)[] = []
  const { timers } = systemPorts()
  const after = (_delayMs: number, run: () => void) => {
    looks.push(run)
    return { cancel: () => {} }
  }
  const pool = openPool(t, { observer, timers: { ...timers, after } })
  const look = () => looks.shift()?.()
  await pool.run(rebuildTask(batchOf('first')))
  const doomed = reasonOf(pool.run(deathTask('hang')))
  const other = reasonOf(pool.run(rebuildTask(batchOf('other'))))
  for (let count = 0; count < 4; count++) look()
  t.same(told, [], 'it has the time that was given')
  // Its beginning counts as a move, whenever that is.
  while (told.length === 0) {
    look()
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.equal(await doomed, 'worker-died')
  t.equal(await other, 'answered')
  t.same(told, ['stuck'])
})

t.test('what has no room is refused, and there is room again', async (t) => {
  const batch = batchOf('large', 1000)
  const pool = openPool(t, { queuedBytesMax: 4 * batch.length })
  const answers = Array.from({ length: 6 }, () => reasonOf(pool.run(rebuildTask(batch.slice()))))
  const unpacking = () => reasonOf(pool.run({ kind: 'unpack', bytes: batch.slice(), limits }))
  t.equal(await unpacking(), 'overloaded', 'readers have half of it')
  t.same(await Promise.all(answers), [...Array(4).fill('answered'), 'overloaded', 'overloaded'])
  t.equal(await unpacking(), 'answered')
  t.equal(pool.stats().refused, 3)
  t.equal(pool.stats().queuedBytes, 0)
})

t.test('closed while it is busy', async (t) => {
  const pool = openPool(t, { workersMax: 2 })
  await pool.run(rebuildTask(batchOf('first')))
  const answers = Array.from({ length: 50 }, () => reasonOf(pool.run(rebuildTask(batchOf('x', 500)))))
  answers.push(reasonOf(pool.run(deathTask('hang'))))
  const closing = pool.close()
  answers.push(reasonOf(pool.run(rebuildTask(batchOf('late')))))
  const reasons = await Promise.all(answers)
  t.ok(reasons.every((reason) => reason === 'closed' || reason === 'answered'))
  t.same(reasons.slice(-2), ['closed', 'closed'])
  await closing
  await pool.close()
  t.equal(pool.stats().workers.up, 0)
})

t.test('what is at work when the pool is closed is finished', async (t) => {
  const pool = openPool(t)
  await pool.run(rebuildTask(batchOf('first')))
  const atWork = reasonOf(pool.run(rebuildTask(batchOf('at work', 5_000))))
  const waiting = reasonOf(pool.run(rebuildTask(batchOf('waiting'))))
  await Promise.all([pool.close(), pool.close()])
  t.same(await Promise.all([atWork, waiting]), ['answered', 'closed'])
})

t.test('work that kills again and again does not keep others from theirs', async (t) => {
  const { observer, told } = deathWatch()
  const pool = openPool(t, { observer, restarts: { burst: 2, refillMs: 100 } })
  await pool.run(rebuildTask(batchOf('first')))
  const startMs = performance.now()
  for (let round = 0; round < 6; round++) {
    const doomed = reasonOf(pool.run(deathTask('exit')))
    t.equal((await pool.run(rebuildTask(batchOf(`round ${round}`)))).problem, undefined)
    t.equal(await doomed, 'worker-died')
  }
  t.equal(told.length, 6)
  t.ok(performance.now() - startMs > 300, 'but threads are started only so often')
})

t.test('threads that are ended while they start', async (t) => {
  // Node 20 aborts the whole process when a thread is ended while it requires a module; the workers import theirs.
  const random = seededRandom(t)
  for (const _ of roundsOf(t, process.env.OCTOPUS_SOAK ? 300 : 12)) {
    const pool = openPool(t, { workersMax: 3 })
    const answers = Array.from({ length: 6 }, () => reasonOf(pool.run(rebuildTask(batchOf('x')))))
    await new Promise((resolve) => setTimeout(resolve, random.below(120)))
    await pool.close()
    t.ok((await Promise.all(answers)).every((reason) => reason === 'closed' || reason === 'answered'))
  }
})

t.test('threads that cannot be had', async (t) => {
  const { observer, told } = deathWatch()
  const pool = openPool(t, { observer, workerFile: new URL('./no-such-file.js', import.meta.url) })
  t.equal(pool.shouldOffload('check', 1), true)
  t.equal(await reasonOf(pool.run(rebuildTask(batchOf('first')))), 'worker-died')
  t.same(told, ['start', 'start', 'start'])
  t.equal(pool.shouldOffload('check', 1), false, 'the loop does without')
  t.equal(pool.performNow(rebuildTask(batchOf('second'))).problem, undefined)
})

t.test('exactly one answer under random kills', async (t) => {
  const random = seededRandom(t)
  const { observer, told } = deathWatch()
  const pool = openPool(t, { workersMax: 2, observer, restarts: { burst: 100, refillMs: 1 } })
  const answers = new Map<number, number>()
  const reasons = new Map<string, number>()
  const under: Promise<void>[] = []
  for (let index = 0; index < 400; index++) {
    const dies = random.below(100) < 3
    const name = `batch ${index}`
    const bytes = batchOf(name, 1 + random.below(40))
    const expected = performCodecTask(rebuildTask(bytes.slice()), tools)
    const asked = dies ? pool.run(deathTask(random.pick(['exit', 'error']))) : pool.run(rebuildTask(bytes))
    under.push(
      asked
        .then((answer) => {
          t.same(answer, expected)
          return 'answered'
        })
        .catch((error: CodecPoolError) => error.reason)
        .then((reason) => {
          answers.set(index, (answers.get(index) ?? 0) + 1)
          t.equal(reason, dies ? 'worker-died' : 'answered')
          reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
        }),
    )
    if (random.below(10) === 0) await Promise.race(under)
  }
  await Promise.all(under)
  t.equal(answers.size, 400)
  t.ok([...answers.values()].every((count) => count === 1))
  t.comment(`${told.length} deaths, ${JSON.stringify([...reasons])}`)
  t.equal(pool.stats().queuedBytes, 0)
})

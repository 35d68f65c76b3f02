/** Ten thousand tasks leave nothing behind: neither memory, nor listeners, nor threads. */
import t from 'tap'
import { batchOf, limits, openPool, rebuildTask } from './pools.ts'

const TASKS = 10_000
const WARM_TASKS = 2000

t.test('memory after ten thousand tasks', async (t) => {
  const pool = openPool(t, { workersMax: 2 })
  const batch = batchOf('always the same', 1300)
  const kinds = [
    () => pool.run(rebuildTask(batch.slice())),
    () => pool.run({ kind: 'check', bytes: batch.slice(), limits }),
    () => pool.run({ kind: 'unpack', bytes: batch.slice(), limits }),
  ]
  const rounds = async (tasks: number) => {
    for (let done = 0; done < tasks; done += 50)
      await Promise.all(Array.from({ length: 50 }, (_, index) => kinds[index % 3]()))
  }
  await rounds(WARM_TASKS)
  const before = process.memoryUsage()
  await rounds(TASKS)
  const after = process.memoryUsage()
  const moved = TASKS * batch.length
  t.comment(
    `${moved} bytes moved; rss ${before.rss} → ${after.rss}, buffers ${before.arrayBuffers} → ${after.arrayBuffers}`,
  )
  // What is not collected yet may be there. Were the buffers of one kind kept on one side, it would be a third of what was moved.
  t.ok(after.rss - before.rss < moved / 5, 'resident memory')
  const { workers, queuedBytes, waiting } = pool.stats()
  t.ok(workers.up <= 2)
  t.same([workers.busy, queuedBytes, waiting], [0, 0, 0])
})

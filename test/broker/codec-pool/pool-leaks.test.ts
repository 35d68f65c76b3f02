/** Ten thousand tasks leave nothing behind: neither memory, nor listeners, nor threads. */
import t from 'tap'
import type { CompressionName } from '../../../storage/record/compression.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { batchOf, limits, openPool } from './pools.ts'

const TASKS = 10_000
const WARM_TASKS = 2000

t.test('memory after ten thousand tasks', async (t) => {
  const pool = openPool(t, { workersMax: 2 })
  // What hardly gets smaller, so that codecs hand out as much as they are given.
  const random = seededRandom(t)
  const batch = batchOf(Buffer.from(random.bytes(24_000)).toString('base64'), 2)
  const rebuild = (compression: CompressionName) => () =>
    pool.run({ kind: 'rebuild', bytes: batch.slice(), options: { ...limits, compression, level: undefined } })
  // Native codecs have memory of their own, which a thread gives back in its own way.
  const packed = await Promise.all((['lz4', 'snappy'] as const).map((name) => rebuild(name)()))
  const kinds = [
    rebuild('lz4'),
    rebuild('snappy'),
    ...packed.map(
      ({ bytes }) =>
        () =>
          pool.run({ kind: 'unpack', bytes: (bytes ?? batch).slice(), limits }),
    ),
    () => pool.run({ kind: 'check', bytes: batch.slice(), limits }),
  ]
  const rounds = async (tasks: number) => {
    for (let done = 0; done < tasks; done += 50)
      await Promise.all(Array.from({ length: 50 }, (_, index) => kinds[index % kinds.length]()))
  }
  await rounds(WARM_TASKS)
  const before = process.memoryUsage()
  await rounds(TASKS)
  const after = process.memoryUsage()
  const moved = TASKS * batch.length
  t.comment(
    `${moved} bytes moved; rss ${before.rss} → ${after.rss}, buffers ${before.arrayBuffers} → ${after.arrayBuffers}`,
  )
  // What is not collected yet may be there. Were the buffers of one kind kept on one side, it would be a fifth of what was moved.
  t.ok(after.rss - before.rss < moved / 16, 'resident memory')
  const { workers, queuedBytes, waiting } = pool.stats()
  t.ok(workers.up <= 2)
  t.same([workers.busy, queuedBytes, waiting], [0, 0, 0])
})

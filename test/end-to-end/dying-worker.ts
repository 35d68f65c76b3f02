/**
 * A worker of the codec pool like the real one that ends now and then, before its work, behind it while nobody has the
 * answer yet, or by an error. How often stands in the environment of its broker.
 */
import { threadId } from 'node:worker_threads'
import codecWorker from '../../broker/codec-pool/codec-worker.ts'
import { randomOf } from '../support/seeded-random.ts'

const random = randomOf(Number(process.env.DYING_SEED) + 1_000 * threadId)
const share = Number(process.env.DYING_SHARE)

export default function dyingWorker(bundle: Parameters<typeof codecWorker>[0]): unknown {
  if (random.unit() >= share) return codecWorker(bundle)
  const way = random.below(3)
  if (way === 0) process.exit(3)
  const done = codecWorker(bundle)
  if (way === 1) process.exit(4)
  queueMicrotask(() => {
    throw new Error('planted')
  })
  return Promise.resolve(done).then(() => new Promise(() => {}))
}

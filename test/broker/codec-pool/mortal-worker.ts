/**
 * A worker like the real one, with a way to die: a task whose bytes begin with `!die:` and a word ends the thread in that
 * way. Only the tests' pools load it.
 */
import { workerData } from 'node:worker_threads'
import type { WorkerStart } from '../../../broker/codec-pool/bundle.ts'
import codecWorker from '../../../broker/codec-pool/codec-worker.ts'

type Bundle = Parameters<typeof codecWorker>[0]

const hoard: unknown[] = []

const LATER_MS = 100

const deaths: Readonly<Record<string, () => void>> = {
  exit: () => process.exit(3),
  // Both when the answer has been there for long: errors come another way than answers, and might be there first.
  later: () => {
    setTimeout(() => process.exit(3), LATER_MS)
  },
  'later-error': () => {
    setTimeout(() => {
      throw new Error('planted later')
    }, LATER_MS)
  },
  error: () => {
    // Thrown outside of the task: nobody can catch it.
    queueMicrotask(() => {
      throw new Error('planted')
    })
  },
  memory: () => {
    for (;;) hoard.push(new Array(100_000).fill({}).map(() => ({ planted: true })))
  },
  hang: () => {
    for (;;);
  },
}

export default function mortalWorker(bundle: Bundle): unknown {
  for (const [index, { bytes }] of bundle.tasks.entries()) {
    const text = Buffer.from(bytes.subarray(0, 20)).toString('latin1')
    const how = /^!die:([\w-]+)/.exec(text)?.[1]
    if (how === undefined) continue
    if (how.startsWith('later')) deaths[how]()
    else {
      // As when the task itself ends the thread: those before it are done, and it has begun.
      codecWorker({ tasks: bundle.tasks.slice(0, index) })
      Atomics.add((workerData as WorkerStart).begun, 0, 1)
      deaths[how]()
      return new Promise(() => {})
    }
  }
  return codecWorker(bundle)
}

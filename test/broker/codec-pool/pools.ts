/** Pools with real workers, and batches for them. */
import type { Test } from 'tap'
import type { CodecPoolObserver } from '../../../broker/codec-pool/codec-pool.ts'
import { WorkerPool, type WorkerPoolOptions } from '../../../broker/codec-pool/worker-pool.ts'
import { systemPorts } from '../../../broker/system-ports.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import { nativeCrc32c } from '../../../storage/record/node/native-crc32c.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'

export const tools = { crc32c: nativeCrc32c, codecs: nodeCodecs }
export const limits = { bytesMax: 8 << 20, decompressedBytesMax: 64 << 20 }

const mortalWorker = new URL('./mortal-worker.js', import.meta.url)

/** Closed when the test ends. Its workers die when they are told to. */
export function openPool(t: Test, options: Partial<WorkerPoolOptions> = {}): WorkerPool {
  const { clock, timers, process } = systemPorts()
  const pool = new WorkerPool({
    workersMax: 1,
    queuedBytesMax: 64 << 20,
    offloadBytesMin: 0,
    taskTimeoutMs: 30_000,
    tools,
    clock,
    timers,
    workerFile: mortalWorker,
    workerHeapBytesMax: 24 << 20,
    ...options,
  })
  // Neither threads nor timers do: they are not what a broker lives for.
  const release = process.hold()
  t.teardown(() => pool.close().finally(release))
  return pool
}

/** A batch of its own buffer whose records say who they are. */
export function batchOf(name: string, records = 20): Uint8Array {
  const encoder = new BatchEncoder({ ...tools, bytesMax: 8 << 20 })
  for (let index = 0; index < records; index++)
    encoder.append(1_700_000_000_000 + index, `key ${index}`, `${name} says what it always says`)
  return new Uint8Array(encoder.finish())
}

export function deathTask(how: 'exit' | 'error' | 'memory' | 'hang' | 'later' | 'later-error') {
  return { kind: 'check', bytes: new TextEncoder().encode(`!die:${how}`).slice(), limits } as const
}

export function rebuildTask(bytes: Uint8Array) {
  return { kind: 'rebuild', bytes, options: { ...limits, compression: 'gzip', level: 1 } } as const
}

/** Deaths as they are told. */
export function deathWatch(): { observer: CodecPoolObserver; told: string[]; next: () => Promise<string> } {
  const told: string[] = []
  const waiting: ((death: string) => void)[] = []
  return {
    told,
    next: () => new Promise((resolve) => waiting.push(resolve)),
    observer: {
      performed: () => {},
      workerDied: (end) => {
        told.push(end)
        waiting.shift()?.(end)
      },
    },
  }
}

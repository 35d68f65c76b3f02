/**
 * What recompressing a batch costs the event loop, on the loop itself and through the codec pool, by the size of the batch. This
 * process is the broker here: its main thread is the loop, the pool has worker threads.
 *
 * A batch that goes to the pool is first copied into a buffer of its own, as the broker does with what stands in a request. Some
 * batches are under way at a time, so that the workers are never idle. What counts is the CPU time of the main thread, since that is
 * what everybody else of the broker waits for; throughput is told beside it.
 */
import type { CodecPool } from '../../broker/codec-pool/codec-pool.ts'
import type { BatchesResult, RebuildTask } from '../../broker/codec-pool/codec-task.ts'
import { nativeCrc32c } from '../../storage/record/node/native-crc32c.ts'
import type { Progress } from '../display/progress.ts'
import { batchesOf, type EventBatch } from '../events/batches.ts'
import { loopCpuSeconds } from '../machine/process-statistics.ts'
import { type CodecChoice, nameOf } from './codec-speed.ts'

export interface PoolCostOptions {
  readonly rounds: number
  /** For each codec and size in each round, once inline and once through the pool. */
  readonly sampleMs: number
  readonly batchBytes: readonly number[]
  readonly workers: number
}

export interface PoolCost {
  readonly choice: CodecChoice
  readonly batchBytes: number
  readonly eventsPerBatch: number
  readonly inline: readonly PoolSample[]
  readonly pool: readonly PoolSample[]
  /** From handing one batch to the pool to its result, nothing else under way, in ms; one for each round. */
  readonly poolAloneMs: readonly number[]
}

export interface PoolSample {
  readonly batches: number
  readonly seconds: number
  /** CPU time of the main thread; null where the system does not tell. */
  readonly loopSeconds: number | null
}

/** What the issue promises rates for. */
export const recompressed: readonly CodecChoice[] = [{ codec: 'zstd', level: 1 }, { codec: 'lz4' }]

/** Enough that a worker finds the next batch when it has done one. */
const BATCHES_UNDER_WAY_PER_WORKER = 4
const LIMITS = {
  bytesMax: 8 * 1024 * 1024,
  timestampMin: 0,
  timestampMax: 8.64e15,
  decompressedBytesMax: 64 * 1024 * 1024,
}

interface Cell {
  readonly choice: CodecChoice
  readonly batchBytes: number
  readonly batches: readonly EventBatch[]
  readonly inline: PoolSample[]
  readonly pool: PoolSample[]
  readonly poolAloneMs: number[]
}

export async function measurePoolCost(
  values: readonly Uint8Array[],
  pool: CodecPool,
  { rounds, sampleMs, batchBytes, workers }: PoolCostOptions,
  progress: Progress,
): Promise<PoolCost[]> {
  const cells = batchBytes.flatMap((bytes): Cell[] => {
    const batches = batchesOf(values, { crc32c: nativeCrc32c, batchBytes: bytes })
    return recompressed.map((choice) => {
      return { choice, batchBytes: bytes, batches, inline: [], pool: [], poolAloneMs: [] }
    })
  })
  const underWay = workers * BATCHES_UNDER_WAY_PER_WORKER
  for (let round = 0; round <= rounds; round++) {
    progress.step(round === 0 ? 'codec pool: warming up' : `codec pool: round ${round} of ${rounds}`)
    for (const cell of cells) {
      progress.detail(`${nameOf(cell.choice)}, ${cell.batchBytes} bytes`)
      const inline = await sampleInline(pool, cell, sampleMs)
      const pooled = await samplePool(pool, cell, sampleMs, underWay)
      const aloneMs = await poolAlone(pool, cell, sampleMs / 4)
      // The first round has V8 compile what is called, here and in the workers.
      if (round === 0) continue
      cell.inline.push(inline)
      cell.pool.push(pooled)
      cell.poolAloneMs.push(aloneMs)
    }
  }
  return cells.map(({ batches, ...cell }) => ({
    ...cell,
    eventsPerBatch: batches.reduce((sum, { events }) => sum + events, 0) / batches.length,
  }))
}

function taskOf({ codec, level }: CodecChoice, bytes: Uint8Array): RebuildTask {
  return { kind: 'rebuild', bytes, options: { ...LIMITS, compression: codec, level } }
}

function requireRebuilt({ bytes, problem }: BatchesResult, given: Uint8Array): void {
  if (bytes === undefined) throw new Error(`a sound batch was refused: ${problem.sentence}`)
  if (bytes.length >= given.length) throw new Error('a batch was not compressed')
}

function sampleInline(pool: CodecPool, { choice, batches }: Cell, sampleMs: number): Promise<PoolSample> {
  return sample(sampleMs, async (isOver) => {
    let done = 0
    while (!isOver()) {
      const { bytes } = batches[done % batches.length]
      requireRebuilt(pool.performNow(taskOf(choice, bytes.slice())), bytes)
      done++
    }
    return done
  })
}

function samplePool(
  pool: CodecPool,
  { choice, batches }: Cell,
  sampleMs: number,
  underWay: number,
): Promise<PoolSample> {
  return sample(sampleMs, async (isOver) => {
    let begun = 0
    const one = async () => {
      while (!isOver()) {
        const { bytes } = batches[begun++ % batches.length]
        requireRebuilt(await pool.run(taskOf(choice, bytes.slice())), bytes)
      }
    }
    await Promise.all(Array.from({ length: underWay }, one))
    return begun
  })
}

async function poolAlone(pool: CodecPool, { choice, batches }: Cell, sampleMs: number): Promise<number> {
  const { batches: done, seconds } = await sample(sampleMs, async (isOver) => {
    let done = 0
    while (!isOver()) {
      const { bytes } = batches[done++ % batches.length]
      requireRebuilt(await pool.run(taskOf(choice, bytes.slice())), bytes)
    }
    return done
  })
  return (seconds * 1000) / done
}

async function sample(
  sampleMs: number,
  run: (isOver: () => boolean) => Promise<number>,
): Promise<PoolSample> {
  const cpuAtStart = loopCpuSeconds(process.pid)
  const startMs = performance.now()
  const batches = await run(() => performance.now() - startMs >= sampleMs)
  const seconds = (performance.now() - startMs) / 1000
  const cpuAtEnd = loopCpuSeconds(process.pid)
  const loopSeconds = cpuAtStart === undefined || cpuAtEnd === undefined ? null : cpuAtEnd - cpuAtStart
  return { batches, seconds, loopSeconds }
}

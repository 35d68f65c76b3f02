/** A pool without threads: everything happens on the event loop. For tests, and for tools that have nothing else to do. */
import { type CodecPool, CodecPoolError, type CodecPoolStats } from './codec-pool.ts'
import {
  type CodecTask,
  type CodecTaskKind,
  type CodecTools,
  performCodecTask,
  type ResultOf,
} from './codec-task.ts'
import { type Packing, packingEffort } from './packing-effort.ts'
import { newTaskCounts, statsWithoutWorkers } from './task-counts.ts'

export class InlinePool implements CodecPool {
  readonly #tools: CodecTools
  readonly #offloadBytesMin: number
  readonly #tasks = newTaskCounts()
  #isClosed = false

  /** From `offloadBytesMin` on it asks to be given tasks with `run`, though they end up in the same place; never by default. */
  constructor(tools: CodecTools, { offloadBytesMin = Infinity }: { offloadBytesMin?: number } = {}) {
    this.#tools = tools
    this.#offloadBytesMin = offloadBytesMin
  }

  shouldOffload(_kind: CodecTaskKind, bytes: number, packing?: Packing): boolean {
    return bytes * (packing === undefined ? 1 : packingEffort(packing)) >= this.#offloadBytesMin
  }

  async run<T extends CodecTask>(task: T): Promise<ResultOf<T>> {
    await undefined
    if (this.#isClosed) throw new CodecPoolError('closed', 'the codec pool is closed')
    this.#tasks[task.kind].offloaded++
    try {
      return performCodecTask(task, this.#tools)
    } catch (cause) {
      throw new CodecPoolError('failed', `a task of kind ${task.kind} failed: ${String(cause)}`, { cause })
    }
  }

  copyOf(lent: Uint8Array): Uint8Array {
    return new Uint8Array(lent)
  }

  giveBack(): void {}

  performNow<T extends CodecTask>(task: T): ResultOf<T> {
    this.#tasks[task.kind].inline++
    return performCodecTask(task, this.#tools)
  }

  stats(): CodecPoolStats {
    return statsWithoutWorkers(this.#tasks)
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }
}

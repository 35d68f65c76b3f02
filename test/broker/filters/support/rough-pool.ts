/**
 * A pool without threads that treats bytes as threads do: what is handed over is gone, what comes back is another buffer, and
 * answers come when the test says so, in any order.
 */
import { type CodecPool, CodecPoolError } from '../../../../broker/codec-pool/codec-pool.ts'
import {
  bytesOfResult,
  type CodecTask,
  type CodecTaskKind,
  type CodecTools,
  performCodecTask,
  type ResultOf,
} from '../../../../broker/codec-pool/codec-task.ts'
import { InlinePool } from '../../../../broker/codec-pool/inline-pool.ts'

interface Held {
  readonly kind: CodecTaskKind
  readonly answer: () => void
  readonly refuse: (error: CodecPoolError) => void
}

export class RoughPool implements CodecPool {
  /** The tools of the loop, and those of the other thread. */
  readonly #here: InlinePool
  readonly #there: CodecTools
  readonly held: Held[] = []
  offloadBytesMin: number
  /** Tasks that were run, by kind. */
  readonly ran: CodecTaskKind[] = []
  /** Of those that match: of how many patterns, and the number of their set. */
  readonly sets: { readonly size: number; readonly id: number }[] = []

  constructor(tools: CodecTools, offloadBytesMin: number) {
    this.#here = new InlinePool({ ...tools })
    this.#there = { ...tools }
    this.offloadBytesMin = offloadBytesMin
  }

  shouldOffload(_kind: CodecTaskKind, bytes: number): boolean {
    return bytes >= this.offloadBytesMin
  }

  run<T extends CodecTask>(task: T): Promise<ResultOf<T>> {
    if (task.bytes.byteLength !== task.bytes.buffer.byteLength)
      throw new Error('the bytes of a task have a buffer of their own')
    this.ran.push(task.kind)
    if (task.kind === 'match') this.sets.push(task.patterns)
    const arrived = structuredClone(task, { transfer: [task.bytes.buffer as ArrayBuffer] })
    return new Promise((resolve, reject) => {
      const answer = () => {
        const result = performCodecTask(arrived, this.#there)
        const buffers = bytesOfResult(task.kind, result).map(({ buffer }) => buffer as ArrayBuffer)
        resolve(structuredClone(result, { transfer: buffers }))
      }
      this.held.push({ kind: task.kind, answer, refuse: reject })
    })
  }

  copyOf(lent: Uint8Array): Uint8Array {
    return this.#here.copyOf(lent)
  }

  giveBack(): void {}

  performNow<T extends CodecTask>(task: T): ResultOf<T> {
    return this.#here.performNow(task)
  }

  /** Answers the task with this number among those that are held. */
  answer(index: number): void {
    this.held.splice(index, 1)[0].answer()
  }

  refuse(index: number): void {
    this.held.splice(index, 1)[0].refuse(new CodecPoolError('worker-died', 'the worker is gone'))
  }

  stats() {
    return this.#here.stats()
  }

  async close(): Promise<void> {}
}

/**
 * Where work that costs CPU for each record is done: on worker threads, or on the event loop where it is so little that
 * sending it away would cost more.
 *
 * A task that is run gets exactly one answer: its result, or a {@link CodecPoolError}. Answers come in any order; who needs
 * order keeps it (a lane for each partition).
 */

import type { CodecTask, CodecTaskKind, ResultOf } from './codec-task.ts'
import type { Packing } from './packing-effort.ts'

export interface CodecPool {
  /** Whether `bytes` of such work are too much for the event loop; `packing`: what is made of them. */
  shouldOffload(kind: CodecTaskKind, bytes: number, packing?: Packing): boolean
  /**
   * Takes the task's bytes away when they have a buffer of their own, which is then not to be used after the call. A view
   * of a larger buffer is copied before it returns. Rejects with {@link CodecPoolError} alone.
   */
  run<T extends CodecTask>(task: T): Promise<ResultOf<T>>
  /** A copy for a task, which `run` need not copy again. */
  copyOf(lent: Uint8Array): Uint8Array
  /** Nobody needs the bytes of a task or a result any more, nor anything else in their buffer: it may be used again. */
  giveBack(bytes: Uint8Array): void
  /** On the event loop, at once. May change the task's bytes, and the result may lie in their buffer. */
  performNow<T extends CodecTask>(task: T): ResultOf<T>
  stats(): CodecPoolStats
  /** Whoever waits is answered `closed`. Idempotent; resolves when no thread is left. */
  close(): Promise<void>
}

/** All of them may be tried again later. */
export type CodecPoolErrorReason =
  /** The worker ended while it had the task. */
  | 'worker-died'
  /** More is waiting than may wait. */
  | 'overloaded'
  /** The pool is being closed. */
  | 'closed'
  /** The task met an error that its input cannot account for: a bug, or memory that was not to be had. */
  | 'failed'

export class CodecPoolError extends Error {
  readonly reason: CodecPoolErrorReason

  constructor(reason: CodecPoolErrorReason, message: string, options?: { cause: unknown }) {
    super(message, options)
    this.name = 'CodecPoolError'
    this.reason = reason
  }
}

export interface TaskCounts {
  inline: number
  offloaded: number
}

/** Why a worker ended. */
export type WorkerEnd =
  /** It could not be started, or ended before it was up. */
  | 'start'
  /** An error that nobody caught. */
  | 'error'
  /** Its JavaScript heap was full. */
  | 'out-of-memory'
  /** It ended, whoever ended it. */
  | 'exit'
  /** It was too long at one task, and the pool ended it. */
  | 'stuck'
  /** The pool is being closed. */
  | 'closed'

/** Those that nobody wanted. */
export type WorkerDeath = Exclude<WorkerEnd, 'closed'>

/** What the operator of a broker has to say, and who wants to know what happens. */
export interface CodecPoolSettings {
  readonly queuedBytesMax: number
  /** From so many bytes on, packed with zstd at level 1 or of work that costs as much. */
  readonly offloadBytesMin: number
  /** A thread that is longer at one task is ended. */
  readonly taskTimeoutMs: number
  readonly observer?: CodecPoolObserver
}

export interface CodecPoolObserver {
  /** Of a task on a worker `waitMs` is everything but its run time: the queue and both ways. */
  performed(kind: CodecTaskKind, where: 'loop' | 'worker', waitMs: number, runMs: number): void
  /** A worker ended, and so many tasks have been refused for it. */
  workerDied(end: WorkerDeath, sentence: string, tasks: number): void
}

export interface CodecPoolStats {
  readonly workers: {
    /** Ready for work; of these, at work. */
    readonly up: number
    readonly busy: number
    readonly max: number
    /** Since the start, by the way they ended. */
    readonly deaths: Readonly<Record<WorkerDeath, number>>
  }
  /** Tasks that wait for a worker. */
  readonly waiting: number
  /** Bytes of tasks that wait or are with a worker. */
  readonly queuedBytes: number
  readonly queuedBytesMax: number
  /** Tasks refused since the start because there was no room. */
  readonly refused: number
  /** Tasks done since the start, by where they were done. */
  readonly tasks: Readonly<Record<CodecTaskKind, Readonly<TaskCounts>>>
}

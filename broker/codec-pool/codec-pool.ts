/**
 * Where work that costs CPU for each record is done: on worker threads, or on the event loop where it is so little that
 * sending it away would cost more.
 *
 * A task that is run gets exactly one answer: its result, or a {@link CodecPoolError}. Answers come in any order; who needs
 * order keeps it (a lane for each partition).
 */
import type { CodecTask, CodecTaskKind, ResultOf } from './codec-task.ts'

export interface CodecPool {
  /** Whether `bytes` of such work are too much for the event loop. */
  shouldOffload(kind: CodecTaskKind, bytes: number): boolean
  /**
   * Takes the task's bytes away: they must have a buffer of their own (`owned-bytes.ts`), which is not to be used after the call.
   * Rejects with {@link CodecPoolError} alone.
   */
  run<T extends CodecTask>(task: T): Promise<ResultOf<T>>
  /** On the event loop, at once. May change the task's bytes. */
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

export interface CodecPoolStats {
  /** Tasks done or refused since the start, by where they were done. */
  readonly tasks: Readonly<Record<CodecTaskKind, Readonly<TaskCounts>>>
}

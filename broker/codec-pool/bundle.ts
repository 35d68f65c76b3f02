/** What goes to a worker and what comes back: tasks that travel together, and an answer for each, in their order. */
import {
  bytesOfResult,
  type CodecTask,
  type CodecTools,
  performCodecTask,
  type ResultOf,
} from './codec-task.ts'

export interface Bundle {
  readonly tasks: readonly CodecTask[]
}

export interface TaskAnswer {
  readonly result: ResultOf<CodecTask> | undefined
  /** What the task threw, instead of a result. */
  readonly error: string | undefined
  readonly runMs: number
}

/** What a worker is given when it starts. */
export interface WorkerStart {
  /** One number: the tasks it has begun, by which others see that it moves. */
  readonly begun: Int32Array
}

/** Does the tasks one after the other. One that throws is answered with its error, and the others are done. */
export function performBundle(
  { tasks }: Bundle,
  tools: CodecTools,
  { monotonicMs, onBegun }: { monotonicMs: () => number; onBegun: () => void },
): TaskAnswer[] {
  return tasks.map((task) => {
    onBegun()
    const startMs = monotonicMs()
    let result: TaskAnswer['result']
    let error: string | undefined
    try {
      result = performCodecTask(task, tools)
    } catch (thrown) {
      error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
    }
    return { result, error, runMs: monotonicMs() - startMs }
  })
}

/** The buffers that go with the bundle: each once, since a buffer cannot be sent twice. */
export function buffersOfBundle({ tasks }: Bundle): ArrayBuffer[] {
  return buffersOf(tasks.map(({ bytes }) => bytes))
}

/** The buffers that go back with the answers. */
export function buffersOfAnswers({ tasks }: Bundle, answers: readonly TaskAnswer[]): ArrayBuffer[] {
  return buffersOf(
    answers.flatMap(({ result }, index) =>
      result === undefined ? [] : bytesOfResult(tasks[index].kind, result),
    ),
  )
}

function buffersOf(views: readonly ArrayBufferView[]): ArrayBuffer[] {
  return [...new Set(views.map(({ buffer }) => buffer as ArrayBuffer))]
}

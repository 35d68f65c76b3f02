/** Counts that begin at 0: of tasks by kind and place, of workers by the way they ended. */
import type { CodecPoolStats, TaskCounts, WorkerDeath } from './codec-pool.ts'
import { type CodecTaskKind, codecTaskKinds } from './codec-task.ts'

export function newTaskCounts(): Record<CodecTaskKind, TaskCounts> {
  const counts = codecTaskKinds.map((kind) => [kind, { inline: 0, offloaded: 0 }])
  return Object.fromEntries(counts) as Record<CodecTaskKind, TaskCounts>
}

export function newDeathCounts(): Record<WorkerDeath, number> {
  return { start: 0, error: 0, 'out-of-memory': 0, exit: 0, stuck: 0 }
}

/** The figures of a pool that has no workers. */
export function statsWithoutWorkers(tasks: CodecPoolStats['tasks']): CodecPoolStats {
  return {
    workers: { up: 0, busy: 0, max: 0, deaths: newDeathCounts() },
    waiting: 0,
    queuedBytes: 0,
    queuedBytesMax: 0,
    refused: 0,
    tasks,
  }
}

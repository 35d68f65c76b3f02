/** How many tasks of each kind were done, and where. */
import type { TaskCounts } from './codec-pool.ts'
import { type CodecTaskKind, codecTaskKinds } from './codec-task.ts'

export function newTaskCounts(): Record<CodecTaskKind, TaskCounts> {
  const counts = codecTaskKinds.map((kind) => [kind, { inline: 0, offloaded: 0 }])
  return Object.fromEntries(counts) as Record<CodecTaskKind, TaskCounts>
}

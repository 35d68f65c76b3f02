/**
 * What waits to be committed, and what of it goes into the next commit: a truncation by itself, else entries
 * without a payload, else appends, taken in turn from their sources.
 */
import type { Append, Control, Pending } from './commit.ts'
import { CommitQueue } from './commit-queue.ts'
import { LogError } from './log-error.ts'

const CONTROLS_PER_COMMIT_MAX = 10_000
/** What a waiting append takes besides its bytes, about. */
const APPEND_OVERHEAD_BYTES = 512

export class WaitingWork {
  readonly appends = new CommitQueue<Append>()
  /** Each is a commit of its own, before everything else that waits. */
  readonly truncations: Control[] = []
  /** Other entries without a payload: committed before appends and apart from them, also on a full disk. */
  readonly controls: Control[] = []

  get hasControls(): boolean {
    return this.truncations.length > 0 || this.controls.length > 0
  }

  get isEmpty(): boolean {
    return this.appends.count === 0 && !this.hasControls
  }

  /** Why so many bytes more cannot wait; undefined: they can. One append always can. */
  refusal(bytes: number, bytesMax: number): LogError | undefined {
    const { appends } = this
    const waitingBytes = appends.bytes + appends.count * APPEND_OVERHEAD_BYTES
    if (waitingBytes + bytes <= bytesMax || appends.count === 0) return undefined
    return new LogError('QUEUE_FULL', `${waitingBytes} bytes wait to be written, the limit is ${bytesMax}`)
  }

  /** The next commit; of appends at most `bytesMax`, but at least one. */
  take(bytesMax: number): readonly Pending[] {
    const truncation = this.truncations.shift()
    if (truncation) return [truncation]
    if (this.controls.length > 0) return this.controls.splice(0, CONTROLS_PER_COMMIT_MAX)
    return this.appends.take(bytesMax)
  }

  /** Everything, to be answered when it can no longer be written. */
  takeAll(): Pending[] {
    return [...this.truncations.splice(0), ...this.controls.splice(0), ...this.appends.takeAll()]
  }
}

/**
 * The codec pool on worker threads.
 *
 * A task gets one answer, whatever happens to threads: one that dies fails the bundle it had, which may be tried again, and
 * is replaced; what waits goes to the others. After a death tasks go one by one for a while, so that work which kills
 * workers takes nobody else with it twice. What waits is bounded, and so is how often threads are started.
 *
 * Threads are started when there is work for them and stay: most brokers need none.
 */
import type { Clock, Timer, Timers } from '../ports.ts'
import { BufferShelf } from './buffer-shelf.ts'
import type { TaskAnswer } from './bundle.ts'
import {
  type CodecPool,
  CodecPoolError,
  type CodecPoolErrorReason,
  type CodecPoolSettings,
  type CodecPoolStats,
  type WorkerEnd,
} from './codec-pool.ts'
import {
  type CodecTask,
  type CodecTaskKind,
  type CodecTools,
  performCodecTask,
  type ResultOf,
  urgencyOf,
} from './codec-task.ts'
import { owned } from './owned-bytes.ts'
import { type Packing, packingEffort } from './packing-effort.ts'
import { RestartBudget, type RestartRate } from './restart-budget.ts'
import { newDeathCounts, newTaskCounts } from './task-counts.ts'
import { type BundleLimits, TaskQueue, type Urgency } from './task-queue.ts'
import { WorkerSlot } from './worker-slot.ts'

export interface WorkerPoolOptions extends CodecPoolSettings {
  readonly workersMax: number
  readonly tools: CodecTools
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly timers: Timers
  /** What the workers load, unless a test has another one. */
  readonly workerFile?: URL
  readonly restarts?: RestartRate
  readonly workerHeapBytesMax?: number
}

const BUNDLES: Readonly<Record<Urgency, BundleLimits>> = {
  produce: { tasksMax: 16, bytesMax: 512 * 1024 },
  read: { tasksMax: 16, bytesMax: 256 * 1024 },
}
const ALONE: Readonly<Record<Urgency, BundleLimits>> = {
  produce: { tasksMax: 1, bytesMax: 0 },
  read: { tasksMax: 1, bytesMax: 0 },
}
/** Tasks go one by one for so long after a worker has died. */
const CAREFUL_MS = 10_000
/** Workers started at once in place of dead ones, and the pause for each one more. */
const RESTARTS: RestartRate = { burst: 5, refillMs: 1_000 }
/** So many in a row that did not come up: threads cannot be had, and work is done without. */
const FAILED_STARTS_MAX = 3
/** A worker that has not moved at so many looks in a row is stuck: looks, since the whole process may have slept. */
const LOOKS_PER_TIMEOUT = 4
/** One that is starting has as many more; on a busy machine it takes a second to load what it needs. */
const LOOKS_PER_START = 4 * LOOKS_PER_TIMEOUT
/** On Linux each thread has a niceness, and those of the pool give way to the event loop. */
const NICE_INCREMENT = 5
/** Buffers kept for the next batches. */
const SHELF_BYTES_MAX = 8 * 1024 * 1024
/** Records lie outside of the heap. */
const WORKER_HEAP_BYTES_MAX = 256 * 1024 * 1024

interface Job {
  readonly task: CodecTask
  readonly urgency: Urgency
  readonly bytes: number
  readonly askedAtMs: number
  readonly resolve: (result: ResultOf<CodecTask>) => void
  readonly reject: (error: CodecPoolError) => void
}

interface Seat {
  readonly slot: WorkerSlot
  /** Tasks it had begun at the last look, and for how many looks no other has been. */
  begun: number
  stillLooks: number
}

export class WorkerPool implements CodecPool {
  readonly #options: WorkerPoolOptions
  readonly #queue: TaskQueue<Job>
  readonly #shelf = new BufferShelf(SHELF_BYTES_MAX)
  readonly #restarts: RestartBudget
  readonly #tasks = newTaskCounts()
  readonly #seats = new Set<Seat>()
  /** Threads that have ended and are not gone yet. */
  readonly #leaving = new Set<Promise<void>>()
  readonly #deaths = newDeathCounts()
  #refused = 0
  /** Workers that died and have no successor yet. */
  #toReplace = 0
  #failedStarts = 0
  #carefulUntilMs = -Infinity
  #watch: Timer | undefined
  #restart: Timer | undefined
  #isClosed = false

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.#queue = new TaskQueue(options.queuedBytesMax)
    this.#restarts = new RestartBudget(options.restarts ?? RESTARTS)
  }

  shouldOffload(_kind: CodecTaskKind, bytes: number, packing?: Packing): boolean {
    const effort = packing === undefined ? 1 : packingEffort(packing)
    return bytes * effort >= this.#options.offloadBytesMin && this.#failedStarts < FAILED_STARTS_MAX
  }

  run<T extends CodecTask>(task: T): Promise<ResultOf<T>> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(closed())
      if (task.bytes.length === 0) return reject(spent())
      const bytes = this.#shelf.isCopy(task.bytes) ? task.bytes : owned(task.bytes)
      const job: Job = {
        task: bytes === task.bytes ? task : { ...task, bytes },
        urgency: urgencyOf(task.kind),
        bytes: bytes.length,
        askedAtMs: this.#options.clock.monotonicMs(),
        resolve: resolve as Job['resolve'],
        reject,
      }
      if (!this.#queue.offer(job)) {
        this.#refused++
        return reject(this.#overloaded(job))
      }
      this.#dispatch()
    })
  }

  copyOf(lent: Uint8Array): Uint8Array {
    return this.#shelf.copy(lent)
  }

  giveBack(bytes: Uint8Array): void {
    this.#shelf.giveBack(bytes)
  }

  performNow<T extends CodecTask>(task: T): ResultOf<T> {
    const { clock, observer } = this.#options
    const startMs = clock.monotonicMs()
    const result = performCodecTask(task, this.#options.tools)
    this.#tasks[task.kind].inline++
    observer?.performed(task.kind, 'loop', 0, clock.monotonicMs() - startMs)
    return result
  }

  stats(): CodecPoolStats {
    let up = 0
    let busy = 0
    for (const { slot } of this.#seats) {
      if (slot.state !== 'starting') up++
      if (slot.state === 'busy') busy++
    }
    return {
      workers: { up, busy, max: this.#options.workersMax, deaths: this.#deaths },
      waiting: this.#queue.length,
      queuedBytes: this.#queue.bytes,
      queuedBytesMax: this.#queue.bytesMax,
      refused: this.#refused,
      tasks: this.#tasks,
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#watch?.cancel()
    this.#restart?.cancel()
    for (const job of this.#queue.drain()) job.reject(closed())
    for (const { slot } of [...this.#seats]) slot.end('closed')
    await Promise.all(this.#leaving)
  }

  /** Gives work to whoever is idle, and starts a thread for what nobody takes. */
  #dispatch(): void {
    let starting = 0
    for (const seat of this.#seats) {
      while (seat.slot.state === 'idle' && this.#queue.length > 0) this.#hand(seat)
      if (seat.slot.state === 'starting') starting++
    }
    if (this.#queue.length > starting && this.#seats.size < this.#options.workersMax) this.#startOne()
  }

  #hand(seat: Seat): void {
    const taken = this.#queue.take(this.#bundleLimits())
    // Whoever used the bytes after he had given them away must not spoil the others' bundle.
    const jobs = taken.filter(({ task }) => task.bytes.length > 0)
    for (const job of taken) {
      if (job.task.bytes.length > 0) continue
      this.#queue.finished(job)
      job.reject(spent())
    }
    if (jobs.length === 0) return
    seat.stillLooks = 0
    this.#watchOver()
    seat.slot.run({ tasks: jobs.map(({ task }) => task) }).then(
      (answers) => this.#answer(jobs, answers),
      (error: Error) => this.#refuse(jobs, seat.slot.state === 'ended' ? this.#endOf() : 'failed', error),
    )
  }

  #bundleLimits(): Readonly<Record<Urgency, BundleLimits>> {
    return this.#options.clock.monotonicMs() < this.#carefulUntilMs ? ALONE : BUNDLES
  }

  #answer(jobs: readonly Job[], answers: readonly TaskAnswer[]): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const [index, job] of jobs.entries()) {
      const { result, error, runMs } = answers[index]
      const { kind } = job.task
      this.#queue.finished(job)
      this.#tasks[kind].offloaded++
      this.#options.observer?.performed(kind, 'worker', Math.max(0, nowMs - job.askedAtMs - runMs), runMs)
      if (result !== undefined) job.resolve(result)
      else job.reject(new CodecPoolError('failed', `a task of kind ${kind} failed: ${error}`))
    }
  }

  #refuse(jobs: readonly Job[], reason: CodecPoolErrorReason, cause: Error): void {
    for (const job of jobs) {
      this.#queue.finished(job)
      const what = reason === 'failed' ? 'failed' : 'had no answer'
      job.reject(
        new CodecPoolError(reason, `a task of kind ${job.task.kind} ${what}: ${cause.message}`, { cause }),
      )
    }
  }

  /** What a bundle is told whose thread has ended. */
  #endOf(): CodecPoolErrorReason {
    return this.#isClosed ? 'closed' : 'worker-died'
  }

  /** In place of a dead one only as often as may be. */
  #startOne(): void {
    const { timers, clock } = this.#options
    if (this.#toReplace > 0) {
      const nowMs = clock.monotonicMs()
      if (!this.#restarts.take(nowMs)) {
        this.#restart ??= timers.after(Math.ceil(this.#restarts.waitMs(nowMs)), () => {
          this.#restart = undefined
          this.#startOne()
        })
        return
      }
      this.#toReplace--
    }
    const slot = new WorkerSlot({
      file: this.#options.workerFile ?? new URL('./codec-worker.js', import.meta.url),
      niceIncrement: NICE_INCREMENT,
      heapBytesMax: this.#options.workerHeapBytesMax ?? WORKER_HEAP_BYTES_MAX,
      timers,
      onIdle: () => {
        this.#failedStarts = 0
        this.#dispatch()
      },
      onEnd: (end, error, tasks) => this.#ended(seat, end, error, tasks),
    })
    const seat: Seat = { slot, begun: 0, stillLooks: 0 }
    this.#seats.add(seat)
    this.#watchOver()
  }

  #ended(seat: Seat, end: WorkerEnd, error: Error | undefined, tasks: number): void {
    this.#seats.delete(seat)
    const gone = seat.slot.gone().then(() => void this.#leaving.delete(gone))
    this.#leaving.add(gone)
    if (end === 'closed') return
    this.#deaths[end]++
    this.#toReplace++
    if (end === 'start') this.#failedStarts++
    else this.#carefulUntilMs = this.#options.clock.monotonicMs() + CAREFUL_MS
    this.#options.observer?.workerDied(end, error?.message ?? '', tasks)
    if (this.#failedStarts >= FAILED_STARTS_MAX && this.#seats.size === 0)
      this.#refuse(this.#queue.drain(), 'worker-died', error ?? new Error('no thread can be started'))
    this.#startOne()
  }

  /** As long as a worker is not idle. */
  #watchOver(): void {
    const { timers, taskTimeoutMs } = this.#options
    this.#watch ??= timers.after(taskTimeoutMs / LOOKS_PER_TIMEOUT, () => {
      this.#watch = undefined
      for (const seat of [...this.#seats]) this.#look(seat)
    })
  }

  #look(seat: Seat): void {
    if (seat.slot.state === 'idle') return
    this.#watchOver()
    const begun = Atomics.load(seat.slot.begun, 0)
    seat.stillLooks = begun === seat.begun ? seat.stillLooks + 1 : 0
    seat.begun = begun
    const looksMax = seat.slot.state === 'starting' ? LOOKS_PER_START : LOOKS_PER_TIMEOUT
    if (seat.stillLooks > looksMax) seat.slot.end('stuck')
  }

  #overloaded(job: Job): CodecPoolError {
    const { bytes, bytesMax } = this.#queue
    return new CodecPoolError(
      'overloaded',
      `${bytes} bytes wait for the codec pool, which takes ${bytesMax}: no room for ${job.bytes} of kind ${job.task.kind}`,
    )
  }
}

function spent(): CodecPoolError {
  return new CodecPoolError('failed', 'the task has no bytes: were they given away before?')
}

function closed(): CodecPoolError {
  return new CodecPoolError('closed', 'the codec pool is closed')
}

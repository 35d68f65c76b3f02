/**
 * The codec pool on worker threads.
 *
 * A task gets one answer, whatever happens to threads: one that dies fails the task it was at, which may be tried again, and
 * is replaced; what travelled with that task, and what waits, goes to others. What waits is bounded, and so is how often
 * threads are started.
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
/** Each death has one task to blame, which is refused; so many in which nothing had begun are tried before all are. */
const BLAMELESS_DEATHS_MAX = 3
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
/** What a thread has at hand when the pool is closed it may finish, so long. */
const CLOSE_GRACE_MS = 1_000
/** Buffers kept for the next batches. */
const SHELF_BYTES_MAX = 8 * 1024 * 1024
/** Records lie outside of the heap. */
const WORKER_HEAP_BYTES_MAX = 256 * 1024 * 1024

interface Job {
  task: CodecTask
  /** What another worker gets should this one end while it does another task of the bundle. */
  spare: Uint8Array | undefined
  blamelessDeaths: number
  isOver: boolean
  readonly urgency: Urgency
  readonly bytes: number
  readonly askedAtMs: number
  readonly resolve: (result: ResultOf<CodecTask>) => void
  readonly reject: (error: CodecPoolError) => void
}

interface Seat {
  readonly slot: WorkerSlot
  /** What the worker has, and how many tasks it had begun before. */
  jobs: readonly Job[]
  begunBefore: number
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
  #watch: Timer | undefined
  #restart: Timer | undefined
  #isClosed = false
  #closing: Promise<void> | undefined
  /** The one who closes waits for threads to finish. */
  #onIdle: (() => void) | undefined

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
        spare: undefined,
        blamelessDeaths: 0,
        isOver: false,
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

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#isClosed = true
    this.#watch?.cancel()
    this.#restart?.cancel()
    for (const job of this.#queue.drain()) job.reject(closed())
    await this.#quiet()
    for (const { slot } of [...this.#seats]) slot.end('closed')
    await Promise.all(this.#leaving)
  }

  /**
   * No thread is at work, or has not been able to finish for a while. Node 20 ends the whole process, by an assertion of its own, when
   * a thread is ended in the middle of gzip.
   */
  async #quiet(): Promise<void> {
    const { timers } = this.#options
    let isOver = false
    const timer = timers.after(CLOSE_GRACE_MS, () => {
      isOver = true
      this.#onIdle?.()
    })
    while (!isOver && [...this.#seats].some(({ slot }) => slot.state === 'busy'))
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    timer.cancel()
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
    const taken = this.#queue.take(BUNDLES)
    // Whoever used the bytes after he had given them away must not spoil the others' bundle.
    const jobs = taken.filter(({ task }) => task.bytes.length > 0)
    for (const job of taken) {
      if (job.task.bytes.length > 0) continue
      this.#finished(job)
      job.reject(spent())
    }
    if (jobs.length === 0) return
    seat.stillLooks = 0
    seat.jobs = jobs
    seat.begunBefore = Atomics.load(seat.slot.begun, 0)
    // A batch that goes alone is answered or to blame; of the others none is to suffer for its neighbour.
    if (jobs.length > 1) for (const job of jobs) job.spare = this.#shelf.copy(job.task.bytes)
    this.#watchOver()
    seat.slot.run({ tasks: jobs.map(({ task }) => task) }).then(
      (answers) => {
        // The next bundle may be there already.
        if (seat.jobs === jobs) seat.jobs = []
        this.#answer(jobs, answers)
      },
      (error: Error) => {
        // Of a worker that has ended `#ended` takes care.
        if (seat.slot.state === 'ended') return
        if (seat.jobs === jobs) seat.jobs = []
        for (const job of jobs) this.#refuse(job, 'failed', error)
      },
    )
  }

  #answer(jobs: readonly Job[], answers: readonly TaskAnswer[]): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const [index, job] of jobs.entries()) {
      const { result, error, runMs } = answers[index]
      const { kind } = job.task
      // The pool was closed in the moment in which the answers came.
      if (job.isOver) continue
      this.#finished(job)
      this.#tasks[kind].offloaded++
      this.#options.observer?.performed(kind, 'worker', Math.max(0, nowMs - job.askedAtMs - runMs), runMs)
      if (result !== undefined) job.resolve(result)
      else job.reject(new CodecPoolError('failed', `a task of kind ${kind} failed: ${error}`))
    }
  }

  /** It has its answer, and its bytes are room again. */
  #finished(job: Job): void {
    job.isOver = true
    this.#queue.finished(job)
    if (job.spare !== undefined) this.#shelf.giveBack(job.spare)
    job.spare = undefined
  }

  #refuse(job: Job, reason: CodecPoolErrorReason, cause: Error): void {
    this.#finished(job)
    const what = reason === 'failed' ? 'failed' : 'had no answer'
    job.reject(
      new CodecPoolError(reason, `a task of kind ${job.task.kind} ${what}: ${cause.message}`, { cause }),
    )
  }

  /** A worker has ended: the task it was at is refused, the others wait again, before all that came later. How many were refused. */
  #afterDeath({ slot, jobs, begunBefore }: Seat, cause: Error): number {
    const atHand = Atomics.load(slot.begun, 0) - begunBefore - 1
    if (atHand < 0) for (const job of jobs) job.blamelessDeaths++
    const mayGoOn = ({ spare, blamelessDeaths }: Job, index: number) =>
      !this.#isClosed && index !== atHand && spare !== undefined && blamelessDeaths < BLAMELESS_DEATHS_MAX
    const again = jobs.filter(mayGoOn)
    for (const job of jobs)
      if (!again.includes(job)) this.#refuse(job, this.#isClosed ? 'closed' : 'worker-died', cause)
    for (const job of again) {
      job.task = { ...job.task, bytes: job.spare as Uint8Array }
      job.spare = undefined
    }
    this.#queue.putBack(again)
    return jobs.length - again.length
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
        this.#onIdle?.()
      },
      onEnd: (end, error) => {
        this.#ended(seat, end, error)
        this.#onIdle?.()
      },
    })
    const seat: Seat = { slot, jobs: [], begunBefore: 0, begun: 0, stillLooks: 0 }
    this.#seats.add(seat)
    this.#watchOver()
  }

  #ended(seat: Seat, end: WorkerEnd, error: Error | undefined): void {
    this.#seats.delete(seat)
    const refused = this.#afterDeath(seat, error ?? new Error(`the worker has ended: ${end}`))
    const gone = seat.slot.gone().then(() => void this.#leaving.delete(gone))
    this.#leaving.add(gone)
    if (end === 'closed') return
    this.#deaths[end]++
    this.#toReplace++
    if (end === 'start') this.#failedStarts++
    this.#options.observer?.workerDied(end, error?.message ?? '', refused)
    if (this.#failedStarts >= FAILED_STARTS_MAX && this.#seats.size === 0)
      for (const job of this.#queue.drain())
        job.reject(new CodecPoolError('worker-died', `no thread can be started: ${error?.message}`))
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

/**
 * One worker thread: a Piscina of a single thread, which is thrown away as a whole when its thread has ended.
 *
 * That is how Piscina's ways with dead threads cannot hurt: it leaves its queue without a thread when one dies, gives up
 * replacing for good when one dies while it starts, and after `close` it starts threads again for whoever calls `run`. A bundle is
 * handed over only when the thread is up and has nothing else; so nothing of it is lost to a thread that never was.
 */
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import type { Timers } from '../ports.ts'
import { type Bundle, buffersOfBundle, type TaskAnswer, type WorkerStart } from './bundle.ts'
import type { WorkerEnd } from './codec-pool.ts'

export interface WorkerSlotOptions {
  /** What the worker loads. */
  readonly file: URL
  /** Added to the niceness of the thread, where the system has one for each thread. */
  readonly niceIncrement: number
  readonly heapBytesMax: number
  readonly timers: Pick<Timers, 'soon'>
  /** The thread is up, or has answered its bundle. */
  readonly onIdle: () => void
  /** Once, whatever the slot was doing: the bundle it had has been rejected. */
  readonly onEnd: (end: WorkerEnd, error: Error | undefined) => void
}

/** `ending`: its thread is gone, and the pool has not been told yet. */
type SlotState = 'starting' | 'idle' | 'busy' | 'ending' | 'ended'

const MIB = 1024 * 1024

export class WorkerSlot {
  /** Tasks begun; changes while the worker moves. */
  readonly begun = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  readonly #options: WorkerSlotOptions
  readonly #pool: Piscina<Bundle, TaskAnswer[]>
  #state: SlotState = 'starting'
  #reject: ((error: Error) => void) | undefined
  /** Why the pool ends it, before Piscina tells that it has ended. */
  #endAs: WorkerEnd | undefined
  #destroyed: Promise<void> | undefined

  constructor(options: WorkerSlotOptions) {
    this.#options = options
    this.#pool = new Piscina({
      filename: fileURLToPath(options.file),
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: Infinity,
      concurrentTasksPerWorker: 1,
      // Or the thread's event loop would never turn, and what native codecs have handed out is given back only there.
      atomics: 'disabled',
      recordTiming: false,
      // Piscina tries `require` first; Node aborts the whole process when a thread is ended in the middle of requiring a module.
      execArgv: ['--no-experimental-require-module'],
      niceIncrement: options.niceIncrement,
      resourceLimits: { maxOldGenerationSizeMb: options.heapBytesMax / MIB },
      workerData: { begun: this.begun } satisfies WorkerStart,
    })
    // What happens while no bundle is there, an idle thread's error among it; without a listener it would end the process.
    this.#pool.on('error', (error: Error) => this.#ended(error))
    // Piscina tells of the cause only after this, and of an idle thread's exit not at all. Nothing may be handed over meanwhile.
    this.#pool.on('workerDestroy', () => {
      if (this.#state === 'idle') this.#state = 'ending'
      options.timers.soon(() => this.#ended(undefined))
    })
    this.#start()
  }

  get state(): SlotState {
    return this.#state
  }

  /** Only when idle. Takes the buffers of the tasks. Rejects when the thread ends, or when the bundle could not be sent. */
  run(bundle: Bundle): Promise<TaskAnswer[]> {
    if (this.#state !== 'idle') throw new Error(`a bundle for a worker that is ${this.#state}`)
    this.#state = 'busy'
    return new Promise((resolve, reject) => {
      this.#reject = reject
      const answered = this.#pool.run(bundle, { transferList: buffersOfBundle(bundle) })
      answered.then(
        (answers) => {
          if (this.#isOver()) return
          resolve(answers)
          this.#idle()
        },
        (error: Error) => {
          if (this.#isOver()) return
          if (this.#pool.threads.length === 0) return this.#ended(error)
          // The thread is alive: the bundle could not be sent, or it fell out of the worker's own code.
          reject(error)
          this.#idle()
        },
      )
    })
  }

  /** Ends the thread, in the middle of whatever it does. */
  end(as: WorkerEnd): void {
    if (this.#state === 'ended') return
    this.#endAs = as
    this.#ended(undefined)
  }

  /** When the thread is gone; only after it has ended. */
  gone(): Promise<void> {
    return this.#destroyed ?? Promise.resolve()
  }

  #start(): void {
    try {
      // An empty bundle makes Piscina start its thread, and is answered when that is up.
      this.#pool.run({ tasks: [] }).then(
        () => {
          if (!this.#isOver()) this.#idle()
        },
        (error: Error) => this.#ended(error),
      )
    } catch (error) {
      this.#options.timers.soon(() => this.#ended(error as Error))
    }
  }

  #idle(): void {
    this.#state = 'idle'
    this.#reject = undefined
    this.#options.onIdle()
  }

  /** Asked anew after each wait: the state may have changed meanwhile. */
  #isOver(): boolean {
    return this.#state === 'ended'
  }

  #ended(error: Error | undefined): void {
    if (this.#state === 'ended') return
    const end = this.#endAs ?? (this.#state === 'starting' ? 'start' : endOf(error))
    const reject = this.#reject
    this.#state = 'ended'
    this.#reject = undefined
    this.#destroyed = this.#pool.destroy()
    reject?.(error ?? new Error(`the worker has ended: ${end}`))
    this.#options.onEnd(end, error)
  }
}

function endOf(error: Error | undefined): WorkerEnd {
  if (error === undefined) return 'exit'
  if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') return 'out-of-memory'
  return /^worker exited with code/.test(error.message) ? 'exit' : 'error'
}

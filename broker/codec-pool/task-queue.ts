/**
 * What waits for a worker, in order, in two classes: producers first, since what they wait with fills the broker, readers
 * at least every fifth part, so that nobody starves. Pure.
 *
 * Bounded in bytes, what workers have at hand included; readers may fill half of it, so that there is always room for producers.
 * A task larger than the bound is taken when there is nothing else.
 */
import { Queue } from '../../client/queue.ts'

export type Urgency = 'produce' | 'read'

export interface QueuedTask {
  readonly urgency: Urgency
  readonly bytes: number
}

/** Several tasks travel together, because a message costs as much as packing 40 KB. */
export interface BundleLimits {
  readonly tasksMax: number
  /** The first task of a bundle may be larger. */
  readonly bytesMax: number
}

/** Bytes of producers for which a waiting reader is passed over. */
const PRODUCE_BYTES_BEFORE_READ = 1024 * 1024

export class TaskQueue<T extends QueuedTask> {
  readonly bytesMax: number
  readonly #produce = new Queue<T>()
  readonly #read = new Queue<T>()
  /** Of tasks that wait or are with a worker. */
  #bytes = 0
  #produceBytesSinceRead = 0

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  /** Tasks that wait. */
  get length(): number {
    return this.#produce.length + this.#read.length
  }

  get bytes(): number {
    return this.#bytes
  }

  /** False: there is no room, and nothing changed. */
  offer(task: T): boolean {
    const bytesMax = task.urgency === 'read' ? this.bytesMax / 2 : this.bytesMax
    if (this.#bytes > 0 && this.#bytes + task.bytes > bytesMax) return false
    this.#bytes += task.bytes
    this.#queueOf(task.urgency).push(task)
    return true
  }

  /** The tasks whose turn it is, in their order, all of one class; none when nobody waits. */
  take(limits: Readonly<Record<Urgency, BundleLimits>>): T[] {
    const urgency = this.#next()
    const { tasksMax, bytesMax } = limits[urgency]
    const queue = this.#queueOf(urgency)
    const bundle: T[] = []
    let bytes = 0
    for (let task = queue.peek(); task !== undefined; task = queue.peek()) {
      if (bundle.length > 0 && (bundle.length >= tasksMax || bytes + task.bytes > bytesMax)) break
      bytes += task.bytes
      bundle.push(task)
      queue.shift()
    }
    this.#produceBytesSinceRead = urgency === 'read' ? 0 : this.#produceBytesSinceRead + bytes
    return bundle
  }

  /** Tasks that were taken and not answered wait again, before all others of their class. */
  putBack(tasks: readonly T[]): void {
    for (const task of tasks.toReversed()) this.#queueOf(task.urgency).unshift(task)
  }

  /** A task that was taken has been answered: its bytes are room again. */
  finished(task: T): void {
    this.#bytes -= task.bytes
  }

  /** Everything that waits, which waits no more. */
  drain(): T[] {
    const tasks: T[] = []
    for (const queue of [this.#produce, this.#read])
      for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
        this.#bytes -= task.bytes
        tasks.push(task)
      }
    return tasks
  }

  #queueOf(urgency: Urgency): Queue<T> {
    return urgency === 'produce' ? this.#produce : this.#read
  }

  #next(): Urgency {
    if (this.#produce.length === 0) return 'read'
    return this.#read.length > 0 && this.#produceBytesSinceRead >= PRODUCE_BYTES_BEFORE_READ
      ? 'read'
      : 'produce'
  }
}

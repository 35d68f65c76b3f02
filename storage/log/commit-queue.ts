/**
 * Who goes into the next commit. Appends wait in one queue per source (a connection); a commit takes
 * from the queues in turn, so that a source with much to write cannot hold up the others.
 *
 * Sources with little waiting go first, in at most half of the commit: their latency is the point, and
 * they cost next to nothing. Whoever did not fit goes before everybody the next time. The order within a
 * source is never changed.
 */

export interface Queued {
  readonly bytes: number
}

/** A source with at most this much waiting is small. */
const SMALL_BYTES_MAX = 16 * 1024

class Source<T extends Queued> {
  readonly #items: T[] = []
  #head = 0
  bytes = 0

  get isEmpty(): boolean {
    return this.#head === this.#items.length
  }

  peek(): T {
    return this.#items[this.#head]
  }

  push(item: T): void {
    this.#items.push(item)
    this.bytes += item.bytes
  }

  shift(): T {
    const item = this.#items[this.#head++]
    this.bytes -= item.bytes
    if (this.#head === this.#items.length) this.#items.length = this.#head = 0
    else if (this.#head > 1024) {
      this.#items.splice(0, this.#head)
      this.#head = 0
    }
    return item
  }
}

export class CommitQueue<T extends Queued> {
  /** In the order of their turn: whoever was served goes to the end. */
  readonly #sources = new Map<object, Source<T>>()
  /** Whose turn it was when its head did not fit any more. */
  #passedOver: object | undefined
  #bytes = 0
  #count = 0

  /** Bytes waiting. */
  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#count
  }

  push(source: object, item: T): void {
    let queue = this.#sources.get(source)
    if (!queue) {
      queue = new Source<T>()
      this.#sources.set(source, queue)
    }
    queue.push(item)
    this.#bytes += item.bytes
    this.#count++
  }

  /** Takes what the next commit should hold: at most `bytesMax`, but at least one item. */
  take(bytesMax: number): T[] {
    const taken: T[] = []
    let room = bytesMax
    const serve = (source: object, queue: Source<T>) => {
      const item = queue.shift()
      this.#bytes -= item.bytes
      this.#count--
      room -= item.bytes
      taken.push(item)
      this.#sources.delete(source)
      if (!queue.isEmpty) this.#sources.set(source, queue)
    }

    const first = this.#passedOver && this.#sources.get(this.#passedOver)
    if (this.#passedOver && first) serve(this.#passedOver, first)
    this.#passedOver = undefined

    const bigRoomMin = Math.min(room, bytesMax / 2)
    for (const [source, queue] of [...this.#sources]) {
      if (queue.bytes > SMALL_BYTES_MAX) continue
      while (!queue.isEmpty && room - queue.peek().bytes >= bigRoomMin) serve(source, queue)
    }

    for (let isFull = false; !isFull && this.#sources.size > 0; ) {
      isFull = true
      for (const [source, queue] of [...this.#sources]) {
        if (queue.peek().bytes <= room || taken.length === 0) {
          serve(source, queue)
          isFull = false
        } else this.#passedOver ??= source
      }
    }
    return taken
  }

  /** Empties every queue; used to answer what can no longer be written. */
  takeAll(): T[] {
    const taken: T[] = []
    for (const queue of this.#sources.values()) while (!queue.isEmpty) taken.push(queue.shift())
    this.#sources.clear()
    this.#bytes = this.#count = 0
    return taken
  }
}

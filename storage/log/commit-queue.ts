/**
 * Who goes into the next commit. Appends wait in one queue per source (a connection); a commit takes
 * from the queues in turn, so that a source with much to write cannot hold up the others.
 *
 * Sources with little waiting go first, in at most half of the commit: their latency is the point, and
 * they cost next to nothing. The order within a source is never changed.
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
  readonly #sources = new Map<object, Source<T>>()
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

  /**
   * Takes what the next commit should hold: at most `bytesMax`, but at least one item. `admit` may
   * refuse an item; its source then waits for the next commit.
   */
  take(bytesMax: number, admit: (item: T) => boolean = () => true): T[] {
    const taken: T[] = []
    let room = this.#takeSmall(bytesMax / 2, taken, admit, bytesMax)
    const waiting = new Set(this.#sources)
    while (waiting.size > 0) {
      for (const entry of waiting) {
        const [key, queue] = entry
        const fits = queue.peek().bytes <= room || taken.length === 0
        if (!fits || !admit(queue.peek())) {
          waiting.delete(entry)
          continue
        }
        room -= queue.peek().bytes
        taken.push(this.#shift(queue))
        if (!queue.isEmpty) continue
        waiting.delete(entry)
        this.#sources.delete(key)
      }
    }
    this.#rotate()
    return taken
  }

  /** Empties every queue; used to answer what can no longer be written. */
  takeAll(): T[] {
    const taken: T[] = []
    for (const queue of this.#sources.values()) while (!queue.isEmpty) taken.push(this.#shift(queue))
    this.#sources.clear()
    return taken
  }

  #takeSmall(share: number, taken: T[], admit: (item: T) => boolean, bytesMax: number): number {
    let room = bytesMax
    for (const [key, queue] of this.#sources) {
      if (queue.bytes > SMALL_BYTES_MAX) continue
      while (!queue.isEmpty && bytesMax - room + queue.peek().bytes <= share && admit(queue.peek())) {
        room -= queue.peek().bytes
        taken.push(this.#shift(queue))
      }
      if (queue.isEmpty) this.#sources.delete(key)
    }
    return room
  }

  #shift(queue: Source<T>): T {
    const item = queue.shift()
    this.#bytes -= item.bytes
    this.#count--
    return item
  }

  /** The source that was first becomes last, so that a full commit does not always serve the same ones. */
  #rotate(): void {
    const first = this.#sources.entries().next()
    if (first.done) return
    const [key, queue] = first.value
    this.#sources.delete(key)
    this.#sources.set(key, queue)
  }
}

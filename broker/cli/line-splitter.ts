/**
 * Splits a stream of bytes into lines, as bytes: nothing is decoded, so any value passes unharmed.
 *
 * A line ends at `\n`, which is taken away; a `\r` before it is a byte of the line like any other. An
 * empty line is a line. Bytes after the last `\n` are a line when the stream ends; no bytes are none.
 * Memory is bounded: of a line longer than `lineBytesMax` nothing is kept, it is reported as too long
 * and the lines after it are not affected.
 *
 * The caller pulls, so that it can wait between two lines: after each {@link LineSplitter.push} it calls
 * {@link LineSplitter.next} until there is nothing left.
 */

const NEWLINE = 0x0a

export interface Line {
  /** Counts from 1. */
  readonly number: number
  readonly byteLength: number
  /** Undefined: the line was longer than the limit. A view into the chunk it came in, else a copy. */
  readonly bytes: Uint8Array | undefined
}

export class LineSplitter {
  readonly #lineBytesMax: number
  /** What has not been looked at of the last chunk. */
  #rest: Uint8Array = new Uint8Array(0)
  /** The beginning of a line whose end has not come yet; emptied when it grows past the limit. */
  #pieces: Uint8Array[] = []
  #pendingBytes = 0
  #count = 0

  constructor(lineBytesMax: number) {
    if (!(lineBytesMax > 0)) throw new RangeError(`lineBytesMax must be above 0, got ${lineBytesMax}`)
    this.#lineBytesMax = lineBytesMax
  }

  /** Gives the next bytes of the stream; those before must have been pulled out. */
  push(chunk: Uint8Array): void {
    if (this.#rest.length > 0) throw new Error('push before the lines of the last chunk were taken')
    this.#rest = chunk
  }

  /** The next whole line; undefined: more bytes are needed. */
  next(): Line | undefined {
    const end = this.#rest.indexOf(NEWLINE)
    if (end < 0) {
      if (this.#rest.length > 0) this.#keep(this.#rest)
      this.#rest = new Uint8Array(0)
      return undefined
    }
    const tail = this.#rest.subarray(0, end)
    this.#rest = this.#rest.subarray(end + 1)
    return this.#finish(tail)
  }

  /** The stream has ended: what stood after its last newline, if anything. */
  end(): Line | undefined {
    return this.#pendingBytes > 0 ? this.#finish(new Uint8Array(0)) : undefined
  }

  #keep(piece: Uint8Array): void {
    this.#pendingBytes += piece.length
    if (this.#pendingBytes > this.#lineBytesMax) this.#pieces = []
    else this.#pieces.push(piece)
  }

  #finish(tail: Uint8Array): Line {
    const byteLength = this.#pendingBytes + tail.length
    const pieces = this.#pieces
    this.#pieces = []
    this.#pendingBytes = 0
    const number = ++this.#count
    if (byteLength > this.#lineBytesMax) return { number, byteLength, bytes: undefined }
    const bytes = pieces.length === 0 ? tail : Buffer.concat([...pieces, tail], byteLength)
    return { number, byteLength, bytes }
  }
}

/**
 * Takes messages out of what a socket reads before `ws` sees it. A message that lies whole in one read, which is
 * nearly every one, needs none of the two streams and six events that bytes go through there: for small messages
 * that is a good part of the client's work.
 *
 * Only unmasked binary messages in one frame are taken, and only between two frames of `ws` and in order: from the
 * first frame that is anything else, up to the end of that read, everything is left to `ws`. So control
 * frames, fragments, mistakes of the server and the good-bye are still its. To know where a frame begins, frames
 * that are left are counted through by their headers (RFC 6455, 5.2).
 */

/** FIN and the opcode of a binary message, without extension bits. */
const FINAL_BINARY = 0x82
const FINAL = 0x80
const OPCODE = 0x0f
const OPCODE_CLOSE = 8
const MASKED = 0x80
const LENGTH = 0x7f
/** Two fixed bytes and up to eight of length. Masks do not come from a server; `ws` ends the connection at one. */
const HEADER_BYTES_MAX = 10

export class WholeMessages {
  #receive: ((message: Buffer) => void) | undefined
  /** The first bytes of a header that a read has cut. */
  readonly #header = Buffer.alloc(HEADER_BYTES_MAX)
  #headerBytes = 0
  /** What is still to come of the frame that `ws` has begun to read. */
  #payloadBytesLeft = 0
  #isFragmented = false

  /** From now on messages go to `receive`; the next byte that is read must be the first of a frame. */
  begin(receive: (message: Buffer) => void): void {
    this.#receive = receive
  }

  /**
   * Hands out the messages that `bytes` begin with; the receiver may keep them, so nobody may write to `bytes` any
   * more. Returns how many bytes those were: the others are for `ws`. With `isBehind` it still has to read
   * what came before, and nothing is taken.
   */
  take(bytes: Buffer, isBehind: boolean): number {
    const receive = this.#receive
    if (!receive) return 0
    let taken = 0
    if (!isBehind && this.#headerBytes === 0 && this.#payloadBytesLeft === 0 && !this.#isFragmented)
      for (let next = this.#wholeMessageEnd(bytes, 0); next > 0; next = this.#wholeMessageEnd(bytes, taken)) {
        const start = taken + headerBytes(bytes[taken + 1])
        taken = next
        receive(bytes.subarray(start, next))
      }
    this.#leave(bytes, taken)
    return taken
  }

  /** Where the message that begins at `at` ends; 0: it is none to be taken. */
  #wholeMessageEnd(bytes: Buffer, at: number): number {
    if (bytes.length - at < 2 || bytes[at] !== FINAL_BINARY) return 0
    const second = bytes[at + 1]
    if (second & MASKED || bytes.length - at < headerBytes(second)) return 0
    const end = at + headerBytes(second) + payloadBytes(bytes, at)
    return end <= bytes.length ? end : 0
  }

  /** Counts through what is left to `ws`. */
  #leave(bytes: Buffer, from: number): void {
    let at = from
    while (at < bytes.length) {
      if (this.#payloadBytesLeft > 0) {
        const here = Math.min(this.#payloadBytesLeft, bytes.length - at)
        this.#payloadBytesLeft -= here
        at += here
        continue
      }
      this.#header[this.#headerBytes++] = bytes[at++]
      if (this.#headerBytes < 2 || this.#headerBytes < headerBytes(this.#header[1])) continue
      this.#headerBytes = 0
      this.#begun(this.#header)
    }
  }

  /** A frame with this header is left to `ws`. */
  #begun(header: Buffer): void {
    const opcode = header[0] & OPCODE
    // Behind a good-bye nothing comes, and behind a mask `ws` ends the connection.
    if (opcode === OPCODE_CLOSE || header[1] & MASKED) this.#receive = undefined
    if (opcode < OPCODE_CLOSE) this.#isFragmented = (header[0] & FINAL) === 0
    this.#payloadBytesLeft = payloadBytes(header, 0)
  }
}

function headerBytes(second: number): number {
  const length = second & LENGTH
  return length < 126 ? 2 : length === 126 ? 4 : HEADER_BYTES_MAX
}

/** By the header that begins at `at`. */
function payloadBytes(bytes: Buffer, at: number): number {
  const length = bytes[at + 1] & LENGTH
  if (length < 126) return length
  if (length === 126) return bytes.readUInt16BE(at + 2)
  return bytes.readUInt32BE(at + 2) * 0x1_0000_0000 + bytes.readUInt32BE(at + 6)
}

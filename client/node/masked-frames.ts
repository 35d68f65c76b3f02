/**
 * The frames a client sends: RFC 6455 wants each payload XORed with a fresh, unpredictable key. Header and
 * masked payload are put into one piece of memory and leave in one write; the memory is used again as soon as the
 * system has taken the bytes. `ws` would take fresh memory for every message, and collecting 64 KiB pieces at
 * 10,000 a second costs as much as building the batches in them.
 *
 * Only whole binary messages are written here. Handshake, control frames and everything that comes in stay with
 * `ws`, which writes to the same socket; each message is one write, so the two cannot get into each other's frames.
 */
import { randomFillSync } from 'node:crypto'
import type { Writable } from 'node:stream'
// @ts-expect-error It comes without types.
import bufferutil from 'bufferutil'

type Mask = (source: Uint8Array, key: Uint8Array, output: Uint8Array, offset: number, length: number) => void
/** Native where there is a binary, else plain JavaScript. */
const mask = bufferutil.mask as Mask

/** FIN and the opcode of a binary message. */
const FINAL_BINARY = 0x82
const MASKED = 0x80
const KEY_BYTES = 4
/** Two fixed bytes, up to eight of length, the key. */
const HEADER_BYTES_MAX = 2 + 8 + KEY_BYTES

/** Memory for a message up to the usual produce request: a batch of 64 KiB in its frame. */
const LARGE_BYTES = 64 * 1024 + 1024
/** Memory for a message with a few events. */
const SMALL_BYTES = 2048
/** Kept for later, 2 MiB and 16 KiB; what else the system was slow to take is left to the garbage collector. */
const LARGE_SPARE_MAX = 32
const SMALL_SPARE_MAX = 8
const KEYS_BYTES = 4096

/** Pieces of one size that are free. */
class Pieces {
  readonly #bytes: number
  readonly #spareMax: number
  readonly #spare: Buffer[] = []

  constructor(bytes: number, spareMax: number) {
    this.#bytes = bytes
    this.#spareMax = spareMax
  }

  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#bytes)
  }

  give(piece: Buffer): void {
    if (this.#spare.length < this.#spareMax) this.#spare.push(piece)
  }
}

/** One that the system has not taken yet, and how far everything written reaches with it. */
interface Waiting {
  readonly piece: Buffer
  readonly pieces: Pieces
  readonly endBytes: number
}

export class MaskedFrames {
  readonly #socket: Writable
  readonly #large = new Pieces(LARGE_BYTES, LARGE_SPARE_MAX)
  readonly #small = new Pieces(SMALL_BYTES, SMALL_SPARE_MAX)
  #waiting: Waiting[] = []
  /** Written by this object, ever. */
  #writtenBytes = 0
  readonly #keys = Buffer.alloc(KEYS_BYTES)
  #keyAt = KEYS_BYTES
  readonly #key = Buffer.alloc(KEY_BYTES)

  /** The socket that `ws` uses, after the handshake. */
  constructor(socket: Writable) {
    this.#socket = socket
  }

  /** Sends one binary message. `payload` may be overwritten when this returns. */
  send(payload: Uint8Array): void {
    this.#reclaim()
    const bytesMax = HEADER_BYTES_MAX + payload.length
    const pieces = this.#piecesFor(bytesMax)
    const piece = pieces?.take() ?? Buffer.allocUnsafe(bytesMax)
    const end = this.#fill(piece, payload)
    this.#socket.write(end === piece.length ? piece : piece.subarray(0, end))
    this.#writtenBytes += end
    if (!pieces) return
    // Mostly the system takes everything at once.
    if (this.#socket.writableLength === 0) pieces.give(piece)
    else this.#waiting.push({ piece, pieces, endBytes: this.#writtenBytes })
  }

  #piecesFor(bytesMax: number): Pieces | undefined {
    if (bytesMax <= SMALL_BYTES) return this.#small
    return bytesMax <= LARGE_BYTES ? this.#large : undefined
  }

  /** Writes the frame to the front of `piece`; returns where it ends. */
  #fill(piece: Buffer, payload: Uint8Array): number {
    const { length } = payload
    piece[0] = FINAL_BINARY
    let at = 2
    if (length < 126) piece[1] = MASKED | length
    else if (length < 0x1_0000) {
      piece[1] = MASKED | 126
      at = piece.writeUInt16BE(length, at)
    } else {
      piece[1] = MASKED | 127
      at = piece.writeUInt32BE(Math.floor(length / 0x1_0000_0000), at)
      at = piece.writeUInt32BE(length >>> 0, at)
    }
    this.#nextKey()
    for (let i = 0; i < KEY_BYTES; i++) piece[at++] = this.#key[i]
    mask(payload, this.#key, piece, at, length)
    return at + length
  }

  #nextKey(): void {
    if (this.#keyAt === KEYS_BYTES) {
      randomFillSync(this.#keys)
      this.#keyAt = 0
    }
    // A loop: copying by a call costs more than four bytes are worth.
    for (let i = 0; i < KEY_BYTES; i++) this.#key[i] = this.#keys[this.#keyAt++]
  }

  /**
   * Takes back what the system has taken: bytes leave in the order in which they were written, so what the socket
   * still holds are the last ones. The few that `ws` wrote are counted with ours, which is the safe side.
   */
  #reclaim(): void {
    if (this.#waiting.length === 0) return
    const leftBytes = this.#socket.writableLength
    const takenBytes = this.#writtenBytes - leftBytes
    let count = 0
    while (count < this.#waiting.length && this.#waiting[count].endBytes <= takenBytes) {
      const { piece, pieces } = this.#waiting[count++]
      pieces.give(piece)
    }
    if (count === this.#waiting.length) this.#waiting.length = 0
    else if (count > 0) this.#waiting = this.#waiting.slice(count)
  }
}

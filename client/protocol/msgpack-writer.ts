/**
 * Writes the part of msgpack that `octopus.v1` speaks, each value in its shortest form, into memory that is used
 * again for the next message. Nothing is allocated for a value: two messages are written and read for every
 * small batch on each side, and what libraries for any value do for one costs more than storing it.
 *
 * It takes what {@link checkMsgpack} lets through; that values are of their types is the schema's business.
 */
import { utf8Bytes, writeUtf8 } from '../../storage/record/utf8.ts'

const BYTES_AT_FIRST = 4096
/** Larger memory is not kept: one huge message must not be paid for as long as the process lives. */
const KEPT_BYTES_MAX = 1024 * 1024
/** A first byte and a number of eight. */
const SCALAR_BYTES_MAX = 9

export class MsgpackWriter {
  #bytes = new Uint8Array(BYTES_AT_FIRST)
  #view = new DataView(this.#bytes.buffer)
  #at = 0

  /** Begins a message, whatever became of the one before. */
  begin(): void {
    this.#at = 0
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#take(new Uint8Array(BYTES_AT_FIRST))
  }

  /** All that was written since {@link begin}, good until the next one. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  nil(): void {
    this.#room(1)
    this.#bytes[this.#at++] = 0xc0
  }

  boolean(value: boolean): void {
    this.#room(1)
    this.#bytes[this.#at++] = value ? 0xc3 : 0xc2
  }

  /** Whole numbers of 32 bits as such, all others as float 64. */
  number(value: number): void {
    this.#room(SCALAR_BYTES_MAX)
    if (value >>> 0 === value) this.#unsigned(value)
    else if (value >> 0 === value) this.#negative(value)
    else {
      this.#bytes[this.#at] = 0xcb
      this.#view.setFloat64(this.#at + 1, value)
      this.#at += 9
    }
  }

  text(value: string): void {
    const length = utf8Bytes(value)
    this.#room(SCALAR_BYTES_MAX + length)
    if (length < 0x20) this.#bytes[this.#at++] = 0xa0 | length
    else this.#length(length, 0xd9, 0xda, 0xdb)
    this.#at = writeUtf8(this.#bytes, this.#at, value, length)
  }

  bytes(value: Uint8Array): void {
    const { length } = value
    this.#room(SCALAR_BYTES_MAX + length)
    this.#length(length, 0xc4, 0xc5, 0xc6)
    this.#bytes.set(value, this.#at)
    this.#at += length
  }

  /** The head of an array; its elements follow. */
  array(count: number): void {
    this.#room(SCALAR_BYTES_MAX)
    if (count < 0x10) this.#bytes[this.#at++] = 0x90 | count
    else this.#length(count, undefined, 0xdc, 0xdd)
  }

  #unsigned(value: number): void {
    if (value < 0x80) this.#bytes[this.#at++] = value
    else this.#length(value, 0xcc, 0xcd, 0xce)
  }

  #negative(value: number): void {
    const bytes = this.#bytes
    if (value >= -0x20) bytes[this.#at++] = value
    else if (value >= -0x80) {
      bytes[this.#at++] = 0xd0
      bytes[this.#at++] = value
    } else if (value >= -0x8000) {
      bytes[this.#at++] = 0xd1
      this.#view.setInt16(this.#at, value)
      this.#at += 2
    } else {
      bytes[this.#at++] = 0xd2
      this.#view.setInt32(this.#at, value)
      this.#at += 4
    }
  }

  /** A first byte that says how long the number is, and the number. */
  #length(value: number, one: number | undefined, two: number, four: number): void {
    const bytes = this.#bytes
    if (value < 0x100 && one !== undefined) {
      bytes[this.#at++] = one
      bytes[this.#at++] = value
    } else if (value < 0x10000) {
      bytes[this.#at++] = two
      bytes[this.#at++] = value >>> 8
      bytes[this.#at++] = value
    } else {
      bytes[this.#at++] = four
      this.#view.setUint32(this.#at, value)
      this.#at += 4
    }
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const larger = new Uint8Array(2 * (this.#at + bytes))
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#take(larger)
  }

  #take(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }
}

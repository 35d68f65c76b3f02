/**
 * Reads msgpack value by value. Only bytes that {@link checkMsgpack} has let through may be read: that they
 * are whole, and nested no deeper than it allows, is taken for granted here. What it gives shares no memory
 * with the bytes.
 */
import { readUtf8 } from '../../storage/record/utf8.ts'

/** Up to here making a text character by character beats a call of the decoder. */
const SHORT_TEXT_BYTES = 32

const nothing = new Uint8Array(0)

export class MsgpackReader {
  #bytes: Uint8Array = nothing
  #at = 0

  /** Begins with the first value of `bytes`. */
  begin(bytes: Uint8Array): void {
    this.#bytes = bytes
    this.#at = 0
  }

  /** Lets go of the bytes. */
  end(): void {
    this.#bytes = nothing
  }

  /** Where the next value begins; setting it reads that value again. */
  get at(): number {
    return this.#at
  }
  set at(at: number) {
    this.#at = at
  }

  /** Reads a nil, if that comes next. */
  takesNil(): boolean {
    if (this.#bytes[this.#at] !== 0xc0) return false
    this.#at++
    return true
  }

  /** Reads the head of an array and gives its count; -1, with nothing read: something else comes next. */
  arrayCount(): number {
    const token = this.#bytes[this.#at]
    if (token >= 0x90 && token <= 0x9f) {
      this.#at++
      return token & 0x0f
    }
    if (token !== 0xdc && token !== 0xdd) return -1
    this.#at++
    return this.#unsigned(token === 0xdc ? 2 : 4)
  }

  /** The next value: null, boolean, number, text, bytes or an array of them. */
  value(): unknown {
    const token = this.#bytes[this.#at]
    if (token < 0x80) return this.#skipping(token)
    if (token >= 0xe0) return this.#skipping(token - 0x100)
    const count = this.arrayCount()
    if (count >= 0) return Array.from({ length: count }, () => this.value())
    this.#at++
    if (token < 0xc0) return this.#text(token & 0x1f)
    switch (token) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#binary(this.#unsigned(1 << (token - 0xc4)))
      case 0xca:
      case 0xcb:
        return this.#float(token === 0xca ? 4 : 8)
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (token - 0xcc))
      case 0xcf:
        return this.#unsigned(4) * 2 ** 32 + this.#unsigned(4)
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return this.#signed(1 << (token - 0xd0))
      case 0xd3:
        return this.#signed(4) * 2 ** 32 + this.#unsigned(4)
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (token - 0xd9)))
      default:
        throw new Error(`msgpack that was not checked: byte ${token}`)
    }
  }

  #skipping(value: number): number {
    this.#at++
    return value
  }

  #unsigned(bytes: number): number {
    let value = 0
    for (let i = 0; i < bytes; i++) value = value * 256 + this.#bytes[this.#at++]
    return value
  }

  #signed(bytes: number): number {
    const shift = 32 - 8 * bytes
    return (this.#unsigned(bytes) << shift) >> shift
  }

  #float(bytes: number): number {
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, bytes)
    this.#at += bytes
    return bytes === 4 ? view.getFloat32(0) : view.getFloat64(0)
  }

  #binary(length: number): Uint8Array {
    const start = this.#at
    this.#at += length
    return new Uint8Array(this.#bytes.subarray(start, this.#at))
  }

  #text(length: number): string {
    const start = this.#at
    this.#at += length
    if (length > SHORT_TEXT_BYTES) return readUtf8(this.#bytes.subarray(start, this.#at))
    let text = ''
    for (let at = start; at < this.#at; at++) {
      const byte = this.#bytes[at]
      if (byte >= 0x80) return readUtf8(this.#bytes.subarray(start, this.#at))
      text += String.fromCharCode(byte)
    }
    return text
  }
}

/**
 * Finds secrets where none should be: as they are, in base64 of every alignment, base64url, hex, as the bytes they stand
 * for, and any 12 characters in a row of what is random in them. All at once, so that hundreds of megabytes of data
 * files take a second.
 */

const WINDOW_BYTES = 12
const TABLE_BITS = 20

export interface Secret {
  readonly name: string
  /** All of it. */
  readonly text: string
  /** What nobody could guess in it. */
  readonly random: string
}

/** The parts of what has a known form: an API key, a signed token; anything else is random from end to end. */
export function secretOf(name: string, text: string): Secret {
  const key = /^oct_[a-z0-9]{16}_(.+)$/s.exec(text)
  if (key) return { name, text, random: key[1] }
  const signature = /^e[\w-]+\.[\w-]+\.([\w-]+)$/.exec(text)
  return { name, text, random: signature ? signature[1] : text }
}

export class SecretSearch {
  /** What is looked for by its first four bytes; the table says whether there is any. */
  readonly #table = new Uint8Array(1 << TABLE_BITS)
  readonly #needles = new Map<number, { readonly bytes: Buffer; readonly name: string }[]>()

  constructor(secrets: readonly Secret[]) {
    for (const { name, text, random } of secrets) {
      for (const form of formsOf(Buffer.from(random, 'utf8'))) this.#addWindows(form, name)
      if (/^[\w-]+$/.test(random)) {
        const bytes = Buffer.from(random, 'base64url')
        this.#addWindows(bytes, name)
        this.#addWindows(Buffer.from(bytes.toString('hex')), name)
      }
      // Of a signed token, all but its head, which others may have, too.
      for (const form of formsOf(Buffer.from(text.slice(text.indexOf('.') + 1), 'utf8')))
        this.#add(form, name)
    }
  }

  /** Names of the secrets that are in there. */
  in(haystack: string | Uint8Array): string[] {
    const bytes =
      typeof haystack === 'string'
        ? Buffer.from(haystack, 'utf8')
        : Buffer.from(haystack.buffer, haystack.byteOffset, haystack.length)
    const found = new Set<string>()
    let word = 0
    for (let i = 0; i < bytes.length; i++) {
      word = (word << 8) | bytes[i]
      if (i < 3 || this.#table[slotOf(word)] === 0) continue
      for (const needle of this.#needles.get(word) ?? [])
        if (needle.bytes.equals(bytes.subarray(i - 3, i - 3 + needle.bytes.length))) found.add(needle.name)
    }
    return [...found].sort()
  }

  #addWindows(form: Buffer, name: string): void {
    for (let at = 0; at + WINDOW_BYTES <= form.length; at++)
      this.#add(form.subarray(at, at + WINDOW_BYTES), name)
  }

  #add(bytes: Buffer, name: string): void {
    if (bytes.length < WINDOW_BYTES) return
    const word = bytes.readInt32BE(0)
    this.#table[slotOf(word)] = 1
    const alike = this.#needles.get(word)
    if (alike) alike.push({ bytes, name })
    else this.#needles.set(word, [{ bytes, name }])
  }
}

function slotOf(word: number): number {
  return Math.imul(word, 0x9e3779b1) >>> (32 - TABLE_BITS)
}

function formsOf(bytes: Buffer): Buffer[] {
  const aligned = [0, 1, 2].flatMap((before) => {
    const padded = Buffer.concat([Buffer.alloc(before), bytes])
    // The characters at the ends are made of what stands beside it, too.
    const whole = (text: string) =>
      Buffer.from(text.replaceAll('=', '').slice(before === 0 ? 0 : before + 1, -1))
    return [whole(padded.toString('base64')), whole(padded.toString('base64url'))]
  })
  const hex = bytes.toString('hex')
  return [
    bytes,
    ...aligned,
    Buffer.from(hex),
    Buffer.from(hex.toUpperCase()),
    Buffer.from(encodeURIComponent(bytes.toString('utf8'))),
  ]
}

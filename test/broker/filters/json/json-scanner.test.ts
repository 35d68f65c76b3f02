/** The scanner takes what JSON.parse takes and nothing else, and tells what stands there. */
import t, { type Test } from 'tap'
import { jsonNumber } from '../../../../broker/filters/json/json-number.ts'
import {
  JsonScanner,
  type JsonSink,
  WANTS_FIELDS,
  WANTS_SCALARS,
} from '../../../../broker/filters/json/json-scanner.ts'
import { textBytes, unescapeInto } from '../../../../broker/filters/json/json-text.ts'
import { roundsOf } from '../../../support/rounds.ts'
import { type SeededRandom, seededRandom } from '../../../support/seeded-random.ts'

const soak = process.env.OCTOPUS_SOAK ? 50 : 1
const utf8 = new TextEncoder()

type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

/** What a text is by the rules: JSON.parse of what is UTF-8. */
function parsed(bytes: Uint8Array): { readonly json: Json } | undefined {
  try {
    return { json: JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)) }
  } catch {
    // That it is none is the answer.
    return undefined
  }
}

/** Wants all and writes down what it hears. */
class Listener implements JsonSink {
  readonly wants = Uint8Array.of(0, WANTS_FIELDS | WANTS_SCALARS)
  heard: unknown[] = []
  enter = () => void this.heard.push('{')
  leave = () => void this.heard.push('}')
  field = (node: number, ...string: [Uint8Array, number, number, boolean]) => {
    this.heard.push(['field', this.#text(...string)])
    return node
  }
  string = (_node: number, ...string: [Uint8Array, number, number, boolean]) =>
    void this.heard.push(this.#text(...string))
  number = (_node: number, bytes: Uint8Array, start: number, end: number) =>
    void this.heard.push(jsonNumber(bytes, start, end))
  literal = (_node: number, letter: number) =>
    void this.heard.push({ t: true, f: false, n: null }[String.fromCharCode(letter)])

  #text(bytes: Uint8Array, start: number, end: number, escaped: boolean): string {
    const into = new Uint8Array(end - start)
    const part = escaped
      ? into.subarray(0, unescapeInto(bytes, start, end, into))
      : bytes.subarray(start, end)
    // Halves of surrogate pairs, which no decoder reads.
    return Buffer.from(part).toString('latin1')
  }
}

const bytesAsText = (text: string) => Buffer.from(textBytes(text)).toString('latin1')

function expectedOf(json: Json): unknown[] {
  if (typeof json === 'string') return [bytesAsText(json)]
  if (json === null || typeof json !== 'object') return [json]
  if (Array.isArray(json)) return json.flatMap(expectedOf)
  const members = Object.entries(json).flatMap(([name, value]) => [
    ['field', bytesAsText(name)],
    ...expectedOf(value),
  ])
  return ['{', ...members, '}']
}

const scanner = new JsonScanner()

/** Laid between other bytes, which must not be taken for a part of it. */
function scan(text: Uint8Array, sink: JsonSink = new Listener(), node = 1): boolean {
  const around = new Uint8Array(text.length + 20).fill(0x31)
  around.set(text, 10)
  return scanner.scan(around, 10, 10 + text.length, node, sink)
}

function agrees(t: Pick<Test, 'fail'>, text: Uint8Array | string): boolean {
  const bytes = typeof text === 'string' ? utf8.encode(text) : text
  const expected = parsed(bytes)
  for (const node of [0, 1]) {
    const said = scan(bytes, new Listener(), node)
    if (said === (expected !== undefined)) continue
    t.fail(`says ${said} of ${JSON.stringify(Buffer.from(bytes).toString('latin1'))}`)
    return false
  }
  return true
}

// Names that look like numbers would be sorted by JSON.parse.
const names = ['a', 'b', 'name', 'é', '', '"', '\\', '\n', '__proto__', '😀', 'a\ud83d']
const texts = [
  '',
  'plain',
  'a "quoted" \\ text',
  '\u0000\u001f',
  'é',
  '\u2028',
  '😀',
  '\ud83d',
  '\ude00\ud83d',
  '/',
]
const numbers = [0, -0, 1, -17, 0.1, 1e21, 1e-7, 123456789012345680000, 5e-324, 1.7976931348623157e308]

function randomJson(random: SeededRandom, depth: number): Json {
  const kind = random.below(depth === 0 ? 4 : 6)
  if (kind === 0) return random.pick(texts)
  if (kind === 1) return random.pick([...numbers, random.unit(), random.unit() * 1e15])
  if (kind === 2) return random.pick([true, false, null])
  if (kind === 3) return random.pick(texts) + random.pick(texts)
  const parts = Array.from({ length: random.below(4) }, () => randomJson(random, depth - 1))
  if (kind === 4) return parts
  const object: { [name: string]: Json } = {}
  for (const value of parts) {
    Object.defineProperty(object, random.pick(names), { value, enumerable: true, configurable: true })
  }
  return object
}

/** One of the ways to write it. */
function written(random: SeededRandom, json: Json): string {
  const space = () => (random.unit() < 0.8 ? '' : random.pick([' ', '\n', '\t', '\r', ' \n ']))
  const text = (value: string) =>
    JSON.stringify(value).replace(/[a-zé/]/g, (letter, at, all) => {
      const isEscaped = all[at - 1] === '\\' || /\\u[0-9a-f]{0,3}$/.test(all.slice(0, at))
      if (isEscaped || random.unit() < 0.8) return letter
      return letter === '/' ? '\\/' : `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()}`
    })
  const write = (value: Json): string => {
    if (typeof value === 'string') return text(value)
    if (typeof value === 'number') {
      return random.pick([
        JSON.stringify(value),
        value.toExponential(),
        Object.is(value, -0) ? '-0' : String(value),
      ])
    }
    if (value === null || typeof value !== 'object') return String(value)
    const list = (parts: string[]) => parts.map((part) => space() + part + space()).join(',') || space()
    if (Array.isArray(value)) return `[${list(value.map(write))}]`
    return `{${list(Object.entries(value).map(([name, inner]) => `${text(name)}${space()}:${space()}${write(inner)}`))}}`
  }
  return space() + write(json) + space()
}

t.test('it tells what JSON.parse finds, however it is written', async (t) => {
  const random = seededRandom(t)
  for (const _ of roundsOf(t, soak * 3000)) {
    const text = written(random, randomJson(random, 4))
    const bytes = utf8.encode(text)
    const listener = new Listener()
    const isJson = scan(bytes, listener)
    const json = JSON.parse(text) as Json
    if (!isJson) throw new Error(`it does not take ${text}`)
    const expected = expectedOf(json)
    const show = (heard: unknown[]) =>
      JSON.stringify(heard, (_, value) => (Object.is(value, -0) ? '-0' : value))
    if (show(listener.heard) !== show(expected)) throw new Error(`hears ${show(listener.heard)} in ${text}`)
  }
})

t.test('it agrees with JSON.parse on every beginning of a text, and on damaged ones', async (t) => {
  const random = seededRandom(t)
  const odd = [...'{}[]":,\\/ntufe+-.019 \t'].map((letter) => letter.charCodeAt(0))
  const odder = [0, 0x1f, 0x7f, 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 0x0b, 0xa0]
  for (const _ of roundsOf(t, soak * 300)) {
    const bytes = utf8.encode(written(random, randomJson(random, 3)))
    for (let end = 0; end <= bytes.length; end++) if (!agrees(t, bytes.subarray(0, end))) return
    for (let change = 0; change < 40; change++) {
      const at = random.below(bytes.length)
      const byte = random.pick(random.unit() < 0.7 ? odd : odder)
      const changed = bytes.slice()
      changed[at] = byte
      if (!agrees(t, changed)) return
      if (!agrees(t, Uint8Array.of(...bytes.subarray(0, at), byte, ...bytes.subarray(at)))) return
      if (!agrees(t, Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(at + 1)))) return
    }
  }
})

t.test('it agrees with JSON.parse on short texts of odd bytes', async (t) => {
  const random = seededRandom(t)
  const letters = [...'{}[]":,\\ntrufalse+-.019 E\n', 'é', '\u0000']
  for (const _ of roundsOf(t, soak * 20_000)) {
    const text = Array.from({ length: random.below(8) }, () => random.pick(letters)).join('')
    if (!agrees(t, text)) return
    if (!agrees(t, `"${text}"`)) return
    if (!agrees(t, `[${text}]`)) return
  }
  for (let first = 0; first < 256; first++) {
    if (!agrees(t, Uint8Array.of(first))) return
    if (!agrees(t, Uint8Array.of(0x22, first, 0x22))) return
    for (let second = 0; second < 256; second++) {
      if (!agrees(t, Uint8Array.of(0x22, first, second, 0x22))) return
      if (!agrees(t, Uint8Array.of(0x22, 0x5c, first, second, 0x22))) return
    }
  }
})

t.test('strings are UTF-8 as the decoder has it', async (t) => {
  const edges = [0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0]
  for (let lead = 0xc0; lead < 256; lead++) {
    for (const second of edges) {
      for (const third of edges) {
        if (!agrees(t, Uint8Array.of(0x22, lead, second, third, 0x22))) return
        for (const fourth of [0x7f, 0x80, 0xbf, 0xc0]) {
          if (!agrees(t, Uint8Array.of(0x22, lead, second, third, fourth, 0x22))) return
        }
      }
    }
  }
  t.notOk(scan(utf8.encode('\ufeff{}')), 'a byte order mark is no white space')
})

t.test('numbers are the doubles of JSON.parse', async (t) => {
  const random = seededRandom(t)
  const digits = (count: number) => Array.from({ length: count }, () => random.below(10)).join('')
  const written = () => {
    const whole = random.pick(['0', String(random.below(9) + 1) + digits(random.below(22))])
    const fraction = random.pick([
      '',
      `.${digits(1 + random.below(25))}`,
      `.000000${digits(1 + random.below(9))}`,
    ])
    const exponent = random.pick([
      '',
      '',
      `e${random.below(30)}`,
      `E-${random.below(330)}`,
      `e+${random.below(310)}`,
    ])
    return random.pick(['', '-']) + whole + fraction + exponent
  }
  const edges = [
    '9007199254740993',
    '0.3',
    '1e22',
    '1e23',
    '123456789012345e22',
    '1e-22',
    '1e400',
    '-1e-400',
    '1e99999',
  ]
  for (const text of [...edges, ...Array.from({ length: soak * 50_000 }, written)]) {
    const bytes = utf8.encode(text)
    const [said, expected] = [jsonNumber(bytes, 0, bytes.length), JSON.parse(text)]
    if (!Object.is(said, expected)) throw new Error(`${text} is ${expected}, not ${said}`)
  }
})

t.test('numbers half way between two doubles, and beside that, go where JSON.parse has them', async (t) => {
  const random = seededRandom(t)
  const agreesOn = (text: string) => {
    const bytes = utf8.encode(text)
    const [said, expected] = [jsonNumber(bytes, 0, bytes.length), JSON.parse(text)]
    if (!Object.is(said, expected)) throw new Error(`${text} is ${expected}, not ${said}`)
  }
  for (const _ of roundsOf(t, soak * 5000)) {
    const shift = BigInt(random.below(10))
    const double = BigInt(Math.floor(random.unit() * 2 ** 52)) + 2n ** 52n
    const half = (double << (shift + 1n)) + (1n << shift)
    for (const beside of [-1n, 0n, 1n]) {
      const digits = String(half + beside)
      agreesOn(digits)
      agreesOn(`${digits}.000`)
      agreesOn(`${digits.slice(0, -3)}.${digits.slice(-3)}e3`)
      agreesOn(`0.${digits}e${digits.length}`)
    }
    agreesOn(String(random.unit()))
    agreesOn((random.unit() * 1e6).toPrecision(19))
    agreesOn(String(random.unit() * 10 ** (random.below(40) - 20)))
  }
})

t.test('depth is bounded by the text alone', async (t) => {
  const deep = 1_000_000
  const lists = '['.repeat(deep) + ']'.repeat(deep)
  t.ok(scan(utf8.encode(lists)))
  t.notOk(scan(utf8.encode(lists.slice(0, -1))))
  t.notOk(scan(utf8.encode(`${lists}]`)))
  const objects = `${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`
  const listener = new Listener()
  t.ok(scan(utf8.encode(objects), listener))
  t.equal(listener.heard.length, deep * 3 + 1)
})

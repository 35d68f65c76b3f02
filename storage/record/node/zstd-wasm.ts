/**
 * The frames of zstd by the WebAssembly of @bokuweb/zstd-wasm, for a Node that has none of its own.
 *
 * Used are the functions of zstd that it carries, not its `decompress`: that takes as much memory as the first frame
 * claims, does not know streams without a size, and makes a context for each call. Its way of loading is
 * asynchronous and good for one instance; the hook of Emscripten used here is not, and loading can be done again.
 *
 * The memory of an instance only ever grows, and what is let go stays until garbage is collected, which nothing here hastens. So
 * there are two, each kept: one for usual batches, one, made when it is needed, for large ones, which is let go only beyond a bound. One
 * in which anything went wrong beyond bad input is let go too: nobody knows what state it is in. The script is evaluated as a function:
 * `require` would keep whatever it has loaded in a list of its own.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { compileFunction } from 'node:vm'
import type { ZstdFrames } from '../codecs/zstd-frame.ts'
import { CompressionError } from '../compression.ts'

/** Input and output together that the instance for usual batches is given: it has 16 MiB, with what zstd needs besides. */
const USUAL_BYTES_MAX = 8 * 1024 * 1024
/** An instance that has more is not kept. Above what 64 MiB of records take unpacked, with their packed bytes. */
const HEAP_KEPT_BYTES = 192 * 1024 * 1024
/** Input and output up to here lie in memory that is kept between calls. */
const KEPT_BYTES = 256 * 1024

interface Zstd {
  readonly HEAPU8: Uint8Array
  _malloc(bytes: number): number
  _free(at: number): void
  _ZSTD_isError(result: number): number
  _ZSTD_compressBound(bytes: number): number
  _ZSTD_createCCtx(): number
  _ZSTD_createDCtx(): number
  _ZSTD_compress_usingDict(
    context: number,
    to: number,
    bytesMax: number,
    from: number,
    bytes: number,
    dictionary: number,
    dictionaryBytes: number,
    level: number,
  ): number
  _ZSTD_decompress_usingDict(
    context: number,
    to: number,
    bytesMax: number,
    from: number,
    bytes: number,
    dictionary: number,
    dictionaryBytes: number,
  ): number
}

type Exports = WebAssembly.Exports

interface Loading {
  instantiateWasm(imports: WebAssembly.Imports, receive: (instance: WebAssembly.Instance) => Exports): Exports
  init(bytes: Uint8Array): void
}

/** What zstd calls by number, as far as a caller can do anything about it. */
const OUTPUT_TOO_SMALL = 70
const failures: Readonly<Record<number, string>> = {
  10: 'it does not begin as a frame does',
  14: 'its header asks for what is not supported',
  16: 'its window is too large',
  20: 'its blocks contradict themselves',
  22: 'the checksum of its content is another',
  30: 'its tables contradict themselves',
  32: 'it needs a dictionary',
  64: 'there is not enough memory',
  72: 'it ends too early',
}

export function wasmZstdFrames(): ZstdFrames {
  const folder = dirname(createRequire(import.meta.url).resolve('@bokuweb/zstd-wasm'))
  const script = compileFunction(readFileSync(join(folder, 'zstd.js'), 'utf8'), ['exports'])
  const compiled = new WebAssembly.Module(readFileSync(join(folder, 'zstd.wasm')))
  const kept: { usual: ZstdInstance | undefined; large: ZstdInstance | undefined } = {
    usual: newInstance(),
    large: undefined,
  }

  function newInstance(): ZstdInstance {
    const exports: { Module?: Zstd & Loading } = {}
    script(exports)
    const loading = exports.Module as Zstd & Loading
    loading.instantiateWasm = (imports, receive) => receive(new WebAssembly.Instance(compiled, imports))
    // The bytes are looked at by nobody: the hook has what was compiled from them.
    loading.init(new Uint8Array(0))
    return new ZstdInstance(loading)
  }

  function use<T>(bytes: number, run: (instance: ZstdInstance) => T): T {
    const place = bytes <= USUAL_BYTES_MAX ? 'usual' : 'large'
    const instance = kept[place] ?? newInstance()
    // Until it has gone well.
    kept[place] = undefined
    const result = run(instance)
    if (instance.heapBytes <= HEAP_KEPT_BYTES) kept[place] = instance
    return result
  }

  return {
    compress(bytes, level) {
      // What is packed may take as much as what it is packed from.
      const packed = use(2 * bytes.length, (instance) => instance.compress(bytes, level))
      if (typeof packed === 'number') throw new Error(failureOf(packed))
      return packed
    },
    decompress(frame, bytesMax) {
      const content = use(frame.length + bytesMax, (instance) => instance.decompress(frame, bytesMax))
      if (content === OUTPUT_TOO_SMALL) return undefined
      if (typeof content === 'number') throw new Error(failureOf(content))
      return content
    },
  }
}

function failureOf(code: number): string {
  return failures[code] ?? `zstd calls it error ${code}`
}

/** One instance with its contexts. Results are bytes, or the number of an error of zstd. */
class ZstdInstance {
  readonly #zstd: Zstd
  readonly #packing: number
  readonly #unpacking: number
  readonly #keptInput: number
  readonly #keptOutput: number

  constructor(zstd: Zstd) {
    this.#zstd = zstd
    this.#packing = zstd._ZSTD_createCCtx()
    this.#unpacking = zstd._ZSTD_createDCtx()
    this.#keptInput = zstd._malloc(KEPT_BYTES)
    this.#keptOutput = zstd._malloc(KEPT_BYTES)
    if (!this.#packing || !this.#unpacking || !this.#keptInput || !this.#keptOutput)
      throw new Error('zstd got no memory for its contexts')
  }

  get heapBytes(): number {
    return this.#zstd.HEAPU8.length
  }

  compress(bytes: Uint8Array, level: number): Uint8Array | number {
    const zstd = this.#zstd
    return this.#run(bytes, zstd._ZSTD_compressBound(bytes.length), (to, bytesMax, from) =>
      zstd._ZSTD_compress_usingDict(this.#packing, to, bytesMax, from, bytes.length, 0, 0, level),
    )
  }

  decompress(frame: Uint8Array, bytesMax: number): Uint8Array | number {
    const zstd = this.#zstd
    return this.#run(frame, bytesMax, (to, roomBytes, from) =>
      zstd._ZSTD_decompress_usingDict(this.#unpacking, to, roomBytes, from, frame.length, 0, 0),
    )
  }

  #run(
    input: Uint8Array,
    outputBytesMax: number,
    call: (to: number, bytesMax: number, from: number) => number,
  ): Uint8Array | number {
    const zstd = this.#zstd
    const from = input.length <= KEPT_BYTES ? this.#keptInput : allocate(zstd, input.length)
    const to = outputBytesMax <= KEPT_BYTES ? this.#keptOutput : allocate(zstd, outputBytesMax)
    zstd.HEAPU8.set(input, from)
    const result = call(to, outputBytesMax, from)
    // Growing replaces the view on the heap, so it is asked for again.
    const output = zstd._ZSTD_isError(result) ? -result : zstd.HEAPU8.slice(to, to + result)
    if (from !== this.#keptInput) zstd._free(from)
    if (to !== this.#keptOutput) zstd._free(to)
    return output
  }
}

function allocate(zstd: Zstd, bytes: number): number {
  const at = zstd._malloc(bytes)
  if (at === 0) throw new CompressionError('too-large', `zstd: there is no memory for ${bytes} bytes here`)
  return at
}

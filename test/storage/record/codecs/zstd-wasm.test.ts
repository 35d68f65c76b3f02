/** The WebAssembly of zstd: its memory only ever grows, so there is one for large batches, and one that broke is replaced. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { zstdCodec } from '../../../../storage/record/codecs/zstd-frame.ts'
import { wasmZstdFrames } from '../../../../storage/record/node/zstd-wasm.ts'
import { sameBytes, textBytes, unpacked } from './codecs-at-hand.ts'

const run = promisify(execFile)
const MIB = 1024 * 1024
const memories: WebAssembly.Memory[] = []
const { Instance } = WebAssembly

/** Notes the memory of each new instance. */
class Watched extends Instance {
  constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
    super(module, imports)
    const memory = Object.values(this.exports).find((value) => value instanceof WebAssembly.Memory)
    memories.push(memory as WebAssembly.Memory)
  }
}
WebAssembly.Instance = Watched
t.teardown(() => {
  WebAssembly.Instance = Instance
})

const text = textBytes(100_000)
const large = new Uint8Array(Buffer.alloc(48 * MIB, text))

t.test('one instance for usual batches and one for large ones, both kept', async (t) => {
  const codec = zstdCodec(wasmZstdFrames())
  t.equal(memories.length, 1)
  const packed = codec.compress(text)
  for (let round = 0; round < 100; round++) codec.decompress(codec.compress(text), text.length)
  t.ok(sameBytes(unpacked(codec, packed), text))
  t.equal(memories.length, 1)

  const packedLarge = codec.compress(large)
  t.equal(memories.length, 2)
  for (let round = 0; round < 5; round++) t.ok(sameBytes(unpacked(codec, packedLarge), large))
  codec.compress(large)
  t.ok(sameBytes(unpacked(codec, packed), text))
  t.equal(memories.length, 2)
  t.ok(memories[0].buffer.byteLength <= 32 * MIB, 'the usual one has not grown')
  t.ok(memories[1].buffer.byteLength > 48 * MIB, 'the large one had to')
})

t.test('an instance that had to grow beyond all bounds is not kept, and nothing else keeps it', async (t) => {
  const codecs = new URL('../../../../storage/record/', import.meta.url)
  const script = `
    const { zstdCodec } = await import('${new URL('codecs/zstd-frame.js', codecs)}')
    const { wasmZstdFrames } = await import('${new URL('node/zstd-wasm.js', codecs)}')
    const codec = zstdCodec(wasmZstdFrames())
    const packed = codec.compress(new Uint8Array(100 * ${MIB}))
    for (let round = 0; round < 8; round++) {
      codec.decompress(packed, 100 * ${MIB})
      codec.compress(new Uint8Array(120 * ${MIB}))
      // Twice: what holds a memory goes first.
      for (let i = 0; i < 2; i++) {
        gc()
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    console.log(process.memoryUsage.rss())`
  const { stdout } = await run(process.execPath, ['--expose-gc', '--input-type=module', '--eval', script])
  const rssBytes = Number(stdout)
  t.ok(rssBytes > 0 && rssBytes < 900 * MIB, `${rssBytes} bytes after 8 instances of some 240 MiB`)
})

t.test('an instance in which something went wrong is not used again', async (t) => {
  const codec = zstdCodec(wasmZstdFrames())
  const packed = codec.compress(text)
  const count = memories.length
  const tooLong = { length: 2 ** 31 } as Uint8Array
  t.throws(() => codec.compress(tooLong), {
    name: 'CompressionError',
    reason: 'too-large',
    message: /^zstd: there is no memory for \d+ bytes here$/,
  })
  t.ok(sameBytes(unpacked(codec, packed), text))
  t.equal(memories.length, count + 1)
})

t.test('bad input is nothing that went wrong', async (t) => {
  const codec = zstdCodec(wasmZstdFrames())
  const packed = codec.compress(text)
  const count = memories.length
  const damaged = packed.slice().fill(0x55, 100, 200)
  t.match(unpacked(codec, damaged), { name: 'CompressionError', reason: 'corrupt' })
  t.ok(sameBytes(unpacked(codec, packed), text))
  t.equal(memories.length, count)
})

/** The WebAssembly of zstd: its memory only ever grows, so an instance that grew much, or broke, is replaced. */
import t from 'tap'
import { zstdCodec } from '../../../../storage/record/codecs/zstd-frame.ts'
import { wasmZstdFrames } from '../../../../storage/record/node/zstd-wasm.ts'
import { sameBytes, textBytes, unpacked } from './codecs-at-hand.ts'

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

t.test('an instance is kept until it has grown', async (t) => {
  const codec = zstdCodec(wasmZstdFrames())
  t.equal(memories.length, 1)
  const packed = codec.compress(text)
  for (let round = 0; round < 100; round++) codec.decompress(codec.compress(text), text.length)
  t.ok(sameBytes(unpacked(codec, packed), text))
  t.equal(memories.length, 1)
  t.ok(memories[0].buffer.byteLength <= 32 * MIB)

  const packedLarge = codec.compress(large)
  t.ok(memories[0].buffer.byteLength > 48 * MIB, 'it took input and output')
  t.ok(sameBytes(unpacked(codec, packedLarge), large))
  t.ok(sameBytes(unpacked(codec, packed), text))
  t.equal(memories.length, 3, 'one for each that grew, and one that stays')
  t.ok(memories[2].buffer.byteLength <= 32 * MIB)
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

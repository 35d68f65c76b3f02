/** Buffers that are used again: never two users at a time, never more than may lie there. */
import t from 'tap'
import { BufferShelf } from '../../../broker/codec-pool/buffer-shelf.ts'
import { seededRandom } from '../../support/seeded-random.ts'

t.test('a copy, and its buffer once more', async (t) => {
  const shelf = new BufferShelf(100_000)
  const first = shelf.copy(new Uint8Array(5000).fill(1))
  t.equal(first.length, 5000)
  t.equal(first.buffer.byteLength, 8192)
  t.equal(shelf.isCopy(first), true)
  t.equal(shelf.isCopy(new Uint8Array(5000)), false)
  shelf.giveBack(first)
  t.equal(shelf.isCopy(first), false)
  t.equal(shelf.bytes, 8192)
  const second = shelf.copy(new Uint8Array(8192).fill(2))
  t.equal(second.buffer, first.buffer)
  t.equal(shelf.bytes, 0)
  t.not(shelf.copy(second).buffer, second.buffer)
})

t.test('a buffer that is gone', async (t) => {
  const shelf = new BufferShelf(100_000)
  const copy = shelf.copy(new Uint8Array(5000).fill(1))
  shelf.giveBack(copy)
  structuredClone(copy, { transfer: [copy.buffer as ArrayBuffer] })
  t.equal(shelf.copy(new Uint8Array(5000).fill(2))[4999], 2)
})

t.test('what is not kept', async (t) => {
  const shelf = new BufferShelf(20_000)
  for (const size of [1, 4095, 5000, 2 ** 21]) shelf.giveBack(new Uint8Array(size))
  t.equal(shelf.bytes, 0)
  t.equal(
    shelf.copy(new Uint8Array(2 ** 20 + 1)).buffer.byteLength,
    2 ** 20 + 1,
    'large ones are their own size',
  )
  for (let index = 0; index < 5; index++) shelf.giveBack(new Uint8Array(8192))
  t.equal(shelf.bytes, 16_384, 'no more than may')
})

t.test('random users never share a buffer', async (t) => {
  const random = seededRandom(t)
  const shelf = new BufferShelf(200_000)
  const used = new Map<Uint8Array, number>()
  for (let turn = 0; turn < 5000; turn++) {
    if (random.below(2) === 0) {
      const value = random.below(256)
      const copy = shelf.copy(new Uint8Array(1 + random.below(30_000)).fill(value))
      used.set(copy, value)
    } else {
      const [given] = random.below(4) === 0 ? [...used.keys()].slice(-1) : used.keys()
      if (given === undefined) continue
      const value = used.get(given)
      t.ok(given[0] === value && given[given.length - 1] === value)
      used.delete(given)
      shelf.giveBack(given)
    }
    t.ok(shelf.bytes <= 200_000)
  }
  t.equal(new Set([...used.keys()].map(({ buffer }) => buffer)).size, used.size)
})

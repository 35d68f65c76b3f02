/** Values to bytes and back, in every format. */
import { unpack } from 'msgpackr'
import t from 'tap'
import { bytes, json, msgpack, type Serializer, text } from '../../client/serializers.ts'

function throughWire<T>(serializer: Serializer<T>, value: T): T {
  const field = serializer.serialize(value)
  // What the producer does with it: bytes are copied, text becomes UTF-8.
  const wire = typeof field === 'string' ? new TextEncoder().encode(field) : (field?.slice() ?? null)
  return serializer.deserialize(wire)
}

t.test('what goes in comes out', async (t) => {
  t.same(throughWire(bytes, Uint8Array.of(1, 2, 3)), Uint8Array.of(1, 2, 3))
  for (const value of ['', 'plain', 'Zürich 東京 🌊', '\ufeffwith a mark'])
    t.equal(throughWire(text, value), value)
  const values = [0, -1.5, 2 ** 53 - 1, true, 'x', [1, [2]], { a: { b: ['c', null] } }, '']
  for (const value of values) {
    t.same(throughWire(json, value), value)
    t.same(throughWire(msgpack, value), value)
  }
  for (const serializer of [bytes, text, json, msgpack] as Serializer<unknown>[])
    t.equal(throughWire(serializer, null), null)
})

t.test('bytes that are read are the caller’s own', async (t) => {
  const wire = Uint8Array.of(1, 2)
  const read = bytes.deserialize(wire)
  wire[0] = 9
  t.same(read, Uint8Array.of(1, 2))
})

t.test('msgpack is plain msgpack', async (t) => {
  t.same([...(msgpack.serialize({ a: [1, 'x'] }) as Uint8Array)], [0x81, 0xa1, 0x61, 0x92, 0x01, 0xa1, 0x78])
  t.same(unpack(msgpack.serialize(new Map([['k', 1]])) as Uint8Array), { k: 1 })
})

t.test('what a format cannot say is refused', async (t) => {
  t.throws(() => json.serialize(undefined), { message: 'a value that JSON cannot say: undefined' })
  t.throws(() => json.serialize(() => 1), { message: 'a value that JSON cannot say: function' })
  t.throws(() => json.deserialize(Uint8Array.of(0x7b)), SyntaxError)
  t.throws(() => msgpack.deserialize(Uint8Array.of(0x92, 0x01)), 'cut off')
})

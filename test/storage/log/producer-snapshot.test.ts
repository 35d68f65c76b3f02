/** The snapshot of producers: golden bytes, there and back, every truncation, every flipped bit. */
import t from 'tap'
import {
  decodeProducerSnapshot,
  encodeProducerSnapshot,
  SNAPSHOT_BYTES_PER_PRODUCER_MAX,
  type SnapshotPartition,
  snapshotBytesMax,
} from '../../../storage/log/producer-snapshot.ts'
import { ProducerState } from '../../../storage/log/producer-state.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'

const partitions: SnapshotPartition[] = [
  { topicId: new Uint8Array(16).fill(0xaa), partition: 3 },
  { topicId: new Uint8Array(16).fill(0xbb), partition: 0 },
]

function stateOf(entriesMax = 100) {
  return new ProducerState<SnapshotPartition>({ entriesMax, expirationMs: 1e15 })
}

function example() {
  const state = stateOf()
  state.record(partitions[1], 1_099_511_627_777, 7, 2 ** 31 - 2, 3, 2 ** 40, 1_700_000_000_000)
  state.record(partitions[0], 4, 0, 0, 1, 5, 1_700_000_000_001)
  state.record(partitions[0], 4, 0, 1, 2, 6, 1_700_000_000_002)
  return state
}

function decoded(bytes: Uint8Array) {
  const state = stateOf()
  decodeProducerSnapshot(
    bytes,
    state,
    (topicId, partition) => {
      const found = partitions.find(
        (known) => known.topicId[0] === topicId[0] && known.partition === partition,
      )
      if (!found) throw new Error(`partition ${topicId[0]}/${partition} was not written`)
      return found
    },
    crc32cTable,
  )
  return state
}

const golden = [
  // Head: "OPS1", 160 bytes, 2 partitions, 2 producers.
  '4f505331 a0000000 02000000 02000000',
  'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb 00000000',
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 03000000',
  // In the first: epoch 7, one batch, id 2^40 + 1, next 2^31 + 1, at 1.7e12 ms; 3 records at 2^40.
  '00000000 0700 0100 0010000000007042 000020000000e041 00008056febc7842',
  '03000000 0000000000007042',
  // In the second: epoch 0, two batches, id 4, next 3, 2 ms later; 1 record at 5, 2 at 6.
  '01000000 0000 0200 0000000000001040 0000000000000840 00208056febc7842',
  '01000000 0000000000001440 02000000 0000000000001840',
]

t.test('golden bytes', async (t) => {
  const bytes = encodeProducerSnapshot(example(), crc32cTable)
  const hex = Buffer.from(bytes).toString('hex')
  t.equal(hex.slice(0, -8), golden.join('').replaceAll(' ', ''))
  t.equal(Buffer.from(bytes).readUInt32LE(bytes.length - 4), crc32cTable(bytes.subarray(0, -4)))
})

t.test('what was written comes back, in the order of use', async (t) => {
  const bytes = encodeProducerSnapshot(example(), crc32cTable)
  const state = decoded(bytes)
  t.same(encodeProducerSnapshot(state, crc32cTable), bytes)
  t.same(state.describe(partitions[1], 1_099_511_627_777, 0), {
    producerEpoch: 7,
    lastSequence: 0,
    nextSequence: 2 ** 31 + 1,
    lastOffset: 2 ** 40 + 2,
    lastTimestampMs: 1_700_000_000_000,
  })
  state.limitTo(1)
  t.same([...state.producerIds(0)], [4])
  t.same(
    encodeProducerSnapshot(decoded(encodeProducerSnapshot(stateOf(), crc32cTable)), crc32cTable).length,
    20,
  )
})

t.test('at an odd place of a larger buffer', async (t) => {
  const bytes = encodeProducerSnapshot(example(), crc32cTable)
  const around = new Uint8Array(bytes.length + 5).fill(0xdb)
  around.set(bytes, 3)
  t.same(encodeProducerSnapshot(decoded(around.subarray(3, 3 + bytes.length)), crc32cTable), bytes)
})

t.test('it takes no more than is reckoned with', async (t) => {
  const state = stateOf(1_000)
  for (let id = 0; id < 300; id++)
    for (let i = 0; i < 7; i++)
      state.record({ topicId: new Uint8Array(16), partition: id }, id, 0, i, 1, i, 0)
  // Each record was in a partition of its own object: the worst there is.
  t.equal(state.size, 1_000)
  const bytes = encodeProducerSnapshot(state, crc32cTable)
  t.ok(bytes.length <= snapshotBytesMax(state.size, state.partitionCount))
  t.ok(snapshotBytesMax(1_000, 1_000) <= 1_000 * SNAPSHOT_BYTES_PER_PRODUCER_MAX + 20)

  const one = stateOf()
  for (let i = 0; i < 7; i++) one.record(partitions[0], 2, 0, i, 1, i, 0)
  t.equal(
    encodeProducerSnapshot(one, crc32cTable).length,
    snapshotBytesMax(1, 1),
    'and exactly that with five batches',
  )
})

t.test('every truncation and every flipped bit is damage', async (t) => {
  const bytes = encodeProducerSnapshot(example(), crc32cTable)
  const damage = { name: 'StorageError', code: 'DAMAGED', message: /^a snapshot of producers is damaged: / }
  for (let length = 0; length < bytes.length; length++)
    t.throws(() => decoded(bytes.subarray(0, length)), damage, `${length} bytes`)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = new Uint8Array(bytes)
    flipped[bit >> 3] ^= 1 << (bit & 7)
    t.throws(() => decoded(flipped), damage, `bit ${bit}`)
  }
})

t.test('a good checksum over what makes no sense is damage as well', async (t) => {
  const bytes = encodeProducerSnapshot(example(), crc32cTable)
  const forged = (change: (data: DataView) => void) => {
    const copy = new Uint8Array(bytes)
    const data = new DataView(copy.buffer)
    change(data)
    data.setUint32(copy.length - 4, crc32cTable(copy.subarray(0, -4)), true)
    return copy
  }
  const first = 16 + 2 * 20
  const second = first + 32 + 12
  for (const [why, change] of [
    ['more partitions than bytes', (data) => data.setUint32(8, 99, true)],
    ['more producers than bytes', (data) => data.setUint32(12, 3, true)],
    ['fewer producers than bytes', (data) => data.setUint32(12, 1, true)],
    ['a partition that is not there', (data) => data.setUint32(first, 2, true)],
    ['an epoch below 0', (data) => data.setInt16(first + 4, -1, true)],
    ['no batch', (data) => data.setUint16(first + 6, 0, true)],
    ['six batches', (data) => data.setUint16(first + 6, 6, true)],
    ['an id that is no number', (data) => data.setFloat64(first + 8, Number.NaN, true)],
    ['fewer records than the batches have', (data) => data.setFloat64(second + 16, 2, true)],
    ['a time that is no number', (data) => data.setFloat64(second + 24, Number.POSITIVE_INFINITY, true)],
    ['a batch without records', (data) => data.setUint32(second + 32, 0, true)],
    ['an offset below 0', (data) => data.setFloat64(second + 36, -1, true)],
    ['offsets that go back', (data) => data.setFloat64(second + 48, 4, true)],
    [
      'the same producer twice',
      (data) => {
        data.setUint32(second, 0, true)
        data.setFloat64(second + 8, 1_099_511_627_777, true)
      },
    ],
  ] as [string, (data: DataView) => void][])
    t.throws(() => decoded(forged(change)), { code: 'DAMAGED' }, why)
})

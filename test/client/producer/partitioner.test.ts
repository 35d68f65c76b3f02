/** Which partition a record goes to: Kafka's hash to the bit, and the sticky walk of records without a key. */
import { murmur2 as platformaticMurmur2 } from '@platformatic/kafka'
import { Partitioners } from 'kafkajs'
import t from 'tap'
import { murmur2 } from '../../../client/producer/murmur2.ts'
import { murmur2Partitioner, StickyPartition } from '../../../client/producer/partitioner.ts'
import { World } from '../support/world.ts'

const utf8 = new TextEncoder()

t.test('murmur2 has the values of Kafka', async (t) => {
  // org.apache.kafka.common.utils.UtilsTest
  const cases: [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]
  for (const [text, hash] of cases) t.equal(murmur2(utf8.encode(text)), hash, text)
})

t.test('murmur2 agrees with two Kafka clients on bytes of every length', async (t) => {
  const world = new World(7)
  const topicMetadata = { partitionMetadata: [] as { partitionId: number; leader: number }[] }
  for (let i = 0; i < 1000; i++) topicMetadata.partitionMetadata.push({ partitionId: i, leader: 0 })
  const kafkajs = Partitioners.JavaCompatiblePartitioner()
  for (let length = 0; length < 70; length++) {
    const key = Uint8Array.from({ length }, () => world.below(256))
    t.equal(murmur2(key), platformaticMurmur2(Buffer.from(key)), `${length} bytes, @platformatic/kafka`)
    const chosen = kafkajs({
      topic: 't',
      partitionMetadata: topicMetadata.partitionMetadata as never,
      message: { key: Buffer.from(key), value: null },
    })
    t.equal(murmur2Partitioner(key, 1000, 't'), chosen, `${length} bytes, kafkajs`)
  }
})

t.test('a text key is hashed as its UTF-8', async (t) => {
  for (const key of [
    '',
    'sensor-1',
    'Zürich',
    '東京',
    '🌊',
    'x'.repeat(1024),
    'é'.repeat(1024),
    'ü'.repeat(5000),
  ])
    t.equal(murmur2Partitioner(key, 97, 't'), murmur2Partitioner(utf8.encode(key), 97, 't'), key.slice(0, 10))
})

t.test('no key, no choice', async (t) => {
  t.equal(murmur2Partitioner(null, 5, 't'), undefined)
})

t.test('the sticky partition moves on only with its own batches, and comes round', async (t) => {
  const sticky = new StickyPartition(3, 0.5)
  t.equal(sticky.partition, 1, 'begins where chance says')
  sticky.moveOn(0)
  t.equal(sticky.partition, 1, 'the batch of another partition has left')
  sticky.moveOn(1)
  t.equal(sticky.partition, 2)
  sticky.moveOn(2)
  t.equal(sticky.partition, 0)
  sticky.resize(4)
  for (const expected of [1, 2, 3, 0]) {
    sticky.moveOn(sticky.partition)
    t.equal(sticky.partition, expected)
  }
})

/**
 * A topic whose compression changes while it is written and read, on a real broker with its real pool: every batch is
 * stored as the topic had it when it came, the reader notices nothing, and a replay across all changes, also after a
 * SIGKILL, gives every event once and in order.
 */
import t from 'tap'
import { type ConsumedRecord, connect } from '../../client/index.ts'
import { asProcess } from '../broker/cli/octopus.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { storedBatches } from './stored-batches.ts'

const TOPIC = 'lab.events'
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const TYPES = ['zstd', 'uncompressed', 'snappy', 'producer', 'lz4', 'gzip', 'zstd', 'producer'] as const
/** Small enough for the event loop, and not. */
const SIZES = [30, 2_000]
const EVENTS = 20

const text = (n: number, bytes: number) => `event ${n} `.padEnd(bytes, 'abc')

interface Event {
  readonly value: string
  readonly key: string
  readonly header: string
  readonly timestampMs: number
}

const told = (record: ConsumedRecord): Event & { readonly offset: number } => ({
  offset: record.offset,
  value: record.text() ?? '',
  key: Buffer.from(record.key ?? []).toString(),
  header: Buffer.from(record.headers[0]?.value ?? []).toString(),
  timestampMs: record.timestampMs,
})

t.test('compression.type is changed under a reader', async (t) => {
  const broker = await BrokerProcess.start(['--storage-segment-bytes', '16MiB'])
  t.teardown(() => broker.destroy())
  const client = await connect({ url: broker.url, reconnect: { backoffMinMs: 10, backoffMaxMs: 100 } })
  t.teardown(() => client.close())
  const admin = client.admin()
  await admin.createTopic(TOPIC)
  const producers = CODECS.map((compression) => client.producer({ compression }))

  const total = TYPES.length * CODECS.length * SIZES.length * EVENTS
  const live: (Event & { offset: number })[] = []
  const reading = (async () => {
    for await (const record of client.consumer({ topics: [TOPIC], from: 'earliest' }))
      if (live.push(told(record)) === total) break
  })()

  const sent: (Event & { offset: number })[] = []
  const stored: string[] = []
  for (const type of TYPES) {
    await admin.alterTopic(TOPIC, { configs: { 'compression.type': type } })
    for (const [at, codec] of CODECS.entries())
      for (const bytes of SIZES) {
        const events = Array.from({ length: EVENTS }, (_, n): Event => {
          const number = sent.length + n
          return {
            value: text(number, bytes),
            key: `k${number}`,
            header: `h${number}`,
            timestampMs: Date.now() - n,
          }
        })
        const places = events.map(({ value, key, header, timestampMs }) =>
          producers[at].send(TOPIC, {
            value,
            key,
            headers: [{ key: 'which', value: Buffer.from(header) }],
            timestampMs,
          }),
        )
        await producers[at].flush()
        for (const [n, { offset }] of (await Promise.all(places)).entries())
          sent.push({ ...events[n], offset })
        stored.push(type === 'producer' ? codec : type === 'uncompressed' ? 'none' : type)
      }
  }
  t.same(
    sent.map(({ offset }) => offset),
    Array.from({ length: total }, (_, n) => n),
  )
  await reading
  t.same(live, sent, 'who reads live gets every event as it was sent')
  t.same(
    (await storedBatches(broker.url, TOPIC, 0)).map(({ compression }) => compression),
    stored,
  )
  const replay = async () => {
    const records: Event[] = []
    for await (const record of client.consumer({ topics: [TOPIC], from: 'earliest', untilEnd: true }))
      records.push(told(record))
    return records
  }
  t.same(await replay(), sent)
  await broker.end('SIGKILL')
  await broker.restart()
  t.same(await replay(), sent, 'after a SIGKILL')
  for (const producer of producers) await producer.close()
  t.equal(await broker.end('SIGTERM'), 0)
  const verified = await asProcess(['verify', '--data', broker.dataDirectory])
  t.equal(verified.exitCode, 0, verified.out + verified.err)
})

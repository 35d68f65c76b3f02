/**
 * The broker's time on a real broker, as everybody meets it: in the acknowledgement, in records, in offsets by time, on the
 * command line, in retention, and after a restart; of plain and of compressed batches.
 */
import t from 'tap'
import { type ConsumedRecord, connect } from '../../client/index.ts'
import { asProcess } from '../broker/cli/octopus.ts'
import { BrokerProcess } from '../support/broker-process.ts'

const LONG_AGO_MS = Date.UTC(2001, 0, 1)

const broker = await BrokerProcess.start([
  '--storage-segment-bytes',
  '16MiB',
  '--retention-check-interval-ms',
  '100',
  // Every compressed batch goes to the pool.
  '--codecs-offload-bytes-min',
  '0',
])
t.teardown(() => broker.destroy())
const client = await connect({ url: broker.url, reconnect: { backoffMinMs: 10, backoffMaxMs: 100 } })
t.teardown(() => client.close())
const admin = client.admin()

const later = (thanMs: number) =>
  new Promise<number>((resolve) => {
    const look = () => (Date.now() > thanMs ? resolve(Date.now()) : setTimeout(look, 1))
    look()
  })

async function everything(topic: string): Promise<ConsumedRecord[]> {
  const records: ConsumedRecord[] = []
  for await (const record of client.consumer({ topics: [topic], from: 'earliest', untilEnd: true }))
    records.push(record)
  return records
}

for (const compression of ['none', 'gzip'] as const)
  t.test(`records have the time of the broker: ${compression}`, async (t) => {
    const topic = `times.${compression}`
    await admin.createTopic(topic, { configs: { 'message.timestamp.type': 'LogAppendTime' } })
    const producer = client.producer({ compression })
    t.teardown(() => producer.close())
    const bounds: { fromMs: number; toMs: number; timestampMs: number }[] = []
    for (let round = 0; round < 3; round++) {
      const fromMs = await later(Date.now() + 2)
      const sent = Array.from({ length: 50 }, (_, n) =>
        producer.send(topic, {
          value: `round ${round}, event ${n}, much like any other`,
          timestampMs: LONG_AGO_MS + n,
        }),
      )
      await producer.flush()
      const places = await Promise.all(sent)
      const toMs = Date.now()
      const { timestampMs } = places[0]
      t.same(
        places.map((place) => [place.offset, place.timestampMs]),
        places.map((_, n) => [round * 50 + n, timestampMs]),
        'the acknowledgement tells it',
      )
      t.ok(fromMs <= timestampMs && timestampMs <= toMs, `${fromMs} ≤ ${timestampMs} ≤ ${toMs}`)
      bounds.push({ fromMs, toMs, timestampMs })
    }

    const told = bounds.flatMap(({ timestampMs }) => Array(50).fill(timestampMs))
    const stored = async () => (await everything(topic)).map(({ timestampMs }) => timestampMs)
    t.same(await stored(), told)
    const offsetAt = async (timeMs: number) =>
      (await admin.listOffsets([{ topic, partition: 0, at: { timeMs } }]))[0]?.offset
    t.equal(await offsetAt(LONG_AGO_MS), 0)
    t.equal(await offsetAt(bounds[0].timestampMs), 0)
    t.equal(await offsetAt(bounds[0].timestampMs + 1), 50)
    t.equal(await offsetAt(bounds[1].timestampMs), 50)
    t.equal(await offsetAt(bounds[2].fromMs), 100)
    t.equal(await offsetAt(bounds[2].timestampMs + 1), -1)

    const consume = async (from: number) => {
      const args = ['consume', topic, '--url', broker.url, '--from', `@${from}`, '--until-end', '--json']
      const { exitCode, out, err } = await asProcess(args)
      t.equal(exitCode, 0, err)
      return out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { value: string; timestampMs?: number })
    }
    const fromSecond = await consume(bounds[1].fromMs)
    t.equal(fromSecond.length, 100)
    t.match(fromSecond[0].value, /^round 1, event 0,/)

    await admin.alterTopic(topic, { configs: { 'message.timestamp.type': null } })
    const { timestampMs } = await (async () => {
      const sending = producer.send(topic, { value: 'of its own time', timestampMs: LONG_AGO_MS })
      await producer.flush()
      return sending
    })()
    t.equal(timestampMs, LONG_AGO_MS)
    t.same(await stored(), [...told, LONG_AGO_MS], 'what is stored stays as it is')
    t.equal(await broker.end('SIGKILL'), null)
    await broker.restart()
    t.same(await stored(), [...told, LONG_AGO_MS])
    t.equal(await offsetAt(bounds[0].timestampMs + 1), 50)
  })

t.test('retention goes by it', async (t) => {
  const configs = { 'retention.ms': '60000' }
  await admin.createTopic('kept', { configs: { ...configs, 'message.timestamp.type': 'LogAppendTime' } })
  await admin.createTopic('gone', { configs })
  for (const compression of ['none', 'gzip'] as const) {
    const producer = client.producer({ compression })
    for (const topic of ['kept', 'gone'])
      for (let n = 0; n < 50; n++)
        producer.send(topic, { value: `event ${n}, much like any other`, timestampMs: LONG_AGO_MS })
    await producer.flush()
    await producer.close()
  }
  const start = async (topic: string) => (await admin.describeTopics([topic]))[0].partitions[0].logStartOffset
  while ((await start('gone')) < 100) await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(await start('kept'), 0)
  t.equal((await everything('kept')).length, 100)
})

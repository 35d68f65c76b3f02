/**
 * Every sync of the disk made slow, so that whatever does not wait for it shows: no acknowledgement, no event and
 * no other effect reaches a client before the sync that covers it, by the client's clock and by the order
 * of the broker's system calls.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { apis } from '../../client/protocol/api.ts'
import { batchOf, ProtocolClient } from '../broker/protocol-client.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { Strace } from '../support/strace.ts'
import { requireTool } from '../support/tools.ts'
import { type Effects, effectsOf, TRACED_CALLS } from './early-effects.ts'

const DELAY_MS = 300
const rounds = process.env.OCTOPUS_SOAK ? 60 : 3
const skip = requireTool('strace')
const EARLY_BROKER = fileURLToPath(new URL('early-broker.js', import.meta.url))

/** A broker all whose syncs take 300 ms once `run` runs; returns what its system calls say. */
async function withSlowSyncs(
  t: Test,
  {
    main,
    run,
  }: { main?: string | undefined; run: (broker: BrokerProcess, slow: () => Promise<void>) => Promise<void> },
): Promise<Effects> {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-strace-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const broker = await BrokerProcess.start(['--storage-segment-bytes', '16MiB'], { main })
  t.teardown(() => broker.destroy())
  let strace: Strace | undefined
  await run(broker, async () => {
    strace = await Strace.attach(broker.pid, join(directory, 'log'), {
      trace: TRACED_CALLS,
      inject: [`fdatasync,fsync:delay_enter=${DELAY_MS * 1000}`],
    })
  })
  if (!strace) throw new Error('the syncs were never slow')
  return effectsOf(await strace.detach())
}

async function timed<T>(run: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const startMs = performance.now()
  const value = await run()
  return { value, ms: performance.now() - startMs }
}

t.test('one thing after the other: each effect after its sync', { skip }, async (t) => {
  const effects = await withSlowSyncs(t, {
    run: async (broker, slow) => {
      const client = await ProtocolClient.connect(broker.url)
      const consumer = await ProtocolClient.connect(broker.url)
      const topicId = await client.createTopic('lab.events', 1)
      await slow()
      for (let offset = 0; offset < rounds; offset++) {
        const event = timed(() => consumer.fetch(topicId, 0, offset, 30_000))
        const produced = await timed(() => client.produce(topicId, 0, batchOf([`event ${offset}`])))
        t.match(produced.value, { error: 0, baseOffset: offset })
        t.ok(produced.ms >= DELAY_MS, `acknowledged after ${produced.ms} ms`)
        const { value, ms } = await event
        t.same(value.records, [{ offset, value: `event ${offset}` }])
        t.ok(ms >= DELAY_MS, `at the consumer after ${ms} ms`)
      }
      const configs = [{ name: 'retention.ms', value: '1000000' }]
      const changes: [string, number, () => Promise<unknown>][] = [
        ['a topic created', 1, () => client.createTopic('lab.more', 1)],
        [
          'a topic altered',
          1,
          () =>
            client.call(apis.alterTopics, {
              topics: [{ name: 'lab.more', partitions: null, configs }],
              validateOnly: false,
              timeoutMs: 5_000,
            }),
        ],
        [
          'a named producer',
          1,
          () =>
            client.call(apis.initProducerId, {
              producerName: 'lab.agent',
              producerId: -1,
              producerEpoch: -1,
            }),
        ],
        [
          'a topic deleted',
          2,
          () =>
            client.call(apis.deleteTopics, {
              topics: [{ name: 'lab.more', topicId: null }],
              timeoutMs: 5_000,
            }),
        ],
      ]
      for (const [name, syncs, change] of changes) {
        const { ms } = await timed(change)
        t.ok(ms >= syncs * DELAY_MS, `${name}, answered after ${ms} ms`)
      }
    },
  })
  t.same(effects.early, [])
  // Each event is acknowledged and delivered; a deletion has to do with both environments.
  t.equal(effects.checked, 2 * rounds + 5)
})

t.test('many at once: no acknowledgement and no event is younger than a sync', { skip }, async (t) => {
  const partitions = 4
  await withSlowSyncs(t, {
    run: async (broker, slow) => {
      const client = await ProtocolClient.connect(broker.url)
      const topicId = await client.createTopic('lab.events', partitions)
      const sentAtMs = new Map<string, number>()
      const youngest = { acknowledged: Number.POSITIVE_INFINITY, delivered: Number.POSITIVE_INFINITY }
      const each = rounds * 8
      async function consume(partition: number) {
        const consumer = await ProtocolClient.connect(broker.url)
        for (let offset = 0; offset < each; ) {
          const { records } = await consumer.fetch(topicId, partition, offset, 30_000)
          for (const { value } of records) {
            const sent = sentAtMs.get(value) ?? Number.POSITIVE_INFINITY
            youngest.delivered = Math.min(youngest.delivered, performance.now() - sent)
          }
          offset += records.length
        }
        await consumer.close()
      }
      async function produce(partition: number) {
        const producer = await ProtocolClient.connect(broker.url)
        const answers: Promise<void>[] = []
        for (let i = 0; i < each; i++) {
          const text = `${partition}/${i}`
          sentAtMs.set(text, performance.now())
          answers.push(
            timed(() => producer.produce(topicId, partition, batchOf([text]))).then(({ value, ms }) => {
              if (value.error === 0) youngest.acknowledged = Math.min(youngest.acknowledged, ms)
            }),
          )
          await new Promise((resolve) => setTimeout(resolve, 25))
        }
        await Promise.all(answers)
      }
      await slow()
      const numbers = Array.from({ length: partitions }, (_, partition) => partition)
      await Promise.all(numbers.flatMap((partition) => [consume(partition), produce(partition)]))
      for (const [name, ms] of Object.entries(youngest))
        t.ok(ms >= DELAY_MS && ms < 60_000, `the youngest ${name} took ${ms} ms`)
    },
  })
})

t.test('a broker that acknowledges too early would be found out', { skip }, async (t) => {
  const effects = await withSlowSyncs(t, {
    main: EARLY_BROKER,
    run: async (broker, slow) => {
      const client = await ProtocolClient.connect(broker.url)
      const topicId = await client.createTopic('lab.events', 1)
      await slow()
      const { ms } = await timed(() => client.produce(topicId, 0, batchOf(['event'])))
      t.ok(ms < DELAY_MS, 'by the clock')
    },
  })
  t.match(
    effects.early[0],
    /^API 0 showed an effect while the log was (asked|written|synced)$/,
    'by the calls',
  )
})

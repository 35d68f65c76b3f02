/**
 * A broker killed with SIGKILL at random moments under load, again and again: every acknowledged event is
 * where its acknowledgement said, whole, and nothing a consumer has seen is ever gone or different.
 *
 * An event whose acknowledgement was lost may appear again (until produce is idempotent), never out of
 * order. OCTOPUS_SEED repeats the moments; OCTOPUS_SOAK makes it long.
 */
import t from 'tap'
import { connect, type OctopusClient } from '../../client/index.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'

const cycles = process.env.OCTOPUS_SOAK ? 300 : 20
const PARTITIONS = 4
const TOPIC = 'lab.events'

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const placeOf = (partition: number, offset: number) => `${partition}@${offset}`

/** Events carry their number and a filling that depends on it, so that a mixed-up byte shows. */
function eventText(number: number): string {
  return `${number}:${String.fromCharCode(97 + (number % 26)).repeat(number % 900)}`
}

class Load {
  readonly acknowledged = new Map<string, number>()
  readonly #client: OctopusClient
  readonly #random: SeededRandom
  readonly #sent: Promise<void>[] = []
  #next = 0
  #stopped = false
  failures = 0

  constructor(client: OctopusClient, random: SeededRandom) {
    this.#client = client
    this.#random = random
  }

  get sent(): number {
    return this.#next
  }

  async run(): Promise<void> {
    const producer = this.#client.producer({ lingerMs: 0, batchBytes: 20_000 })
    while (!this.#stopped) {
      const count = 1 + this.#random.below(60)
      for (let i = 0; i < count; i++) {
        const number = this.#next++
        // Per partition the numbers ascend, so that order can be checked.
        const sent = producer
          .send(TOPIC, { value: eventText(number), partition: number % PARTITIONS })
          .then(({ partition, offset }) => {
            const place = placeOf(partition, offset)
            if (this.acknowledged.has(place)) throw new Error(`${place} was acknowledged twice`)
            this.acknowledged.set(place, number)
          })
        this.#sent.push(sent)
        sent.catch(() => this.failures++)
      }
      await sleep(this.#random.below(4))
      if (this.#next - this.acknowledged.size > 3_000) await sleep(20)
    }
    await producer.close()
    await Promise.allSettled(this.#sent)
  }

  stop(): void {
    this.#stopped = true
  }
}

t.test(`${cycles} SIGKILLs under load`, { timeout: 120_000 }, async (t) => {
  const random = seededRandom(t)
  const broker = await BrokerProcess.start(['--storage-segment-bytes', '16MiB'])
  t.teardown(() => broker.destroy())
  const client = await connect({ url: broker.url, reconnect: { backoffMinMs: 10, backoffMaxMs: 100 } })
  await client.admin().createTopic(TOPIC, { partitions: PARTITIONS })

  const load = new Load(client, random)
  const running = load.run()
  const seen = new Map<string, string>()
  const live = client.consumer({ topics: [TOPIC], from: 'earliest' })
  const next = new Array<number>(PARTITIONS).fill(0)
  const watching = (async () => {
    for await (const record of live) {
      if (record.offset !== next[record.partition])
        t.fail(
          `the consumer got offset ${record.offset} of ${record.partition}, expected ${next[record.partition]}`,
        )
      next[record.partition] = record.offset + 1
      seen.set(placeOf(record.partition, record.offset), record.text() ?? '')
    }
  })()

  for (let cycle = 0; cycle < cycles; cycle++) {
    await sleep(100 + random.below(400))
    await broker.end('SIGKILL')
    await broker.restart()
  }
  await sleep(200)
  load.stop()
  await running
  t.equal(load.failures, 0, 'every event was acknowledged in the end')

  const stored = new Map<string, string>()
  const highest = new Array<number>(PARTITIONS).fill(-1)
  const distinct = new Set<number>()
  let repeated = 0
  const check = await connect({ url: broker.url })
  for await (const record of check.consumer({ topics: [TOPIC], from: 'earliest', untilEnd: true })) {
    const text = record.text() ?? ''
    const number = Number(text.split(':', 1)[0])
    if (text !== eventText(number)) t.fail(`event ${number} is damaged`)
    stored.set(placeOf(record.partition, record.offset), text)
    if (distinct.has(number)) repeated++
    else if (number < highest[record.partition])
      t.fail(`event ${number} comes after ${highest[record.partition]}`)
    distinct.add(number)
    highest[record.partition] = Math.max(highest[record.partition], number)
  }
  let missing = 0
  for (const [place, number] of load.acknowledged) if (stored.get(place) !== eventText(number)) missing++
  let gone = 0
  for (const [place, text] of seen) if (stored.get(place) !== text) gone++

  t.ok(load.acknowledged.size > cycles * 10, `${load.acknowledged.size} events acknowledged`)
  t.equal(load.acknowledged.size, load.sent)
  t.equal(distinct.size, load.sent, 'every event is there')
  t.equal(missing, 0, 'every acknowledged event is exactly where its acknowledgement said')
  t.equal(gone, 0, `nothing of the ${seen.size} events seen live is gone or different`)
  t.comment(`${repeated} events appear again after a lost acknowledgement`)

  await live.close()
  await watching
  await check.close()
  await client.close()
  t.equal(await broker.end('SIGTERM'), 0, 'and it ends in order')
})

/**
 * A broker that stands still (SIGSTOP) for longer than its clients wait, again and again. What they have given up lies
 * in its sockets and queues and is stored when it goes on, while they are back with new connections and epochs. Every
 * record is stored once or not at all, in order; those that were acknowledged are where it was said; of a producer
 * with a name, which sends again what failed, nothing is missing.
 *
 * OCTOPUS_SEED repeats the moments; OCTOPUS_SOAK makes it long.
 */
import t from 'tap'
import { connect, type OctopusClient } from '../../client/index.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { roundsOf } from '../support/rounds.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { eventText, readEvent } from './agent-events.ts'

const cycles = process.env.OCTOPUS_SOAK ? 120 : 12
const PARTITIONS = 2
const TOPIC = 'lab.events'
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

interface Books {
  readonly name: string
  /** Offsets by partition and number. */
  readonly offsets: Map<number, number>[]
  /** How many records were given, by partition. */
  readonly next: number[]
  failures: number
  readonly faults: string[]
}

function books(name: string): Books {
  const offsets = Array.from({ length: PARTITIONS }, () => new Map<number, number>())
  return { name, offsets, next: new Array<number>(PARTITIONS).fill(0), failures: 0, faults: [] }
}

/**
 * Batches are begun at some distance, so that often some are late while those behind them are not: then it must be
 * found out what the broker has of these.
 */
const impatient = { deliveryTimeoutMs: 700, lingerMs: 60 }

/** Goes on with the next record whatever became of the last. */
async function nameless(client: OctopusClient, book: Books, random: SeededRandom, isOver: () => boolean) {
  const producer = client.producer(impatient)
  while (!isOver()) {
    for (let left = 1 + random.below(6); left > 0; left--) {
      const partition = random.below(PARTITIONS)
      const number = book.next[partition]++
      producer.send(TOPIC, { value: eventText(book.name, partition, number), partition }).then(
        ({ offset }) => void book.offsets[partition].set(number, offset),
        () => void book.failures++,
      )
    }
    await sleep(1 + random.below(8))
  }
  await producer.close()
}

/** Sends again what failed, under its number. */
async function named(client: OctopusClient, book: Books, random: SeededRandom, isOver: () => boolean) {
  const producer = client.producer({ ...impatient, producerName: book.name })
  for (let isBehind = true; isBehind || !isOver(); ) {
    let failure: unknown
    const next: number[] = []
    try {
      for (let partition = 0; partition < PARTITIONS; partition++)
        next.push(await producer.nextSequence(TOPIC, partition))
    } catch {
      // The broker stands still for longer than the client waits: that is what this is about.
      book.failures++
      continue
    }
    while (!failure && (!isOver() || next.some((count, partition) => count < book.next[partition]))) {
      for (let left = 1 + random.below(6); left > 0; left--) {
        const partition = random.below(PARTITIONS)
        const sequence = next[partition]++
        if (isOver() && sequence >= book.next[partition]) continue
        book.next[partition] = Math.max(book.next[partition], sequence + 1)
        const value = eventText(book.name, partition, sequence)
        producer.send(TOPIC, { value, partition, sequence }).then(
          ({ offset }) => {
            if (offset >= 0) book.offsets[partition].set(sequence, offset)
          },
          (error) => {
            failure ??= error
          },
        )
      }
      await sleep(1 + random.below(8))
    }
    await producer.flush()
    if (failure) book.failures++
    isBehind = failure !== undefined
  }
  await producer.close()
}

t.test(`a broker that stands still ${cycles} times`, { timeout: cycles * 8_000 }, async (t) => {
  const random = seededRandom(t)
  const broker = await BrokerProcess.start()
  t.teardown(() => broker.destroy())
  const options = {
    url: broker.url,
    requestTimeoutMs: 300,
    livenessTimeoutMs: 300,
    connectTimeoutMs: 100,
    reconnect: { backoffMinMs: 5, backoffMaxMs: 50 },
  }
  const client = await connect({ url: broker.url })
  await client.admin().createTopic(TOPIC, { partitions: PARTITIONS })
  let isOver = false
  const forgetful = [books('a'), books('b')]
  const careful = [books('lab.c'), books('lab.d')]
  const clients = await Promise.all(
    // On a busy machine the first attempt may take longer than they wait, too.
    [...forgetful, ...careful].map(() => connect({ ...options, retryFirstConnect: true })),
  )
  const working = [
    ...forgetful.map((book, i) => nameless(clients[i], book, random, () => isOver)),
    ...careful.map((book, i) => named(clients[2 + i], book, random, () => isOver)),
  ]
  for (const cycle of roundsOf(t, cycles)) {
    await sleep(100 + random.below(300))
    if (!broker.isRunning) throw new Error(`the broker ended in cycle ${cycle}: ${broker.log.slice(-2_000)}`)
    process.kill(broker.pid, 'SIGSTOP')
    await sleep(400 + random.below(500))
    process.kill(broker.pid, 'SIGCONT')
  }
  await sleep(300)
  isOver = true
  await Promise.all(working)
  await Promise.all(clients.map((each) => each.close()))

  const stored = Array.from({ length: PARTITIONS }, () => [] as string[])
  const highest = new Map<string, number>()
  const faults: string[] = []
  for await (const record of client.consumer({ topics: [TOPIC], from: 'earliest', untilEnd: true })) {
    const { partition, offset } = record
    const event = readEvent(record.text() ?? '', partition)
    if (!event) faults.push(`the event at ${partition}@${offset} is damaged`)
    const { name, sequence } = event ?? { name: '', sequence: 0 }
    const before = highest.get(`${name}/${partition}`) ?? -1
    // Numbers that only ever rise: nothing is out of order and nothing is there twice.
    if (sequence <= before) faults.push(`${name} ${sequence} of ${partition} stands behind ${before}`)
    const isCareful = name.startsWith('lab.')
    if (isCareful && sequence !== before + 1) faults.push(`${name} ${before + 1} of ${partition} is missing`)
    highest.set(`${name}/${partition}`, sequence)
    stored[partition][offset] = `${name}:${sequence}`
  }
  for (const { name, offsets, next } of [...forgetful, ...careful])
    for (const [partition, known] of offsets.entries()) {
      const events = new Set(stored[partition])
      for (const [sequence, offset] of known) {
        const event = `${name}:${sequence}`
        const isThere = offset < 0 ? events.has(event) : stored[partition][offset] === event
        if (!isThere) faults.push(`${event} was acknowledged at ${partition}@${offset}`)
      }
      if (name.startsWith('lab.') && highest.get(`${name}/${partition}`) !== next[partition] - 1)
        faults.push(
          `${name} gave ${next[partition]} to ${partition}, the last there is ${highest.get(`${name}/${partition}`)}`,
        )
    }
  t.same(faults.slice(0, 10), [])
  const failures = [...forgetful, ...careful].map((book) => book.failures)
  const total = stored.reduce((sum, { length }) => sum + length, 0)
  t.ok(
    failures.every((count) => count > 0),
    `everyone gave something up: ${failures}; ${total} events are stored`,
  )
  await client.close()
})

/**
 * Agents with a name that die at random, by seed, against a broker that misbehaves: each life asks how far the last
 * one came and goes on. In the end every record is stored once, in order, under its number. Some lives do not die
 * but go on beside their successor, and must not get anything in any more.
 *
 * `OCTOPUS_SEED=7 node …/random-agents.test.js` runs one seed.
 */
import t from 'tap'
import { OctopusClient } from '../../client/client.ts'
import type { ClientPorts, Timer } from '../../client/ports.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import { FakeBroker } from './support/fake-broker.ts'
import type { PlantedBug } from './support/fake-producers.ts'
import { fickleCredentials, mischief, outages } from './support/mischief.ts'
import { World } from './support/world.ts'

const given = process.env.OCTOPUS_SEED
const soak = process.env.OCTOPUS_SOAK ? 20 : 1
const seeds = (count: number) =>
  given ? [Number(given)] : Array.from({ length: count * soak }, (_, i) => i + 1)

const RECORDS = 120
const clientOptions = {
  requestTimeoutMs: 300,
  livenessTimeoutMs: 250,
  retryFirstConnect: true,
  reconnect: { backoffMinMs: 5, backoffMaxMs: 50 },
}

/** Ports that stop working at a moment's notice, as those of a process that is killed. */
function mortal(ports: ClientPorts): { readonly ports: ClientPorts; readonly kill: () => void } {
  let isDead = false
  const alive = (run: () => void) => () => {
    if (!isDead) run()
  }
  const sockets = new Set<{ close(code: number, reason: string): void }>()
  return {
    ports: {
      ...ports,
      timers: {
        after: (delayMs, run): Timer => ports.timers.after(delayMs, alive(run)),
        soon: (run) => ports.timers.soon(alive(run)),
      },
      websockets: {
        connect: async (url, options, handlers) => {
          const socket = await ports.websockets.connect(url, options, {
            message: (data) => {
              if (!isDead) handlers.message(data)
            },
            closed: (reason) => {
              if (!isDead) handlers.closed(reason)
            },
          })
          if (isDead) socket.close(1_000, '')
          sockets.add(socket)
          return socket
        },
      },
    },
    kill: () => {
      isDead = true
      for (const socket of sockets) socket.close(1_000, '')
    },
  }
}

interface Books {
  readonly faults: string[]
  /** Offsets by partition and sequence. */
  readonly offsets: Map<number, number>[]
  duplicates: number
}

/** One life; resolves when everything is stored, or when another one has taken its place. */
async function live(
  world: World,
  client: OctopusClient,
  partitions: number,
  books: Books,
  claimed: () => void = () => {},
): Promise<boolean> {
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      world.after(ms, resolve)
    })
  const producer = client.producer({
    producerName: 'lab.agent',
    batchBytes: 1_024 + world.below(3_000),
    lingerMs: world.below(2) * world.below(20),
    deliveryTimeoutMs: world.below(2) === 0 ? 600 : 60_000,
    maxInFlight: 1 + world.below(5),
  })
  for (;;) {
    let failure: unknown
    const next: number[] = []
    try {
      for (let partition = 0; partition < partitions; partition++) {
        const held = await producer.nextSequence('t', partition)
        claimed()
        next.push(Math.max(0, held - world.below(12)))
      }
    } catch (error) {
      if (isFenced(error)) return false
      await pause(20)
      continue
    }
    while (!failure && next.some((count) => count < RECORDS)) {
      for (let left = 1 + world.below(12); left > 0; left--) {
        const partition = world.below(partitions)
        if (next[partition] >= RECORDS) continue
        const sequence = next[partition]++
        const value = `${partition}:${sequence} ${'x'.repeat(world.below(300))}`
        producer.send('t', { value, partition, sequence }).then(
          ({ offset, isDuplicate }) => {
            if (isDuplicate) books.duplicates++
            if (offset < 0) return
            const known = books.offsets[partition].get(sequence)
            if (known !== undefined && known !== offset)
              books.faults.push(`${partition}:${sequence} was acknowledged at ${known} and at ${offset}`)
            books.offsets[partition].set(sequence, offset)
          },
          (error) => {
            failure ??= error
          },
        )
      }
      await pause(world.below(10))
    }
    await producer.flush()
    if (isFenced(failure)) return false
    if (!failure) return true
    await pause(10)
  }
}

function isFenced(error: unknown): boolean {
  return error instanceof ProtocolError && error.code === ErrorCode.INVALID_PRODUCER_EPOCH
}

async function agentsAtRandom(seed: number, bug?: PlantedBug, hasCredentials = false): Promise<string[]> {
  const world = new World(seed)
  const broker = new FakeBroker(world)
  const partitions = 1 + (seed % 3)
  broker.createTopic('t', partitions)
  broker.network.latencyMsMax = world.below(4)
  broker.commitMs = 1 + world.below(5)
  broker.producers.bug = bug
  broker.misbehave = mischief(world, partitions, 40 + (seed % 5) * 40, 'wicked')
  const credentials = hasCredentials ? fickleCredentials(world, broker) : undefined
  const options = {
    ...clientOptions,
    ...(credentials && { token: credentials.token, connectTimeoutMs: 200 }),
  }
  const stop = outages(world, broker)
  const books: Books = {
    faults: [],
    offsets: Array.from({ length: partitions }, () => new Map<number, number>()),
    duplicates: 0,
  }
  const lives: Promise<unknown>[] = []
  for (let left = 3 + world.below(5); left > 0; left--) {
    const { ports, kill } = mortal(broker.ports)
    const client = await world.until(OctopusClient.open(options, ports))
    let hasName = false
    const life = live(world, client, partitions, books, () => {
      hasName = true
    })
    await world.pass(50 + world.below(400))
    // Who gets the name only now would be the newer one.
    if (world.below(3) > 0 || !hasName) kill()
    else lives.push(life.then(() => client.close()))
  }
  const last = await world.until(OctopusClient.open(options, broker.ports))
  const isDone = await world.until(live(world, last, partitions, books))
  if (!isDone) books.faults.push('the last life was fenced, and nobody came after it')
  stop()
  credentials?.stop()
  broker.misbehave = undefined
  broker.start()
  await world.until(Promise.all([last.close(), ...lives]))

  if (broker.producers.intruders > 0)
    books.faults.push(`${broker.producers.intruders} batches of a life that had been replaced are stored`)
  for (let partition = 0; partition < partitions; partition++) {
    const stored = broker.stored('t', partition)
    const numbers = stored.map(({ text }) => text?.split(' ')[0])
    const due = Array.from({ length: RECORDS }, (_, sequence) => `${partition}:${sequence}`)
    if (numbers.join() !== due.join())
      books.faults.push(`partition ${partition} holds ${numbers.length}: ${differences(numbers, due)}`)
    const byOffset = new Map(stored.map(({ offset }, i) => [offset, numbers[i]]))
    for (const [sequence, offset] of books.offsets[partition])
      if (byOffset.get(offset) !== `${partition}:${sequence}`)
        books.faults.push(`${partition}:${sequence} is not at ${offset}`)
  }
  return books.faults
}

function differences(got: readonly unknown[], due: readonly unknown[]): string {
  const at = got.findIndex((each, i) => each !== due[i])
  return `${got.slice(at, at + 3)} where ${due.slice(at, at + 3)} was due`
}

t.test('agents that die: every record once, in order, under its number', async (t) => {
  for (const seed of seeds(40)) t.same(await agentsAtRandom(seed), [], `seed ${seed}`)
})

t.test('agents whose credentials end as well', async (t) => {
  for (const seed of seeds(15)) t.same(await agentsAtRandom(seed, undefined, true), [], `seed ${seed}`)
})

const bugs: PlantedBug[] = [
  'duplicates are stored',
  'gaps are stored',
  'losses are acknowledged',
  'nobody is fenced',
]
for (const bug of bugs)
  t.test(`a broker that has it wrong is found out: ${bug}`, async (t) => {
    for (const seed of seeds(40)) {
      const faults = await agentsAtRandom(seed, bug)
      if (faults.length === 0) continue
      t.pass(`seed ${seed}: ${faults[0]}`)
      return
    }
    t.fail('nothing was noticed')
  })

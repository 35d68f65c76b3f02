/** A producer without a name that lives through everything that happens to its broker, and what was acknowledged to it. */
import type { OctopusClient, Producer, ProducerOptions } from '../../client/index.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { eventText } from './agent-events.ts'

const UNSETTLED_MAX = 2_000

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

export class Survivor {
  readonly name: string
  /** Offsets by partition and number. */
  readonly offsets: Map<number, number>[]
  /** By partition: the number of its next event. */
  readonly next: number[]
  readonly faults: string[] = []
  readonly #topic: string
  readonly #client: OctopusClient
  readonly #random: SeededRandom
  readonly #options: ProducerOptions
  #isStopped = false

  constructor(
    { name = 'survivor', topic, partitions }: { name?: string; topic: string; partitions: number },
    client: OctopusClient,
    random: SeededRandom,
    options: ProducerOptions = {},
  ) {
    this.name = name
    this.offsets = Array.from({ length: partitions }, () => new Map())
    this.next = new Array(partitions).fill(0)
    this.#topic = topic
    this.#client = client
    this.#random = random
    this.#options = options
  }

  /** Until it is stopped; resolves when everything it sent has its outcome. */
  async run(): Promise<void> {
    const producer = this.#client.producer({ batchBytes: 20_000, ...this.#options })
    let unsettled = 0
    while (!this.#isStopped) {
      for (let left = 1 + this.#random.below(40); left > 0; left--) {
        unsettled++
        void this.#send(producer, this.#random.below(this.next.length)).then(() => unsettled--)
      }
      await sleep(this.#random.below(6))
      while (unsettled > UNSETTLED_MAX) await sleep(10)
    }
    await producer.close()
  }

  /** Just so many, as one batch if they fit; resolves when they have their outcome. */
  async send(partition: number, count: number): Promise<void> {
    const producer = this.#client.producer({ batchBytes: 60_000, ...this.#options })
    for (let left = count; left > 0; left--) this.#send(producer, partition)
    await producer.close()
  }

  #send(producer: Producer, partition: number): Promise<void> {
    const number = this.next[partition]++
    return producer.send(this.#topic, { value: eventText(this.name, partition, number), partition }).then(
      ({ offset }) => void this.offsets[partition].set(number, offset),
      (error: Error) => void this.faults.push(error.message),
    )
  }

  stop(): void {
    this.#isStopped = true
  }
}

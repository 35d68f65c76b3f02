/**
 * What happened to the events of a group, and whether it may have: nothing is committed that was not processed, nobody is handed
 * what another one has, nothing is handed out that was committed, offsets ascend while a partition is owned.
 */
import type { Consumer } from '../../../../client/consumer/consumer.ts'
import type { FakeBroker, FakeRequest } from '../../support/fake-broker.ts'
import type { MortalPorts } from '../../support/mortal-ports.ts'

export interface Reader {
  readonly name: string
  readonly process: MortalPorts
  readonly consumer: Consumer
  /** Newest offset of each partition since it was assigned. */
  readonly newest: Map<number, number>
  /** No other loop reads of the same consumer. */
  readonly isAlone: boolean
  /** It has been told to close. */
  isClosed: boolean
}

export class GroupHistory {
  readonly faults: string[] = []
  readonly readers: Reader[] = []
  handedOut = 0
  readonly #broker: FakeBroker
  readonly #isWanted: (partition: number, offset: number) => boolean
  readonly #done: Set<number>[] = []

  /** @param isWanted by the filter of all readers; what is not is nobody's to process */
  constructor(broker: FakeBroker, isWanted: (partition: number, offset: number) => boolean = () => true) {
    this.#broker = broker
    this.#isWanted = isWanted
  }

  /** Handed to a reader, before anything is done with it. */
  handed(reader: Reader, partition: number, offset: number): void {
    this.handedOut++
    const what = `event ${offset} of partition ${partition} was handed to ${reader.name}`
    if (!this.#isWanted(partition, offset)) this.faults.push(`${what}, which does not want it`)
    if (!reader.process.isRunning) this.faults.push(`${what}, which is not running`)
    if (reader.isClosed) this.faults.push(`${what}, which is closed`)
    for (const other of this.readers) {
      if (other.consumer === reader.consumer || other.isClosed || !other.process.isRunning) continue
      if (other.consumer.positions().some((position) => position.partition === partition))
        this.faults.push(`${what} while ${other.name} has it`)
    }
    const newest = reader.newest.get(partition) ?? -1
    if (offset <= newest) this.faults.push(`${what} after ${newest}`)
    reader.newest.set(partition, offset)
    const committed = this.committed(partition)
    if (offset < committed) this.faults.push(`${what}, and ${committed} was committed`)
  }

  processed(partition: number, offset: number): void {
    this.#of(partition).add(offset)
  }

  /** Every event below it was processed, of those that are wanted. */
  frontier(partition: number): number {
    const done = this.#of(partition)
    const { logEnd } = this.#broker.topic('t').partitions[partition]
    let offset = 0
    while (offset < logEnd && (done.has(offset) || !this.#isWanted(partition, offset))) offset++
    return offset
  }

  committed(partition: number): number {
    const { groups, topics } = this.#broker
    if (!groups?.isRunning) return 0
    const { topicId } = topics.get('t') ?? { topicId: new Uint8Array() }
    const key = Buffer.from(topicId).toString('latin1')
    return groups.service.state.group('g')?.offsets.get(key)?.get(partition)?.offset ?? 0
  }

  /** To be shown every request that reaches the broker. */
  asked({ api, message }: FakeRequest): void {
    if (api.name !== 'offset-commit') return
    for (const { partition, offset } of message.partitions)
      if (offset > this.frontier(partition))
        this.faults.push(
          `${offset} of partition ${partition} was to be committed, ${this.frontier(partition)} was not processed`,
        )
  }

  #of(partition: number): Set<number> {
    this.#done[partition] ??= new Set()
    return this.#done[partition]
  }
}

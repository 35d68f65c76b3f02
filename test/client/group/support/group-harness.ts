/** A world with a broker that knows groups, and consumers of one group in it, each with a connection of its own. */
import { OctopusClient } from '../../../../client/client.ts'
import type { Consumer } from '../../../../client/consumer/consumer.ts'
import type { ConsumerOptions } from '../../../../client/consumer/options.ts'
import type { AssignmentChange, GroupOptions } from '../../../../client/group/options.ts'
import type { ClientOptions } from '../../../../client/options.ts'
import { FakeBroker } from '../../support/fake-broker.ts'
import { FakeGroups } from '../../support/fake-groups.ts'
import { batchOf, numbered } from '../../support/harness.ts'
import { MortalPorts } from '../../support/mortal-ports.ts'
import { World } from '../../support/world.ts'

export interface Member {
  readonly client: OctopusClient
  readonly consumer: Consumer
  readonly process: MortalPorts
  readonly changes: AssignmentChange[]
  readonly warnings: string[]
}

export class GroupHarness {
  readonly world = new World(1)
  readonly broker = new FakeBroker(this.world)
  readonly groups: FakeGroups

  private constructor() {
    this.groups = new FakeGroups(this.world, this.broker.topics, { assignmentIntervalMs: 0 })
    this.broker.groups = this.groups
  }

  /** With a topic `t` of so many partitions, each with so many events. */
  static async start(partitions = 2, events = 10): Promise<GroupHarness> {
    const harness = new GroupHarness()
    harness.broker.createTopic('t', partitions)
    for (let partition = 0; partition < partitions; partition++) harness.produce(partition, events)
    await harness.world.until(harness.groups.start())
    return harness
  }

  produce(partition: number, count: number): void {
    // As many batches as events.
    for (const value of numbered(`p${partition}-`, count))
      this.broker.append('t', partition, batchOf([value]))
  }

  async member(
    group: Partial<GroupOptions> = {},
    options: Partial<ConsumerOptions> = {},
    clientOptions: ClientOptions = {},
  ): Promise<Member> {
    const process = new MortalPorts(this.broker.ports)
    const client = await this.world.until(OctopusClient.open(clientOptions, process.ports))
    const changes: AssignmentChange[] = []
    const warnings: string[] = []
    const consumer = client.consumer({
      topics: ['t'],
      from: 'earliest',
      ...options,
      group: {
        id: 'g',
        autoCommitIntervalMs: 100,
        onAssignment: (change) => changes.push(change),
        onWarning: (warning) => warnings.push(warning),
        ...group,
      },
    } as ConsumerOptions & { group: GroupOptions }) as Consumer
    return { client, consumer, process, changes, warnings }
  }

  /** `t/0@5`, one for each. */
  async read(consumer: Consumer, count: number): Promise<string[]> {
    const events = consumer[Symbol.asyncIterator]()
    const seen: string[] = []
    for (let i = 0; i < count; i++) {
      const { value } = await this.world.until(events.next())
      if (!value) break
      seen.push(`${value.partition}@${value.offset}`)
    }
    return seen
  }

  committed(partition: number): { offset: number; metadata: string } | undefined {
    const { topicId } = this.broker.topic('t')
    const offsets = this.groups.service.state.group('g')?.offsets.get(String.fromCharCode(...topicId))
    const found = offsets?.get(partition)
    return found && { offset: found.offset, metadata: found.metadata }
  }

  members(): string[] {
    return [...(this.groups.service.state.group('g')?.members.keys() ?? [])]
  }
}

export function partitionsOf({ consumer }: Member): number[] {
  return consumer
    .positions()
    .map(({ partition }) => partition)
    .sort()
}

/**
 * What authorization costs a broker that has all the rules: it takes the same events from two callers in turns. One is
 * an administrator, who is decided about first and by nothing else, as little as the code can do; the other a user whose
 * right comes from a group and a prefix, among all the rules. Both use named producers, which are asked about, too.
 *
 * The broker stores nothing: without the disk there is less work for an event, and the share of authorization is the
 * largest it can be. What is compared is CPU time, since rates differ by more from run to run than what is looked for.
 * Turns are short and many: the speed of a shared machine changes, and neighbours in time meet the same one.
 */

import { ADMIN_KEY } from '../brokers/admin-key.ts'
import { ask } from '../brokers/ask.ts'
import type { BrokerProcess } from '../brokers/broker-process.ts'
import type { Progress } from '../display/progress.ts'
import type { LoadProcess } from '../load/load-process.ts'
import type { ProducerChoice } from '../load/tasks.ts'
import { exactCpuSeconds } from '../machine/process-statistics.ts'
import { entriesOf, type Member, makeKeys, producerNameOf, putEntries, SHARED } from './population.ts'

export const PRODUCED_TOPIC = `${SHARED}.produced`

/** How events are sent. */
export interface ProduceLoad {
  readonly name: string
  readonly events: number
  readonly valueBytes: number
  readonly batchBytes?: number
}

export interface ProduceTurn {
  readonly eventsPerSecond: number
  readonly batches: number
  /** Null where the system does not tell. */
  readonly cpuSecondsPerMillionEvents: number | null
}

/** One after the other: administrator, user, user, administrator, so that what drifts is the same for both. */
export interface ProduceRound {
  readonly administrator: readonly [ProduceTurn, ProduceTurn]
  readonly user: readonly [ProduceTurn, ProduceTurn]
}

export interface ProduceCostOptions {
  readonly members: readonly Member[]
  readonly rounds: number
  readonly warmupRounds: number
  readonly partitions: number
  readonly seed: number
  readonly loads: readonly ProduceLoad[]
}

/** Every round of each load, in the order of the loads. */
export async function measureProduceCost(
  broker: BrokerProcess,
  load: LoadProcess,
  { members, rounds, warmupRounds, partitions, seed, loads }: ProduceCostOptions,
  progress: Progress,
): Promise<ProduceRound[][]> {
  const [user] = members
  const [{ token }] = await ask(broker, async (client) => {
    const admin = client.admin()
    await admin.createTopic(PRODUCED_TOPIC, { partitions })
    await putEntries(admin, entriesOf(members))
    return makeKeys(admin, [user])
  })

  const turn = async (by: string, producerName: string, how: ProduceLoad): Promise<ProduceTurn> => {
    const { events, valueBytes, batchBytes } = how
    const producer: ProducerChoice = { producerName, ...(batchBytes !== undefined && { batchBytes }) }
    const task = { kind: 'produce', topic: PRODUCED_TOPIC, events, valueBytes, seed, producer } as const
    const before = exactCpuSeconds(broker.pid)
    const { batches, seconds } = await load.run(broker.url, task, undefined, by)
    const after = exactCpuSeconds(broker.pid)
    const cpuSeconds = before === undefined || after === undefined ? null : after - before
    return {
      eventsPerSecond: events / seconds,
      batches,
      cpuSecondsPerMillionEvents: cpuSeconds === null ? null : (cpuSeconds / events) * 1e6,
    }
  }
  const byAdministrator = (how: ProduceLoad) => turn(ADMIN_KEY, `${SHARED}.administrator.producer`, how)
  const byUser = (how: ProduceLoad) => turn(token, producerNameOf(user), how)
  const round = async (how: ProduceLoad): Promise<ProduceRound> => {
    const first = await byAdministrator(how)
    const both = [await byUser(how), await byUser(how)] as const
    return { administrator: [first, await byAdministrator(how)], user: both }
  }

  const measured: ProduceRound[][] = []
  for (const how of loads) {
    progress.step(`cost of authorization, ${how.name}: warming up`)
    for (let i = 0; i < warmupRounds; i++) await round(how)
    progress.step(`cost of authorization, ${how.name}: ${rounds} rounds`)
    const ofLoad: ProduceRound[] = []
    while (ofLoad.length < rounds) {
      ofLoad.push(await round(how))
      progress.detail(`${ofLoad.length} done`)
    }
    measured.push(ofLoad)
  }
  return measured
}

/**
 * Members of a group that do nothing but commit: each has a connection of its own and a partition, and commits the next offset when
 * the last one is durable. Nothing is shared unless the broker shares it.
 */
import hdr from 'hdr-histogram-js'
import type { Consumer } from '../../client/index.ts'
import { cpuSecondsBetween, openClients } from './one-in-flight.ts'
import type { GroupCommits, GroupCommitsTask } from './tasks.ts'

const LATENCY_US_MAX = 60_000_000

export async function groupCommits(url: string, task: GroupCommitsTask): Promise<GroupCommits> {
  const { topic, group, members, warmupSeconds } = task
  const histogram = hdr.build({ lowestDiscernibleValue: 1, highestTrackableValue: LATENCY_US_MAX })
  const clients = await openClients(url, members)
  const consumers = clients.map((client) =>
    client.consumer({ topics: [topic], from: 'earliest', group: { id: group, autoCommit: false } }),
  )
  const partitions = await onePartitionEach(consumers)
  const startMs = performance.now() + warmupSeconds * 1000
  const endMs = startMs + task.seconds * 1000
  const committed = new Array<number>(members).fill(0)
  let commits = 0

  const run = async (consumer: Consumer, partition: number): Promise<void> => {
    for (let sentMs = performance.now(), offset = 0; sentMs < endMs; offset++) {
      await consumer.commit({ topic, partition, offset })
      const nowMs = performance.now()
      committed[partition] = offset + 1
      if (nowMs >= startMs && nowMs < endMs) {
        commits++
        histogram.recordValue(Math.min(Math.round((nowMs - sentMs) * 1000), LATENCY_US_MAX))
      }
      sentMs = nowMs
    }
  }

  const cpuSeconds = cpuSecondsBetween(warmupSeconds, task.seconds)
  await Promise.all(consumers.map((consumer, i) => run(consumer, partitions[i])))
  await Promise.all(clients.map((client) => client.close()))
  return {
    commits,
    seconds: task.seconds,
    cpuSeconds: await cpuSeconds,
    histogram: hdr.encodeIntoCompressedBase64(histogram),
    committed,
  }
}

/** Resolves when each has exactly one, and nobody's moves any more. */
async function onePartitionEach(consumers: readonly Consumer[]): Promise<number[]> {
  for (;;) {
    const held = consumers.map((consumer) => consumer.positions().map(({ partition }) => partition))
    const partitions = held.flat()
    if (held.every(({ length }) => length === 1) && new Set(partitions).size === consumers.length)
      return partitions
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/**
 * What the data of a broker takes on the disk beside what of it is alive, looked at again and again while events
 * pass. Live bytes come from the description of the topics, as anyone gets it; the disk is asked itself.
 */
import { setTimeout } from 'node:timers/promises'
import { connect } from '../../client/index.ts'
import type { BrokerProcess } from '../brokers/broker-process.ts'
import { metricIfAny } from '../brokers/metrics.ts'
import { allocatedBytes } from '../machine/disk-usage.ts'

export interface Footprint {
  /** Since the watch began. */
  readonly seconds: number
  /** Record batches between log start and log end, all partitions of all topics. */
  readonly liveBytes: number
  readonly diskBytes: number
  /** Segments that were relocated so far; null: this broker does not tell. */
  readonly relocations: number | null
}

const RELOCATIONS_METRIC = 'octopus_relocated_segments_total'
const LOOK_EVERY_MS = 200

/** Looks until `work` has ended, and gives back what it resolved with. */
export async function watchFootprint<T>(
  broker: BrokerProcess,
  data: string,
  work: Promise<T>,
): Promise<{ readonly result: T; readonly footprints: readonly Footprint[] }> {
  const footprints: Footprint[] = []
  const startMs = performance.now()
  let isOver = false
  const over = work.finally(() => {
    isOver = true
  })
  const client = await connect({ url: broker.url, clientName: 'octopus-bench' })
  const liveBytes = async () => {
    const topics = await client.admin().describeTopics()
    return topics.flatMap(({ partitions }) => partitions).reduce((sum, { bytes }) => sum + bytes, 0)
  }
  try {
    while (!isOver) {
      const relocations = await metricIfAny(broker, RELOCATIONS_METRIC)
      const before = await liveBytes()
      const diskBytes = allocatedBytes(data, broker.pid)
      // Data arrives and leaves while the disk is looked at: the larger count is what it had to hold.
      const liveNow = Math.max(before, await liveBytes())
      const seconds = (performance.now() - startMs) / 1000
      footprints.push({ seconds, liveBytes: liveNow, diskBytes, relocations })
      await Promise.race([over, setTimeout(LOOK_EVERY_MS)])
    }
  } finally {
    await client.close()
  }
  return { result: await work, footprints }
}

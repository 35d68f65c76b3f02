/**
 * A consumer that reads a topic again from its beginning, as fast as it gets it. The SDK checks the checksum of every
 * batch; here every record is looked at and its bytes are counted.
 */
import type { connect } from '../../client/index.ts'
import type { Replayed, ReplayTask } from './tasks.ts'

type Client = Awaited<ReturnType<typeof connect>>

const monotonicNs = () => Number(process.hrtime.bigint())

export async function replay(client: Client, { topic, seconds }: ReplayTask): Promise<Replayed> {
  const consumer = client.consumer({ topics: [topic], from: 'earliest', untilEnd: true })
  const startNs = monotonicNs()
  const lastNs = startNs + seconds * 1e9
  let events = 0
  let bytes = 0
  for await (const { records } of consumer.batches()) {
    for (const { valueLength } of records) {
      events++
      bytes += valueLength
    }
    if (monotonicNs() >= lastNs) break
  }
  return { events, bytes, startNs, endNs: monotonicNs() }
}

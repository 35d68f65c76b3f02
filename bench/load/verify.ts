/**
 * Reads all that a topic still holds and compares every value with those that were produced. For topics whose
 * beginning retention has taken: what is left must be whole.
 */
import type { connect } from '../../client/index.ts'
import { ValuePool } from '../figures/values.ts'
import type { Answers, VerifyTask } from './tasks.ts'

type Client = Awaited<ReturnType<typeof connect>>

export async function verify(
  client: Client,
  { topic, valueBytes, seed }: VerifyTask,
): Promise<Answers['verify']> {
  const pool = new Map(new ValuePool(seed, valueBytes).views.map((view) => [keyOf(view), Buffer.from(view)]))
  const nextOffsets = new Map<number, number>()
  let events = 0
  const consumer = client.consumer({ topics: [topic], from: 'earliest', untilEnd: true })
  for await (const { partition, records } of consumer.batches()) {
    let next = nextOffsets.get(partition)
    for (const { offset, value } of records) {
      const where = () => `topic ${topic}, partition ${partition}, offset ${offset}`
      if (next !== undefined && offset !== next) throw new Error(`${where()}: expected offset ${next}`)
      next = offset + 1
      if (value === null || pool.get(keyOf(value))?.equals(value) !== true)
        throw new Error(`${where()}: the value is none of those that were produced`)
      events++
    }
    if (next !== undefined) nextOffsets.set(partition, next)
  }
  return { events }
}

/** The first six bytes, which tell random values apart. */
function keyOf({ buffer, byteOffset }: Uint8Array): number {
  const view = new DataView(buffer, byteOffset, 6)
  return view.getUint32(0) * 0x1_0000 + view.getUint16(4)
}

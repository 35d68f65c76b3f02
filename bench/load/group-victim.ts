/** A member of a group in a process of its own, to be killed: reads, and says what it has whenever that changes. */
import { connect } from '../../client/index.ts'
import type { VictimTask } from './group-moves.ts'

const { url, topic, group, sessionTimeoutMs } = JSON.parse(process.argv[2]) as VictimTask
const client = await connect({ url, clientName: 'octopus-bench' })
const held = new Set<number>()
const consumer = client.consumer({
  topics: [topic],
  from: 'earliest',
  group: {
    id: group,
    sessionTimeoutMs,
    onAssignment: ({ added, removed }) => {
      for (const { partition } of removed) held.delete(partition)
      for (const { partition } of added) held.add(partition)
      process.send?.([...held])
    },
  },
})
let events = 0
for await (const { count } of consumer.batches()) events += count
process.stdout.write(`${events} events\n`)

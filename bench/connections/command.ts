/** `bench connections`: its flags, its sizes, and its outcome. */
import type { Command } from 'commander'
import {
  benchCommand,
  measure,
  type Outcome,
  present,
  type RoundFlags,
  wholeNumberFrom,
} from '../command-line.ts'
import { connectionsReport } from './report.ts'
import { connectionsResult, connectionsTargets } from './result.ts'
import { type ConnectionsOptions, runConnections } from './run.ts'

interface ConnectionsFlags extends RoundFlags {
  readonly connections: number
  readonly generators: number
  readonly partitions: number
  readonly seconds: number
}

/** For the room on the disk only: more than anybody acknowledges, and what a small value costs at most. */
const ROUND_EVENTS_PER_SECOND = 100_000
const STORED_BYTES_PER_EVENT = 500

const connectionsBench = {
  run: runConnections,
  result: connectionsResult,
  report: connectionsReport,
  targets: connectionsTargets,
}

export function connectionsCommand(): Command {
  return benchCommand(
    'connections',
    'acknowledged events a second, one under way on each of many connections',
    {
      rounds: 3,
      valueBytes: 32,
      partitions: 16,
      seconds: 10,
    },
  )
    .option('--connections <n>', 'clients, each with a connection of its own', wholeNumberFrom(1), 200)
    .option('--generators <n>', 'processes they are shared out to', wholeNumberFrom(1), 1)
    .action((flags: ConnectionsFlags) => present(flags, () => connections(flags)))
}

async function connections(flags: ConnectionsFlags): Promise<Outcome> {
  const { generators, partitions, valueBytes, seed, smoke } = flags
  if (generators > flags.connections) throw new Error('--generators: there are fewer --connections than that')
  const options: ConnectionsOptions = {
    rounds: smoke ? 1 : flags.rounds,
    connections: smoke ? Math.max(generators, 20) : flags.connections,
    warmupSeconds: smoke ? 0.2 : 3,
    seconds: smoke ? 0.5 : flags.seconds,
    nothingStoredSeconds: smoke ? 0.3 : 5,
    smallSyncs: smoke ? 20 : 500,
    generators,
    partitions,
    valueBytes,
    seed,
  }
  const events = (options.warmupSeconds + options.seconds) * ROUND_EVENTS_PER_SECOND
  const roundBytes = smoke ? 0 : events * (STORED_BYTES_PER_EVENT + valueBytes)
  return measure(connectionsBench, options, flags, roundBytes)
}

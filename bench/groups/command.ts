/** `bench groups`: its flags, its sizes, and its outcome. */
import type { Command } from 'commander'
import {
  benchCommand,
  measure,
  type Outcome,
  present,
  type RoundFlags,
  wholeNumberFrom,
} from '../command-line.ts'
import { groupsReport } from './report.ts'
import { groupsResult, groupsTargets } from './result.ts'
import { type GroupsOptions, runGroups } from './run.ts'

interface GroupsFlags extends RoundFlags {
  readonly partitions: number
  readonly events: number
  readonly eventEvents: number
  readonly members: number
  readonly movedPartitions: number
  readonly joins: number
  readonly kills: number
  readonly committers: number
}

const groupsBench = { run: runGroups, result: groupsResult, report: groupsReport, targets: groupsTargets }

/** Of the log, for a small value. */
const STORED_BYTES_PER_EVENT = 10

export function groupsCommand(): Command {
  return benchCommand(
    'groups',
    'what reading as a member of a group costs, how soon partitions move, how many offsets a second are kept',
    { rounds: 5, valueBytes: 32, partitions: 16 },
  )
    .option('--events <n>', 'events read in batches in each turn', wholeNumberFrom(1), 30_000_000)
    .option(
      '--event-events <n>',
      'events read one by one in each turn, at most --events',
      wholeNumberFrom(1),
      10_000_000,
    )
    .option('--members <n>', 'members of the group whose partitions move', wholeNumberFrom(2), 50)
    .option('--moved-partitions <n>', 'partitions of that group', wholeNumberFrom(1), 1_000)
    .option('--joins <n>', 'members that join it, one after the other', wholeNumberFrom(1), 10)
    .option('--kills <n>', 'members of it that are killed', wholeNumberFrom(1), 3)
    .option(
      '--committers <n>',
      'members that commit, each with a connection of its own',
      wholeNumberFrom(1),
      200,
    )
    .action((flags: GroupsFlags) => present(flags, () => groups(flags)))
}

async function groups(flags: GroupsFlags): Promise<Outcome> {
  const { partitions, valueBytes, seed, smoke } = flags
  const options: GroupsOptions = {
    rounds: smoke ? 1 : flags.rounds,
    warmupRounds: smoke ? 0 : 1,
    events: smoke ? 50_000 : flags.events,
    eventEvents: smoke ? 20_000 : Math.min(flags.eventEvents, flags.events),
    members: smoke ? 3 : flags.members,
    movedPartitions: smoke ? 24 : flags.movedPartitions,
    joins: smoke ? 2 : flags.joins,
    kills: smoke ? 1 : flags.kills,
    sessionTimeoutMs: smoke ? 1_000 : 3_000,
    ratePerSecond: smoke ? 200 : 1_000,
    quietSeconds: smoke ? 0.2 : 2,
    committers: smoke ? 10 : flags.committers,
    commitRounds: smoke ? 1 : 3,
    commitWarmupSeconds: smoke ? 0.2 : 3,
    commitSeconds: smoke ? 0.5 : 10,
    smallSyncs: smoke ? 20 : 500,
    partitions,
    valueBytes,
    seed,
  }
  const roundBytes = smoke ? 0 : options.events * (valueBytes + STORED_BYTES_PER_EVENT)
  return measure(groupsBench, options, flags, roundBytes)
}

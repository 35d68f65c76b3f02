/** `bench codecs`: its flags, its sizes, and its outcome. */
import type { Command } from 'commander'
import { benchCommand, type Flags, measure, type Outcome, present, wholeNumberFrom } from '../command-line.ts'
import { codecsReport } from './report.ts'
import { codecsResult, codecsTargets } from './result.ts'
import { type CodecsOptions, runCodecs } from './run.ts'

interface CodecsFlags extends Flags {
  readonly rounds: number
  readonly partitions: number
  readonly events: number
  readonly rate: number
}

const KIB = 1024

const codecsBench = { run: runCodecs, result: codecsResult, report: codecsReport, targets: codecsTargets }

/** What the plain topic takes in a second on a fast machine, in bytes: the most of what a round stores. */
const PLAIN_BYTES_PER_SECOND = 600e6

export function codecsCommand(): Command {
  return benchCommand(
    'codecs',
    'codecs and the pool of worker threads by themselves, and topics that a broker recompresses',
    { rounds: 3, partitions: 16, rate: 10_000 },
  )
    .option('--events <n>', 'events recompressed and read back in each round', wholeNumberFrom(1), 8_000_000)
    .action((flags: CodecsFlags) => present(flags, () => codecs(flags)))
}

async function codecs(flags: CodecsFlags): Promise<Outcome> {
  const { partitions, seed, smoke } = flags
  const options: CodecsOptions = {
    rounds: smoke ? 1 : flags.rounds,
    differentEvents: smoke ? 2_000 : Number.MAX_SAFE_INTEGER,
    codecRounds: smoke ? 1 : 3,
    codecSampleMs: smoke ? 0 : 60,
    poolSampleMs: smoke ? 4 : 200,
    batchBytes: (smoke ? [4, 64] : [1, 2, 4, 8, 16, 64, 256, 1024]).map((kib) => kib * KIB),
    warmupEvents: smoke ? 5_000 : 2_000_000,
    events: smoke ? 20_000 : flags.events,
    recompressedPerSecond: smoke ? 20_000 : 1_000_000,
    livePerSecond: smoke ? 1_000 : flags.rate,
    liveValueBytes: 32,
    liveWarmupSeconds: smoke ? 0.2 : 2,
    liveSeconds: smoke ? 0.4 : 8,
    plainSeconds: smoke ? 0.2 : 5,
    leadSeconds: smoke ? 0.1 : 1,
    diskProbeBytes: smoke ? 2e6 : 256e6,
    smallSyncs: smoke ? 20 : 500,
    processorProbes: smoke ? 2 : 200,
    partitions,
    seed,
  }
  const roundBytes = 2 * options.plainSeconds * PLAIN_BYTES_PER_SECOND + options.events * 200
  return measure(codecsBench, options, flags, smoke ? 0 : roundBytes)
}

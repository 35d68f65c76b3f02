/**
 * What compression costs, in two parts: the codecs and the pool of worker threads by themselves, without a broker; and topics that
 * a broker recompresses, round by round, with the machine probed between them.
 */
import { join } from 'node:path'
import { loadConfig } from '../../broker/config/load-config.ts'
import { systemPorts } from '../../broker/system-ports.ts'
import type { Progress } from '../display/progress.ts'
import { readJsonEvents } from '../events/read-data-sets.ts'
import { type Probe, type ProbeSizes, probeMachine, probeProcessor } from '../machine/probes.ts'
import { type CodecSpeed, measureCodecSpeeds, nameOf } from './codec-speed.ts'
import { measurePoolCost, type PoolCost, recompressed } from './pool-cost.ts'
import { measureRecompression, type RecompressionOptions, type RecompressionRound } from './recompression.ts'

export interface CodecsOptions extends ProbeSizes, RecompressionOptions {
  /** Of the topics that are recompressed. */
  readonly rounds: number
  /** For the codecs by themselves; at most as many as there are. */
  readonly differentEvents: number
  readonly codecRounds: number
  readonly codecSampleMs: number
  readonly poolSampleMs: number
  /** Before compression. */
  readonly batchBytes: readonly number[]
  readonly processorProbes: number
}

export interface CodecsRun {
  readonly events: { readonly different: number; readonly meanBytes: number }
  readonly speeds: readonly CodecSpeed[]
  readonly poolCosts: readonly PoolCost[]
  /** From which size on the broker's default sends a batch to the pool. */
  readonly offloadBytesMin: number
  readonly workers: number
  /** By the name of codec and level. */
  readonly rounds: ReadonlyMap<string, readonly RecompressionRound[]>
  /** Before everything, and after each round. */
  readonly probes: readonly Probe[]
  readonly processorMegabytesPerSecond: readonly number[]
}

export async function runCodecs(
  directory: string,
  options: CodecsOptions,
  progress: Progress,
): Promise<CodecsRun> {
  const probes: Probe[] = []
  const processorMegabytesPerSecond: number[] = []
  const probe = async () => {
    progress.step('probing disk and processor')
    probes.push(await probeMachine(directory, options))
    processorMegabytesPerSecond.push(await probeProcessor(options.processorProbes))
  }
  await probe()
  const values = (await readJsonEvents(options.seed)).slice(0, options.differentEvents)
  const meanBytes = values.reduce((sum, { length }) => sum + length, 0) / values.length
  const { batchBytes, codecRounds, codecSampleMs, poolSampleMs } = options
  const speedOptions = { rounds: codecRounds, sampleMs: codecSampleMs, batchBytes }
  const speeds = measureCodecSpeeds(values, speedOptions, progress)
  const { codecs } = loadConfig({ flags: {}, env: {}, readFile: () => '' })
  const pool = systemPorts().codecPool(codecs)
  const workers = pool.stats().workers.max
  const poolOptions = { rounds: codecRounds, sampleMs: poolSampleMs, batchBytes, workers }
  const poolCosts = await measurePoolCost(values, pool, poolOptions, progress)
  await pool.close()

  const rounds = new Map<string, RecompressionRound[]>(recompressed.map((choice) => [nameOf(choice), []]))
  for (let round = 1; round <= options.rounds; round++)
    for (const choice of recompressed) {
      const name = nameOf(choice)
      const data = join(directory, `${name}-${round}`)
      const named: Progress = {
        ...progress,
        step: (text) => progress.step(`round ${round} of ${options.rounds}, ${text}`),
      }
      rounds.get(name)!.push(await measureRecompression(data, choice, options, named))
      await probe()
    }
  const events = { different: values.length, meanBytes }
  const { offloadBytesMin } = codecs
  return { events, speeds, poolCosts, offloadBytesMin, workers, rounds, probes, processorMegabytesPerSecond }
}

/**
 * Numbers lines for a producer with a name, so that the same lines get the same numbers the next time: each has a
 * partition that does not depend on chance, and counts there. A line that cannot be numbered ends the command:
 * leaving it out would change the numbers of all behind it.
 */
import { murmur2Partitioner } from '../../client/index.ts'
import { ExitCode } from './exit-codes.ts'
import { Failure, usage } from './failure.ts'
import type { Line } from './line-splitter.ts'

export interface LineSequenceOptions {
  readonly topic: string
  readonly partitions: number
  /** The one that all lines go to. */
  readonly partition: number | undefined
  /** Lines begin with a key. */
  readonly hasKeys: boolean
}

export class LineSequence {
  readonly #options: LineSequenceOptions
  /** Lines so far, by partition. */
  readonly #counts: number[]

  /** Throws a usage error when nothing says where lines go. */
  constructor(options: LineSequenceOptions) {
    const { topic, partitions, partition, hasKeys } = options
    if (partitions > 1 && partition === undefined && !hasKeys)
      throw usage(
        `--producer-name: topic "${topic}" has ${partitions} partitions, and each line must go to the same one every time: add --partition, or keys and --key-separator`,
      )
    this.#options = options
    this.#counts = new Array<number>(partitions).fill(0)
  }

  /** Where the next line goes, and its number there. Throws a failure when it has no key and needs one. */
  next(line: Line, key: Uint8Array | null): { readonly partition: number; readonly sequence: number } {
    const { topic, partitions } = this.#options
    const partition =
      this.#options.partition ?? (partitions === 1 ? 0 : murmur2Partitioner(key, partitions, topic))
    if (partition === undefined)
      throw new Failure(
        ExitCode.FAILED,
        `line ${line.number} has no key: with --producer-name every line of a topic with ${partitions} partitions needs one; the lines before it are sent`,
      )
    return { partition, sequence: this.#counts[partition]++ }
  }
}

/** A line that is too long to be an event. */
export function unnumbered(reason: string): Failure {
  return new Failure(
    ExitCode.FAILED,
    `${reason}; with --producer-name no line is skipped, since that would change the numbers of those behind it; the lines before it are sent`,
  )
}

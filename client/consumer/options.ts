/** Options of a consumer: what there is, defaults, bounds, and how a wrong one is refused. */
import { oneOf, TIMEOUT_MS_MAX, wholeNumber } from '../options.ts'
import type { Serializer } from '../serializers.ts'

/**
 * Where reading begins: with the oldest record there is, with what comes from now on, at an offset, or at
 * the first record that is not older than a time (ms since 1970; none that young: from now on).
 */
export type StartPosition = 'earliest' | 'latest' | { readonly offset: number } | { readonly timeMs: number }

/** One partition of one topic. */
export interface PartitionName {
  readonly topic: string
  readonly partition: number
}

export interface Assignment extends PartitionName {
  /** Default: the consumer's `from`. */
  readonly from?: StartPosition
}

/** What to do when the broker does not hold the wanted offset (any more). */
export type OutOfRangePolicy = 'earliest' | 'latest' | 'fail'

/** Offsets whose records are lost, in the order of reading. */
export interface LostOffsets extends PartitionName {
  readonly firstOffset: number
  /** Inclusive. */
  readonly lastOffset: number
}

export interface ConsumerOptions<T = never> {
  /** Every partition of these topics, also those that are added while reading (from their beginning). */
  readonly topics?: readonly string[]
  /** Exactly these partitions. Either this or `topics`. */
  readonly assignments?: readonly Assignment[]
  /** Where reading begins. Default `latest`, as in Kafka. */
  readonly from?: StartPosition
  /** Longest time the broker holds back an answer while there is nothing new. Default 500. */
  readonly maxWaitMs?: number
  /** Bytes the broker waits for, up to `maxWaitMs`. Default 1. */
  readonly minBytes?: number
  /** Bound on one answer. Default 8 MiB. */
  readonly fetchBytesMax?: number
  /** Bound on one partition in one answer; a larger batch still comes whole. Default 1 MiB. */
  readonly partitionFetchBytesMax?: number
  /** Bound on what was fetched or asked for and not yet handed out. Default 16 MiB. */
  readonly prefetchBytesMax?: number
  /** `committed`: nothing of a transaction that is undecided or was aborted. Default `committed`. */
  readonly isolation?: 'committed' | 'uncommitted'
  /**
   * When the wanted offset has been deleted by retention, or never was. Kafka's default is to jump to the
   * latest record without a word; ours is `fail`, which names the offset and the range. `earliest` goes on
   * with the oldest record there is; the offsets of the records show the gap.
   */
  readonly onOutOfRange?: OutOfRangePolicy
  /**
   * When records were lost to damage on the broker's disk, and a repair marked their offsets as lost. `fail`, the default,
   * throws an error that names the offsets, once: whoever iterates again reads on behind them. A function is told, and
   * reading goes on.
   */
  readonly onLost?: 'fail' | ((range: LostOffsets) => void)
  /** Check the checksum of every batch when it arrives. Default true. */
  readonly checkCrc?: boolean
  /** End when the ends that the partitions had at the start are reached. Default false. */
  readonly untilEnd?: boolean
  /** How values become what the caller reads; see `serializers`. Default: records with lazy bytes. */
  readonly deserializer?: Pick<Serializer<T>, 'deserialize'>
  /** When aborted, the consumer closes and the iteration throws the signal's reason. */
  readonly signal?: AbortSignal
}

export interface ConsumerSettings {
  readonly topics: readonly string[]
  readonly assignments: readonly Assignment[]
  readonly from: StartPosition
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly fetchBytesMax: number
  readonly partitionFetchBytesMax: number
  readonly prefetchBytesMax: number
  /** As on the wire: 1 committed, 0 uncommitted. */
  readonly isolationLevel: 0 | 1
  readonly onOutOfRange: OutOfRangePolicy
  readonly onLost: 'fail' | ((range: LostOffsets) => void)
  readonly checkCrc: boolean
  readonly untilEnd: boolean
  readonly signal: AbortSignal | undefined
}

const MIB = 1024 * 1024
/** The wire counts bytes in 32 bits, and nobody has more room than this to spare. */
const BYTES_MAX = 1024 * MIB

export function consumerSettings(options: ConsumerOptions<unknown>): ConsumerSettings {
  const topics = options.topics ?? []
  const assignments = options.assignments ?? []
  if (topics.length > 0 === assignments.length > 0)
    throw new RangeError('options topics and assignments: give one of them, with at least one entry')
  return {
    topics: [...new Set(topics)],
    assignments: distinct(assignments),
    from: startPosition('from', options.from ?? 'latest'),
    maxWaitMs: wholeNumber('maxWaitMs', options.maxWaitMs ?? 500, 1, TIMEOUT_MS_MAX),
    minBytes: wholeNumber('minBytes', options.minBytes ?? 1, 1, BYTES_MAX),
    fetchBytesMax: wholeNumber('fetchBytesMax', options.fetchBytesMax ?? 8 * MIB, 1, BYTES_MAX),
    partitionFetchBytesMax: wholeNumber(
      'partitionFetchBytesMax',
      options.partitionFetchBytesMax ?? MIB,
      1,
      BYTES_MAX,
    ),
    prefetchBytesMax: wholeNumber('prefetchBytesMax', options.prefetchBytesMax ?? 16 * MIB, 1, BYTES_MAX),
    isolationLevel:
      oneOf('isolation', options.isolation ?? 'committed', ['committed', 'uncommitted']) === 'committed'
        ? 1
        : 0,
    onOutOfRange: oneOf('onOutOfRange', options.onOutOfRange ?? 'fail', ['earliest', 'latest', 'fail']),
    onLost:
      typeof options.onLost === 'function'
        ? options.onLost
        : oneOf('onLost', options.onLost ?? 'fail', ['fail'] as const),
    checkCrc: options.checkCrc ?? true,
    untilEnd: options.untilEnd ?? false,
    signal: options.signal,
  }
}

/** Throws RangeError naming the option when `from` is none of the shapes of {@link StartPosition}. */
export function startPosition(name: string, from: StartPosition): StartPosition {
  if (from === 'earliest' || from === 'latest') return from
  if (typeof from === 'object' && 'offset' in from)
    wholeNumber(`${name}.offset`, from.offset, 0, Number.MAX_SAFE_INTEGER)
  else if (typeof from === 'object' && 'timeMs' in from)
    wholeNumber(`${name}.timeMs`, from.timeMs, 0, Number.MAX_SAFE_INTEGER)
  else
    throw new RangeError(
      `option ${name}: expected earliest, latest, { offset } or { timeMs }, got ${JSON.stringify(from)}`,
    )
  return from
}

function distinct(assignments: readonly Assignment[]): readonly Assignment[] {
  const seen = new Set<string>()
  for (const { topic, partition, from } of assignments) {
    wholeNumber('assignments.partition', partition, 0, 2 ** 31 - 1)
    if (from !== undefined) startPosition('assignments.from', from)
    const name = `${topic}/${partition}`
    if (seen.has(name))
      throw new RangeError(`option assignments: partition ${partition} of ${topic} is there twice`)
    seen.add(name)
  }
  return assignments
}

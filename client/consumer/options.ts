/** Options of a consumer: what there is, defaults, bounds, and how a wrong one is refused. */

import type { CompressionCodecs, CompressionName } from '../../storage/record/compression.ts'
import { type GroupOptions, type GroupSettings, groupSettings } from '../group/options.ts'
import { oneOf, TIMEOUT_MS_MAX, wholeNumber } from '../options.ts'
import type { Serializer } from '../serializers.ts'
import { filterText, type RecordFilter, readableCompressions } from './record-filter.ts'

/**
 * Where reading begins: with the oldest record there is, with what comes from now on, at an offset, at the first
 * record that is not older than a time (ms since 1970; none that young: from now on), or so that the newest records
 * come: so many of all partitions that begin with the consumer's `from` together, or of the one partition that it is
 * said for; with a filter the newest that match it. Of several partitions the newest by timestamp; a record counts as being as late as the latest before it
 * in its partition among those looked at, so that a late one hides nothing.
 */
export type StartPosition =
  | 'earliest'
  | 'latest'
  | { readonly offset: number }
  | { readonly timeMs: number }
  | { readonly last: number }

/**
 * Where reading ends, at the latest at the ends that the partitions had at the start: before an offset, or with all
 * records whose timestamp is before a time (ms since 1970). Timestamps need not ascend, so the latter reads on to the
 * ends and leaves out what is outside; with a time in `from` too, also what is older than that.
 */
export type EndPosition = { readonly offset: number } | { readonly timeMs: number }

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
  /**
   * Reads `topics` as a member of this group: its members share the partitions, and go on where the group was. With it `from` is
   * for partitions in which the group has no offset.
   */
  readonly group?: string | GroupOptions
  /** Where reading begins. Default `latest`, as in Kafka. */
  readonly from?: StartPosition
  /**
   * Pattern that records must match: the broker sends no others. Positions, commits and ends are as without it, so a group
   * does not look at anything twice. An illegal one is refused by the broker, with the place in it that is wrong.
   */
  readonly filter?: RecordFilter
  /** Codecs whose batches may come packed; the broker unpacks others. Default: those that this client can unpack. */
  readonly compressions?: readonly CompressionName[]
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
  /**
   * End when the ends that the partitions had at the start are reached; as a member of a group, those of what it was given,
   * when it was given it. Default false.
   */
  readonly untilEnd?: boolean
  /** End there; see {@link EndPosition}. */
  readonly to?: EndPosition
  /**
   * With a time in `to`: a record is stored at most so long, ms, after one with a later timestamp. Then each partition
   * ends with the first record that is so much later than `to`, instead of being read to its end; what is later than
   * that is missing. Default: nothing is known of it.
   */
  readonly lateMs?: number
  /**
   * `time`: what was stored at the start comes in the order of its timestamps, whatever partition it is in; of one
   * partition in the order of its offsets all the same, so a record waits for the one before it, and one that is late
   * comes at once. What is stored later comes as it arrives. Default `arrival`, unless `from` is `{ last }` or `speed` is given.
   */
  readonly order?: 'arrival' | 'time'
  /**
   * Replays: hands out records with the distances their timestamps have, divided by this; 1 is the original speed.
   * From 0.001 to 1,000,000. The first record comes at once and the times of the others count from it, also from the
   * first after a seek or a resume. Whoever reads too slowly gets what is due without a wait. Default: as fast as they come.
   */
  readonly speed?: number
  /** How values become what the caller reads; see `serializers`. Default: records with lazy bytes. */
  readonly deserializer?: Pick<Serializer<T>, 'deserialize'>
  /** When aborted, the consumer closes and the iteration throws the signal's reason. */
  readonly signal?: AbortSignal
}

/** Records outside are left out: those before `fromMs`, and from `toMs` on. */
export interface TimeWindow {
  readonly fromMs: number
  readonly toMs: number
}

export interface ConsumerSettings {
  readonly topics: readonly string[]
  readonly assignments: readonly Assignment[]
  readonly group: GroupSettings | undefined
  readonly from: StartPosition
  /** As on the wire, as is the next. */
  readonly filter: string | null
  readonly compressions: string[] | null
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
  /** Also when only {@link EndPosition} says so. */
  readonly untilEnd: boolean
  /** Reading ends before this offset; Infinity: nothing said. */
  readonly endOffset: number
  /** Reading ends with the first record of this time or later, ms since 1970. */
  readonly endTimeMs: number | undefined
  readonly window: TimeWindow | undefined
  readonly order: 'arrival' | 'time'
  readonly speed: number | undefined
  readonly signal: AbortSignal | undefined
}

const MIB = 1024 * 1024
/** Their places are kept in memory while they are looked for. */
export const LAST_MAX = 1_000_000
export const SPEED_MIN = 0.001
export const SPEED_MAX = 1_000_000
/** The wire counts bytes in 32 bits, and nobody has more room than this to spare. */
const BYTES_MAX = 1024 * MIB

export function consumerSettings(
  options: ConsumerOptions<unknown>,
  codecs: CompressionCodecs,
): ConsumerSettings {
  const topics = options.topics ?? []
  const assignments = options.assignments ?? []
  if (topics.length > 0 === assignments.length > 0)
    throw new RangeError('options topics and assignments: give one of them, with at least one entry')
  const from = startPosition('from', options.from ?? 'latest')
  const starts = assignments.length > 0 ? assignments.map((assignment) => assignment.from ?? from) : [from]
  const { to } = options
  if (to !== undefined) checkEnd(to, starts)
  if (options.group !== undefined) checkGroup(options, from)
  return {
    topics: [...new Set(topics)],
    assignments: distinct(assignments),
    group: options.group === undefined ? undefined : groupSettings(options.group),
    from,
    filter: options.filter === undefined ? null : filterText(options.filter),
    compressions: readableCompressions(options.compressions, codecs),
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
    untilEnd: options.untilEnd === true || to !== undefined,
    endOffset: to !== undefined && 'offset' in to ? to.offset : Number.POSITIVE_INFINITY,
    endTimeMs: endTimeMs(to, options.lateMs),
    window: timeWindow(from, to),
    ...handingOut(options, starts),
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
  else if (typeof from === 'object' && 'last' in from) wholeNumber(`${name}.last`, from.last, 1, LAST_MAX)
  else
    throw new RangeError(
      `option ${name}: expected earliest, latest, { offset }, { timeMs } or { last }, got ${JSON.stringify(from)}`,
    )
  return from
}

/** Throws RangeError for what a member of a group cannot have. */
function checkGroup(options: ConsumerOptions<unknown>, from: StartPosition): void {
  if (options.assignments)
    throw new RangeError(
      'option group: the broker shares out the partitions of topics; leave assignments out',
    )
  if (typeof from === 'object' && ('last' in from || 'offset' in from))
    throw new RangeError(
      'option from: where a group has no offset it begins at earliest, latest or { timeMs }; octopus group reset goes elsewhere',
    )
  for (const name of ['to', 'order', 'speed'] as const)
    if (options[name] !== undefined)
      throw new RangeError(`option ${name}: it does not go with group, whose members each read a part`)
}

/** Throws RangeError when nothing can lie between where reading begins and `to`. */
function checkEnd(to: EndPosition, starts: readonly StartPosition[]): void {
  const isThere = typeof to === 'object' && to !== null
  if (isThere && 'offset' in to) wholeNumber('to.offset', to.offset, 0, Number.MAX_SAFE_INTEGER)
  else if (isThere && 'timeMs' in to) wholeNumber('to.timeMs', to.timeMs, 0, Number.MAX_SAFE_INTEGER)
  else throw new RangeError(`option to: expected { offset } or { timeMs }, got ${JSON.stringify(to)}`)
  for (const from of starts) {
    if (from === 'latest')
      throw new RangeError('option to: what comes from now on has no end; give from as well')
    if (typeof from !== 'object') continue
    if ('last' in from)
      throw new RangeError('option to: from { last } counts from the end, so give only one of them')
    const isEmpty =
      ('offset' in from && 'offset' in to && from.offset >= to.offset) ||
      ('timeMs' in from && 'timeMs' in to && from.timeMs >= to.timeMs)
    if (isEmpty)
      throw new RangeError(
        `option to: nothing lies from ${JSON.stringify(from)} to ${JSON.stringify(to)}; the end must be behind the beginning`,
      )
  }
}

function endTimeMs(to: EndPosition | undefined, lateMs: number | undefined): number | undefined {
  if (lateMs === undefined) return undefined
  if (to === undefined || !('timeMs' in to))
    throw new RangeError(
      'option lateMs: it says when reading ends that goes to { timeMs }; give that as well',
    )
  return to.timeMs + wholeNumber('lateMs', lateMs, 0, Number.MAX_SAFE_INTEGER - to.timeMs)
}

function timeWindow(from: StartPosition, to: EndPosition | undefined): TimeWindow | undefined {
  if (to === undefined || !('timeMs' in to)) return undefined
  const fromMs = typeof from === 'object' && 'timeMs' in from ? from.timeMs : Number.NEGATIVE_INFINITY
  return { fromMs, toMs: to.timeMs }
}

function handingOut(
  { order, speed }: ConsumerOptions<unknown>,
  starts: readonly StartPosition[],
): Pick<ConsumerSettings, 'order' | 'speed'> {
  const isLast = starts.some((from) => typeof from === 'object' && 'last' in from)
  const usual = isLast || speed !== undefined ? 'time' : 'arrival'
  const chosen = oneOf('order', order ?? usual, ['arrival', 'time'])
  if (speed === undefined) return { order: chosen, speed }
  if (!(typeof speed === 'number' && speed >= SPEED_MIN && speed <= SPEED_MAX))
    throw new RangeError(`option speed: expected a number from ${SPEED_MIN} to ${SPEED_MAX}, got ${speed}`)
  if (chosen !== 'time') throw new RangeError('option speed: a replay has the order of time; leave order out')
  if (starts.includes('latest'))
    throw new RangeError('option speed: it replays what is stored; give from as well, such as earliest')
  return { order: chosen, speed }
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
  // One that says { last } itself counts alone, although the same object may stand in several.
  return assignments.map((assignment) =>
    typeof assignment.from === 'object' ? { ...assignment, from: { ...assignment.from } } : assignment,
  )
}

/**
 * What the benches ask of a load generator process, and what it answers. Plain data: it crosses processes.
 */
import type { ProducerOptions } from '../../client/index.ts'

export interface CreateTopicTask {
  readonly kind: 'create-topic'
  readonly topic: string
  readonly partitions: number
  readonly configs?: Readonly<Record<string, string>>
}

/** As fast as the producer takes them. */
export interface ProduceTask {
  readonly kind: 'produce'
  readonly topic: string
  readonly events: number
  readonly valueBytes: number
  readonly seed: number
  /** Default: the SDK's defaults. */
  readonly producer?: ProducerChoice
}

/** The options of the SDK's producer that benches choose. */
export interface ProducerChoice {
  readonly batchBytes?: number
  readonly lingerMs?: number
  readonly maxInFlight?: number
  readonly idempotence?: boolean
  readonly producerName?: string
  readonly compression?: NonNullable<ProducerOptions['compression']>
}

/**
 * JSON events of `bench/events`, which nobody made up: as many as are said, or for as long, or until it is stopped; as fast as the
 * producer takes them, or evenly spaced.
 */
export interface JsonProduceTask {
  readonly kind: 'produce-json'
  readonly topic: string
  readonly seed: number
  readonly events?: number
  readonly seconds?: number
  readonly ratePerSecond?: number
  /** Default: the SDK's defaults. */
  readonly producer?: ProducerChoice
}

/** One record batch of one event to each partition in turn, `turns` times: the most batches for the fewest bytes. */
export interface SingleBatchesTask {
  readonly kind: 'produce-single-batches'
  readonly topic: string
  readonly partitions: number
  readonly turns: number
  readonly valueBytes: number
  readonly seed: number
  readonly idempotence: boolean
}

/**
 * As fast as the producer takes them, with a note of when each stretch was acknowledged. With `kept` some of the
 * events go to another topic: number `every - 1`, `2 * every - 1` and so on.
 */
export interface MarkedTask {
  readonly kind: 'produce-marked'
  readonly topic: string
  readonly kept?: { readonly topic: string; readonly every: number }
  readonly events: number
  /** Events of a stretch. */
  readonly markEvents: number
  readonly valueBytes: number
  readonly seed: number
}

/**
 * All that a topic holds: offsets without a gap in every partition, and every value one of those that
 * were produced, byte for byte.
 */
export interface VerifyTask {
  readonly kind: 'verify'
  readonly topic: string
  readonly valueBytes: number
  readonly seed: number
}

/** From the earliest event on, until `events` have come. */
export interface ConsumeTask {
  readonly kind: 'consume'
  readonly topic: string
  readonly events: number
  /**
   * `lazy`: every record reaches the caller as an object; `values`: and every byte of its value is added up; `events`: as `lazy`, one
   * by one instead of in batches.
   */
  readonly mode: 'lazy' | 'values' | 'events'
  /** As the only member of this group, which commits by itself. */
  readonly group?: string
}

/** Events whose value begins with the instant they were due; `ratePerSecond` evenly spaced ones a second. May be stopped. */
export interface PacedProduceTask {
  readonly kind: 'produce-paced'
  readonly topic: string
  readonly ratePerSecond: number
  readonly events: number
  readonly valueBytes: number
  readonly seed: number
}

/** Live, while they are produced. Events before number `warmupEvents` of all are received but not measured. */
export interface LiveConsumeTask {
  readonly kind: 'consume-live'
  readonly topic: string
  readonly events: number
  readonly warmupEvents: number
}

/** The same, with the latency of each event instead of a histogram: for who finds out later which belong together. May be stopped. */
export interface RecordLiveTask {
  readonly kind: 'record-live'
  readonly topic: string
  readonly events: number
}

/** From the earliest event to the end of the topic, or for so many seconds. */
export interface ReplayTask {
  readonly kind: 'replay'
  readonly topic: string
  readonly seconds: number
}

/**
 * A filter on all that a topic holds, from the earliest event to its end, which is an error if not all of the `events` were looked at
 * then; with `untilStopped` again and again, each time with the next of the filters: what a broker knows of one it need not look for.
 */
export interface ScanTask {
  readonly kind: 'scan'
  readonly topic: string
  /** JSON texts; at least one. */
  readonly filters: readonly string[]
  readonly events: number
  readonly untilStopped?: boolean
}

/**
 * Live consumers, each with a filter of its own, spread over a few connections; until all of them are behind the last of
 * `events`, matching or not. The first word of progress comes when all of them wait.
 */
export interface WatchTask {
  readonly kind: 'watch'
  readonly topic: string
  /** JSON texts, one for each consumer. */
  readonly filters: readonly string[]
  readonly connections: number
  readonly events: number
}

/** Many clients, each with one event under way: it sends the next when the last is acknowledged. */
export interface OneInFlightTask {
  readonly kind: 'one-in-flight'
  readonly topic: string
  readonly connections: number
  readonly warmupSeconds: number
  readonly seconds: number
  readonly valueBytes: number
  readonly seed: number
}

/** Clients that come anew, `atOnce` at a time; as many as there are: all stay until the last is served. */
export interface NewcomersTask {
  readonly kind: 'newcomers'
  /** `lean`: the steps of the SDK with as little work as possible; `sdk`: the SDK's own connection. */
  readonly client: 'lean' | 'sdk'
  readonly connections: number
  readonly atOnce: number
  /** Taken in turn; null: they show none. */
  readonly tokens: readonly string[] | null
  /** What each asks for. */
  readonly topic: string
}

/** Rights that are given to live connections and taken away again, one connection after the other. */
export interface RightsTask {
  readonly kind: 'rights'
  /** The live connections: at least twice as many as `rounds`. */
  readonly clients: readonly { readonly token: string; readonly principal: string; readonly keyId: string }[]
  readonly rounds: number
  /** What all of them may read and wait for; it has two partitions and stays empty. */
  readonly liveTopic: string
  /** What all of them may describe and nothing else; it has two partitions. */
  readonly changedTopic: string
  /** How often an owner writes `bulkEntries` about everybody in one request and takes them away again. */
  readonly bulkRounds: number
  readonly bulkEntries: number
}

/** Members of a group, each with a connection of its own, that commit a partition as fast as each commit is answered. */
export interface GroupCommitsTask {
  readonly kind: 'group-commits'
  /** It has a partition for each of them. */
  readonly topic: string
  readonly group: string
  readonly members: number
  readonly warmupSeconds: number
  readonly seconds: number
}

/** A group of many members whose topic is written to all the time: some come and go, others die. */
export interface GroupMovesTask {
  readonly kind: 'group-moves'
  readonly topic: string
  readonly partitions: number
  readonly group: string
  readonly members: number
  readonly joins: number
  readonly kills: number
  /** Of those who die. */
  readonly sessionTimeoutMs: number
  /** Events a second, to each partition in turn. */
  readonly ratePerSecond: number
  /** Between two changes. */
  readonly quietSeconds: number
  readonly seed: number
}

export type Task =
  | CreateTopicTask
  | ProduceTask
  | JsonProduceTask
  | SingleBatchesTask
  | MarkedTask
  | VerifyTask
  | ConsumeTask
  | PacedProduceTask
  | LiveConsumeTask
  | RecordLiveTask
  | ReplayTask
  | ScanTask
  | WatchTask
  | OneInFlightTask
  | NewcomersTask
  | RightsTask
  | GroupCommitsTask
  | GroupMovesTask

export interface Answers {
  'create-topic': Record<string, never>
  produce: Moved & { readonly batches: number }
  /** `sum`: of every byte; `bytes`: of the values. From before the first event to after the last acknowledgement. */
  'produce-json': Moved & Stretch & { readonly batches: number; readonly sum: number; readonly bytes: number }
  'produce-single-batches': Moved & { readonly batches: number; readonly sum: number }
  /** `markSeconds[k]`: from the start until `(k + 1) * markEvents` events were acknowledged. */
  'produce-marked': Moved & { readonly markSeconds: readonly number[] }
  verify: { readonly events: number }
  consume: Moved & { readonly sum: number }
  'produce-paced': Paced
  'consume-live': Received
  'record-live': Timeline
  replay: Replayed
  scan: Scanned
  watch: Scanned
  'one-in-flight': OneInFlight
  newcomers: Newcomers
  rights: RightsTimes
  'group-commits': GroupCommits
  'group-moves': GroupMoves
}

export interface Moved {
  readonly events: number
  readonly seconds: number
  /** User and system time of the load generator while it did this. */
  readonly cpuSeconds: number
}

export interface Paced {
  readonly acknowledged: number
  /** From the first event's due time to the last acknowledgement. */
  readonly seconds: number
  /** The most an event was handed to the SDK after it was due, in ms. */
  readonly lateMsMax: number
}

export interface Received {
  /** Compressed HdrHistogram of the latencies in µs, from the due instant to the caller's loop. */
  readonly histogram: string
  readonly measured: number
}

/** One entry for each event received, in the order of arrival. Instants are those of CLOCK_MONOTONIC. */
export interface Timeline {
  readonly dueNs: Float64Array
  /** From the due instant to the caller's loop. */
  readonly latencyUs: Float64Array
}

/** Instants of CLOCK_MONOTONIC. */
export interface Stretch {
  readonly startNs: number
  readonly endNs: number
}

/** From before the first fetch to after the last event. */
export interface Replayed extends Stretch {
  readonly events: number
  /** Of the values. */
  readonly bytes: number
}

/** From before the first fetch to after the last answer. */
export interface Scanned extends Stretch {
  /** Held against a filter by the broker, as its answers say; of several consumers all together. */
  readonly examined: number
  /** What came. */
  readonly matched: number
  /** User and system time of the load generator while it did this. */
  readonly cpuSeconds: number
}

export interface OneInFlight {
  /** Acknowledged within the measured seconds. */
  readonly acknowledged: number
  readonly seconds: number
  /** User and system time of the load generator in these seconds. */
  readonly cpuSeconds: number
  /** Compressed HdrHistogram of the times in µs from `send` to its acknowledgement, in these seconds. */
  readonly histogram: string
  /** Acknowledged in all, warm-up and what was under way at the end included, and the sum of every byte of it. */
  readonly total: { readonly events: number; readonly sum: number }
}

export interface Newcomers extends Moved {
  /** Compressed HdrHistogram of the times in µs from the first step of a connection until it is served. */
  readonly histogram: string
}

export interface GroupCommits {
  /** Answered within the measured seconds. */
  readonly commits: number
  readonly seconds: number
  /** User and system time of the load generator in these seconds. */
  readonly cpuSeconds: number
  /** Compressed HdrHistogram of the times in µs from `commit` to its answer, in these seconds. */
  readonly histogram: string
  /** By partition: the offset that was committed last, which is how many were. */
  readonly committed: readonly number[]
}

export interface GroupMoves {
  readonly joins: readonly GroupMove[]
  readonly kills: readonly GroupMove[]
  /** Compressed HdrHistograms of the times in µs from when an event was due to its consumer: while nothing changed, and, of partitions that stay, during the joins. */
  readonly quietHistogram: string
  readonly stayingHistogram: string
  readonly events: number
}

/** What one change of the members did. */
export interface GroupMove {
  /** Of each partition that moved: from the beginning of the change until its new owner asked the broker for its events. */
  readonly movedMs: readonly number[]
  /** Of each: how long nobody read it. A process that died had its partitions until its session was over. */
  readonly unreadMs: readonly number[]
  readonly stayed: number
  /** Events of partitions that stayed which their owner got from the broker twice: what had been fetched was dropped. */
  readonly fetchedAgain: number
}

/** In ms, one for each round. */
export interface RightsTimes {
  /** A produce request and its answer, where nothing changes. */
  readonly roundTripMs: readonly number[]
  /** Each change by itself, from the administrator's request to its answer: two a round, and one for each key. */
  readonly changeMs: readonly number[]
  /** From that answer on: to the first produce that was taken, or that was refused. */
  readonly grantMs: readonly number[]
  readonly revokeMs: readonly number[]
  /** To the end of a fetch that was parked when the right to read was taken away. */
  readonly parkedMs: readonly number[]
  /** To the first request that was refused since its key had been revoked, and to the end of a parked fetch. */
  readonly keyMs: readonly number[]
  readonly keyParkedMs: readonly number[]
  /** The same where many entries about everybody come and go together; of all live connections the slowest parked fetch. */
  readonly bulkChangeMs: readonly number[]
  readonly bulkGrantMs: readonly number[]
  readonly bulkRevokeMs: readonly number[]
  readonly bulkParkedMs: readonly number[]
  /** The longest round trip of somebody else meanwhile. */
  readonly bulkRoundTripMaxMs: readonly number[]
}

/** Without a token the client takes that of the environment. */
export type Request = { readonly url: string; readonly task: Task; readonly token?: string }
/** The task at hand is to end: its producer sends nothing more, its consumer is done when so many events have come in all. */
export type Stop = { readonly stopAfterEvents: number }
export type Report =
  | { readonly kind: 'progress'; readonly events: number }
  | { readonly kind: 'done'; readonly answer: Answers[Task['kind']] }
  | { readonly kind: 'failed'; readonly message: string }

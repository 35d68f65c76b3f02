/**
 * What Prometheus may scrape. Nearly everything is read from the parts of the node when it is asked for,
 * so that counting on the hot path stays an addition to a number.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { errorDefinition } from '../../client/protocol/errors.ts'
import type { ShardLogStats } from '../../storage/log/shard-log-options.ts'
import type { CodecPoolStats } from '../codec-pool/codec-pool.ts'
import type { CodecTaskKind } from '../codec-pool/codec-task.ts'
import { diskStates } from '../disk/disk-space.ts'
import type { DiskWatch } from '../disk/disk-watch.ts'
import type { ShaperStats } from '../filters/sharing-shaper.ts'
import type { GroupStats } from '../groups/group-service.ts'
import type { ProduceBudget } from '../server/produce-budget.ts'
import type { ServerStatistics } from '../server/server.ts'
import { SERVER_VERSION } from '../version.ts'
import type { Tally } from './tally.ts'

export interface MetricsSources {
  readonly tally: Tally
  readonly budget: ProduceBudget
  readonly server: () => ServerStatistics
  readonly log: () => ShardLogStats
  readonly disk: Pick<DiskWatch, 'state' | 'fullInMs'>
  readonly topics: { readonly topicCount: number; readonly partitionCount: number }
  readonly producerNames: () => number
  readonly groups: () => GroupStats
  readonly parked: () => number
  /** Entries of produce requests that wait for a thread, or behind one that does. */
  readonly prepared: () => number
  readonly codecPool: () => CodecPoolStats
  readonly filters: () => ShaperStats
}

/** An fsync is from a tenth of a millisecond (battery-backed) to seconds (a failing disk). */
const COMMIT_SECONDS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]

/** Work for records: from the tenth of a millisecond that is left to the event loop to a bomb's whole allowance. */
const CODEC_SECONDS = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2, 10]

export class Metrics {
  readonly #registry = new Registry()
  readonly #commitSeconds: Histogram
  readonly #codecRunSeconds: Histogram<'kind' | 'where'>
  readonly #codecWaitSeconds: Histogram<'kind'>

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
    this.#commitSeconds = new Histogram({
      name: 'octopus_commit_seconds',
      help: 'Time from handing a commit to the disk until it was durable.',
      buckets: COMMIT_SECONDS,
      registers: [this.#registry],
    })
    this.#codecRunSeconds = new Histogram({
      name: 'octopus_codec_run_seconds',
      help: 'Time that packing, unpacking and searching records took, on the event loop or on a worker.',
      labelNames: ['kind', 'where'],
      buckets: CODEC_SECONDS,
      registers: [this.#registry],
    })
    this.#codecWaitSeconds = new Histogram({
      name: 'octopus_codec_wait_seconds',
      help: 'Time such work waited for a worker, both ways included.',
      labelNames: ['kind'],
      buckets: CODEC_SECONDS,
      registers: [this.#registry],
    })
    const info = new Gauge({
      name: 'octopus_info',
      help: 'Always 1; the label names the version.',
      labelNames: ['version'],
      registers: [this.#registry],
    })
    info.set({ version: SERVER_VERSION }, 1)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  committed(durationMs: number): void {
    this.#commitSeconds.observe(durationMs / 1000)
  }

  performedTask(kind: CodecTaskKind, where: 'loop' | 'worker', waitMs: number, runMs: number): void {
    this.#codecRunSeconds.observe({ kind, where }, runMs / 1000)
    if (where === 'worker') this.#codecWaitSeconds.observe({ kind }, waitMs / 1000)
  }

  /** Once, when the parts are there. */
  observe(sources: MetricsSources): void {
    this.#observeClients(sources)
    this.#observeRequests(sources)
    this.#observeLog(sources)
    this.#observeSegments(sources)
    this.#observeProducers(sources)
    this.#observeGroups(sources)
    this.#observeDisk(sources)
    this.#observeCodecs(sources)
    this.#observeFilters(sources)
  }

  #observeClients({ tally, server }: MetricsSources): void {
    this.#gauge('connections', 'Open client connections.', () => server().connections)
    this.#total('connections_opened', 'Client connections accepted.', () => tally.connectionsOpened)
    this.#total('connections_refused', 'Client connections refused.', () => tally.connectionsRefused)
    this.#total(
      'slow_clients_terminated',
      'Connections ended because the client did not read.',
      () => tally.slowClientsTerminated,
    )
    this.#total(
      'protocol_breaches',
      'Connections ended because the client broke the protocol.',
      () => tally.breaches,
    )
    this.#total('wrong_credentials', 'Credentials refused as wrong.', () => tally.wrongCredentials)
    this.#total(
      'throttled_credentials',
      'Of these, made to wait because there were too many from one address or for one key.',
      () => tally.throttledCredentials,
    )
    this.#total('received_messages', 'WebSocket messages received.', () => tally.framesIn)
    this.#total('received_bytes', 'Bytes of WebSocket messages received.', () => tally.bytesIn)
    this.#total('sent_messages', 'WebSocket messages sent.', () => server().sentFrames)
    this.#total('sent_bytes', 'Bytes of WebSocket messages sent.', () => server().sentBytes)
    this.#gauge(
      'answers_queued_bytes',
      'Bytes of answers waiting for clients to read.',
      () => server().queuedBytes,
    )
  }

  #observeRequests({ tally, server, budget, parked, prepared }: MetricsSources): void {
    new Counter({
      name: 'octopus_requests_total',
      help: 'Requests answered, by API and by the error of the whole request (NONE: answered).',
      labelNames: ['api', 'error'],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [api, row] of tally.requests)
          for (const [code, count] of row) this.inc({ api, error: errorDefinition(code).name }, count)
      },
    })
    this.#gauge(
      'requests_unfinished',
      'Requests under way, parked fetches left out.',
      () => server().unfinishedRequests,
    )
    this.#gauge('requests_parked', 'Requests waiting for data or replicas.', parked)
    this.#gauge(
      'produce_entries_waiting',
      'Entries of produce requests whose batches are worked on, or that wait behind such.',
      prepared,
    )
    this.#total(
      'produce_requests_refused',
      'Produce requests refused because the buffer was full.',
      () => tally.produceRequestsRefused,
    )
    this.#gauge(
      'produce_unanswered_bytes',
      'Bytes of record batches received and not yet answered.',
      () => budget.usedBytes,
    )
    this.#gauge('produce_unanswered_bytes_max', 'How many there may be.', () => budget.bytesMax)
    this.#gauge(
      'produce_window_bytes',
      'What one connection is granted at this moment.',
      () => budget.grantBytes,
    )
  }

  #observeLog({ log, topics }: MetricsSources): void {
    this.#total('commits', 'Commits since the start.', () => log().commits)
    this.#total('committed_bytes', 'Bytes made durable since the start.', () => log().committedBytes)
    this.#gauge('commit_queue_bytes', 'Bytes waiting to be written.', () => log().queuedBytes)
    this.#gauge('segments', 'Live segments.', () => log().segments)
    this.#gauge('segment_bytes', 'Bytes the live segments take on disk.', () => log().bytes)
    this.#gauge('topics', 'Topics.', () => topics.topicCount)
    this.#gauge('partitions', 'Partitions of all topics.', () => topics.partitionCount)
  }

  #observeSegments({ tally, log }: MetricsSources): void {
    this.#total(
      'relocated_segments',
      'Segments rewritten without what is dead.',
      () => tally.relocatedSegments,
    )
    this.#total('relocated_bytes', 'Bytes copied for that.', () => tally.relocatedBytes)
    this.#gauge('index_cache_bytes', 'Segment indexes held in memory.', () => log().indexCache.bytes)
    this.#gauge('index_cache_bytes_max', 'How much of them may be held.', () => log().indexCache.bytesMax)
    this.#total('index_cache_hits', 'Look-ups that found the index in memory.', () => log().indexCache.hits)
    this.#total('index_cache_loads', 'Look-ups that read the index.', () => log().indexCache.loads)
    this.#gauge(
      'index_rebuilt_bytes',
      'Indexes rebuilt because the stored ones are damaged; they stay in memory.',
      () => log().indexCache.rebuiltBytes,
    )
    this.#total('damaged_places', 'Places in which damaged data was met.', () => log().damagedPlaces)
    this.#total('cold_reads', 'Steps of stored data brought into memory.', () => log().coldReads.prefetches)
    this.#total('cold_read_bytes', 'Bytes of them read from the disk.', () => log().coldReads.diskBytes)
    this.#total(
      'cold_read_paused_ms',
      'Time steps waited so as not to disturb commits, ms.',
      () => log().coldReads.pausedMs,
    )
    this.#gauge('cold_reads_waiting', 'Steps waiting for their turn.', () => log().coldReads.waiting)
  }

  #observeDisk({ log, disk }: MetricsSources): void {
    this.#gauge('disk_free_bytes', 'Free bytes of the disk the data is on.', () => log().freeBytes)
    this.#gauge(
      'disk_full_seconds',
      'Time until no more events are taken at the present rate; +Inf: the disk is not filling.',
      () => (disk.fullInMs ?? Number.POSITIVE_INFINITY) / 1000,
    )
    new Gauge({
      name: 'octopus_disk_state',
      help: '1 for the state the disk is in, 0 for the others; read-only: no more events are taken.',
      labelNames: ['state'],
      registers: [this.#registry],
      collect() {
        for (const state of diskStates) this.set({ state }, state === disk.state ? 1 : 0)
      },
    })
  }

  #observeProducers({ log, producerNames }: MetricsSources): void {
    this.#gauge('producer_names', 'Names of producers.', producerNames)
    this.#gauge(
      'producer_ids',
      'Producers the partitions remember, counted once per partition.',
      () => log().producers.ids,
    )
    this.#gauge('producer_ids_max', 'How many there may be.', () => log().producers.idsMax)
    this.#total(
      'producer_ids_evicted',
      'Producers a partition forgot because there were too many.',
      () => log().producers.evicted,
    )
    this.#total(
      'producer_duplicates',
      'Batches that were sent again and not stored again.',
      () => log().producers.duplicates,
    )
  }

  #observeGroups({ groups }: MetricsSources): void {
    this.#gauge('groups', 'Consumer groups, empty ones included.', () => groups().groups)
    this.#gauge('group_members', 'Members of all groups.', () => groups().members)
    this.#gauge('group_heartbeats_held', 'Heartbeats that wait for news.', () => groups().heldHeartbeats)
    this.#total('group_commits', 'Requests to keep offsets.', () => groups().commits)
    this.#total(
      'group_committed_offsets',
      'Offsets kept, each of one partition.',
      () => groups().committedOffsets,
    )
    this.#total('group_rebalances', 'Assignments of partitions to members made.', () => groups().rebalances)
  }

  #observeCodecs({ codecPool }: MetricsSources): void {
    this.#gauge('codec_workers', 'Threads for work on records that are up.', () => codecPool().workers.up)
    this.#gauge('codec_workers_busy', 'Of these, at work.', () => codecPool().workers.busy)
    this.#gauge('codec_workers_max', 'How many there may be.', () => codecPool().workers.max)
    this.#gauge('codec_queued_tasks', 'Pieces of such work that wait.', () => codecPool().waiting)
    this.#gauge('codec_queued_bytes', 'Their bytes, and those at work.', () => codecPool().queuedBytes)
    this.#gauge('codec_queued_bytes_max', 'How many there may be.', () => codecPool().queuedBytesMax)
    this.#total('codec_tasks_refused', 'Refused because there was no room.', () => codecPool().refused)
    new Counter({
      name: 'octopus_codec_worker_deaths_total',
      help: 'Threads that ended by themselves or were stuck, by the way they ended.',
      labelNames: ['end'],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [end, count] of Object.entries(codecPool().workers.deaths)) this.inc({ end }, count)
      },
    })
  }

  #observeFilters({ filters }: MetricsSources): void {
    this.#gauge(
      'filters_live',
      'Filters of fetches, each counted once per partition.',
      () => filters().liveFilters,
    )
    this.#total(
      'filter_examined',
      'Records held against a filter, for each reader.',
      () => filters().examined,
    )
    this.#total('filter_matched', 'Records sent because they match.', () => filters().matched)
    this.#total(
      'filter_not_json',
      'Records whose value is no JSON, though the filter looks into it.',
      () => filters().notJson,
    )
    this.#total(
      'filter_scans',
      'Looks at stored batches, each for all filters near them.',
      () => filters().scans,
    )
    this.#total('filter_scanned_bytes', 'Bytes of these batches as stored.', () => filters().scannedBytes)
    this.#total(
      'filter_shared_batches',
      'Batches that a reader needed no look for, since somebody else had it.',
      () => filters().sharedBatches,
    )
    this.#gauge('filter_cache_bytes', 'What is known of batches, held in memory.', () => filters().cacheBytes)
    this.#gauge('filter_cache_bytes_max', 'How much of it may be held.', () => filters().cacheBytesMax)
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `octopus_${name}`,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read())
      },
    })
  }

  /** A counter that is counted elsewhere. */
  #total(name: string, help: string, read: () => number): void {
    new Counter({
      name: `octopus_${name}_total`,
      help,
      registers: [this.#registry],
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  }
}

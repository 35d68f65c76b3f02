/**
 * A node: its parts put together, started and stopped in order. Nothing here decides anything.
 *
 * Started: storage, log, topics, retention, server, port. Stopped the other way round: the port first,
 * then requests under way, then what waits to be written, then the files. What fails at start closes
 * what was open before it. When nothing can be written any more the node says so and tells its entry point,
 * which stops it and ends the process; from then on stopping takes seconds, whatever the disk does.
 */
import type { Logger } from 'pino'
import { namespaceOf } from '../auth/acl/qualified-name.ts'
import { ShardLog } from '../storage/log/shard-log.ts'
import type { AccessControl } from './access/access-control.ts'
import { openAccess } from './access/open-access.ts'
import { Closers } from './closers.ts'
import { openCodecPool } from './codec-pool/open-codec-pool.ts'
import { webSocketUrl } from './config/listen-address.ts'
import { readableSecrets } from './config/readable-secrets.ts'
import type { Config } from './config/schema.ts'
import type { StorageFailure } from './disk/storage-failure.ts'
import { WatchedStorage } from './disk/watched-storage.ts'
import { SharingShaper } from './filters/sharing-shaper.ts'
import { type Groups, openGroups } from './groups/open-groups.ts'
import { accessHandlers, credentialsOf } from './handlers/access-handlers.ts'
import { alterTopicsHandler } from './handlers/alter-topics.ts'
import { createTopicsHandler } from './handlers/create-topics.ts'
import { deleteTopicsHandler } from './handlers/delete-topics.ts'
import { describeProducersHandler } from './handlers/describe-producers.ts'
import { describeTopicsHandler } from './handlers/describe-topics.ts'
import { fetchHandler } from './handlers/fetch.ts'
import { groupHandlers } from './handlers/group-handlers.ts'
import type { Handlers } from './handlers/handlers.ts'
import { helloHandler } from './handlers/hello.ts'
import { initProducerIdHandler } from './handlers/init-producer-id.ts'
import { listOffsetsHandler } from './handlers/list-offsets.ts'
import { listTopicsHandler } from './handlers/list-topics.ts'
import { metadataHandler } from './handlers/metadata.ts'
import { ListeningIdentity } from './handlers/node-identity.ts'
import { produceHandler } from './handlers/produce.ts'
import { ScanTurns } from './handlers/scan-turns.ts'
import { statusHandler } from './handlers/status.ts'
import { httpGuard } from './http/http-guard.ts'
import { httpHandler } from './http/http-handler.ts'
import { type NodeStorage, type NodeStorageOptions, openNodeStorage } from './node-storage.ts'
import { Metrics } from './observability/metrics.ts'
import { Tally } from './observability/tally.ts'
import { BatchIntake } from './produce/batch-intake.ts'
import { ProducerIds } from './producers/producer-ids.ts'
import { ProducerRegistry } from './producers/producer-registry.ts'
import { Purgatory } from './purgatory.ts'
import { Readiness } from './readiness.ts'
import { RetentionTimer } from './retention-timer.ts'
import { authorize } from './server/authorize.ts'
import { BrowserPages } from './server/browser-pages.ts'
import type { ServerLimits } from './server/limits.ts'
import { ProduceBudget } from './server/produce-budget.ts'
import { Server } from './server/server.ts'
import type { SystemPorts } from './system-ports.ts'
import { NodeTls } from './tls/node-tls.ts'
import { BATCH_BYTES_MAX } from './topics/topic-config.ts'
import { topicIdHex } from './topics/topic-id.ts'
import { TopicService } from './topics/topic-service.ts'
import { TopicTable } from './topics/topic-table.ts'
import type { Transport } from './transport/transport.ts'

export interface NodeOptions extends SystemPorts {
  readonly config: Config
  readonly logger: Logger
  readonly transport: Transport
  /** Where the node keeps things; the data directory of the config unless a test says otherwise. */
  readonly openStorage?: (options: NodeStorageOptions) => Promise<NodeStorage>
}

export interface Node {
  /** `ws://host:port` or `wss://…`, with the port that was really taken. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** Resolves, if ever, when nothing can be written any more; the node should be stopped. */
  readonly failed: Promise<Error>
  /** Shows what is in the files of the certificate now to new connections, or logs why not. Never rejects. */
  reloadCertificate(): Promise<void>
  /** Accepts nobody, finishes what is under way, writes what waits, closes everything. Idempotent. */
  stop(): Promise<void>
}

/** Sockets and files beside those of clients: segments, metadata, standard streams. */
const OPEN_FILES_RESERVED = 256
/** Appends answered before they are durable (acks 0) wait in the log and not in the produce buffer. */
const LOG_QUEUE_FACTOR = 2
/** Old data is looked for whenever this share of a segment was written. */
const LOOK_SEGMENT_SHARE = 1 / 8
/** Time for requests under way when nothing can be written any more; those that write have failed already. */
const FAILED_DRAIN_MS = 2_000
/** After a failure the disk may take for ever to close a file; stopping does not. */
const FAILED_STOP_MS = 4_000

/** Rejects with StorageError, TransportError or CertificateError, whose messages are for the operator. */
export async function startNode(options: NodeOptions): Promise<Node> {
  const closers = new Closers()
  const release = options.process.hold()
  closers.add(release)
  return closers.guarding(() => start(options, closers, release))
}

async function start(options: NodeOptions, closers: Closers, release: () => void): Promise<Node> {
  const { config, logger, clock, timers, transport } = options
  const startedAtMs = clock.nowMs()
  const readiness = new Readiness()
  const metrics = new Metrics()
  const tally = new Tally()
  const purgatory = new Purgatory(timers)
  const limits = serverLimits(options)
  const budget = new ProduceBudget(limits)
  const pages = new BrowserPages(config.allowedOrigins)
  // Whatever is wrong with the certificate is told before anything is opened.
  const tls = new NodeTls(options)
  for (const reason of readableSecrets(config, options.files.mode))
    logger.warn({ reason }, 'a secret is none')

  const codecPool = openCodecPool(options, metrics)
  closers.add(() => codecPool.close())
  const storage = await (options.openStorage ?? openNodeStorage)(options)
  closers.add(() => storage.close())
  // Until there is somebody to tell.
  let onWritten: (bytes: number) => void = () => {}
  let onTight = () => {}
  const watched = new WatchedStorage({
    storage,
    config,
    clock,
    timers,
    logger,
    onCommitted: (durationMs) => metrics.committed(durationMs),
    onTight: () => onTight(),
    onFailed: (error) => readiness.failed(error),
  })
  const { metadata, disk, failure } = watched
  const producerIds = await ProducerIds.open(metadata, options.random)
  const registry = await ProducerRegistry.open({
    store: metadata,
    ids: producerIds,
    clock,
    ...config.producers,
  })
  let onRightsChanged = () => {}
  const access = await openAccess(options, storage, metadata, tally, () => {
    purgatory.reconsider()
    onRightsChanged()
  })
  closers.add(() => access.close())
  const log = await openLog(options, watched, purgatory, { registry, ids: producerIds }, (bytes) =>
    onWritten(bytes),
  )
  registry.watchesOver(log)
  closers.add(() => log.close())
  const { topics, service } = await openTopics(options, watched, log, purgatory, access)
  closers.add(() => topics.close())
  const groups = await openNodeGroups(options, storage, watched, log, topics)
  closers.add(() => groups.close())
  onRightsChanged = () => groups.service.rightsChanged()

  const identity = new ListeningIdentity(storage)
  const status = statusHandler({
    identity,
    topics,
    readiness,
    dataDirectory: storage.path,
    storageKind: storage.segments.kind,
    startedAtMs,
    logStats: () => log.stats(),
    disk,
    warnings: () => [...watched.warnings, ...tls.warnings],
    connections: () => server.statistics().connections,
    producerNames: () => registry.nameCount,
    groupStats: () => groups.service.stats(),
    codecPool: () => codecPool.stats(),
    process: options.process,
  })
  const onProblem = (error: Error) => logger.error({ err: error }, 'a request met an unexpected error')
  const nameless = producerIds.owners
  const { crc32c } = options
  const { decompressedBytesMax } = config.limits
  const intake = new BatchIntake({
    topics,
    log,
    crc32c,
    codecPool,
    clock,
    timers,
    decompressedBytesMax,
    producerNameOf: (producerId) => registry.nameOf(producerId),
    nameless,
  })
  const shaper = new SharingShaper({ pool: codecPool, crc32c, clock, decompressedBytesMax })
  const handlers: Handlers = {
    produce: produceHandler({ intake, log, purgatory, refusal: () => disk.refusal }),
    fetch: fetchHandler({
      topics,
      log,
      purgatory,
      shaper,
      turns: new ScanTurns(timers, clock),
      crc32c,
    }),
    listOffsets: listOffsetsHandler({ topics, log, timers }),
    metadata: metadataHandler({ identity, topics }),
    hello: helloHandler({ identity, limits, budget, credentials: credentialsOf(access) }),
    initProducerId: initProducerIdHandler({ registry, ids: producerIds }),
    describeProducers: describeProducersHandler({ topics, log, nameless }),
    ...accessHandlers({
      access,
      topics,
      groups: groups.service,
      metadata,
      settings: config.auth,
      timers,
      onProblem,
    }),
    ...groupHandlers({ groups: groups.service, topics, namespaces: access.namespaces, onProblem }),
    createTopics: createTopicsHandler(service, access.namespaces, access.acls),
    alterTopics: alterTopicsHandler(service),
    describeTopics: describeTopicsHandler({ identity, topics }),
    listTopics: listTopicsHandler(topics),
    deleteTopics: deleteTopicsHandler(service),
    status,
  }
  const server = new Server({
    handlers,
    authorize,
    sessions: access.sessions,
    limits,
    budget,
    pages,
    clock,
    timers,
    tally,
    logger,
  })
  metrics.observe({
    tally,
    budget,
    server: () => server.statistics(),
    log: () => log.stats(),
    disk,
    topics,
    producerNames: () => registry.nameCount,
    groups: () => groups.service.stats(),
    parked: () => purgatory.size,
    prepared: () => intake.waiting,
    codecPool: () => codecPool.stats(),
    filters: () => shaper.stats(),
  })

  const retention = startRetention(options, watched, topics, groups, log, tally)
  onWritten = (bytes) => retention.wrote(bytes)
  onTight = () => retention.lookNow()
  closers.add(() => retention.stop())
  disk.start()
  closers.add(() => disk.stop())
  closers.add(() => purgatory.release())
  closers.add(async () => {
    readiness.stopping()
    // Or heartbeats that wait for news would hold up the end.
    groups.service.close()
    const timeoutMs = Math.min(config.shutdown.timeoutMs, failure.error ? FAILED_DRAIN_MS : Infinity)
    if (!(await server.close(timeoutMs)))
      logger.warn({ timeoutMs }, 'stopped before everything under way was finished')
  })
  const listening = await server.listen(
    transport,
    { ...config.listen, tls: tls.files },
    httpHandler({
      readiness,
      disk,
      metrics,
      pages,
      jwks: () => access.authentication.tokenIssuer.jwks(),
      guard: httpGuard(access),
      logger,
    }),
  )
  const { host, port } = listening
  identity.listensAt(webSocketUrl({ host, port }, tls.files !== undefined))
  tls.start(listening)
  closers.add(() => tls.stop())
  readiness.started()
  const { topicCount, partitionCount } = topics
  logger.info(
    { url: identity.url(), data: storage.path, topics: topicCount, partitions: partitionCount },
    'listening',
  )
  let stopping: Promise<void> | undefined
  return {
    url: identity.url(),
    host,
    port,
    failed: failure.happened,
    reloadCertificate: () => tls.reload(),
    stop: () => {
      stopping ??= stop(options, closers, failure).finally(release)
      return stopping
    },
  }
}

/** In order; when the storage has failed, in time. */
async function stop(
  { timers, logger }: NodeOptions,
  closers: Closers,
  failure: StorageFailure,
): Promise<void> {
  const tooLong = failure.happened.then(
    () => new Promise<'too long'>((resolve) => timers.after(FAILED_STOP_MS, () => resolve('too long'))),
  )
  if ((await Promise.race([closers.close(), tooLong])) === 'too long')
    logger.warn({ timeoutMs: FAILED_STOP_MS }, 'stopped without having closed everything')
}

function openLog(
  { config, clock, timers, crc32c, codecs, process, logger }: NodeOptions,
  { segments, disk, failure }: WatchedStorage,
  purgatory: Purgatory,
  { registry, ids }: { registry: ProducerRegistry; ids: ProducerIds },
  onWritten: (bytes: number) => void,
): Promise<ShardLog> {
  return ShardLog.open({
    store: segments,
    clock,
    crc32c,
    codecs,
    soon: (run) => timers.soon(run),
    diskPace: {
      monotonicMs: () => clock.monotonicMs(),
      diskBytesRead: () => process.diskBytesRead(),
      after: (delayMs, run) => void timers.after(delayMs, run),
    },
    after: (delayMs, run) => timers.after(delayMs, run),
    queuedBytesMax: LOG_QUEUE_FACTOR * config.limits.produceBufferBytesMax,
    producers: {
      ...config.producers,
      standingOf: (producerId) => registry.standingOf(producerId),
      oldestEpochOf: (producerId) => ids.owners.oldestEpochOf(producerId),
    },
    observer: {
      advanced: (partition) => purgatory.advanced(partition),
      committed: (bytes) => {
        disk.committed(bytes)
        onWritten(bytes)
      },
      warning: (sentence) => logger.warn({ reason: sentence }, 'the log has something to say'),
      damaged: ({ damage }) => {
        const topicId = topicIdHex(damage.topicId)
        logger.error({ ...damage, topicId }, 'damaged data was found: run octopus verify')
      },
      failed: (error) => failure.tell(error),
    },
  })
}

async function openTopics(
  { config, clock, random, logger }: NodeOptions,
  { metadata: store, disk }: WatchedStorage,
  log: ShardLog,
  purgatory: Purgatory,
  access: AccessControl,
): Promise<{ readonly topics: TopicTable; readonly service: TopicService }> {
  const onProblem = (error: Error) => logger.error({ err: error }, 'the topics met an unexpected error')
  const { table, beingDeleted } = await TopicTable.open({ store, log, onProblem })
  await access.namespaces.adopt(table.list().map(({ name }) => namespaceOf(name)))
  const service = new TopicService({
    store,
    table,
    log,
    clock,
    random,
    limits: config.topics,
    namespaces: access.namespaces,
    forgetRights: (name) => access.acls.forgetTopic(name),
    refusal: () => disk.refusal,
    onDropped: (logs) => {
      for (const partition of logs) purgatory.advanced(partition)
    },
    onProblem,
  })
  try {
    await service.finishDeletions(beingDeleted)
  } catch (error) {
    // Nobody sees these topics any more; a node that cannot write now must still start to serve reads.
    logger.error({ err: error }, 'deleting topics could not be finished; it is tried again at the next start')
  }
  return { topics: table, service }
}

function openNodeGroups(
  { config, clock, timers, random, crc32c, logger }: NodeOptions,
  { openGroupView }: NodeStorage,
  { metadata: store, disk }: WatchedStorage,
  log: ShardLog,
  topics: TopicTable,
): Promise<Groups> {
  return openGroups({
    store,
    log,
    topics,
    openView: openGroupView,
    crc32c,
    clock,
    timers,
    random,
    limits: config.groups,
    refusal: () => disk.refusal,
    onProblem: (error) => logger.error({ err: error }, 'consumer groups met an error'),
  })
}

function startRetention(
  { config, clock, timers, logger }: NodeOptions,
  watched: WatchedStorage,
  topics: TopicTable,
  groups: Groups,
  log: ShardLog,
  tally: Tally,
): RetentionTimer {
  return new RetentionTimer({
    log,
    partitionCount: () => topics.partitionCount,
    // A partition without a topic is being deleted; its data goes another way.
    policyOf: (partition) => groups.policyOf(partition) ?? topics.byId(partition.topicId)?.config,
    clock,
    timers,
    intervalMs: config.retention.checkIntervalMs,
    writtenBytesMax: config.storage.segmentBytes * LOOK_SEGMENT_SHARE,
    onEnforced: ({ moved, removedSegments, failures }) => {
      for (const failure of failures) logger.error({ err: failure }, 'retention failed for a partition')
      if (failures.length > 0) watched.checkFailure()
      const told = { partitions: moved, segments: removedSegments }
      if (removedSegments.length > 0) logger.info(told, 'old data removed')
      else if (moved > 0) logger.debug(told, 'old data went out of reach')
    },
    onRelocated: ({ relocated, failures }) => {
      for (const failure of failures)
        logger.error({ err: failure }, 'a segment stays as it is, with what is dead in it')
      for (const { replaced, segment, copiedBytes } of relocated) {
        tally.relocatedSegments += replaced.length
        tally.relocatedBytes += copiedBytes
        logger.info({ replaced, segment, copiedBytes }, 'segments that were mostly dead were rewritten')
      }
    },
    onError: (error) => {
      logger.error({ err: error }, 'retention failed')
      watched.checkFailure()
    },
  })
}

/** The limits of the config, with no more connections than the process may have files open. */
function serverLimits({ config, process, logger }: NodeOptions): ServerLimits {
  const limits = {
    ...config.limits,
    batchBytesMax: BATCH_BYTES_MAX,
    authenticationTimeoutMs: config.auth.timeoutMs,
  }
  const openFilesMax = process.openFilesMax()
  if (openFilesMax === undefined || openFilesMax >= limits.connectionsMax + OPEN_FILES_RESERVED) return limits
  const connectionsMax = Math.max(1, openFilesMax - OPEN_FILES_RESERVED)
  logger.warn(
    { openFilesMax, asked: limits.connectionsMax, connectionsMax },
    'fewer connections than configured: raise the limit of open files (ulimit -n)',
  )
  return { ...limits, connectionsMax }
}

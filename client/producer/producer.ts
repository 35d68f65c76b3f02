/**
 * Takes records and sees to it that each is stored or its sender is told why not.
 *
 * The way of a record: {@link Producer.append} or {@link Producer.send} encodes it at once into the open batch
 * of its partition; the batch is sent when it is full, or due and the connection has room; the broker
 * acknowledges it when it is durable. Records of a partition are stored in the order in which they were given,
 * each of them once: a batch whose acknowledgement was lost is sent again, and the broker knows it by its
 * sequence. Without idempotence it may then be stored twice.
 *
 * Taking a record allocates nothing. Only when it cannot be taken at once (topic not known yet, memory used
 * up) is it copied and waits.
 */
import type { RecordField } from '../../storage/record/batch-encoder.ts'
import type { BrokerLink } from '../broker-link.ts'
import { DelayGroup } from '../delay-group.ts'
import type { ClientPorts } from '../ports.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { Serializer } from '../serializers.ts'
import type { Topic, TopicDirectory } from '../topic-directory.ts'
import { type Batch, FlushAccount, type WaitingSend } from './batch.ts'
import { BatchLedger } from './batch-ledger.ts'
import { BufferRoom } from './buffer-room.ts'
import { Idempotence } from './idempotence.ts'
import { OpenBatches } from './open-batches.ts'
import type { FlushResult, ProducerRecord, ProducerSettings, RecordPlace } from './options.ts'
import type { PartitionQueue } from './partition-queue.ts'
import { murmur2Partitioner, StickyPartition } from './partitioner.ts'
import { ProduceSink } from './produce-sink.ts'
import { RecordBacklog } from './record-backlog.ts'
import { checkField, checkHeaders, ownCopy } from './record-fields.ts'
import { checkSequence, isRepeated } from './record-sequence.ts'
import { noSuchPartition, stickyQueue, type TopicRoute, type WaitingRecord } from './topic-route.ts'
import { TopicRoutes } from './topic-routes.ts'
import { Turn } from './turn.ts'
import { Undelivered } from './undelivered.ts'

/** A batch that cannot be sent takes no more records after one or two of so many parts of its delivery time. */
const TIME_SLICES = 16

export class Producer<V = RecordField> {
  readonly #link: BrokerLink
  readonly #ports: ClientPorts
  readonly #settings: ProducerSettings
  /** Records without a key go to the sticky partition, and no partitioner of the user's has a say. */
  readonly #spreadsKeyless: boolean
  readonly #serialize: ((value: V) => RecordField) | undefined
  readonly #onClosed: () => void
  readonly #idempotence: Idempotence | undefined
  readonly #ledger: BatchLedger
  readonly #open: OpenBatches
  readonly #sink: ProduceSink
  readonly #delays: DelayGroup
  readonly #undelivered: Undelivered
  readonly #routes: TopicRoutes
  /** The route used last: most calls are for the same topic as the one before. */
  #route: TopicRoute | undefined
  /** Its name as the caller's own string, which compares by identity as long as the caller passes the same one. */
  #routeName: string | undefined
  readonly #backlog: RecordBacklog
  /** Records taken from now on are counted here. */
  #account: FlushAccount
  #flushed: Promise<unknown> = Promise.resolve()
  readonly #room: BufferRoom
  readonly #turn: Turn
  #isClosed = false
  #closed: Promise<void> | undefined
  readonly #stopWatching: () => void

  /** Made by `client.producer()`. */
  constructor(
    link: BrokerLink,
    directory: TopicDirectory,
    ports: ClientPorts,
    settings: ProducerSettings,
    {
      requestTimeoutMs,
      serializer,
      onClosed,
    }: {
      readonly requestTimeoutMs: number
      readonly serializer: Pick<Serializer<V>, 'serialize'> | undefined
      readonly onClosed: () => void
    },
  ) {
    this.#link = link
    this.#ports = ports
    this.#settings = settings
    this.#spreadsKeyless = settings.partitioner === murmur2Partitioner
    this.#serialize = serializer && ((value) => serializer.serialize(value))
    this.#onClosed = onClosed
    this.#delays = new DelayGroup(ports.timers)
    this.#idempotence = settings.isIdempotent
      ? this.#createIdempotence(directory, requestTimeoutMs)
      : undefined
    this.#ledger = new BatchLedger(settings, ports, this.#idempotence?.epoch)
    this.#account = this.#ledger.account
    this.#room = new BufferRoom(settings.bufferBytesMax, settings.batchBytes)
    const { clock, timers, random } = ports
    this.#backlog = new RecordBacklog(settings.bufferBytesMax, {
      takesRecords: (route) => this.#takesRecords(route),
      hasMemory: () => this.#ledger.hasMemory,
      take: (route, record) => this.#takeWaiting(route, record),
      taken: () => this.#countOn(this.#account),
      isClosed: () => this.#isClosed,
    })
    const { deliveryTimeoutMs } = settings
    this.#undelivered = new Undelivered(link, clock, this.#delays, deliveryTimeoutMs, this.#backlog, {
      routes: () => this.#routes.all(),
      seal: (queue) => this.#sealed(queue),
      failing: (queue) => this.#sealNumbered(queue),
      failed: (batch, error) => this.#failed(batch, error),
      recordFailed: ({ send, account }, error) => this.#ledger.recordFailed(error, send, account),
      settled: (queue) => this.#sink.requeued(queue, queue.delivery.settle()),
      expired: () => this.#makeRoom(),
    })
    this.#routes = new TopicRoutes(link, directory, random, this.#delays, {
      learned: (route, topic) => this.#learned(route, topic),
      dropped: (route, error) => this.#dropped(route, error),
    })
    this.#sink = new ProduceSink(link, ports, {
      acks: settings.acks,
      timeoutMs: requestTimeoutMs,
      isReady: () => this.#idempotence?.isReady() ?? true,
      seal: (queue) => this.#seal(queue),
      stamp: (batch) => this.#ledger.stamp(batch),
      acknowledged: (batch, place) => this.#ledger.acknowledged(batch, place),
      failing: (queue) => this.#sealNumbered(queue),
      failed: (batch, error) => this.#failed(batch, error),
      fenced: (cause) => {
        const error = this.#idempotence?.fenced(cause) ?? cause
        this.#failAll(error)
        return error
      },
      requeued: (queue) => this.#requeued(queue),
      stale: (route) => this.#routes.refresh(route),
      answered: () => this.#makeRoom(),
    })
    this.#turn = new Turn(clock, timers, () => {
      this.#open.turnEnded()
      this.#sink.pump()
    })
    this.#open = new OpenBatches(clock, timers, settings.lingerMs, deliveryTimeoutMs / TIME_SLICES, {
      due: (queue) => this.#sink.list(queue),
      old: (queue) => this.#sealed(queue),
      changed: () => this.#sink.pump(),
    })
    this.#stopWatching = link.watch({
      up: () => {
        this.#makeRoom()
        this.#sink.pump()
      },
      down: () => this.#makeRoom(),
      failed: (error) => this.#failAll(error),
    })
    this.#makeRoom()
  }

  /**
   * Takes a record, for bulk: nothing is allocated and nobody is told of the single record; see
   * {@link flush} and the option `onDelivery`. The bytes are copied before this returns.
   *
   * Returns nothing while there is room. When there is not, returns a promise: await it before the next
   * record. It resolves when there is room again and never rejects.
   *
   * Throws TypeError or RangeError for a record that is none, and {@link ProtocolError}: CLOSED;
   * UNKNOWN_TOPIC_OR_PARTITION for a partition that the topic does not have; BUFFER_FULL when the promise was
   * not awaited and more than `bufferBytesMax` waits.
   */
  append(topic: string, record: ProducerRecord<V>): Promise<void> | undefined {
    const last = this.#route
    const route = last !== undefined && this.#routeName === topic ? last : this.#routeOf(topic)
    this.#routeName = topic
    const value = this.#valueOf(record)
    if (this.#joinsOpenBatch(route, record, value)) return undefined
    if (route.isBlocked || !this.#ledger.hasMemory) {
      this.#wait(route, record, value, undefined)
      return this.#roomAgain()
    }
    this.#take(route, record, value, undefined)
    return this.#room.isFull(this.#ledger.usedBytes) ? this.#roomAgain() : undefined
  }

  /**
   * Takes a record and resolves with its place when it is acknowledged. Rejects with the same errors that
   * {@link append} throws, and with a {@link ProtocolError} when the record has failed for good.
   */
  send(topic: string, record: ProducerRecord<V>): Promise<RecordPlace> {
    return new Promise((resolve, reject) => {
      const send: WaitingSend = { index: 0, timestampMs: 0, isDuplicate: false, resolve, reject }
      const route = this.#routeOf(topic)
      const value = this.#valueOf(record)
      if (route.isBlocked || !this.#ledger.hasMemory) this.#wait(route, record, value, send)
      else this.#take(route, record, value, send)
    })
  }

  /**
   * Sends what is open and resolves when it is known what became of every record taken so far. The counts are
   * of the records taken since the last call. Never rejects: failures are counted and the first one is given.
   */
  async flush(): Promise<FlushResult> {
    const account = this.#account
    this.#sealAll()
    this.#account = new FlushAccount()
    this.#ledger.account = this.#account
    this.#sink.pump()
    const done = Promise.all([this.#flushed, account.empty()])
    this.#flushed = done
    await done
    const { acknowledged, duplicates, failed, error } = account
    return { acknowledged, ...(duplicates > 0 && { duplicates }), failed, ...(error && { error }) }
  }

  /**
   * How many records of this producer's name the partition holds: the `sequence` of the one to send next, after a
   * restart too. What is on its way does not count: flush first. From the first call (or record) on, earlier
   * producers with the name can send nothing more.
   *
   * Rejects with TypeError when the producer has no name, and with {@link ProtocolError}:
   * UNKNOWN_TOPIC_OR_PARTITION; INVALID_PRODUCER_EPOCH when another producer has taken over the name; whatever
   * keeps the broker from answering within the request timeout.
   */
  async nextSequence(topic: string, partition: number): Promise<number> {
    if (this.#isClosed) throw new ProtocolError(ErrorCode.CLOSED)
    if (!this.#idempotence?.epoch.isNamed)
      throw new TypeError('nextSequence: only a producer with the option producerName has a count that lasts')
    return this.#idempotence.nextSequence(topic, partition)
  }

  /**
   * Takes no more records and resolves when every record taken is acknowledged or has failed, which takes at
   * most `deliveryTimeoutMs`. Calling it again is harmless.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#isClosed = true
    for (const route of this.#routes.all()) route.isBlocked = true
    await this.flush()
    this.#stopWatching()
    this.#idempotence?.close()
    this.#routes.close()
    this.#sink.close()
    this.#open.close()
    this.#delays.cancelAll()
    this.#onClosed()
  }

  #valueOf(record: ProducerRecord<V>): RecordField {
    if (record.key !== undefined) checkField('key', record.key)
    if (record.headers !== undefined) checkHeaders(record.headers)
    if (record.sequence !== undefined)
      checkSequence(record.sequence, this.#idempotence?.epoch.isNamed === true)
    const value: unknown = this.#serialize === undefined ? record.value : this.#serialize(record.value)
    checkField('value', value)
    return value
  }

  /**
   * The shortest way of most records: no key, no partition, and the open batch they join has room, so that no
   * memory is taken and nothing else has to be looked at.
   */
  #joinsOpenBatch(route: TopicRoute, record: ProducerRecord<V>, value: RecordField): boolean {
    if (record.key !== undefined || record.partition !== undefined || record.sequence !== undefined)
      return false
    if (route.isBlocked || !this.#spreadsKeyless) return false
    const { encoder } = stickyQueue(route)
    if (encoder.recordCount === 0) return false
    const timestampMs = record.timestampMs === undefined ? this.#turn.now() : record.timestampMs
    return encoder.append(timestampMs, null, value, record.headers)
  }

  /** Puts a record into the open batch of its partition; there is room and the partitions are known. */
  #take(
    route: TopicRoute,
    record: ProducerRecord<unknown>,
    value: RecordField,
    send: WaitingSend | undefined,
  ): void {
    const key = record.key === undefined ? null : record.key
    const timestampMs = record.timestampMs === undefined ? this.#turn.now() : record.timestampMs
    let { partition } = record
    if (partition === undefined) partition = this.#settings.partitioner(key, route.queues.length, route.name)
    const isSticky = partition === undefined
    let queue = isSticky ? stickyQueue(route) : route.queues[partition as number]
    if (queue === undefined) throw noSuchPartition(route, partition as number)
    const { sequence } = record
    if (sequence !== undefined && isRepeated(queue, sequence, isSticky)) {
      this.#ledger.repeated(queue, sequence, timestampMs, send)
      return
    }
    while (!queue.encoder.append(timestampMs, key, value, record.headers)) {
      this.#sealed(queue)
      this.#sink.pump()
      // The turn of the next partition: its batch gets the record.
      if (isSticky) queue = stickyQueue(route)
    }
    const count = queue.encoder.recordCount
    if (sequence !== undefined) queue.isNumberedBySender = true
    if (send) {
      send.index = count - 1
      send.timestampMs = timestampMs
      queue.sends ??= []
      queue.sends.push(send)
    }
    if (count === 1) this.#opened(queue)
  }

  #opened(queue: PartitionQueue): void {
    const nowMs = this.#ports.clock.monotonicMs()
    this.#ledger.opened(queue, nowMs)
    this.#open.add(queue)
    this.#undelivered.watch(nowMs)
    this.#turn.begin()
    this.#idempotence?.opened(queue)
    const bytesMax = this.#link.limits?.batchBytesMax ?? Number.POSITIVE_INFINITY
    if (queue.encoder.byteLength <= bytesMax) return
    // Only the record that a batch begins with can be larger than a batch may be.
    const batch = this.#seal(queue)
    const sentence = `a record of topic ${queue.route.name} makes a batch of ${batch.bytes.length} bytes, the broker takes ${bytesMax}`
    queue.delivery.dropped(batch)
    this.#failed(batch, new ProtocolError(ErrorCode.MESSAGE_TOO_LARGE, sentence))
    this.#sink.requeued(queue, queue.delivery.settle())
  }

  /** The batch of `queue` takes no more records and waits to be sent. */
  #sealed(queue: PartitionQueue): void {
    queue.sealed.push(this.#seal(queue))
    this.#sink.list(queue)
  }

  #seal(queue: PartitionQueue): Batch {
    this.#open.remove(queue)
    queue.route.sticky?.moveOn(queue.partition)
    return this.#ledger.seal(queue)
  }

  /** Records that say their numbers must not join a batch whose number may change. */
  #sealNumbered(queue: PartitionQueue): void {
    if (queue.account && queue.isNumberedBySender) this.#sealed(queue)
  }

  #sealAll(): void {
    for (const queue of this.#open.all()) this.#sealed(queue)
  }

  /** Keeps a copy of a record that cannot be taken yet. */
  #wait(
    route: TopicRoute,
    record: ProducerRecord<unknown>,
    value: RecordField,
    send: WaitingSend | undefined,
  ): void {
    if (this.#isClosed) throw new ProtocolError(ErrorCode.CLOSED)
    if (this.#failure) throw this.#failure
    const bytes = this.#backlog.roomFor(record, value)
    const sinceMs = this.#ports.clock.monotonicMs()
    const kept = ownCopy(record, value, record.timestampMs ?? this.#turn.now())
    this.#backlog.push(route, { record: kept, bytes, sinceMs, send, account: this.#account })
    this.#account.opened()
    this.#undelivered.watch(sinceMs)
    if (this.#idempotence?.epoch.isNamed) this.#idempotence.ask()
  }

  #takeWaiting(route: TopicRoute, { record, send, account }: WaitingRecord): void {
    this.#countOn(account)
    try {
      this.#take(route, record, record.value, send)
      account.closed()
    } catch (error) {
      this.#ledger.recordFailed(error as Error, send, account)
    }
  }

  /** A batch is counted with one flush only. */
  #countOn(account: FlushAccount): void {
    if (account === this.#ledger.account) return
    this.#sealAll()
    this.#ledger.account = account
  }

  /** Why nothing will be sent any more. */
  get #failure(): ProtocolError | undefined {
    return this.#link.failure ?? this.#idempotence?.epoch.failure
  }

  /** Its partitions are known, and with a name, where their sequences stand. */
  #takesRecords(route: TopicRoute): boolean {
    if (!route.topic || this.#failure) return false
    if (!this.#idempotence?.epoch.isNamed) return true
    for (const { sequences } of route.queues) if (!sequences?.isNumbered) return false
    return true
  }

  #roomAgain(): Promise<void> {
    if (!this.#room.isWaitedFor) {
      // Memory that open batches hold comes back only when they are sent.
      this.#open.dueAll()
      this.#turn.begin()
    }
    return this.#room.wait()
  }

  /** The window or what is buffered has changed. */
  #makeRoom(): void {
    this.#room.resize(this.#link.connection?.windowBytes)
    this.#backlog.drain()
    this.#idempotence?.renew()
    if (this.#backlog.bytes === 0) this.#room.used(this.#ledger.usedBytes)
  }

  #routeOf(topic: string): TopicRoute {
    if (this.#isClosed) throw new ProtocolError(ErrorCode.CLOSED)
    const route = this.#routes.of(topic)
    this.#route = route
    this.#routeName = topic
    return route
  }

  #learned(route: TopicRoute, topic: Topic): void {
    route.topic = topic
    const created = this.#ledger.createQueues(route, topic.partitions.length)
    if (created.length > 0) this.#idempotence?.add(created)
    route.sticky ??= new StickyPartition(topic.partitions.length, this.#ports.random.unit())
    route.sticky.resize(route.queues.length)
    this.#backlog.block(route)
    this.#makeRoom()
  }

  #createIdempotence(directory: TopicDirectory, timeoutMs: number): Idempotence {
    const asker = { link: this.#link, directory, ports: this.#ports, delays: this.#delays, timeoutMs }
    return new Idempotence(this.#settings.producerName, asker, {
      queues: () => this.#routes.queues(),
      isQuiet: () => this.#sink.isQuiet,
      isNeeded: () => this.#ledger.usedBytes > 0 || this.#backlog.bytes > 0,
      renumbering: (queue) => {
        this.#sealNumbered(queue)
        this.#awaitNumbers(queue)
      },
      numbered: (queue) => this.#sink.list(queue),
      changed: () => {
        this.#makeRoom()
        this.#sink.pump()
      },
      acknowledged: (batch, place) => this.#ledger.acknowledged(batch, place),
      failed: (batch, error) => this.#failed(batch, error),
      refused: (error, queues) => {
        this.#undelivered.failAll(error, queues && new Set(queues.map(({ route }) => route)))
        this.#makeRoom()
      },
      stale: (route) => this.#routes.refresh(route),
    })
  }

  #dropped(route: TopicRoute, error: ProtocolError): void {
    if (this.#route === route) this.#route = undefined
    this.#undelivered.failAll(error, [route])
    this.#backlog.forget(route)
    this.#makeRoom()
  }

  /** What comes later is refused, see {@link #wait}. */
  #failAll(error: ProtocolError): void {
    this.#undelivered.failAll(error)
    for (const route of this.#routes.all()) this.#backlog.block(route)
    this.#makeRoom()
  }

  #failed(batch: Batch, error: ProtocolError): void {
    this.#ledger.failed(batch, error)
    this.#awaitNumbers(batch.queue)
  }

  /** Batches that were in flight wait again: perhaps for a topic that is gone, or for too long already. */
  #requeued(queue: PartitionQueue): void {
    const { route, sealed } = queue
    this.#idempotence?.settled(queue)
    this.#awaitNumbers(queue)
    const failure = route.failure ?? this.#idempotence?.epoch.failure
    const oldest = sealed.peek()
    if (failure) this.#undelivered.failAll(failure, [route])
    else if (oldest) this.#undelivered.watch(oldest.createdAtMs)
  }

  /** Records that may say their number wait until it is certain which one is next. */
  #awaitNumbers({ route, sequences }: PartitionQueue): void {
    if (this.#idempotence?.epoch.isNamed && !sequences?.isNumbered && !route.failure)
      this.#backlog.block(route)
  }
}

/**
 * What an idempotent producer agrees on with the broker: its id and epoch, taken with the first batch, and where
 * its sequences stand in each partition.
 *
 * An epoch ends when a batch that may be stored has failed, or when the broker has lost count. Then everything
 * in flight is settled first; the broker begins a new epoch and takes nothing of the old one from then on; it
 * tells what it holds of batches whose acknowledgement was lost; and what it does not hold goes on under the new
 * epoch, numbered anew. A producer with a name asks also in the beginning, because an earlier life of it may
 * have stored something.
 *
 * It asks as long as somebody waits for it. A refusal for good (the disk is full) fails what waits, and the next
 * record asks again. One refusal is for ever: another producer has the name.
 */
import { backoffDelayMs } from '../backoff.ts'
import type { BrokerLink } from '../broker-link.ts'
import type { DelayGroup } from '../delay-group.ts'
import type { ClientPorts } from '../ports.ts'
import { apis } from '../protocol/api.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { DescribedProducer } from '../protocol/messages/describe-producers.ts'
import { RETRY_BACKOFF, staleMetadataCodes } from '../retry.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import type { Batch } from './batch.ts'
import type { BatchPlace } from './batch-ledger.ts'
import type { PartitionQueue } from './partition-queue.ts'
import { ProducerEpoch } from './producer-epoch.ts'
import type { Held } from './sequenced-delivery.ts'
import type { TopicRoute } from './topic-route.ts'

export interface IdempotenceHost {
  queues(): Iterable<PartitionQueue>
  /** No batch is in flight. */
  isQuiet(): boolean
  /** Somebody waits for records to be stored. */
  isNeeded(): boolean
  /** The sequences of `queue` may change. */
  renumbering(queue: PartitionQueue): void
  /** They are as the broker counts them. */
  numbered(queue: PartitionQueue): void
  /** More may be sent. */
  changed(): void
  acknowledged(batch: Batch, place: BatchPlace): void
  failed(batch: Batch, error: ProtocolError): void
  /** Fails all that waits in the partitions of `queues`, or all there is. */
  refused(error: ProtocolError, queues?: readonly PartitionQueue[]): void
  stale(route: TopicRoute): void
}

/** What asking takes. */
export interface Asker {
  readonly link: BrokerLink
  readonly directory: TopicDirectory
  readonly ports: Pick<ClientPorts, 'clock' | 'random' | 'timers'>
  /** Ended when the producer is closed. */
  readonly delays: DelayGroup
  /** How long a caller waits for an answer. */
  readonly timeoutMs: number
}

/** Id and epoch under which sequences were given. */
interface Numbering {
  readonly producerId: number
  readonly producerEpoch: number
}

const nothing: Held = { nextSequence: 0, lastOffset: -1 }

/** Partitions asked about in one request. */
const PARTITIONS_PER_REQUEST = 1_000

export class Idempotence {
  readonly epoch: ProducerEpoch
  readonly #name: string | undefined
  readonly #asker: Asker
  readonly #host: IdempotenceHost
  /** Partitions that wait to be told where they stand, and under what they were numbered. */
  readonly #unnumbered = new Map<PartitionQueue, Numbering>()
  #initializing: Promise<void> | undefined
  #isAsking = false
  #isLocating = false
  #isClosed = false

  constructor(name: string | undefined, asker: Asker, host: IdempotenceHost) {
    this.epoch = new ProducerEpoch(name !== undefined)
    this.#name = name
    this.#asker = asker
    this.#host = host
  }

  get #numbering(): Numbering {
    const { producerId, producerEpoch } = this.epoch
    return { producerId, producerEpoch }
  }

  /** Batches may be stamped and sent. If not, sees to it. */
  isReady(): boolean {
    const { isKnown, isEnding } = this.epoch
    if (isKnown && !isEnding) return true
    this.ask()
    return false
  }

  /** Sees to what is missing: an epoch, or where partitions stand. */
  ask(): void {
    const { isKnown, isEnding, failure } = this.epoch
    if (failure) return
    if (!isKnown || (isEnding && this.#host.isQuiet())) void this.#begin()
    else if (!isEnding && this.#unnumbered.size > 0) void this.#locate()
  }

  /** Partitions that are new to this producer. */
  add(queues: readonly PartitionQueue[]): void {
    if (!this.epoch.isNamed) return
    for (const queue of queues) this.#unnumbered.set(queue, this.#numbering)
    this.ask()
  }

  /** Ends the epoch, if it is to end and nothing is in flight. */
  renew(): void {
    if (this.epoch.isEnding) this.ask()
  }

  /** A batch of `queue` has been begun: whoever gave up asking because nobody waited goes on. */
  opened({ sequences }: PartitionQueue): void {
    const { isKnown, isEnding } = this.epoch
    // Without an epoch it is asked for when the batch is due.
    if (isKnown && (isEnding || !sequences?.isNumbered)) this.ask()
  }

  /** Something of `queue` is settled. */
  settled({ sequences }: PartitionQueue): void {
    if (sequences?.needsEpoch && this.epoch.isKnown && !this.epoch.failure) this.epoch.isEnding = true
  }

  fenced(cause: ProtocolError): ProtocolError {
    this.epoch.failure ??= new ProtocolError(
      ErrorCode.INVALID_PRODUCER_EPOCH,
      this.#name === undefined
        ? `the broker takes nothing more of this producer: ${cause.message}`
        : `another producer with the name ${this.#name} has taken over: this one may send nothing more`,
      { cause },
    )
    return this.epoch.failure
  }

  /** How many records of this producer's name a partition holds. */
  async nextSequence(topic: string, partition: number): Promise<number> {
    const deadlineMs = this.#asker.ports.clock.monotonicMs() + this.#asker.timeoutMs
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#askOnce(topic, partition)
      } catch (error) {
        const { failure } = this.epoch
        if (failure) throw failure
        if (!(error instanceof ProtocolError) || !error.retriable || this.#asker.link.failure) throw error
        // The directory has asked the one who knows.
        if (error.code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) throw error
        if (this.#asker.ports.clock.monotonicMs() >= deadlineMs) throw error
        // A timer of its own: the producer's end when it is closed, and the caller would wait for ever.
        await new Promise<void>((resolve) => {
          this.#asker.ports.timers.after(this.#delayMs(attempt, error), resolve)
        })
      }
    }
  }

  close(): void {
    this.#isClosed = true
  }

  async #askOnce(name: string, partition: number): Promise<number> {
    const { epoch } = this
    const { directory } = this.#asker
    if (this.#isClosed) throw new ProtocolError(ErrorCode.CLOSED)
    if (epoch.failure) throw epoch.failure
    if (epoch.isEnding)
      throw new ProtocolError(
        ErrorCode.REQUEST_TIMED_OUT,
        'records of this producer are on their way, and what became of them is not known yet',
      )
    if (!epoch.isKnown) await this.#init()
    const topic = await directory.lookup(name)
    if (!topic.partitions[partition])
      throw new ProtocolError(
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        `topic ${name} has partitions 0 to ${topic.partitions.length - 1}, not ${partition}`,
      )
    const [entry] = await this.#describe(epoch.producerId, [{ topicId: topic.topicId, partition }])
    if (entry.error !== ErrorCode.NONE) {
      // What is known of the topic is out of date; the answer is not needed now, the next attempt looks it up.
      if (staleMetadataCodes.has(entry.error)) await directory.refresh(name)
      throw new ProtocolError(entry.error, entry.message ?? undefined)
    }
    return Math.max(0, entry.nextSequence)
  }

  /** Asks for an epoch until there is one, or nobody waits for it. */
  async #begin(): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          await this.#init()
          return
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          if (this.#isFinal(error)) {
            this.epoch.lose()
            this.#host.refused(this.epoch.failure ?? error)
            return
          }
          await this.#rest(attempt, error)
          if (!this.#host.isNeeded()) return
        }
      }
    } finally {
      this.#isAsking = false
    }
  }

  /** Begins an epoch; asking twice at a time would fence the first answer with the second. */
  #init(): Promise<void> {
    this.#initializing ??= this.#initialize().finally(() => {
      this.#initializing = undefined
    })
    return this.#initializing
  }

  /** The first epoch, or the one that follows on the present one. */
  async #initialize(): Promise<void> {
    const { epoch } = this
    const before = this.#numbering
    const { producerId, producerEpoch } = before
    const request = { producerName: this.#name ?? null, producerId, producerEpoch }
    let answer: Numbering
    try {
      answer = await this.#asker.link.call(apis.initProducerId, request, { repeatable: true })
    } catch (error) {
      if (!(error instanceof ProtocolError) || !goneCodes.has(error.code)) throw error
      if (this.#name !== undefined) throw this.fenced(error)
      // The broker knows nothing of this id, or has no more epochs for it.
      const fresh = { producerName: null, producerId: -1, producerEpoch: -1 }
      answer = await this.#asker.link.call(apis.initProducerId, fresh, { repeatable: true })
    }
    epoch.begin(answer.producerId, answer.producerEpoch)
    for (const queue of this.#host.queues()) {
      this.#host.renumbering(queue)
      if (this.epoch.isNamed) this.#unnumbered.set(queue, this.#numbering)
      else if (!queue.sequences?.isUncertain) {
        // What an epoch before was still to be told of it would begin its count again in the middle of this one.
        this.#unnumbered.delete(queue)
        this.#restart(queue, undefined)
      } else if (!this.#unnumbered.has(queue)) this.#unnumbered.set(queue, before)
    }
    this.#host.changed()
    if (this.#unnumbered.size > 0) void this.#locate()
  }

  /** Asks where partitions stand until all are told, or nobody waits for it. */
  async #locate(): Promise<void> {
    if (this.#isLocating) return
    this.#isLocating = true
    /** Nobody tells where these stand: what waited has failed, and the next record asks again. */
    const refused = new Set<PartitionQueue>()
    try {
      for (let attempt = 1; ; attempt++) {
        const { isKnown, isEnding, failure, generation } = this.epoch
        if (!isKnown || isEnding || failure) return
        const { producerId, queues } = this.#nextUnnumbered(refused)
        if (queues.length === 0) return
        let reason: ProtocolError | undefined
        try {
          const entries = await this.#describe(producerId, queues.map(placeOf))
          // What another epoch stands at says nothing of this one.
          if (generation === this.epoch.generation) reason = this.#located(queues, entries, refused)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          if (this.#isFinal(error)) this.#refuse(queues, error, refused)
          else reason = error
        }
        if (!reason) continue
        await this.#rest(attempt, reason)
        if (!this.#host.isNeeded()) return
      }
    } finally {
      this.#isLocating = false
    }
  }

  /** Some partitions that were numbered under the same id, and that id. */
  #nextUnnumbered(refused: ReadonlySet<PartitionQueue>): { producerId: number; queues: PartitionQueue[] } {
    const queues: PartitionQueue[] = []
    let producerId = -1
    for (const [queue, numbering] of this.#unnumbered) {
      // A name may have got its id only now.
      const id = this.epoch.isNamed ? this.epoch.producerId : numbering.producerId
      if (queue.route.failure) this.#unnumbered.delete(queue)
      else if (queues.length === PARTITIONS_PER_REQUEST) break
      else if (!refused.has(queue) && (queues.length === 0 || id === producerId)) {
        producerId = id
        queues.push(queue)
      }
    }
    return { producerId, queues }
  }

  /** Returns why to ask again, if there is a reason to. */
  #located(
    queues: readonly PartitionQueue[],
    entries: readonly DescribedProducer[],
    refused: Set<PartitionQueue>,
  ): ProtocolError | undefined {
    let retriable: ProtocolError | undefined
    for (const [i, queue] of queues.entries()) {
      const { error, message } = entries[i]
      if (error === ErrorCode.NONE) {
        const held = this.#heldOf(queue, entries[i])
        this.#unnumbered.delete(queue)
        this.#restart(queue, held)
        continue
      }
      if (error === ErrorCode.UNKNOWN_PRODUCER_ID && !this.epoch.isNamed) {
        this.#unnumbered.delete(queue)
        this.#restart(queue, 'untold')
        continue
      }
      const reason = new ProtocolError(error, message ?? undefined)
      if (staleMetadataCodes.has(error)) this.#host.stale(queue.route)
      if (reason.retriable) retriable = reason
      else this.#refuse([queue], reason, refused)
    }
    this.#host.changed()
    return retriable
  }

  /** What a partition holds of the sequences that its queue was numbered by; undefined: it has forgotten. */
  #heldOf(
    queue: PartitionQueue,
    { producerEpoch, nextSequence, lastOffset }: DescribedProducer,
  ): Held | undefined {
    if (nextSequence < 0) return undefined
    // Without a name every epoch counts from 0, and this partition has got nothing of the one in question.
    if (!this.epoch.isNamed && producerEpoch !== this.#unnumbered.get(queue)?.producerEpoch) return nothing
    return { nextSequence, lastOffset }
  }

  #refuse(queues: readonly PartitionQueue[], error: ProtocolError, refused: Set<PartitionQueue>): void {
    for (const queue of queues) refused.add(queue)
    this.#host.refused(error, queues)
  }

  #restart(queue: PartitionQueue, held: Held | 'untold' | undefined): void {
    const restarted = queue.sequences?.restart(held)
    for (const { batch, baseOffset } of restarted?.stored ?? [])
      this.#host.acknowledged(batch, { baseOffset, logAppendTimeMs: -1 })
    for (const { batch, error } of restarted?.failed ?? []) this.#host.failed(batch, error)
    this.#host.numbered(queue)
  }

  async #describe(
    producerId: number,
    partitions: { topicId: Uint8Array; partition: number }[],
  ): Promise<readonly DescribedProducer[]> {
    const query = { producerId, partitions }
    const answer = await this.#asker.link.call(apis.describeProducers, query, { repeatable: true })
    if (answer.partitions.length !== partitions.length)
      throw new ProtocolError(
        ErrorCode.UNKNOWN_SERVER_ERROR,
        'an answer with other partitions than asked for',
      )
    return answer.partitions
  }

  #isFinal(error: ProtocolError): boolean {
    return !error.retriable || this.#asker.link.failure !== undefined || this.epoch.failure !== undefined
  }

  /** Never ends when the producer is closed: then nobody waits. */
  #rest(attempt: number, error: ProtocolError): Promise<void> {
    return new Promise((resolve) => {
      this.#asker.delays.after(this.#delayMs(attempt, error), resolve)
    })
  }

  #delayMs(attempt: number, { retryAfterMs }: ProtocolError): number {
    return backoffDelayMs(RETRY_BACKOFF, attempt, this.#asker.ports.random.unit(), retryAfterMs)
  }
}

/** The broker does not go on with the id and epoch that it was told. */
const goneCodes: ReadonlySet<number> = new Set([
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.UNKNOWN_PRODUCER_ID,
])

function placeOf({ route, partition }: PartitionQueue): { topicId: Uint8Array; partition: number } {
  if (!route.topic) throw new Error(`a partition of topic ${route.name}, whose id is not known`)
  return { topicId: route.topic.topicId, partition }
}

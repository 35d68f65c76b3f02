/**
 * The records of one partition on their way to its leader: a batch that fills, and finished ones that wait. What
 * is in flight, and what is sent again, its delivery decides. Pure state: no network, no time.
 */
import type { BatchEncoder } from '../../storage/record/batch-encoder.ts'
import { Queue } from '../queue.ts'
import type { Batch, FlushAccount, WaitingSend } from './batch.ts'
import type { PartitionDelivery } from './partition-delivery.ts'
import type { ProducerEpoch } from './producer-epoch.ts'
import { SequencedDelivery } from './sequenced-delivery.ts'
import type { TopicRoute } from './topic-route.ts'
import { UnsequencedDelivery } from './unsequenced-delivery.ts'

/** The header of a produce request with one batch, and all that it says of this batch. */
export interface ProduceHeader {
  readonly header: Uint8Array
  readonly topicId: Uint8Array
  readonly leaderEpoch: number
  readonly bodyBytes: number
}

export class PartitionQueue {
  readonly route: TopicRoute
  readonly partition: number
  readonly encoder: BatchEncoder
  readonly delivery: PartitionDelivery
  /** The delivery of an idempotent producer. */
  readonly sequences: SequencedDelivery | undefined
  /** Of the batch that fills: its buffer, its senders, its account, when its first record came. */
  buffer: Uint8Array | undefined
  sends: WaitingSend[] | undefined
  account: FlushAccount | undefined
  openedAtMs = 0
  /** A record of the batch that fills says its own number. */
  isNumberedBySender = false
  /** The batch that fills has waited long enough; it still takes records until it is sent. */
  isDue = false
  /** Finished batches, in order. */
  readonly sealed = new Queue<Batch>()
  /** Waits before it sends again. */
  isResting = false
  /** In the sender's list of partitions with something to send. */
  isListed = false
  /** The one that was sent last: the next is often the same. */
  lastHeader: ProduceHeader | undefined
  /** Refusals since the last acknowledgement, for the back-off. */
  attempts = 0

  /** With `epoch`: of an idempotent producer. */
  constructor(
    route: TopicRoute,
    partition: number,
    encoder: BatchEncoder,
    maxInFlight: number,
    epoch: ProducerEpoch | undefined,
  ) {
    this.route = route
    this.partition = partition
    this.encoder = encoder
    this.sequences = epoch && new SequencedDelivery(epoch, this.sealed, maxInFlight)
    this.delivery = this.sequences ?? new UnsequencedDelivery(this.sealed, maxInFlight)
  }

  get canSend(): boolean {
    return !this.isResting && this.delivery.canSend && (this.sealed.length > 0 || this.isDue)
  }

  /** Bytes of the batch that would be sent next. */
  get nextBytes(): number {
    return this.sealed.peek()?.bytes.length ?? this.encoder.byteLength
  }

  /** The number that the next record gets. Only of an idempotent producer. */
  get nextSequence(): number {
    return (this.sequences?.nextSequence ?? 0) + this.encoder.recordCount
  }
}

/** Where the records of one topic go: its partitions' queues, and records that cannot be taken yet. */
import type { RecordField } from '../../storage/record/batch-encoder.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import { Queue } from '../queue.ts'
import type { Topic } from '../topic-directory.ts'
import type { FlushAccount, WaitingSend } from './batch.ts'
import type { ProducerRecord } from './options.ts'
import type { PartitionQueue } from './partition-queue.ts'
import type { StickyPartition } from './partitioner.ts'

/** A record that waits for the topic to be known or for room, with bytes of its own. */
export interface WaitingRecord {
  readonly record: ProducerRecord<RecordField>
  readonly bytes: number
  readonly sinceMs: number
  readonly send: WaitingSend | undefined
  readonly account: FlushAccount
}

export class TopicRoute {
  readonly name: string
  /** Undefined until the broker has told. */
  topic: Topic | undefined
  readonly queues: PartitionQueue[] = []
  sticky: StickyPartition | undefined
  /** In order of coming; while there is one, later records of the topic wait behind it. */
  readonly waiting = new Queue<WaitingRecord>()
  /** Records cannot be taken at once. */
  isBlocked = true
  /** Why nothing is sent to it any more. */
  failure: ProtocolError | undefined
  /** Ends the watch over the topic. */
  stop: () => void = () => undefined

  constructor(name: string) {
    this.name = name
  }
}

/** The queue of the next record that names no partition and has no key. */
export function stickyQueue(route: TopicRoute): PartitionQueue {
  return route.queues[route.sticky?.partition ?? 0]
}

export function noSuchPartition(route: TopicRoute, partition: number): ProtocolError {
  return new ProtocolError(
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    `topic ${route.name} has partitions 0 to ${route.queues.length - 1}, not ${partition}`,
  )
}

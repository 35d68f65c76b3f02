/** Where the records of one topic go: its partitions' queues, and records that cannot be taken yet. */
import type { RecordField } from '../../storage/record/batch-encoder.ts'
import type { ProtocolError } from '../protocol/errors.ts'
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

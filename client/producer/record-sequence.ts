/** Records that say their own number in their partition: what is a legal one, and what has been given before. */
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { PartitionQueue } from './partition-queue.ts'

/** Throws TypeError or RangeError when a record may not say its number, or says none. */
export function checkSequence(sequence: unknown, isNamed: boolean): void {
  if (!isNamed) throw new TypeError('record sequence: only for a producer with the option producerName')
  if (!Number.isSafeInteger(sequence) || (sequence as number) < 0)
    throw new RangeError(`record sequence: expected a whole number from 0, got ${sequence}`)
}

/**
 * Whether the record with this number was given before. Throws {@link ProtocolError} when it leaves a gap, and when
 * chance has chosen the partition (`isSticky`) out of several.
 */
export function isRepeated(queue: PartitionQueue, sequence: number, isSticky: boolean): boolean {
  const { route, nextSequence } = queue
  if (isSticky && route.queues.length > 1)
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      `a record of topic ${route.name} with a sequence: it must name its partition or have a key, or the same ` +
        `record would go to another one of the ${route.queues.length} partitions the next time`,
    )
  if (sequence > nextSequence) throw gapError(queue, nextSequence, sequence)
  return sequence < nextSequence
}

/** A record says a number that is not the next one of its partition. */
export function gapError(queue: PartitionQueue, expected: number, given: number): ProtocolError {
  return new ProtocolError(
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    `topic ${queue.route.name}, partition ${queue.partition}: expected the record with sequence ${expected}, ` +
      `got ${given}: those between would be missing`,
  )
}

/**
 * Judges what a produce request has for one partition, as far as that is done on the event loop, and says what is left
 * to do: uncompressed batches that are stored as they came are checked through and through, of all others the frame.
 * Pure.
 */
import { ErrorCode } from '../../client/protocol/errors.ts'
import { compressionAt, nextBatchEnd, producerIdAt } from '../../storage/record/batch-header.ts'
import { compressionCodes, compressionName } from '../../storage/record/compression.ts'
import type { Crc32c } from '../../storage/record/crc32c.ts'
import type { BatchProblem } from '../../storage/record/record-error.ts'
import { type BatchLimits, checkCrc, checkFrame, checkProducedBatch } from '../../storage/record/validate.ts'
import { codeOfBatchProblem, type PartitionError } from '../handlers/partition-error.ts'
import { BATCH_BYTES_MAX, type TopicConfig } from '../topics/topic-config.ts'
import { type BatchPlan, planOf } from './batch-plan.ts'

/** What the topic takes at this moment. */
export function limitsOf(config: TopicConfig, nowMs: number): BatchLimits {
  const bytesMax = config.maxMessageBytes
  // As in Kafka: whoever is given the broker's time may have had any of his own.
  if (config.timestampType === 'append') return { bytesMax }
  return {
    bytesMax,
    // Not -1 either, Kafka's "no timestamp": retention by age would take it for older than everything.
    timestampMin: Math.max(0, nowMs - config.timestampBeforeMaxMs),
    timestampMax: nowMs + config.timestampAfterMaxMs,
  }
}

/** The batches in `[start, end)`: what is to be done with them, all of them alike, or the rule that one breaks. */
export function judgeEntry(
  bytes: Uint8Array,
  start: number,
  end: number,
  crc32c: Crc32c,
  config: TopicConfig,
  limits: BatchLimits,
): BatchPlan | PartitionError {
  if (start === end) return { error: ErrorCode.INVALID_REQUEST, message: 'there is no record batch' }
  if (end - start > BATCH_BYTES_MAX)
    return {
      error: ErrorCode.MESSAGE_TOO_LARGE,
      message: `${end - start} bytes of record batches for one partition; a request takes ${BATCH_BYTES_MAX}`,
    }
  const unreadable = checkFrame(bytes, start, end, limits.bytesMax)
  if (unreadable) return refusalFor(unreadable)
  // A number that no codec has is for whoever checks the batch.
  const plan = planOf(compressionName(compressionAt(bytes, start)) ?? 'none', config.compression)
  const isAlone = nextBatchEnd(bytes, start, end) === end
  for (let at = start; at < end; at = nextBatchEnd(bytes, at, end)) {
    const problem =
      plan === 'keep'
        ? checkProducedBatch(bytes, at, end, crc32c, limits)
        : checkFrame(bytes, at, end, limits.bytesMax)
    if (problem) return refusalFor(problem)
    const why = isAlone ? undefined : whyAlone(bytes, at)
    // What the header says counts only when its checksum has been looked at.
    if (why) return refusalOfHeader(bytes, at, crc32c, { error: ErrorCode.INVALID_REQUEST, message: why })
  }
  return plan
}

/** Kafka takes one batch for each partition. Here several may come, of which each costs no more than its own bytes. */
function whyAlone(bytes: Uint8Array, at: number): string | undefined {
  if (producerIdAt(bytes, at) >= 0)
    return 'a record batch with a producer id is not alone in the entry of its partition'
  if (compressionAt(bytes, at) !== compressionCodes.none)
    return 'a compressed record batch is not alone in the entry of its partition'
  return undefined
}

/** A refusal that rests on fields of the header: if they are damaged, that is what is told. */
export function refusalOfHeader(
  bytes: Uint8Array,
  at: number,
  crc32c: Crc32c,
  refusal: PartitionError,
): PartitionError {
  const damage = checkCrc(bytes, at, crc32c)
  return damage ? refusalFor(damage) : refusal
}

export function refusalFor({ reason, sentence }: BatchProblem): PartitionError {
  return { error: codeOfBatchProblem(reason), message: sentence }
}

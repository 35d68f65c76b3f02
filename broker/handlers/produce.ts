/**
 * Produce: has the batches of every partition taken and answers when they are durable and, with replicas,
 * below the high watermark. Partitions of one request succeed and fail on their own.
 *
 * Nothing of a partition's batches is stored when one of them breaks a rule.
 */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { ProducedPartition, ProduceRequest } from '../../client/protocol/messages/produce.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'
import type { BatchIntake } from '../produce/batch-intake.ts'
import { storedAppendTime } from '../produce/stored-append-time.ts'
import type { Purgatory } from '../purgatory.ts'
import type { RequestContext } from './context.ts'
import { type PartitionError, partitionErrorOf, refuseRepeated } from './partition-error.ts'

type ProducePartition = ProduceRequest['partitions'][number]

export interface ProduceDependencies {
  readonly intake: BatchIntake
  readonly log: ShardLog
  readonly purgatory: Purgatory
  /** Why no events can be taken now; undefined: they can. */
  readonly refusal: () => Error | undefined
}

/**
 * `body` holds the batches of all partitions, in order; it is valid only until the call returns (not
 * until the promise resolves). Rejects with ProtocolError when the request as a whole is wrong.
 */
export type ProduceHandler = (
  request: ProduceRequest,
  body: Uint8Array,
  context: RequestContext,
) => Promise<ProducedPartition[]>

export function produceHandler({
  intake,
  log: shard,
  purgatory,
  refusal,
}: ProduceDependencies): ProduceHandler {
  async function answer(
    asked: ProducePartition,
    request: ProduceRequest,
    taking: ReturnType<BatchIntake['take']>,
    context: RequestContext,
  ): Promise<ProducedPartition> {
    // Without acknowledgement, too, a request keeps the room it has taken until the log has its batches.
    const taken = taking instanceof Promise ? await taking : taking
    if ('error' in taken) return refused(asked, taken)
    const { log, timestampType, appended } = taken
    if (request.acks === 0) {
      // Answered when queued. What becomes of it is in the log's own metrics and warnings.
      appended.catch(partitionErrorOf)
      return done(asked, -1, -1, log.logStartOffset)
    }
    try {
      const { baseOffset, appendTimeMs, logStartOffset } = await appended
      if (request.acks === -1 && log.highWatermark <= baseOffset) {
        const isReplicated = await purgatory.wait(
          [log],
          () => log.highWatermark > baseOffset,
          request.timeoutMs,
          context.signal,
        )
        if (!isReplicated)
          return refused(asked, {
            error: ErrorCode.REQUEST_TIMED_OUT,
            message: `not on all in-sync replicas within ${request.timeoutMs} ms`,
          })
      }
      const isRepeated = timestampType === 'append' && appendTimeMs < 0
      const timeMs = isRepeated ? await storedAppendTime(shard, log, baseOffset) : appendTimeMs
      return done(asked, baseOffset, timeMs, logStartOffset)
    } catch (error) {
      return refused(asked, partitionErrorOf(error))
    }
  }

  return async (request, body, context) => {
    checkRequest(request, body)
    // Who does not wait for the disk hears it now or never. All others hear it from the log, which knows duplicates.
    const obstacle = request.acks === 0 ? refusal() : undefined
    if (obstacle) return request.partitions.map((asked) => refused(asked, partitionErrorOf(obstacle)))
    // Everything that needs the body happens before the first await.
    const answers: Promise<ProducedPartition>[] = []
    let at = 0
    for (const asked of request.partitions) {
      const end = at + asked.bytes
      answers.push(answer(asked, request, intake.take(asked, body, at, end, context), context))
      at = end
    }
    return answers.length === 1 ? [await answers[0]] : Promise.all(answers)
  }
}

function checkRequest(request: ProduceRequest, body: Uint8Array): void {
  const { acks, partitions } = request
  if (acks < -1 || acks > 1)
    throw new ProtocolError(ErrorCode.INVALID_REQUIRED_ACKS, `acks is ${acks}; it must be -1, 0 or 1`)
  if (request.transactionalId !== null)
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      'transactional produce is not supported: transactionalId must be null',
    )
  refuseRepeated(partitions)
  const bytes = partitions.reduce((sum, asked) => sum + asked.bytes, 0)
  if (bytes !== body.length)
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      `the partitions name ${bytes} bytes of record batches, the frame carries ${body.length}`,
    )
}

function done(
  asked: ProducePartition,
  baseOffset: number,
  logAppendTimeMs: number,
  logStartOffset: number,
): ProducedPartition {
  return {
    topicId: asked.topicId,
    partition: asked.partition,
    error: ErrorCode.NONE,
    message: null,
    baseOffset,
    logAppendTimeMs,
    logStartOffset,
  }
}

function refused(asked: ProducePartition, { error, message }: PartitionError): ProducedPartition {
  return { ...done(asked, -1, -1, -1), error, message }
}

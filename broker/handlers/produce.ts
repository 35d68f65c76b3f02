/**
 * Produce: checks every batch, appends them and answers when they are durable and, with replicas,
 * below the high watermark. Partitions of one request succeed and fail on their own.
 *
 * Nothing of a partition's batches is stored when one of them breaks a rule.
 */
import { bitOf } from '../../auth/acl/operation.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { ProducedPartition, ProduceRequest } from '../../client/protocol/messages/produce.ts'
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'
import type { Appended } from '../../storage/log/shard-log-options.ts'
import { nextBatchEnd, producerIdAt } from '../../storage/record/batch-header.ts'
import type { Crc32c } from '../../storage/record/crc32c.ts'
import { checkProducedBatch } from '../../storage/record/validate.ts'
import type { NamelessOwners } from '../producers/nameless-owners.ts'
import { hasName } from '../producers/producer-ids.ts'
import type { Purgatory } from '../purgatory.ts'
import { BATCH_BYTES_MAX } from '../topics/topic-config.ts'
import type { Topic, TopicTable } from '../topics/topic-table.ts'
import { notAuthorized, notTheirs, ownerOf } from './authorization.ts'
import type { RequestContext, RequestSession } from './context.ts'
import {
  codeOfBatchProblem,
  findPartition,
  type PartitionError,
  partitionErrorOf,
  refuseRepeated,
} from './partition-error.ts'

const DESCRIBE = bitOf('describe')
const WRITE = bitOf('write')

type ProducePartition = ProduceRequest['partitions'][number]

export interface ProduceDependencies {
  readonly topics: TopicTable
  readonly log: ShardLog
  readonly purgatory: Purgatory
  readonly crc32c: Crc32c
  /** Why no events can be taken now; undefined: they can. */
  readonly refusal: () => Error | undefined
  readonly producerNameOf: (producerId: number) => string | undefined
  readonly nameless: Pick<NamelessOwners, 'ownerOf'>
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

export function produceHandler(dependencies: ProduceDependencies): ProduceHandler {
  const { topics, log: shard, purgatory, crc32c, refusal, producerNameOf, nameless } = dependencies

  /** The batches of one partition, checked, or the rule that one of them breaks. */
  function check(
    topic: Topic,
    body: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
  ): PartitionError | undefined {
    if (start === end) return { error: ErrorCode.INVALID_REQUEST, message: 'there is no record batch' }
    if (end - start > BATCH_BYTES_MAX)
      return {
        error: ErrorCode.MESSAGE_TOO_LARGE,
        message: `${end - start} bytes of record batches for one partition; a request takes ${BATCH_BYTES_MAX}`,
      }
    const { config } = topic
    const limits = {
      bytesMax: config.maxMessageBytes,
      // Not -1 either, Kafka's "no timestamp": retention by age would take it for older than everything.
      timestampMin: Math.max(0, nowMs - config.timestampBeforeMaxMs),
      timestampMax: nowMs + config.timestampAfterMaxMs,
    }
    for (let at = start; at < end; at = nextBatchEnd(body, at, end)) {
      const problem = checkProducedBatch(body, at, end, crc32c, limits)
      if (problem) return { error: codeOfBatchProblem(problem.reason), message: problem.sentence }
      if (producerIdAt(body, at) >= 0 && nextBatchEnd(body, start, end) !== end)
        return {
          error: ErrorCode.INVALID_REQUEST,
          message: 'a record batch with a producer id is not alone in the entry of its partition',
        }
    }
    return undefined
  }

  /** Sequences are their owner's: nobody else may go on with them. */
  function checkProducer(producerId: number, session: RequestSession): PartitionError | undefined {
    if (producerId < 0) return undefined
    if (!hasName(producerId)) {
      if (nameless.ownerOf(producerId) === ownerOf(session)) return undefined
      const { code, message } = notTheirs(producerId)
      return { error: code, message }
    }
    const name = producerNameOf(producerId)
    // The log knows what to say of a name that has gone.
    if (name === undefined) return undefined
    const bits = session.bitsOnProducer(name)
    if ((bits & WRITE) !== 0) return undefined
    if ((bits & DESCRIBE) === 0)
      return {
        error: ErrorCode.UNKNOWN_PRODUCER_ID,
        message: `the name of producer ${producerId} has expired`,
      }
    const { code, message } = notAuthorized(session, 'write', 'producer', name)
    return { error: code, message }
  }

  function append(
    asked: ProducePartition,
    body: Uint8Array,
    start: number,
    context: RequestContext,
  ): PartitionError | { log: PartitionLog; appended: Promise<Appended> } {
    const found = findPartition(topics, asked, context.session, 'write')
    if ('error' in found) return found
    const end = start + asked.bytes
    const problem = check(found.topic, body, start, end, context.clock.nowMs())
    if (problem) return problem
    const strange = checkProducer(producerIdAt(body, start), context.session)
    if (strange) return strange
    const appended = shard.append(context.connection, found.log, body.subarray(start, end))
    return { log: found.log, appended }
  }

  async function answer(
    asked: ProducePartition,
    request: ProduceRequest,
    outcome: ReturnType<typeof append>,
    context: RequestContext,
  ): Promise<ProducedPartition> {
    if ('error' in outcome) return refused(asked, outcome)
    const { log, appended } = outcome
    if (request.acks === 0) {
      // Answered when queued. What becomes of it is in the log's own metrics and warnings.
      appended.catch(partitionErrorOf)
      return done(asked, -1, log.logStartOffset)
    }
    try {
      const { baseOffset, logStartOffset } = await appended
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
      return done(asked, baseOffset, logStartOffset)
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
      answers.push(answer(asked, request, append(asked, body, at, context), context))
      at += asked.bytes
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

function done(asked: ProducePartition, baseOffset: number, logStartOffset: number): ProducedPartition {
  return {
    topicId: asked.topicId,
    partition: asked.partition,
    error: ErrorCode.NONE,
    message: null,
    baseOffset,
    logAppendTimeMs: -1,
    logStartOffset,
  }
}

function refused(asked: ProducePartition, { error, message }: PartitionError): ProducedPartition {
  return { ...done(asked, -1, -1), error, message }
}

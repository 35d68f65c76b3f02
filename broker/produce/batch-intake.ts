/**
 * Takes the batches of one partition from a produce request to the log: may he, are they sound, what has the topic done
 * to them, and whose turn is it.
 *
 * It promises: the log gets batches of a partition in the order in which they came, whatever is done to them; each entry
 * has one outcome, also when its topic goes, its thread dies or the node stops meanwhile; nothing of an entry is appended
 * when one of its batches breaks a rule. Rights are looked at before any work is spent and, if that took more than this
 * turn, once more before the append: who may not write any more has written nothing. The configs that count are
 * those of the moment in which the entry came.
 *
 * What is appended as it came is appended before `take` returns. Whatever waits is a copy.
 */
import type { PartitionLog } from '../../storage/log/partition-log.ts'
import type { ShardLog } from '../../storage/log/shard-log.ts'
import type { Appended } from '../../storage/log/shard-log-options.ts'
import { producerIdAt } from '../../storage/record/batch-header.ts'
import type { Crc32c } from '../../storage/record/crc32c.ts'
import type { CodecPool } from '../codec-pool/codec-pool.ts'
import type { BatchesResult } from '../codec-pool/codec-task.ts'
import type { RequestContext } from '../handlers/context.ts'
import {
  findPartition,
  type PartitionError,
  type PartitionQuery,
  partitionErrorOf,
} from '../handlers/partition-error.ts'
import type { Clock, Timers } from '../ports.ts'
import type { TopicConfig } from '../topics/topic-config.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { BatchPreparation } from './batch-preparation.ts'
import { judgeEntry, limitsOf, refusalFor, refusalOfHeader } from './entry-check.ts'
import { PartitionLanes } from './partition-lanes.ts'
import { type SequenceOwners, sequenceRefusal } from './sequence-owners.ts'
import { TurnBudget } from './turn-budget.ts'

/** Of each turn of the event loop; what is more than that goes to threads, however small. */
const NOW_MS_PER_TURN_MAX = 4

export interface BatchIntakeOptions extends SequenceOwners {
  readonly topics: TopicTable
  readonly log: ShardLog
  readonly crc32c: Crc32c
  readonly codecPool: CodecPool
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly timers: Pick<Timers, 'soon'>
  /** What the records of a compressed batch may take unpacked. */
  readonly decompressedBytesMax: number
}

/** The entry waits to be written. */
export interface Taken {
  readonly log: PartitionLog
  /** Whose time its records will have. */
  readonly timestampType: TopicConfig['timestampType']
  readonly appended: Promise<Appended>
}

/** What it takes to append an entry that had to wait. */
interface Waiting {
  readonly asked: PartitionQuery
  readonly context: RequestContext
  readonly timestampType: TopicConfig['timestampType']
}

export class BatchIntake {
  readonly #options: BatchIntakeOptions
  readonly #preparation: BatchPreparation
  readonly #lanes = new PartitionLanes<PartitionLog>()

  constructor(options: BatchIntakeOptions) {
    this.#options = options
    const { codecPool, decompressedBytesMax, clock, timers } = options
    const budget = new TurnBudget(NOW_MS_PER_TURN_MAX, clock, timers)
    this.#preparation = new BatchPreparation(codecPool, decompressedBytesMax, budget)
  }

  /** Entries that wait for a thread, or behind one that does. */
  get waiting(): number {
    return this.#lanes.size
  }

  /** The batches of `asked` are `body` from `start` to `end`, lent for the time of this call. */
  take(
    asked: PartitionQuery,
    body: Uint8Array,
    start: number,
    end: number,
    context: RequestContext,
  ): PartitionError | Taken | Promise<PartitionError | Taken> {
    const { topics, crc32c } = this.#options
    const found = findPartition(topics, asked, context.session, 'write')
    if ('error' in found) return found
    const { log } = found
    const { config } = found.topic
    const limits = limitsOf(config, context.clock.nowMs())
    const plan = judgeEntry(body, start, end, crc32c, config, limits)
    if (typeof plan !== 'string') return plan
    const refusal = sequenceRefusal(this.#options, producerIdAt(body, start), context.session)
    if (refusal) return refusalOfHeader(body, start, crc32c, refusal)

    const lent = body.subarray(start, end)
    const { timestampType } = config
    const isBusy = this.#lanes.isBusy(log)
    if (plan === 'keep' && !isBusy) return this.#append(log, lent, timestampType, context)
    const waiting = { asked, context, timestampType }
    if (plan === 'keep') return this.#later(log, { bytes: new Uint8Array(lent) }, waiting)
    const prepared = this.#preparation.prepare(plan, lent, config, limits)
    if (prepared instanceof Promise) return this.#later(log, prepared, waiting)
    if (prepared.problem) return refusalFor(prepared.problem)
    if (isBusy) return this.#later(log, prepared, waiting)
    return this.#appendPrepared(log, prepared.bytes, timestampType, context)
  }

  /** In the lane of the partition; resolves when it has been left. */
  #later(
    log: PartitionLog,
    work: BatchesResult | Promise<BatchesResult>,
    waiting: Waiting,
  ): Promise<PartitionError | Taken> {
    return new Promise((resolve, reject) => {
      let outcome: () => PartitionError | Taken
      const ready = this.#lanes.enter(log, () => {
        try {
          resolve(outcome())
        } catch (error) {
          reject(error)
        }
      })
      const settled = (how: () => PartitionError | Taken) => {
        outcome = how
        ready()
      }
      if (!(work instanceof Promise)) settled(() => this.#leave(work, waiting))
      else
        work.then(
          (prepared) => settled(() => this.#leave(prepared, waiting)),
          (error) => settled(() => partitionErrorOf(error)),
        )
    })
  }

  /** Its turn has come. Meanwhile anything may have happened. */
  #leave(prepared: BatchesResult, { asked, context, timestampType }: Waiting): PartitionError | Taken {
    if (prepared.problem) return refusalFor(prepared.problem)
    const { session } = context
    const ended = session.refusal()
    if (ended) return partitionErrorOf(ended)
    const found = findPartition(this.#options.topics, asked, session, 'write')
    if ('error' in found) return found
    const refusal = sequenceRefusal(this.#options, producerIdAt(prepared.bytes, 0), session)
    return refusal ?? this.#appendPrepared(found.log, prepared.bytes, timestampType, context)
  }

  /** Bytes that are a copy and nobody else's: the log copies them once more, and the buffer is free. */
  #appendPrepared(
    log: PartitionLog,
    bytes: Uint8Array,
    timestampType: TopicConfig['timestampType'],
    context: RequestContext,
  ): Taken {
    const taken = this.#append(log, bytes, timestampType, context)
    this.#options.codecPool.giveBack(bytes)
    return taken
  }

  #append(
    log: PartitionLog,
    bytes: Uint8Array,
    timestampType: TopicConfig['timestampType'],
    { connection }: RequestContext,
  ): Taken {
    const appended = this.#options.log.append(connection, log, bytes, timestampType)
    return { log, timestampType, appended }
  }
}

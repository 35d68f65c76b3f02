/**
 * Makes of the batches of a produce request what their topic stores: on the event loop while that is little, else in the
 * codec pool. The order of a partition is kept elsewhere (`partition-lanes.ts`).
 *
 * The body of a request is lent for the time of one call. What is worked on is a copy, and that very copy is what
 * a thread gets.
 */
import type { BatchLimits } from '../../storage/record/validate.ts'
import type { CodecPool } from '../codec-pool/codec-pool.ts'
import type { BatchesResult, CheckTask, RebuildTask } from '../codec-pool/codec-task.ts'
import { type Packing, packingEffort } from '../codec-pool/packing-effort.ts'
import type { TopicConfig } from '../topics/topic-config.ts'
import type { BatchPlan } from './batch-plan.ts'
import type { TurnBudget } from './turn-budget.ts'

/**
 * Unpacked on the event loop at most, and a share of it where it is packed again, by what that costs: what is small as it was sent may
 * be large inside. Where this turns out to be too little a thread begins anew.
 */
const UNPACKED_NOW_BYTES_MAX = 512 * 1024
const REPACKED_NOW_BYTES_MAX = 128 * 1024

export class BatchPreparation {
  readonly #pool: CodecPool
  readonly #decompressedBytesMax: number
  readonly #budget: TurnBudget

  /** @param decompressedBytesMax what the records of a compressed batch may take unpacked */
  constructor(pool: CodecPool, decompressedBytesMax: number, budget: TurnBudget) {
    this.#pool = pool
    this.#decompressedBytesMax = decompressedBytesMax
    this.#budget = budget
  }

  /** `lent` may be overwritten when this has returned. The promise rejects with CodecPoolError alone. */
  prepare(
    plan: Exclude<BatchPlan, 'keep'>,
    lent: Uint8Array,
    config: TopicConfig,
    limits: BatchLimits,
  ): BatchesResult | Promise<BatchesResult> {
    const pool = this.#pool
    const packing = packingOf(plan, config)
    if (!this.#budget.isSpent && !pool.shouldOffload(plan, lent.length, packing)) {
      const bytesMax = this.#unpackedNowMax(plan, packing)
      const task = taskOf(packing, pool.copyOf(lent), limits, bytesMax)
      const prepared = this.#budget.spend(() => pool.performNow(task))
      const isFinal = prepared.problem?.reason !== 'too-large' || bytesMax === this.#decompressedBytesMax
      if (isFinal) return prepared
    }
    return pool.run(taskOf(packing, pool.copyOf(lent), limits, this.#decompressedBytesMax))
  }

  #unpackedNowMax(plan: Exclude<BatchPlan, 'keep'>, packing: Packing | undefined): number {
    const bytesMax = this.#decompressedBytesMax
    // There are no threads to begin anew.
    if (!this.#pool.shouldOffload(plan, Number.POSITIVE_INFINITY, packing)) return bytesMax
    if (packing === undefined) return Math.min(UNPACKED_NOW_BYTES_MAX, bytesMax)
    return Math.min(Math.floor(REPACKED_NOW_BYTES_MAX / packingEffort(packing)), bytesMax)
  }
}

function packingOf(
  plan: Exclude<BatchPlan, 'keep'>,
  { compression, compressionLevel: level }: TopicConfig,
): Packing | undefined {
  return plan === 'check' || compression === 'producer' ? undefined : { compression, level }
}

function taskOf(
  packing: Packing | undefined,
  bytes: Uint8Array,
  limits: BatchLimits,
  decompressedBytesMax: number,
): CheckTask | RebuildTask {
  const bounds = { ...limits, decompressedBytesMax }
  return packing === undefined
    ? { kind: 'check', bytes, limits: bounds }
    : { kind: 'rebuild', bytes, options: { ...bounds, ...packing } }
}

/** Options of a consumer that reads as a member of a group: what there is, defaults, bounds, refusals. */

import type { PartitionName } from '../consumer/options.ts'
import { oneOf, TIMEOUT_MS_MAX, wholeNumber } from '../options.ts'

export interface GroupOptions {
  /** Name of the group, `namespace.name`; without a dot it is in the namespace `default`. */
  readonly id: string
  /**
   * Makes it a static member: whoever comes back under this name within its session reads on what it read, and nobody else
   * is disturbed. Unique within the group.
   */
  readonly instanceId?: string
  /** How partitions are shared out: `uniform` (balanced, moves as few as it can) or `range`. Default: the broker's. */
  readonly assignor?: 'uniform' | 'range'
  /**
   * Keep by itself how far events were processed: what was handed out and is behind the one that is at work now. Never
   * before. Default true; false: {@link Consumer.commit} alone does.
   */
  readonly autoCommit?: boolean
  /** How often. Default 1,000. */
  readonly autoCommitIntervalMs?: number
  /** A member that the broker has not heard of for so long is taken for dead. Default 45,000, as in Kafka. */
  readonly sessionTimeoutMs?: number
  /** How long the handler may hold an event of a partition that somebody else is to read. Default 60,000. */
  readonly rebalanceTimeoutMs?: number
  /**
   * How long one event, or one batch, may take. A slow handler disturbs nobody before that; `onWarning` is told in
   * time. Default 300,000, as in Kafka.
   */
  readonly maxProcessingMs?: number
  /**
   * What a partition begins with when the group has no offset there: `from`, the option of the consumer, or an error.
   * Default `from`.
   */
  readonly onNoOffset?: 'from' | 'fail'
  /** Told which partitions this member reads, whenever they change. */
  readonly onAssignment?: (change: AssignmentChange) => void
  /** Told in a sentence what will cost the member its partitions, and what went wrong and is tried again. */
  readonly onWarning?: (sentence: string) => void
}

export interface AssignmentChange {
  readonly added: readonly PartitionName[]
  readonly removed: readonly PartitionName[]
  /** Whether the partitions removed were taken, without a chance to finish: others may have read on already. */
  readonly isLost: boolean
}

export interface GroupSettings {
  readonly groupId: string
  readonly instanceId: string | null
  readonly assignor: 'uniform' | 'range' | null
  readonly autoCommitIntervalMs: number | undefined
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly maxProcessingMs: number
  readonly failWithoutOffset: boolean
  readonly onAssignment: ((change: AssignmentChange) => void) | undefined
  readonly onWarning: ((sentence: string) => void) | undefined
}

/** Throws RangeError naming the option. */
export function groupSettings(given: string | GroupOptions): GroupSettings {
  const options: GroupOptions = typeof given === 'string' ? { id: given } : given
  const { id, instanceId, assignor } = options
  if (typeof id !== 'string' || id === '')
    throw new RangeError(`option group: expected a name such as lab.night-shift, got ${JSON.stringify(id)}`)
  if (instanceId === '') throw new RangeError('option group.instanceId: expected a name, got ""')
  return {
    groupId: id,
    instanceId: instanceId ?? null,
    assignor:
      assignor === undefined ? null : oneOf('group.assignor', assignor, ['uniform', 'range'] as const),
    autoCommitIntervalMs:
      (options.autoCommit ?? true)
        ? milliseconds('autoCommitIntervalMs', options.autoCommitIntervalMs ?? 1_000)
        : undefined,
    sessionTimeoutMs: milliseconds('sessionTimeoutMs', options.sessionTimeoutMs ?? 45_000),
    rebalanceTimeoutMs: milliseconds('rebalanceTimeoutMs', options.rebalanceTimeoutMs ?? 60_000),
    maxProcessingMs: milliseconds('maxProcessingMs', options.maxProcessingMs ?? 300_000),
    failWithoutOffset: oneOf('group.onNoOffset', options.onNoOffset ?? 'from', ['from', 'fail']) === 'fail',
    onAssignment: options.onAssignment,
    onWarning: options.onWarning,
  }
}

function milliseconds(name: string, value: number): number {
  return wholeNumber(`group.${name}`, value, 1, TIMEOUT_MS_MAX)
}

/** What divides the partitions of subscribed topics among the members of a group: the port, and who stands behind it. */
import type { Partitions } from '../partitions.ts'
import { assignRange } from './range.ts'
import { assignUniform } from './uniform.ts'

export interface AssignmentMember {
  readonly memberId: string
  /** Of static members; they keep their place in the order when their process is replaced. */
  readonly instanceId: string | null
  /** Keys of the topics it subscribes to that exist, none twice. */
  readonly topics: readonly string[]
  /** What it was meant to have before. */
  readonly previous: Partitions
}

/**
 * Pure, and the same for the same input in whatever order the members stand. Every partition of a topic that somebody
 * subscribes to goes to exactly one of its subscribers; every member is in the result.
 * @param topics number of partitions by topic key
 */
export type Assign = (
  members: readonly AssignmentMember[],
  topics: ReadonlyMap<string, number>,
) => Map<string, Partitions>

export const DEFAULT_ASSIGNOR = 'uniform'

export const assignors: ReadonlyMap<string, Assign> = new Map([
  ['range', assignRange],
  ['uniform', assignUniform],
])

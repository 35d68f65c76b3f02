/**
 * One member on its way to its target: it gives back first, and says so; then it gets what is free. Nobody else has
 * to stop for that. A partition is never given to one while another has it or may think so.
 */
import type { CurrentAssignment } from './group-record.ts'
import {
  filterHeld,
  type HeldPartitions,
  includes,
  isHeld,
  joinHeld,
  NONE_HELD,
  type Partitions,
} from './partitions.ts'

export interface Reconciliation {
  readonly current: CurrentAssignment
  readonly target: Partitions
  /** Epoch the target was computed for. */
  readonly targetEpoch: number
  /** What the member says it has, and which revision of its assignment it has acted on. */
  readonly owned: Partitions
  readonly revision: number
  readonly isFree: (topicKey: string, partition: number) => boolean
}

/** A member that has just come. */
export const NEWCOMER: CurrentAssignment = {
  memberEpoch: 0,
  revision: 0,
  state: 'stable',
  held: NONE_HELD,
  revoking: NONE_HELD,
}

/** The same object when nothing changes. */
export function reconcile(request: Reconciliation): CurrentAssignment {
  const { current, target, targetEpoch } = request
  if (current.state === 'stable' && current.memberEpoch === targetEpoch) return current
  const held = filterHeld(current.held, (key, partition) => includes(target.get(key), partition))
  const revoked =
    held === current.held
      ? NONE_HELD
      : filterHeld(current.held, (key, partition) => !isHeld(held, key, partition))
  const revoking = joinHeld(stillRevoking(request), revoked)
  if (revoking.size > 0) {
    if (held === current.held && revoking === current.revoking && current.state === 'unrevoked')
      return current
    return { ...current, revision: current.revision + 1, state: 'unrevoked', held, revoking }
  }
  return takeWhatIsFree(request, held)
}

/** What the member has not given back yet. Only what it says of the present revision counts: anything older may be older than the grant. */
function stillRevoking({ current, owned, revision }: Reconciliation): HeldPartitions {
  if (revision !== current.revision) return current.revoking
  return filterHeld(current.revoking, (key, partition) => includes(owned.get(key), partition))
}

function takeWhatIsFree(request: Reconciliation, kept: HeldPartitions): CurrentAssignment {
  const { current, target, targetEpoch, isFree } = request
  let isComplete = true
  let held = kept
  for (const [key, partitions] of target) {
    const mine = kept.get(key)
    let grown: Map<number, number> | undefined
    for (const partition of partitions) {
      if (mine?.has(partition)) continue
      if (!isFree(key, partition)) {
        isComplete = false
        continue
      }
      grown ??= new Map(mine)
      grown.set(partition, targetEpoch)
    }
    if (!grown) continue
    if (held === kept) held = new Map(kept)
    ;(held as Map<string, ReadonlyMap<number, number>>).set(key, grown)
  }
  const state = isComplete ? 'stable' : 'unreleased'
  const isSame =
    held === current.held &&
    state === current.state &&
    targetEpoch === current.memberEpoch &&
    current.revoking.size === 0
  if (isSame) return current
  return { memberEpoch: targetEpoch, revision: current.revision + 1, state, held, revoking: NONE_HELD }
}

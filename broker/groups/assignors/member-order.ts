/** The order in which assignors take members: by instance id, else by member id, so that a replaced process stands where it stood. */
import type { AssignmentMember } from './assignor.ts'

export function inOrder(members: readonly AssignmentMember[]): AssignmentMember[] {
  return [...members].sort(
    (a, b) =>
      compare(a.instanceId ?? a.memberId, b.instanceId ?? b.memberId) || compare(a.memberId, b.memberId),
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

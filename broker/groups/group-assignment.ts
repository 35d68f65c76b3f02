/** The targets of a group: when its epoch has to move on, who divides the partitions, and what each member is meant to have. */
import { type AssignmentMember, assignors, DEFAULT_ASSIGNOR } from './assignors/assignor.ts'
import type { GroupLimits, GroupTopics, Now } from './decision.ts'
import type { GroupDraft } from './group-draft.ts'
import type { GroupLiveness } from './liveness.ts'
import { NO_PARTITIONS } from './partitions.ts'

export interface AssignmentContext {
  readonly now: Now
  readonly topics: GroupTopics
  readonly limits: GroupLimits
  readonly liveness: GroupLiveness
}

/**
 * Moves the epoch on where members or topics are others than those it stands for, and computes targets once that is
 * due. Several changes may share one computation.
 * @param hasChanged members, subscriptions or wishes are not what they were
 */
export function settle(draft: GroupDraft, hasChanged: boolean, context: AssignmentContext): void {
  const { now, topics, liveness } = context
  if (hasChanged || liveness.topicsRevision !== topics.revision) {
    liveness.topicsRevision = topics.revision
    const subscriptionHash = hashOfSubscription(draft, topics)
    if (hasChanged || subscriptionHash !== draft.value.subscriptionHash)
      draft.value = { ...draft.value, epoch: draft.value.epoch + 1, subscriptionHash }
  }
  const isEmpty = draft.memberCount === 0
  if (isEmpty !== (draft.value.emptySinceMs !== null))
    draft.value = { ...draft.value, emptySinceMs: isEmpty ? now.nowMs : null }
  const isOpen = draft.value.assignmentEpoch < draft.value.epoch
  // Of nobody there is nothing to compute.
  if (isOpen && (isEmpty || assignmentDueMs(draft, context) <= now.monotonicMs)) assign(draft, context)
}

/** On the monotonic clock; infinity: the targets are those of the present epoch. */
export function assignmentDueMs(draft: Pick<GroupDraft, 'value'>, context: AssignmentContext): number {
  const { epoch, assignmentEpoch } = draft.value
  if (epoch === assignmentEpoch) return Number.POSITIVE_INFINITY
  // Nobody has a target yet: nothing is gained by waiting.
  if (assignmentEpoch === 0) return Number.NEGATIVE_INFINITY
  return context.liveness.assignedAtMs + context.limits.assignmentIntervalMs
}

function assign(draft: GroupDraft, { now, topics, liveness }: AssignmentContext): void {
  liveness.assignedAtMs = now.monotonicMs
  const members: AssignmentMember[] = []
  const sizes = new Map<string, number>()
  const keysOfNames = new Map<string, string | undefined>()
  for (const [memberId, { instanceId, topics: names }] of draft.members()) {
    const keys: string[] = []
    for (const name of names) {
      if (!keysOfNames.has(name)) {
        const topic = topics.byName(name)
        keysOfNames.set(name, topic?.topicKey)
        if (topic) sizes.set(topic.topicKey, topic.partitions)
      }
      const key = keysOfNames.get(name)
      if (key !== undefined) keys.push(key)
    }
    members.push({ memberId, instanceId, topics: keys, previous: draft.target(memberId) })
  }
  const assignor = chooseAssignor(draft)
  const targets = assignors.get(assignor)!(members, sizes)
  for (const { memberId } of members) draft.putTarget(memberId, targets.get(memberId) ?? NO_PARTITIONS)
  draft.value = { ...draft.value, assignmentEpoch: draft.value.epoch, assignor }
}

/** The one most members wish for; of equals the first by name. */
function chooseAssignor(draft: GroupDraft): string {
  const votes = new Map<string, number>()
  for (const [, { assignor }] of draft.members())
    if (assignor !== null && assignors.has(assignor)) votes.set(assignor, (votes.get(assignor) ?? 0) + 1)
  let chosen = DEFAULT_ASSIGNOR
  let most = 0
  for (const name of [...votes.keys()].sort()) {
    const count = votes.get(name)!
    if (count <= most) continue
    most = count
    chosen = name
  }
  return chosen
}

/** 53 bits over every subscribed topic that exists: its name, its id, its number of partitions. */
function hashOfSubscription(draft: GroupDraft, topics: GroupTopics): number {
  const names = new Set<string>()
  for (const [, member] of draft.members()) for (const name of member.topics) names.add(name)
  const hash = new Hash53()
  for (const name of [...names].sort()) {
    const topic = topics.byName(name)
    if (topic) hash.with(name).with(topic.topicKey).with(String(topic.partitions))
  }
  return hash.value
}

/** Two multiplicative hashes over UTF-16 units, 53 bits of them taken. */
class Hash53 {
  #low = 0xdeadbeef
  #high = 0x41c6ce57

  with(text: string): Hash53 {
    for (let i = 0; i <= text.length; i++) {
      // The length ends each text, so that no two lists of texts look alike.
      const unit = i < text.length ? text.charCodeAt(i) : 0x10000 + text.length
      this.#low = Math.imul(this.#low ^ unit, 2654435761)
      this.#high = Math.imul(this.#high ^ unit, 1597334677)
    }
    return this
  }

  get value(): number {
    const low =
      Math.imul(this.#low ^ (this.#low >>> 16), 2246822507) ^
      Math.imul(this.#high ^ (this.#high >>> 13), 3266489909)
    const high =
      Math.imul(this.#high ^ (this.#high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
    return (high & 0x1fffff) * 2 ** 32 + (low >>> 0)
  }
}

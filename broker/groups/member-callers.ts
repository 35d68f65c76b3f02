/**
 * On whose behalf members are in their groups: so that who may be no member any more is put out at once, rather than when
 * his session is over. Seen and never written: after a restart each is known again with his next heartbeat.
 *
 * When rights change all are looked at, a few in each turn of the event loop. There are as many as there are members.
 */
import type { Timers } from '../ports.ts'
import type { GroupRecord } from './group-record.ts'
import { type HeartbeatRequest, JOIN_EPOCH, LEAVE_EPOCH } from './heartbeat-request.ts'
import { NO_PARTITIONS } from './partitions.ts'

/** Who sent a heartbeat. */
export interface MemberCaller {
  /** Whether he may still be a member, and read what he subscribes to. */
  mayStay(): boolean
}

interface Known {
  readonly caller: MemberCaller
  readonly request: HeartbeatRequest
}

/** Looked at in one turn of the event loop. */
const LOOKS_PER_TURN = 64

export class MemberCallers {
  readonly #timers: Timers
  readonly #putOut: (leaving: HeartbeatRequest) => void
  /** By group, then by member. */
  readonly #groups = new Map<string, Map<string, Known>>()
  #isLooking = false
  /** Asked for while it was under way. */
  #isLookingAgain = false

  /** @param putOut has the member leave; throws where that cannot be, and is asked again at the next change */
  constructor(timers: Timers, putOut: (leaving: HeartbeatRequest) => void) {
    this.#timers = timers
    this.#putOut = putOut
  }

  /** He was heard, and is a member. */
  heard(request: HeartbeatRequest, caller: MemberCaller): void {
    if (request.memberEpoch < JOIN_EPOCH) return
    const group = this.#groups.get(request.groupId) ?? new Map<string, Known>()
    this.#groups.set(request.groupId, group)
    group.set(request.memberId, { caller, request })
  }

  replayed(record: GroupRecord): void {
    if (record.value !== null) return
    if (record.kind === 'group') this.#groups.delete(record.groupId)
    if (record.kind !== 'member') return
    const group = this.#groups.get(record.groupId)
    group?.delete(record.memberId)
    if (group?.size === 0) this.#groups.delete(record.groupId)
  }

  /** Rights have changed: whoever may not stay is put out, soon. */
  reconsider(): void {
    if (this.#isLooking) {
      this.#isLookingAgain = true
      return
    }
    this.#isLooking = true
    this.#lookFrom(
      [...this.#groups.values()].flatMap((group) => [...group.values()]),
      0,
    )
  }

  forgetAll(): void {
    this.#groups.clear()
  }

  #lookFrom(members: readonly Known[], start: number): void {
    const end = Math.min(members.length, start + LOOKS_PER_TURN)
    for (const { caller, request } of members.slice(start, end)) {
      // He may have left meanwhile, or come back as somebody else.
      if (this.#groups.get(request.groupId)?.get(request.memberId)?.caller !== caller) continue
      if (caller.mayStay()) continue
      try {
        this.#putOut({ ...request, memberEpoch: LEAVE_EPOCH, owned: NO_PARTITIONS })
      } catch {
        // Nothing can be written now; his session ends all the same, since his heartbeats are refused.
      }
    }
    if (end < members.length) {
      this.#timers.soon(() => this.#lookFrom(members, end))
      return
    }
    this.#isLooking = false
    if (!this.#isLookingAgain) return
    this.#isLookingAgain = false
    this.#timers.soon(() => this.reconsider())
  }
}

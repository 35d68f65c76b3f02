/**
 * Heartbeats that are held back until there is news for their member: so a change of the group is known at once, and nobody has to
 * ask often. One for each member at most.
 */
import type { Timer, Timers } from '../ports.ts'
import type { HeartbeatAnswer, HeartbeatRequest } from './heartbeat-request.ts'

export interface DecidedHeartbeat {
  readonly answer: HeartbeatAnswer
  /** What a member waits for. */
  readonly isNews: boolean
}

interface Held {
  readonly request: HeartbeatRequest
  /** As things stood when it was asked last. */
  answer: HeartbeatAnswer
  release(): void
  fail(error: unknown): void
}

export class HeldHeartbeats {
  readonly #timers: Timers
  readonly #decide: (request: HeartbeatRequest) => DecidedHeartbeat
  /** By group, then by member. */
  readonly #groups = new Map<string, Map<string, Held>>()
  readonly #changed = new Set<string>()
  #size = 0

  /** @param decide asks the coordinator again; throws where it cannot */
  constructor(timers: Timers, decide: (request: HeartbeatRequest) => DecidedHeartbeat) {
    this.#timers = timers
    this.#decide = decide
  }

  get size(): number {
    return this.#size
  }

  /** Another heartbeat of the member has come: the one before it waits no more. */
  supersede({ groupId, memberId }: HeartbeatRequest): void {
    this.#groups.get(groupId)?.get(memberId)?.release()
  }

  /**
   * Resolves with the answer as it is when there is news, after `waitMs`, or when it is not waited for any more. Rejects when it was
   * asked about again and that could not be done.
   */
  hold(
    request: HeartbeatRequest,
    answer: HeartbeatAnswer,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<HeartbeatAnswer> {
    if (signal.aborted) return Promise.resolve(answer)
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined
      const end = () => {
        timer?.cancel()
        signal.removeEventListener('abort', held.release)
        this.#remove(held)
      }
      const held: Held = {
        request,
        answer,
        release: () => {
          end()
          resolve(held.answer)
        },
        fail: (error) => {
          end()
          reject(error)
        },
      }
      timer = this.#timers.after(waitMs, held.release)
      signal.addEventListener('abort', held.release)
      this.#add(held)
    })
  }

  /** Something in the group is new: at the end of the turn all who wait there are asked about again. */
  changed(groupId: string): void {
    if (!this.#groups.has(groupId)) return
    if (this.#changed.size === 0) this.#timers.soon(() => this.#lookAgain())
    this.#changed.add(groupId)
  }

  releaseAll(): void {
    for (const group of [...this.#groups.values()]) for (const held of [...group.values()]) held.release()
  }

  #lookAgain(): void {
    const changed = [...this.#changed]
    this.#changed.clear()
    for (const groupId of changed)
      for (const held of [...(this.#groups.get(groupId)?.values() ?? [])]) {
        try {
          const { answer, isNews } = this.#decide(held.request)
          held.answer = answer
          if (isNews) held.release()
        } catch (error) {
          // There is something to decide, and it cannot be done now.
          held.fail(error)
        }
      }
  }

  #add(held: Held): void {
    const { groupId, memberId } = held.request
    const group = this.#groups.get(groupId) ?? new Map<string, Held>()
    this.#groups.set(groupId, group)
    group.set(memberId, held)
    this.#size++
  }

  #remove(held: Held): void {
    const { groupId, memberId } = held.request
    const group = this.#groups.get(groupId)
    if (group?.get(memberId) !== held) return
    group.delete(memberId)
    if (group.size === 0) this.#groups.delete(groupId)
    this.#size--
  }
}

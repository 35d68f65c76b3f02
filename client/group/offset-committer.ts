/**
 * Commits offsets of a group: one request at a time, whoever asks meanwhile is in the next one. What is committed carries the
 * member epoch, so that the broker refuses it once somebody else reads the partition.
 */
import { backoffDelayMs } from '../backoff.ts'
import type { BrokerLink } from '../broker-link.ts'
import { DelayGroup } from '../delay-group.ts'
import type { ClientPorts } from '../ports.ts'
import { apis } from '../protocol/api.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { OffsetCommitResponse } from '../protocol/messages/group-offsets.ts'
import { RETRY_BACKOFF } from '../retry.ts'
import { topicIdText } from '../topic-id.ts'

/** How far one partition was processed. */
export interface ProcessedOffset {
  readonly topic: string
  readonly topicId: Uint8Array
  readonly partition: number
  /** Offset of the next record to be processed. */
  readonly offset: number
  /** Leader epoch of the last record before it; -1: unknown. */
  readonly leaderEpoch: number
  readonly metadata: string
}

/** Who commits. */
export interface Committing {
  readonly memberId: string
  readonly memberEpoch: number
}

interface Asked {
  readonly offset: ProcessedOffset
  /** Under which name it was processed. */
  readonly memberId: string
}

interface Waiting {
  readonly keys: readonly string[]
  readonly resolve: () => void
  readonly reject: (error: ProtocolError) => void
}

const ATTEMPTS_MAX = 10
/** Of one request. */
const PART_MAX = 10_000
const PART_CHARACTERS_MAX = 500_000

export class OffsetCommitter {
  readonly #link: BrokerLink
  readonly #ports: ClientPorts
  readonly #groupId: string
  readonly #member: Committing
  readonly #delays: DelayGroup
  #next = new Map<string, Asked>()
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined
  /** Ends the pause before the next attempt. */
  #wake: (() => void) | undefined
  #isClosed = false

  constructor(link: BrokerLink, ports: ClientPorts, groupId: string, member: Committing) {
    this.#link = link
    this.#ports = ports
    this.#groupId = groupId
    this.#member = member
    this.#delays = new DelayGroup(ports.timers)
  }

  /**
   * Resolves when all of them are durable. Rejects with a {@link ProtocolError} that names a partition: STALE_MEMBER_EPOCH,
   * FENCED_MEMBER_EPOCH or UNKNOWN_MEMBER_ID when somebody else may read it.
   */
  commit(offsets: readonly ProcessedOffset[]): Promise<void> {
    if (offsets.length === 0) return Promise.resolve()
    if (this.#isClosed) return Promise.reject(new ProtocolError(ErrorCode.CLOSED))
    const keys = offsets.map(keyOf)
    // The last word counts, also when it is a smaller one: who seeks back and commits means it.
    const { memberId } = this.#member
    for (const [i, offset] of offsets.entries()) this.#next.set(keys[i], { offset, memberId })
    return new Promise((resolve, reject) => {
      this.#waiting.push({ keys, resolve, reject })
      this.#running ??= this.#run().finally(() => {
        this.#running = undefined
      })
    })
  }

  /** Whether nothing is on its way. */
  get isIdle(): boolean {
    return this.#running === undefined
  }

  /** What was not sent is not sent. */
  close(): void {
    this.#isClosed = true
    this.#delays.cancelAll()
    const closed = new ProtocolError(ErrorCode.CLOSED)
    for (const { reject } of this.#waiting) reject(closed)
    this.#waiting = []
    this.#next.clear()
    this.#wake?.()
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const offsets = this.#next
      const waiting = this.#waiting
      this.#next = new Map()
      this.#waiting = []
      const failures = await this.#send(offsets)
      for (const { keys, resolve, reject } of waiting) {
        const failed = keys.find((key) => failures.has(key))
        if (failed === undefined) resolve()
        else reject(failures.get(failed) as ProtocolError)
      }
    }
  }

  /** What could not be committed, and why. */
  async #send(offsets: Map<string, Asked>): Promise<Map<string, ProtocolError>> {
    const failures = new Map<string, ProtocolError>()
    let left = [...offsets]
    for (let attempt = 1; left.length > 0; attempt++) {
      const refused: (readonly [string, Asked, ProtocolError])[] = []
      for (const part of inParts(left)) refused.push(...(await this.#attempt(part)))
      const again: typeof left = []
      let atLeastMs = 0
      for (const [key, asked, error] of refused) {
        const mayGoOn = !this.#isClosed && !this.#link.failure && attempt < ATTEMPTS_MAX
        if (mayGoOn && mayBeRepeated(error)) {
          again.push([key, asked])
          atLeastMs = Math.max(atLeastMs, error.retryAfterMs)
        } else failures.set(key, error)
      }
      left = again
      if (left.length > 0) await this.#pause(attempt, atLeastMs)
    }
    return failures
  }

  /** What was refused. */
  async #attempt(
    asked: readonly (readonly [string, Asked])[],
  ): Promise<(readonly [string, Asked, ProtocolError])[]> {
    const { memberId, memberEpoch } = this.#member
    // Between two memberships nothing is owned, and what was owned in one is not in the next.
    const isMember = memberEpoch > 0
    const offsets = asked.filter(([, each]) => isMember && each.memberId === memberId)
    const refused: (readonly [string, Asked, ProtocolError])[] = []
    for (const each of asked) if (!offsets.includes(each)) refused.push([...each, notMember()])
    if (offsets.length === 0) return refused
    const request = {
      groupId: this.#groupId,
      memberId,
      memberEpoch,
      partitions: offsets.map(([, { offset: processed }]) => {
        const { topicId, partition, offset, leaderEpoch, metadata } = processed
        return { topicId, partition, offset, leaderEpoch, metadata }
      }),
    }
    let response: OffsetCommitResponse
    try {
      // Said twice, it is said once.
      response = await this.#link.call(apis.offsetCommit, request, { repeatable: true })
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      for (const each of offsets) refused.push([...each, error])
      return refused
    }
    for (const [i, each] of offsets.entries()) {
      const entry = response.partitions[i]
      if (entry?.error !== ErrorCode.NONE) refused.push([...each, refusalOf(each[1].offset, entry)])
    }
    return refused
  }

  #pause(attempt: number, atLeastMs: number): Promise<void> {
    const delayMs = backoffDelayMs(RETRY_BACKOFF, attempt, this.#ports.random.unit(), atLeastMs)
    return new Promise((resolve) => {
      if (this.#isClosed) return resolve()
      this.#wake = resolve
      this.#delays.after(delayMs, resolve)
    })
  }
}

/** Requests that fit a frame, whatever is kept beside the offsets. */
function* inParts(offsets: readonly [string, Asked][]): Generator<[string, Asked][]> {
  let part: [string, Asked][] = []
  let characters = 0
  for (const each of offsets) {
    if (part.length >= PART_MAX || characters >= PART_CHARACTERS_MAX) {
      yield part
      part = []
      characters = 0
    }
    part.push(each)
    characters += each[1].offset.metadata.length
  }
  yield part
}

/** A topic whose id the broker does not know has gone since it was assigned. */
function mayBeRepeated({ retriable, code }: ProtocolError): boolean {
  return retriable && code !== ErrorCode.UNKNOWN_TOPIC_ID
}

function notMember(): ProtocolError {
  return new ProtocolError(
    ErrorCode.UNKNOWN_MEMBER_ID,
    'this consumer is not the member of its group that it was when it read this',
  )
}

function refusalOf(
  { topic, partition, offset }: ProcessedOffset,
  entry: OffsetCommitResponse['partitions'][number] | undefined,
): ProtocolError {
  const cause = new ProtocolError(entry?.error ?? ErrorCode.UNKNOWN_SERVER_ERROR, entry?.message ?? undefined)
  const sentence = `commit of offset ${offset} of topic ${topic}, partition ${partition}: ${cause.message}`
  return new ProtocolError(cause.code, sentence, { cause })
}

function keyOf({ topicId, partition }: ProcessedOffset): string {
  return `${topicIdText(topicId)}/${partition}`
}

/**
 * Watches the members of a group at their connections: what the broker assigns to whom, who asks for the events of which partition, and
 * whether a member gets the same events twice. Changes nothing of what passes.
 */
import { nodePorts } from '../../client/node/node-ports.ts'
import type { ClientPorts } from '../../client/ports.ts'
import { apis } from '../../client/protocol/api.ts'
import { decodeHeader } from '../../client/protocol/codec.ts'
import { FLAG_ERROR, FLAG_MORE, type Frame, readFrame } from '../../client/protocol/frame.ts'
import { fetchData } from '../../client/protocol/messages/fetch.ts'
import { baseOffsetAt, batchBytesAt, lastOffsetAt } from '../../storage/record/batch-header.ts'

/** One member, as it is seen. */
export class WatchedMember {
  /** What the broker has given it, by number. */
  readonly assigned = new Set<number>()
  /** Offset of the next event it has not got, by partition. */
  readonly next = new Map<number, number>()
}

/** Who reads one partition. */
interface Reading {
  readonly member: WatchedMember
  readonly sinceMs: number
}

export class GroupWatch {
  /** By partition; undefined: nobody has asked for it yet. */
  readonly readers: (Reading | undefined)[]
  /** When the broker last told somebody that a partition is no more its own. */
  readonly leftMs: number[]
  /** Events got again from partitions, by number. */
  readonly again: number[]
  readonly #members = new Set<WatchedMember>()

  constructor(partitions: number) {
    this.readers = new Array<Reading | undefined>(partitions).fill(undefined)
    this.leftMs = new Array<number>(partitions).fill(0)
    this.again = new Array<number>(partitions).fill(0)
  }

  newMember(): { readonly member: WatchedMember; readonly ports: ClientPorts } {
    const member = new WatchedMember()
    this.#members.add(member)
    const { websockets } = nodePorts
    const ports: ClientPorts = {
      ...nodePorts,
      websockets: {
        connect: async (url, options, handlers) => {
          const socket = await websockets.connect(url, options, {
            message: (data) => {
              if (typeof data !== 'string') this.#received(member, readFrame(data))
              handlers.message(data)
            },
            closed: (reason) => handlers.closed(reason),
          })
          return {
            send: (bytes) => {
              this.#sent(member, readFrame(bytes))
              socket.send(bytes)
            },
            bufferedBytes: () => socket.bufferedBytes(),
            close: (code, reason) => socket.close(code, reason),
          }
        },
      },
    }
    return { member, ports }
  }

  leave(member: WatchedMember): void {
    this.#members.delete(member)
    const nowMs = performance.now()
    for (const partition of member.assigned) {
      this.leftMs[partition] = nowMs
      this.readers[partition] = undefined
    }
  }

  /**
   * Whether every partition is read by who has it, shared out evenly among those here and `elsewhere` others who have
   * `takenElsewhere` of them.
   */
  isSettled(takenElsewhere = 0, elsewhere = 0): boolean {
    const total = this.readers.length
    const share = total / (this.#members.size + elsewhere)
    let count = takenElsewhere
    for (const { assigned } of this.#members) {
      if (assigned.size < Math.floor(share) || assigned.size > Math.ceil(share)) return false
      count += assigned.size
      for (const partition of assigned) {
        const reader = this.readers[partition]
        if (!reader?.member.assigned.has(partition)) return false
      }
    }
    return count === total
  }

  #sent(member: WatchedMember, { apiKey, header }: Frame): void {
    if (apiKey !== apis.fetch.key) return
    for (const { partition } of decodeHeader(apis.fetch.request, header).partitions) {
      if (this.readers[partition]?.member === member || !member.assigned.has(partition)) continue
      this.readers[partition] = { member, sinceMs: performance.now() }
    }
  }

  #received(member: WatchedMember, { apiKey, flags, header, body }: Frame): void {
    if (apiKey === apis.groupHeartbeat.key && !(flags & FLAG_ERROR)) {
      const { assignment } = decodeHeader(apis.groupHeartbeat.response, header)
      if (assignment) this.#assigned(member, new Set(assignment.flatMap(({ partitions }) => partitions)))
    } else if (apiKey === apis.fetch.key && flags & FLAG_MORE) {
      const { partition } = decodeHeader(fetchData, header)
      for (let at = 0; at < body.length; at += batchBytesAt(body, at)) {
        const first = baseOffsetAt(body, at)
        const last = lastOffsetAt(body, at)
        const next = member.next.get(partition) ?? first
        if (first < next) this.again[partition] += Math.min(last + 1, next) - first
        member.next.set(partition, Math.max(next, last + 1))
      }
    }
  }

  #assigned(member: WatchedMember, listed: ReadonlySet<number>): void {
    const nowMs = performance.now()
    for (const partition of member.assigned)
      if (!listed.has(partition)) {
        member.assigned.delete(partition)
        member.next.delete(partition)
        this.leftMs[partition] = nowMs
        // Also when it comes back to the same one it is read anew.
        if (this.readers[partition]?.member === member) this.readers[partition] = undefined
      }
    for (const partition of listed) member.assigned.add(partition)
  }
}

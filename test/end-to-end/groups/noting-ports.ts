/**
 * The ports of a client whose WebSocket notes what is said about a group, in both directions: what the broker assigns, and
 * every commit with its answer. It changes nothing.
 */
import { nodePorts } from '../../../client/node/node-ports.ts'
import type { ClientPorts, ClientSocket } from '../../../client/ports.ts'
import { apis } from '../../../client/protocol/api.ts'
import { decodeHeader } from '../../../client/protocol/codec.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { FLAG_ERROR, type Frame, readFrame } from '../../../client/protocol/frame.ts'
import { topicIdText } from '../../../client/topic-id.ts'
import type { HistoryFile } from './group-history.ts'

const placeOf = ({ topicId, partition }: { readonly topicId: Uint8Array; readonly partition: number }) =>
  `${topicIdText(topicId)}/${partition}`

export function notingPorts(history: HistoryFile, clockOffMs: number): ClientPorts {
  const { clock, websockets } = nodePorts
  let serial = 0
  return {
    ...nodePorts,
    clock: { ...clock, nowMs: () => clock.nowMs() + clockOffMs },
    websockets: {
      async connect(url, options, handlers) {
        const notes = new ConnectionNotes(history, () => ++serial)
        const socket = await websockets.connect(url, options, {
          message(data) {
            if (typeof data !== 'string') notes.received(readFrame(data))
            handlers.message(data)
          },
          closed: (reason) => handlers.closed(reason),
        })
        return {
          send(bytes) {
            notes.sent(readFrame(bytes))
            socket.send(bytes)
          },
          bufferedBytes: () => socket.bufferedBytes(),
          close: (code, reason) => socket.close(code, reason),
        } satisfies ClientSocket
      },
    },
  }
}

class ConnectionNotes {
  readonly #history: HistoryFile
  readonly #newSerial: () => number
  readonly #commits = new Map<number, { readonly serial: number; readonly count: number }>()
  readonly #heartbeats = new Map<number, string>()

  constructor(history: HistoryFile, newSerial: () => number) {
    this.#history = history
    this.#newSerial = newSerial
  }

  sent({ apiKey, correlationId, header }: Frame): void {
    if (apiKey === apis.groupHeartbeat.key)
      this.#heartbeats.set(correlationId, decodeHeader(apis.groupHeartbeat.request, header).memberId)
    if (apiKey !== apis.offsetCommit.key) return
    const { memberId, partitions } = decodeHeader(apis.offsetCommit.request, header)
    const serial = this.#newSerial()
    this.#commits.set(correlationId, { serial, count: partitions.length })
    const offsets = partitions.map((entry) => [placeOf(entry), entry.offset] as const)
    this.#history.note({ kind: 'commit', serial, memberId: memberId ?? '', offsets })
  }

  received({ apiKey, correlationId, flags, header }: Frame): void {
    const isRefusal = (flags & FLAG_ERROR) !== 0
    const memberId = this.#heartbeats.get(correlationId)
    if (apiKey === apis.groupHeartbeat.key && memberId !== undefined && !isRefusal) {
      const { assignment, memberEpoch } = decodeHeader(apis.groupHeartbeat.response, header)
      const places = assignment?.flatMap(({ topicId, partitions }) =>
        partitions.map((partition) => placeOf({ topicId, partition })),
      )
      if (places) this.#history.note({ kind: 'assigned', memberId, memberEpoch, places })
    }
    const commit = this.#commits.get(correlationId)
    if (apiKey !== apis.offsetCommit.key || !commit) return
    const errors = isRefusal
      ? new Array<number>(commit.count).fill(ErrorCode.UNKNOWN_SERVER_ERROR)
      : decodeHeader(apis.offsetCommit.response, header).partitions.map(({ error }) => error)
    this.#history.note({ kind: 'committed', serial: commit.serial, errors })
  }
}

/** Chance at work on a {@link FakeBroker}: requests that go wrong, and outages. All of it by the seed of the world. */
import { ErrorCode } from '../../../client/protocol/errors.ts'
import type { FakeBroker, FakeRequest, Misbehaviour } from './fake-broker.ts'
import type { ServerSocket } from './network.ts'
import type { World } from './world.ts'

const retriable = [
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.BACKPRESSURE,
]
const final = [ErrorCode.INVALID_TIMESTAMP, ErrorCode.STORAGE_FULL, ErrorCode.UNKNOWN_SERVER_ERROR]

/** How bad it gets. */
export type Temper =
  /**
   * What keeps a batch from being stored also keeps those behind it on the same connection from being stored, as long
   * as a client may not have heard of it: without that nobody could keep the order without sequences.
   */
  | 'steady'
  /** Not even that: anything may happen to any request. */
  | 'fickle'
  /** Also refuses for good what is sound, or refuses what it stores, and stores what it received long ago. */
  | 'wicked'

/** Wrong in `perMille` of the requests. */
export function mischief(
  world: World,
  partitionCount: number,
  perMille: number,
  temper: Temper,
): (request: FakeRequest) => Misbehaviour | undefined {
  const lasting = new Map<ServerSocket, { readonly wrong: Misbehaviour; readonly untilMs: number }>()
  return ({ api, socket }) => {
    const before = lasting.get(socket)
    if (api.name === 'produce' && before && before.untilMs > world.nowMs) return before.wrong
    if (api.name === 'hello' || world.below(1_000) >= perMille) return undefined
    const code = retriable[world.below(retriable.length)]
    const partitions = [world.below(partitionCount), world.below(partitionCount)]
    const kinds: Misbehaviour[] = [
      { kind: 'drop before' },
      { kind: 'drop after' },
      { kind: 'refuse', code: ErrorCode.BACKPRESSURE, retryAfterMs: world.below(50) },
      { kind: 'refuse partitions', code, partitions },
      { kind: 'delay', ms: world.below(60) },
      { kind: 'fall silent' },
    ]
    if (temper !== 'steady')
      kinds.push(
        { kind: 'ignore' },
        { kind: 'answer', data: Uint8Array.from({ length: world.below(40) }, () => world.below(256)) },
      )
    if (temper === 'wicked' && api.name === 'produce')
      kinds.push(
        { kind: 'refuse partitions', code: final[world.below(final.length)], partitions },
        { kind: 'refuse partitions', code: ErrorCode.KAFKA_STORAGE_ERROR, partitions, isStored: true },
        { kind: 'hold', ms: 20 + world.below(200) },
      )
    const wrong = kinds[world.below(kinds.length)]
    if (temper === 'steady' && wrong.kind.startsWith('refuse'))
      lasting.set(socket, { wrong, untilMs: world.nowMs + 20 })
    if (wrong.kind === 'hold') {
      // Whatever comes after it on this connection waits behind it, and mostly the connection ends first.
      const untilMs = world.nowMs + wrong.ms
      lasting.set(socket, { wrong, untilMs })
      if (world.below(4) > 0) world.after(world.below(wrong.ms), () => socket.drop())
    }
    return wrong
  }
}

/** Lets the broker die and come back now and then, and changes its window, until told to stop. */
export function outages(world: World, broker: FakeBroker): () => void {
  let isOver = false
  const next = () => {
    if (isOver) return
    broker.limits = { ...broker.limits, windowBytes: 500 + world.below(60_000) }
    if (world.below(3) === 0) {
      broker.stop()
      world.after(world.below(120), () => broker.start())
    }
    world.after(20 + world.below(200), next)
  }
  world.after(world.below(200), next)
  return () => {
    isOver = true
  }
}

/**
 * Credentials that live for moments, end early now and then, and come from a source that is slow, fails or never answers;
 * until told to stop.
 */
export function fickleCredentials(
  world: World,
  broker: FakeBroker,
): { readonly token: () => Promise<string>; readonly stop: () => void } {
  let isOver = false
  let count = 0
  const credentials = broker.askForCredentials(() =>
    isOver ? Number.POSITIVE_INFINITY : 10 + world.below(world.below(4) === 0 ? 3_000 : 150),
  )
  credentials.aheadMs = world.below(7_200_000) - 3_600_000
  const next = () => {
    if (isOver) return
    credentials.endAll()
    world.after(20 + world.below(300), next)
  }
  world.after(world.below(200), next)
  const token = () =>
    new Promise<string>((resolve, reject) => {
      const text = `token ${++count}`
      const chance = isOver ? 0 : world.below(12)
      if (chance === 11) reject(new Error('the source has nothing'))
      else if (chance >= 8) world.after(world.below(120), () => resolve(text))
      else if (chance < 7) resolve(text)
    })
  return {
    token,
    stop: () => {
      isOver = true
    },
  }
}

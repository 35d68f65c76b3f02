/**
 * Fails what waits and is not in flight: because it is late, because its topic is gone, because there will be no
 * connection or no epoch. In order, and each once; what is in flight is settled first, and then looked at.
 */
import type { BrokerLink } from '../broker-link.ts'
import type { DelayGroup } from '../delay-group.ts'
import type { Clock } from '../ports.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import type { Batch } from './batch.ts'
import { DeliveryDeadline } from './delivery-deadline.ts'
import type { PartitionQueue } from './partition-queue.ts'
import type { RecordBacklog } from './record-backlog.ts'
import type { TopicRoute, WaitingRecord } from './topic-route.ts'

export interface UndeliveredHost {
  routes(): Iterable<TopicRoute>
  /** Finishes the batch that fills; it waits behind the others. */
  seal(queue: PartitionQueue): void
  /** A batch of `queue` is about to fail: those behind it may have to be numbered anew. */
  failing(queue: PartitionQueue): void
  failed(batch: Batch, error: ProtocolError): void
  recordFailed(record: WaitingRecord, error: ProtocolError): void
  /** So many have failed that those behind them may be sent. */
  settled(queue: PartitionQueue): void
  /** What was late has failed. */
  expired(): void
}

const ever = Number.POSITIVE_INFINITY

export class Undelivered {
  readonly #link: BrokerLink
  readonly #timeoutMs: number
  readonly #backlog: RecordBacklog
  readonly #deadline: DeliveryDeadline
  readonly #host: UndeliveredHost

  constructor(
    link: BrokerLink,
    clock: Clock,
    delays: DelayGroup,
    timeoutMs: number,
    backlog: RecordBacklog,
    host: UndeliveredHost,
  ) {
    this.#link = link
    this.#timeoutMs = timeoutMs
    this.#backlog = backlog
    this.#host = host
    this.#deadline = new DeliveryDeadline(clock, delays, timeoutMs, (upToMs) => this.#expire(upToMs))
  }

  /** Something came at `sinceMs` of the monotonic clock: it has failed when it waits too long. */
  watch(sinceMs: number): void {
    this.#deadline.watch(sinceMs)
  }

  failAll(error: ProtocolError, routes: Iterable<TopicRoute> = this.#host.routes()): void {
    for (const route of routes) this.#failUpTo(route, ever, () => error)
  }

  /** Fails, in order, what came at `upToMs` or before and is not in flight. */
  #failUpTo(route: TopicRoute, upToMs: number, errorOf: (batch?: Batch) => ProtocolError): void {
    for (const queue of route.queues) {
      if (queue.account && queue.openedAtMs <= upToMs) this.#host.seal(queue)
      const { sealed } = queue
      const nextLate = () => {
        const next = sealed.peek()
        return next && next.createdAtMs <= upToMs ? next : undefined
      }
      if (!nextLate()) continue
      this.#host.failing(queue)
      for (let batch = nextLate(); batch; batch = nextLate()) {
        sealed.shift()
        queue.delivery.dropped(batch)
        this.#host.failed(batch, errorOf(batch))
      }
      this.#host.settled(queue)
    }
    for (let record = this.#backlog.shift(route, upToMs); record; record = this.#backlog.shift(route, upToMs))
      this.#host.recordFailed(record, errorOf())
  }

  /** Fails what is late, and watches the oldest of the rest. */
  #expire(upToMs: number): void {
    for (const route of this.#host.routes()) {
      this.#failUpTo(route, upToMs, (batch) => this.#late(route, batch))
      this.watch(oldestOf(route))
    }
    this.#host.expired()
  }

  #late(route: TopicRoute, batch: Batch | undefined): ProtocolError {
    const { lastError } = this.#link
    const sent = batch?.mayBeStored ? '; it was sent, and may be stored' : ''
    const why = lastError ? `; ${lastError.message}` : ''
    return new ProtocolError(
      ErrorCode.REQUEST_TIMED_OUT,
      `topic ${route.name}: not acknowledged within ${this.#timeoutMs} ms${sent}${why}`,
      { cause: lastError },
    )
  }
}

/** When the oldest record that is neither settled nor in flight came; Infinity: there is none. */
function oldestOf(route: TopicRoute): number {
  let oldestMs = route.waiting.peek()?.sinceMs ?? ever
  for (const queue of route.queues) {
    oldestMs = Math.min(oldestMs, queue.sealed.peek()?.createdAtMs ?? ever)
    if (queue.account) oldestMs = Math.min(oldestMs, queue.openedAtMs)
  }
  return oldestMs
}

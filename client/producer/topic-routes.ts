/**
 * The topics a producer sends to: found on first use, followed while in use, dropped when they are gone. A
 * topic that comes again is a new route.
 */
import { backoffDelayMs } from '../backoff.ts'
import type { BrokerLink } from '../broker-link.ts'
import type { DelayGroup } from '../delay-group.ts'
import type { Random } from '../ports.ts'
import { ErrorCode, ProtocolError } from '../protocol/errors.ts'
import { RETRY_BACKOFF } from '../retry.ts'
import type { Topic, TopicDirectory } from '../topic-directory.ts'
import type { PartitionQueue } from './partition-queue.ts'
import { TopicRoute } from './topic-route.ts'

export interface RouteHost {
  /** What is known of the topic of a route is new: partitions may have come. */
  learned(route: TopicRoute, topic: Topic): void
  /** There is no such topic (any more), or nobody waits for it. */
  dropped(route: TopicRoute, error: ProtocolError): void
}

export class TopicRoutes {
  readonly #link: BrokerLink
  readonly #directory: TopicDirectory
  readonly #random: Random
  readonly #delays: DelayGroup
  readonly #host: RouteHost
  readonly #routes = new Map<string, TopicRoute>()

  constructor(
    link: BrokerLink,
    directory: TopicDirectory,
    random: Random,
    delays: DelayGroup,
    host: RouteHost,
  ) {
    this.#link = link
    this.#directory = directory
    this.#random = random
    this.#delays = delays
    this.#host = host
  }

  all(): Iterable<TopicRoute> {
    return this.#routes.values()
  }

  *queues(): Generator<PartitionQueue> {
    for (const { queues } of this.all()) yield* queues
  }

  /** The route of a topic; blocked until the topic is known. */
  of(name: string): TopicRoute {
    const existing = this.#routes.get(name)
    if (existing) return existing
    const route = new TopicRoute(name)
    this.#routes.set(name, route)
    route.stop = this.#directory.watch(name, (topic) => {
      if (!(topic instanceof ProtocolError)) this.#host.learned(route, topic)
      // The error table calls it retriable, but a fresh answer that there is no such topic is certain.
      else if (!topic.retriable || topic.code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        this.#drop(route, topic)
    })
    const topic = this.#directory.known(name)
    if (topic) this.#host.learned(route, topic)
    else void this.#ask(route)
    return route
  }

  /** A broker's refusal says that what is known is out of date. */
  refresh(route: TopicRoute): void {
    // The watcher gets the answer. Without one the batches are tried again by their own back-off, and ask again.
    this.#directory.refresh(route.name).catch(() => undefined)
  }

  close(): void {
    for (const route of this.#routes.values()) route.stop()
  }

  /** Asks until the topic is known or nobody waits for it. */
  async #ask(route: TopicRoute): Promise<void> {
    for (let attempt = 1; !route.topic && this.#routes.get(route.name) === route; attempt++) {
      try {
        await this.#directory.lookup(route.name)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        if (!error.retriable || this.#link.failure) return this.#drop(route, error)
        const delayMs = backoffDelayMs(RETRY_BACKOFF, attempt, this.#random.unit(), error.retryAfterMs)
        await new Promise<void>((resolve) => {
          this.#delays.after(delayMs, resolve)
        })
        if (route.waiting.length === 0) this.#drop(route, error)
      }
    }
  }

  #drop(route: TopicRoute, error: ProtocolError): void {
    if (this.#routes.get(route.name) !== route) return
    this.#routes.delete(route.name)
    route.stop()
    route.failure = error
    this.#host.dropped(route, error)
  }
}

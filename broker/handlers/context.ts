/**
 * What a handler is called with. Handlers are free of any wire format: a second codec (Kafka's) can
 * call the same functions with the same context.
 */
import type { Clock } from '../ports.ts'

/** Who asks. Until there are authenticators everyone is `anonymous`. */
export interface Principal {
  readonly name: string
}

export interface RequestContext {
  readonly principal: Principal
  /** Identity of the connection: the unit of fairness in the commit queue and of logging. */
  readonly connection: ConnectionIdentity
  /** Aborted when the connection is gone or the node gives up waiting: parked work is dropped. */
  readonly signal: AbortSignal
  readonly clock: Clock
}

export interface ConnectionIdentity {
  readonly id: number
  readonly remoteAddress: string
}

/**
 * Where a fetch puts what it reads, one stored value at a time. The codec behind it frames the bytes
 * and sends them at once, so nothing is held across a turn.
 */
export interface FetchSink {
  /** False while the connection has buffered as much as it may: stop reading, await {@link writable}. */
  canWrite(): boolean
  /** Resolves when the connection has drained enough to go on; rejects when it is gone. */
  writable(): Promise<void>
  /**
   * Sends whole record batches of one partition: `value.subarray(start, end)`. The callee may overwrite
   * anything in `value` before `start` (to put a header there without a copy) and keeps no reference.
   */
  data(source: FetchDataSource, value: Uint8Array, start: number, end: number): void
}

export interface FetchDataSource {
  readonly topicId: Uint8Array
  readonly partition: number
  readonly highWatermark: number
  readonly logStartOffset: number
}

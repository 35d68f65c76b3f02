/**
 * What a handler is called with. Handlers are free of any wire format: a second codec (Kafka's) can
 * call the same functions with the same context.
 */
import type { Access } from '../../auth/acl/access.ts'
import type { Operation, OperationBits } from '../../auth/acl/operation.ts'
import type { ResourceType } from '../../auth/acl/resource.ts'
import type { Identity } from '../../auth/identity.ts'
import type { ProtocolError } from '../../client/protocol/errors.ts'
import type { Clock } from '../ports.ts'
import type { Topic } from '../topics/topic-table.ts'

/** Who asks, and what he may do now: rules may change while a request is under way. */
export interface RequestSession {
  /** The anonymous one until there is another. */
  readonly identity: Identity
  /** Whether somebody has shown who he is, however long ago. */
  readonly isAuthenticated: boolean
  /** By the rules of this moment; not to be kept. */
  readonly access: Access
  /** Why nothing at all may be asked for now, since there is no credential or it is no good any more. */
  refusal(): ProtocolError | undefined
  allows(operation: Operation, type: ResourceType, name: string): boolean
  /** All that may be done to the topic: one look-up, as a rule. */
  bitsOnTopic(topic: Topic): OperationBits
  /** The same for the name of a producer. */
  bitsOnProducer(name: string): OperationBits
  /** Whether any of this has changed since it was last asked: for requests that wait. */
  hasChanged(): boolean
}

export interface RequestContext {
  readonly session: RequestSession
  /** Identity of the connection: the unit of fairness in the commit queue and of logging. */
  readonly connection: ConnectionIdentity
  /** Aborted when the connection is gone or the node gives up waiting: parked work is dropped. */
  readonly signal: AbortSignal
  readonly clock: Clock
}

export interface ConnectionIdentity {
  readonly id: number
  readonly remoteAddress: string
  /** The credential that came with the upgrade, to whoever asks first; it is kept no longer. */
  takeOfferedToken?(): string | undefined
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
  /** Records held against a filter since the partition's data before, those of this data included; 0 without a filter. */
  readonly examined: number
  /** Of these, how many have a value that is no JSON, which the filter asks for. */
  readonly notJson: number
}

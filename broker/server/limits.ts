/** The bounds of the server. Every one is a setting; how they hang together is asserted by the config. */
export interface ServerLimits {
  readonly connectionsMax: number
  /** Largest message taken; also bounds what an unfinished message of one connection can occupy. */
  readonly frameBytesMax: number
  readonly batchBytesMax: number
  /** Bytes of one fetch answer a client may ask for. */
  readonly fetchBytesMax: number
  /** Requests of one connection that may be unanswered. */
  readonly inFlightRequestsMax: number
  /** Bytes of record batches one connection may have unanswered, in the best and in the worst case. */
  readonly produceWindowBytesMax: number
  readonly produceWindowBytesMin: number
  /** Unanswered record batches of all connections together. */
  readonly produceBufferBytesMax: number
  /** Bytes handed to the network that a client has not taken, before answers wait and fetches halt. */
  readonly bufferedBytesMax: number
  /** Bytes of waiting answers of one connection, before it counts as not reading. */
  readonly queuedBytesMax: number
  /** Time from the opening of a connection to its hello. */
  readonly helloTimeoutMs: number
  /** Time from hello to a credential that is good, where one is asked for. */
  readonly authenticationTimeoutMs: number
  /** Time a client may take nothing of what waits for it. */
  readonly stalledTimeoutMs: number
  /** Time a client may send nothing, not even a pong. */
  readonly idleTimeoutMs: number
}

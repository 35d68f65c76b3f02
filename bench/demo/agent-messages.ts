/** What the demo and its agents agree on. */

export interface AgentTask {
  readonly url: string
  /** This agent publishes the events whose index modulo `agents` is `agent`. */
  readonly agent: number
  readonly agents: number
  /** Every how many-th row of the data sets is an event. */
  readonly stride: number
  /** Over how long the publishing is spread. */
  readonly durationMs: number
}

export type AgentReport =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'progress'
      /** Events handed to the producer so far. */
      readonly published: number
      /** Four numbers for each event acknowledged since the last report: index, partition, offset, timestamp. */
      readonly acknowledged: Float64Array
    }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string }

/** The agent loads and connects when it starts; it publishes when told to. */
export interface StartPublishing {
  readonly kind: 'start'
}

/** The demo is short: nobody waits long before trying the broker again. */
export const reconnect = { backoffMinMs: 50, backoffMaxMs: 400 }

/** What the demo and its agents agree on. */

/** The credential of an agent comes through its environment, where it does not stand in the list of processes. */
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
      /** Events handed to the producer so far, by this life of the agent and those before. */
      readonly published: number
      /** Events that an earlier life had stored, by index; where, only that life was told. */
      readonly held: Float64Array
      /** Four numbers for each event acknowledged since the last report: index, partition, offset, timestamp. */
      readonly acknowledged: Float64Array
    }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string }

/** The agent loads and connects when it starts; it publishes when told to. */
export interface StartPublishing {
  readonly kind: 'start'
  /** How long ago the publishing began: an agent that was killed catches up. */
  readonly sinceMs: number
}

/** The name of an agent's producer: the same in all its lives. */
export function producerName(agent: number): string {
  return `demo.agent-${agent}`
}

/** The demo is short: nobody waits long before trying the broker again. */
export const reconnect = { backoffMinMs: 50, backoffMaxMs: 400 }

/** What the processes around a group are told to do, and what their events look like. */

export interface MemberTask {
  readonly url: string
  readonly life: string
  readonly historyPath: string
  readonly groupId: string
  readonly topics: readonly string[]
  readonly instanceId: string | null
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly maxProcessingMs: number
  readonly assignor: 'uniform' | 'range'
  /**
   * `events` and `batches`: the SDK commits by itself; `each`: the member commits every event when it is done with it.
   */
  readonly reading: 'events' | 'batches' | 'each'
  readonly autoCommitIntervalMs: number
  /** One event of so many takes long: up to `slowMsMax`. */
  readonly slowEvery: number
  readonly slowMsMax: number
  /** How far its time of day is off. */
  readonly clockOffMs: number
  readonly seed: number
  /** A mistake in the SDK that the checker is to find. */
  readonly mistake: 'commits-before-processing' | null
}

export interface ProducerTask {
  readonly url: string
  readonly seed: number
  /** Events a second, of all topics. */
  readonly rate: number
}

export type ProducerOrder =
  | { readonly kind: 'begin'; readonly topic: string; readonly topicId: string; readonly partitions: number }
  /** Answered by `ended`. */
  | { readonly kind: 'end'; readonly topic: string }
  | { readonly kind: 'stop' }

export type ProducerReport =
  | {
      readonly kind: 'ended'
      readonly topic: string
      /** By partition: how many events it has. */
      readonly counts: readonly number[]
    }
  | { readonly kind: 'fault'; readonly text: string }

/** An event says where it belongs: nobody else writes there, so that its number is its offset. */
export function eventValue(topicId: string, partition: number, sequence: number): string {
  return `${topicId}/${partition}:${sequence}:${'x'.repeat(sequence % 50)}`
}

/** Undefined: it is none, or not whole. */
export function placeOfEvent(
  text: string,
): { readonly place: string; readonly sequence: number } | undefined {
  const [place, number] = text.split(':', 2)
  const [topicId, partition] = place.split('/', 2)
  const sequence = Number(number)
  return text === eventValue(topicId, Number(partition), sequence) ? { place, sequence } : undefined
}

/** What agents publish and report, and how it is told that an event is whole. */
import type { CompressionName } from '../../storage/record/compression.ts'

export interface AgentTask {
  readonly url: string
  /** Of the producer; its events carry it. */
  readonly name: string
  readonly topic: string
  readonly partitions: number
  readonly compression?: CompressionName
  readonly seed: number
}

export type AgentReport =
  | {
      readonly kind: 'progress'
      /** Three numbers for each acknowledged event: partition, sequence, offset. */
      readonly places: readonly number[]
    }
  | {
      readonly kind: 'done'
      /** By partition: how many events there are. */
      readonly counts: readonly number[]
      /** Events of this life that an earlier one had stored. */
      readonly duplicates: number
      readonly failure: string | null
    }

/** Events carry who sent them, their number, and a filling that depends on it, so that a mixed-up byte shows. */
export function eventText(name: string, partition: number, sequence: number): string {
  const letter = String.fromCharCode(97 + (sequence % 26))
  return `${name}:${partition}:${sequence}:${letter.repeat((sequence * 7 + partition) % 700)}`
}

/** Who sent an event, and its number; undefined when it is none, or not whole. */
export function readEvent(
  text: string,
  partition: number,
): { readonly name: string; readonly sequence: number } | undefined {
  const [name, , number] = text.split(':', 3)
  const sequence = Number(number)
  return text === eventText(name, partition, sequence) ? { name, sequence } : undefined
}

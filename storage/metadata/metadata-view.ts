/**
 * The content of a metadata store at one revision, in memory, and the decision what a transaction
 * would make of it. Pure state: no disk, no clock, no promises.
 *
 * `decide` never changes anything. The store makes the decision durable and only then calls `apply`, so
 * that whoever reads the view sees nothing a crash could take back.
 */

import type { MetadataEntry, Snapshot, WatchEvent } from '../metadata-store.ts'
import { compareKeys, hasPrefix } from './keys.ts'
import type { Transaction } from './transaction.ts'

export type ChangeEvent = Exclude<WatchEvent, { kind: 'compacted' }>

/** What one committed transaction changed, in the order of its operations. Never empty. */
export interface Change {
  readonly revision: number
  readonly events: readonly ChangeEvent[]
}

export type Decision =
  /** A compare did not hold. */
  | { readonly kind: 'refused' }
  /** Every compare held and there is nothing to change: no operations, or deletes of absent keys only. */
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'change'; readonly change: Change }

export class MetadataView {
  readonly #entries = new Map<string, MetadataEntry>()
  #revision: number

  constructor(content: Snapshot) {
    this.#revision = content.revision
    for (const entry of content.entries) this.#entries.set(entry.key, entry)
  }

  get revision(): number {
    return this.#revision
  }

  get(key: string): MetadataEntry | undefined {
    return this.#entries.get(key)
  }

  list(prefix: string): Snapshot {
    const entries: MetadataEntry[] = []
    for (const entry of this.#entries.values()) if (hasPrefix(entry.key, prefix)) entries.push(entry)
    entries.sort((a, b) => compareKeys(a.key, b.key))
    return { revision: this.#revision, entries }
  }

  /** Compares and operations against this revision. Like etcd, a transaction that changes nothing gets no revision. */
  decide({ compares, operations }: Transaction): Decision {
    const hold = compares.every(({ key, modRevision }) => this.#modRevision(key) === modRevision)
    if (!hold) return { kind: 'refused' }
    const revision = this.#revision + 1
    const events: ChangeEvent[] = []
    for (const operation of operations) {
      const previous = this.#entries.get(operation.key)
      if (operation.kind === 'put') {
        const { key, value } = operation
        const createRevision = previous?.createRevision ?? revision
        events.push({ kind: 'put', entry: { key, value, createRevision, modRevision: revision }, revision })
      } else if (previous !== undefined) {
        events.push({ kind: 'delete', key: operation.key, revision })
      }
    }
    return events.length === 0 ? { kind: 'unchanged' } : { kind: 'change', change: { revision, events } }
  }

  /** Moves the view on by a change that was decided on it. */
  apply(change: Change): void {
    if (change.revision !== this.#revision + 1) {
      throw new Error(`A change of revision ${change.revision} was applied to a view of ${this.#revision}`)
    }
    for (const event of change.events) {
      if (event.kind === 'put') this.#entries.set(event.entry.key, event.entry)
      else this.#entries.delete(event.key)
    }
    this.#revision = change.revision
  }

  #modRevision(key: string): number {
    return this.#entries.get(key)?.modRevision ?? 0
  }
}

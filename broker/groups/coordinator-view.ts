/**
 * The materialised view of a coordinator's log: the newest value of every key up to an offset, so that what lies before that
 * offset may leave the log. It is written behind the log, a little at a time, and is never ahead of what is durable there.
 *
 * Kept in a file of its own with the layout of metadata (storage/metadata/entry-layout.ts), whose revision is the offset and one, because
 * revisions begin at 1. It comes into being when there is something to keep.
 *
 * A view that several transactions write is begun under its old offset: after a crash in between some keys are newer than
 * the offset says, and the log from there on makes them so again.
 */
import type { MetadataMedium } from '../../storage/metadata/metadata-medium.ts'
import type { ChangeEvent } from '../../storage/metadata/metadata-view.ts'
import { StorageError } from '../../storage/segment-store.ts'
import type { CoordinatorRecord } from './coordinator-log.ts'

/** As many as a transaction of metadata has; its room on the disk is reckoned for them. */
const EVENTS_MAX = 128
/** Keys and values of one transaction. */
const TRANSACTION_BYTES_MAX = 1024 * 1024

/** The key of a record as the view has it: a text with a character for each byte. */
export function viewKey(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

export class CoordinatorView {
  readonly #open: () => MetadataMedium
  #medium: MetadataMedium | undefined
  /** Offsets below are in the view. */
  #offset = 0
  #keys = new Set<string>()

  constructor(open: () => MetadataMedium) {
    this.#open = open
  }

  /** Offset of the first record of the log that the view does not have. */
  get offset(): number {
    return this.#offset
  }

  /** Reads all of it, again if need be. Rejects with StorageError when it is damaged. */
  async load(): Promise<CoordinatorRecord[]> {
    await this.close()
    this.#medium = this.#open()
    const { revision, entries } = await this.#medium.load()
    this.#offset = Math.max(0, revision - 1)
    this.#keys = new Set(entries.map(({ key }) => key))
    return entries.map(({ key, value }) => ({ key: Buffer.from(key, 'latin1'), value }))
  }

  /**
   * Takes in the newest values of keys that changed below `offset`. Rejects with StorageError: NO_SPACE, and it can be tried
   * again; after anything else never.
   */
  async write(changes: ReadonlyMap<string, Uint8Array | null>, offset: number): Promise<void> {
    let events: ChangeEvent[] = []
    let bytes = 0
    for (const [key, value] of changes) {
      if (value === null && !this.#keys.has(key)) continue
      events.push(this.#event(key, value))
      bytes += key.length + (value?.length ?? 0)
      if (events.length < EVENTS_MAX && bytes < TRANSACTION_BYTES_MAX) continue
      await this.#commit(events, this.#offset)
      events = []
      bytes = 0
    }
    await this.#commit(events, offset)
    this.#offset = offset
  }

  async close(): Promise<void> {
    const medium = this.#medium
    this.#medium = undefined
    await medium?.close()
  }

  #event(key: string, value: Uint8Array | null): ChangeEvent {
    const revision = this.#offset + 1
    if (value === null) return { kind: 'delete', key, revision }
    return {
      kind: 'put',
      revision,
      entry: { key, value, createRevision: revision, modRevision: revision },
    }
  }

  async #commit(events: readonly ChangeEvent[], offset: number): Promise<void> {
    // What lets records leave the log may use the space that is kept back.
    if (!this.#medium)
      throw new StorageError('MISUSE', 'the view of the coordinator is written before it was read')
    await this.#medium.write({ revision: offset + 1, events }, true)
    for (const event of events)
      if (event.kind === 'put') this.#keys.add(event.entry.key)
      else this.#keys.delete(event.key)
  }
}

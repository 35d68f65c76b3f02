/**
 * The records under one prefix of metadata, in memory, fed by its watch: what is answered from here is what the
 * last change made it, whoever made it. Topics, the policy and the keys of the node hang on these.
 */
import type { MetadataEntry, MetadataStore, WatchEvent } from '../storage/metadata-store.ts'

export interface WatchedRecordsOptions<T> {
  readonly store: MetadataStore
  readonly prefix: string
  /** Throws an Error that names the key and what is wrong with its value. */
  readonly decode: (entry: MetadataEntry) => T
  /** Called for each record there is and each that comes. `before`: what it takes the place of. */
  readonly onPut?: (name: string, record: T, before: T | undefined) => void
  readonly onDelete?: (name: string, before: T) => void
  /** Told of metadata that came while running and cannot be understood; the last known record stays. */
  readonly onProblem: (error: Error) => void
}

export interface WatchedRecord<T> {
  readonly record: T
  readonly modRevision: number
}

export class WatchedRecords<T> {
  readonly #options: WatchedRecordsOptions<T>
  readonly #records = new Map<string, WatchedRecord<T>>()
  readonly #waiting: { readonly revision: number; readonly resolve: () => void }[] = []
  #revision = 0
  #endWatch = () => {}

  private constructor(options: WatchedRecordsOptions<T>) {
    this.#options = options
  }

  /** Rejects where metadata cannot be understood: a node that knows half of the rules must not serve. */
  static async open<T>(options: WatchedRecordsOptions<T>): Promise<WatchedRecords<T>> {
    const records = new WatchedRecords(options)
    const snapshot = await options.store.list(options.prefix)
    for (const entry of snapshot.entries) records.#put(entry)
    records.#follow(snapshot.revision)
    return records
  }

  get size(): number {
    return this.#records.size
  }

  get(name: string): T | undefined {
    return this.#records.get(name)?.record
  }

  /** With the revision to compare with before it is changed. */
  at(name: string): WatchedRecord<T> | undefined {
    return this.#records.get(name)
  }

  names(): string[] {
    return [...this.#records.keys()]
  }

  *values(): Iterable<T> {
    for (const { record } of this.#records.values()) yield record
  }

  /** Resolves when a change to one of the records that was committed with this revision is in memory. */
  async caughtUp(revision: number): Promise<void> {
    if (this.#revision >= revision) return
    await new Promise<void>((resolve) => this.#waiting.push({ revision, resolve }))
  }

  /** Follows no more changes; who waits for one is let go. */
  close(): void {
    this.#endWatch()
    this.#reached(Number.MAX_SAFE_INTEGER)
  }

  #follow(revision: number): void {
    const { store, prefix } = this.#options
    this.#endWatch = store.watch(prefix, revision + 1, (events) => this.#apply(events))
    this.#reached(revision)
  }

  #apply(events: readonly WatchEvent[]): void {
    for (const event of events) {
      if (event.kind === 'compacted') {
        this.#relist().catch(this.#options.onProblem)
        return
      }
      if (event.kind === 'delete') this.#remove(this.#nameOf(event.key))
      else this.#putGuarded(event.entry)
      this.#reached(event.revision)
    }
  }

  /** The changes in between are lost: what is listed is, and what is not listed is gone. */
  async #relist(): Promise<void> {
    const snapshot = await this.#options.store.list(this.#options.prefix)
    const listed = new Set(snapshot.entries.map(({ key }) => this.#nameOf(key)))
    for (const name of [...this.#records.keys()]) if (!listed.has(name)) this.#remove(name)
    for (const entry of snapshot.entries) this.#putGuarded(entry)
    this.#follow(snapshot.revision)
  }

  #putGuarded(entry: MetadataEntry): void {
    try {
      this.#put(entry)
    } catch (error) {
      this.#options.onProblem(error as Error)
    }
  }

  #put(entry: MetadataEntry): void {
    const name = this.#nameOf(entry.key)
    const before = this.#records.get(name)
    if (before?.modRevision === entry.modRevision) return
    const record = this.#options.decode(entry)
    this.#records.set(name, { record, modRevision: entry.modRevision })
    this.#options.onPut?.(name, record, before?.record)
  }

  #remove(name: string): void {
    const before = this.#records.get(name)
    if (!before) return
    this.#records.delete(name)
    this.#options.onDelete?.(name, before.record)
  }

  #nameOf(key: string): string {
    return key.slice(this.#options.prefix.length)
  }

  #reached(revision: number): void {
    if (revision > this.#revision) this.#revision = revision
    for (let i = this.#waiting.length - 1; i >= 0; i--)
      if (this.#waiting[i].revision <= this.#revision) this.#waiting.splice(i, 1)[0].resolve()
  }
}

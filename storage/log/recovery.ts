/**
 * Start-up: sealed segments tell what they hold by the summaries of their indexes, the active one by the
 * directories of its values. A sealed segment whose index is missing or damaged is read like an active one.
 */
import type { Crc32c } from '../record/crc32c.ts'
import { type SegmentId, type SegmentStore, StorageError } from '../segment-store.ts'
import { correctBit, type Payload, payloadOf } from './directory-repair.ts'
import { IndexSummary } from './index-summary.ts'
import type { LogReader } from './log-reader.ts'
import { endAfter, type LostValue, LostValues } from './lost-values.ts'
import type { PartitionLog } from './partition-log.ts'
import type { SegmentCatalog } from './segment-catalog.ts'
import { decodeIndexHead, INDEX_HEAD_BYTES, producersAt } from './segment-index.ts'
import { type Entry, EntryKind, readDirectory } from './value.ts'

/** Told of what a start meets, in journal order. */
export interface RecoveryListener {
  warning(sentence: string): void
  /**
   * The producer snapshot of the newest sealed segment that has a usable index, as it was given to
   * `roll`; undefined: it has none. It replaces an older one; what is scanned after it is younger.
   */
  producers(snapshot: Uint8Array | undefined): void
  /** An entry of a value that was read has been applied to its partition; `value` is good until this returns. */
  applied(entry: Entry, log: PartitionLog | undefined, value: Uint8Array, committedAtMs: number): void
}

/** What a start leaves to be known of partitions that the log does not know. */
export interface Recovered {
  /** Such a partition may have had offsets up to this one, which are lost with the value. */
  readonly unknown: { readonly endOffset: number; readonly value: LostValue } | undefined
}

/**
 * A value that cannot be read is reported by segment and place, and what it may have held is lost
 * (`lost-values.ts`); everything else comes up. Rejects with StorageError only where a file as a whole
 * cannot be used.
 */
export function recover(
  catalog: SegmentCatalog,
  reader: LogReader,
  crc32c: Crc32c,
  listener: RecoveryListener,
): Promise<Recovered> {
  return new Recovery(catalog, reader, crc32c, listener).run()
}

interface ReadValue {
  readonly value: Uint8Array
  readonly entries: readonly Entry[]
  readonly committedAtMs: number
}

interface UnreadableValue {
  readonly problem: string
  readonly payload: Payload
}

class Recovery {
  readonly #catalog: SegmentCatalog
  readonly #crc32c: Crc32c
  readonly #listener: RecoveryListener
  readonly #keptBytes: (log: PartitionLog, offset: number) => number
  readonly #lost = new LostValues()

  constructor(catalog: SegmentCatalog, reader: LogReader, crc32c: Crc32c, listener: RecoveryListener) {
    this.#catalog = catalog
    this.#crc32c = crc32c
    this.#listener = listener
    this.#keptBytes = (log, offset) => reader.keptBytes(log, offset)
  }

  async run(): Promise<Recovered> {
    const catalog = this.#catalog
    const segments = [...catalog.store.segments()]
    const summaryOf = (at: number) => {
      const reading = segments[at]?.sealed
        ? readSummary(catalog, segments[at].id, this.#crc32c, this.#listener)
        : Promise.resolve(undefined)
      // Awaited below, unless the segment before it ends the start.
      reading.catch(() => {})
      return reading
    }
    let newest: { readonly segment: SegmentId; readonly summary: IndexSummary } | undefined
    let reading = summaryOf(0)
    for (let at = 0; at < segments.length; at++) {
      const { id, sealed } = segments[at]
      const summary = await reading
      // The disk brings the next summary while this one is applied.
      reading = summaryOf(at + 1)
      catalog.enter(id)
      if (summary) {
        const meet = (log: PartitionLog, baseOffset: number | undefined) => this.#meet(log, baseOffset, true)
        catalog.applySealed(id, summary, this.#keptBytes, this.#lost.any ? meet : undefined)
        newest = { segment: id, summary }
        continue
      }
      if (newest) this.#listener.producers(await readProducers(catalog, newest.segment, newest.summary))
      newest = undefined
      this.#scan(id)
      if (sealed) catalog.adoptScanned(id)
    }
    return this.#loseTails()
  }

  #scan(segment: SegmentId): void {
    const count = valueCount(this.#catalog.store, segment)
    let committedAtMs = -1
    for (let sequence = 0; sequence < count; sequence++) {
      const found = this.#read(segment, sequence)
      this.#catalog.appended(sequence)
      if ('problem' in found) {
        this.#lost.add({ segment, sequence, payload: found.payload, committedAtMs })
        this.#listener.warning(
          `segment ${segment}, value ${sequence} is damaged: ${found.problem}: what it held is lost`,
        )
        continue
      }
      committedAtMs = found.committedAtMs
      for (const entry of found.entries) {
        const log = this.#apply(entry, sequence, committedAtMs)
        this.#listener.applied(entry, log, found.value, committedAtMs)
      }
    }
  }

  #read(segment: SegmentId, sequence: number): ReadValue | UnreadableValue {
    const value = readValue(this.#catalog.store, segment, sequence)
    if (typeof value === 'string') return { problem: value, payload: { kind: 'unknown' } }
    const directory = readDirectory(value, segment, sequence, this.#crc32c)
    if (!('problem' in directory)) return { ...directory, value }
    const { problem } = directory
    if (correctBit(value, this.#crc32c)) {
      const corrected = readDirectory(value, segment, sequence, this.#crc32c)
      if (!('problem' in corrected)) {
        this.#listener.warning(
          `segment ${segment}, value ${sequence} is damaged: ${problem}: one flipped bit, what it said is known`,
        )
        return { ...corrected, value }
      }
    }
    return { problem, payload: payloadOf(value, this.#crc32c) }
  }

  #apply(entry: Entry, sequence: number, committedAtMs: number): PartitionLog | undefined {
    const { topicId, partition } = entry
    if (this.#lost.any && entry.kind === EntryKind.run && !this.#catalog.isDropped(topicId))
      this.#meet(this.#catalog.createPartition(topicId, partition), entry.offset, false)
    return this.#catalog.apply(entry, sequence, this.#keptBytes, committedAtMs)
  }

  /** Runs of the partition begin at `baseOffset`, behind lost values: what lies between is lost with the last of them. */
  #meet(log: PartitionLog, baseOffset: number | undefined, sealed: boolean): void {
    const value = this.#lost.behind(log).at(-1)
    this.#lost.met(log)
    if (!value || baseOffset === undefined) return
    if (baseOffset > log.durableOffset) this.#catalog.lose(log, baseOffset, value)
    // The lost value has truncated the partition.
    else if (baseOffset < log.durableOffset) {
      const keptBytes = this.#keptBytes(log, baseOffset)
      if (sealed) log.applySealedTruncate(baseOffset, keptBytes)
      else log.applyTruncate(baseOffset, keptBytes)
    }
  }

  /** Partitions of which nothing is known behind a lost value end where they may have ended in it. */
  #loseTails(): Recovered {
    if (!this.#lost.any) return { unknown: undefined }
    for (const log of this.#catalog.partitions()) {
      const values = this.#lost.behind(log)
      const value = values.at(-1)
      const endOffset = endAfter(values, log.durableOffset)
      if (value && endOffset > log.durableOffset) this.#catalog.lose(log, endOffset, value)
    }
    const { last, startOfUnknown: endOffset } = this.#lost
    return { unknown: last && endOffset > 0 ? { endOffset, value: last } : undefined }
  }
}

/** Undefined, after a warning, where the segment's values have to be read instead. */
async function readSummary(
  catalog: SegmentCatalog,
  segment: SegmentId,
  crc32c: Crc32c,
  listener: RecoveryListener,
): Promise<IndexSummary | undefined> {
  const { store } = catalog
  try {
    const indexBytes = store.indexBytes(segment)
    const headBytes = Math.min(indexBytes ?? 0, INDEX_HEAD_BYTES)
    const first = indexBytes === undefined ? undefined : await store.readIndex(segment, 0, headBytes)
    if (indexBytes === undefined || !first) {
      listener.warning(`segment ${segment} is sealed but has no index: reading its values instead`)
      return undefined
    }
    const { summaryBytes } = decodeIndexHead(first, indexBytes, segment)
    const bytes = await store.readIndex(segment, 0, summaryBytes)
    return bytes && IndexSummary.decode(bytes, indexBytes, segment, crc32c)
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'DAMAGED') throw error
    listener.warning(`${error.message}: reading its values instead`)
    return undefined
  }
}

async function readProducers(
  { store }: SegmentCatalog,
  segment: SegmentId,
  { head }: IndexSummary,
): Promise<Uint8Array | undefined> {
  if (head.producerBytes === 0) return undefined
  const start = producersAt(head)
  return store.readIndex(segment, start, start + head.producerBytes)
}

function valueCount(store: SegmentStore, segment: SegmentId): number {
  try {
    return store.valueCount(segment)
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    const sentence = `${error.message}: segment ${segment} cannot be read at all; octopus verify --data DIR says what can be done`
    throw new StorageError(error.code, sentence, { cause: error, ...(error.path && { path: error.path }) })
  }
}

/** The value, or why there is none. */
function readValue(store: SegmentStore, segment: SegmentId, sequence: number): Uint8Array | string {
  try {
    return store.read(segment, sequence) ?? 'it is missing'
  } catch (error) {
    if (error instanceof StorageError && error.code === 'DAMAGED') return error.message
    throw error
  }
}

/**
 * The offsets of every partition, over all segments in journal order: what is alive, and whether it is without gaps.
 *
 * Applies the entries of values as recovery does, but remembers only stretches of offsets that hang together, so a
 * sound log of any size takes one stretch for each partition. Judged at the end, because what is missing may be explained by
 * an entry that comes later: a log start that moved, a truncation, a dropped topic. Pure.
 */
import { type Entry, EntryKind } from '../log/value.ts'
import { hex } from './finding.ts'

/** Where in the journal: number of the segment in the list of live ones × 2^32 + sequence. */
export type JournalPlace = number

const SEGMENT_PLACES = 2 ** 32

export function journalPlace(segmentNumber: number, sequence: number): JournalPlace {
  return segmentNumber * SEGMENT_PLACES + sequence
}

export function placeParts(place: JournalPlace): {
  readonly segmentNumber: number
  readonly sequence: number
} {
  return { segmentNumber: Math.floor(place / SEGMENT_PLACES), sequence: place % SEGMENT_PLACES }
}

interface Stretch {
  base: number
  end: number
  readonly firstPlace: JournalPlace
  lastPlace: JournalPlace
}

export interface PartitionOffsets {
  readonly topicId: Uint8Array
  readonly partition: number
  readonly stretches: Stretch[]
  logStart: number
  logEnd: number
  leaderEpoch: number
  /** Of the newest entry that says where the log starts. */
  logStartPlace: JournalPlace
}

/** Offsets of a partition that are nowhere, and between which places of the journal they should be. */
export interface Gap {
  readonly log: PartitionOffsets
  readonly offset: number
  readonly endOffset: number
  readonly after: JournalPlace
  readonly before: JournalPlace
}

export interface Overlap {
  readonly log: PartitionOffsets
  readonly offset: number
  readonly endOffset: number
  readonly place: JournalPlace
}

export class JournalOffsets {
  readonly #topics = new Map<string, Map<number, PartitionOffsets>>()
  /** Topics that were dropped, and in which segment. */
  readonly #dropped = new Map<string, number>()
  readonly overlaps: Overlap[] = []

  apply(entry: Entry, place: JournalPlace): void {
    const id = hex(entry.topicId)
    const { segmentNumber } = placeParts(place)
    if (entry.kind === EntryKind.topicDrop) {
      this.#topics.delete(id)
      this.#dropped.set(id, segmentNumber)
      return
    }
    // What the same segment still holds of it, behind the drop, is nobody's.
    if (this.#dropped.get(id) === segmentNumber && !this.#topics.has(id)) return
    const log = this.#partition(entry.topicId, entry.partition)
    switch (entry.kind) {
      case EntryKind.run:
        this.#run(log, entry, place)
        break
      case EntryKind.logStart:
        moveLogStart(log, entry, place)
        break
      case EntryKind.truncate:
        truncate(log, entry.offset)
        break
      case EntryKind.leaderEpoch:
        break
    }
    log.leaderEpoch = Math.max(log.leaderEpoch, entry.kind === EntryKind.truncate ? -1 : entry.leaderEpoch)
  }

  /** The log of the partition is known to have started there, or behind. */
  startAtLeast(topicId: Uint8Array, partition: number, offset: number): void {
    if (offset <= this.logStartOf(topicId, partition)) return
    const log = this.#partition(topicId, partition)
    moveLogStart(log, { offset, endOffset: Math.max(offset, log.logEnd) }, log.logStartPlace)
  }

  logStartOf(topicId: Uint8Array, partition: number): number {
    return this.#topics.get(hex(topicId))?.get(partition)?.logStart ?? 0
  }

  *partitions(): Iterable<PartitionOffsets> {
    for (const topic of this.#topics.values()) yield* topic.values()
  }

  /** What is missing between log start and log end. */
  *gaps(): Generator<Gap> {
    for (const log of this.partitions()) {
      let next = log.logStart
      let after: JournalPlace = -1
      for (const { base, end, firstPlace, lastPlace } of log.stretches) {
        if (base > next) yield { log, offset: next, endOffset: base, after, before: firstPlace }
        next = Math.max(next, end)
        after = lastPlace
      }
      const { logEnd, logStartPlace } = log
      if (logEnd > next) yield { log, offset: next, endOffset: logEnd, after, before: logStartPlace }
    }
  }

  #partition(topicId: Uint8Array, partition: number): PartitionOffsets {
    const id = hex(topicId)
    let topic = this.#topics.get(id)
    if (topic === undefined) {
      topic = new Map()
      this.#topics.set(id, topic)
    }
    let log = topic.get(partition)
    if (log === undefined) {
      log = {
        topicId,
        partition,
        stretches: [],
        logStart: 0,
        logEnd: 0,
        leaderEpoch: 0,
        logStartPlace: -1,
      }
      topic.set(partition, log)
    }
    return log
  }

  #run(log: PartitionOffsets, { offset, endOffset }: Entry, place: JournalPlace): void {
    const last = log.stretches.at(-1)
    const end = last?.end ?? 0
    if (offset < end) this.overlaps.push({ log, offset, endOffset: Math.min(end, endOffset), place })
    const base = Math.max(offset, end)
    if (endOffset > base) {
      if (last !== undefined && last.end === base) {
        last.end = endOffset
        last.lastPlace = place
      } else log.stretches.push({ base, end: endOffset, firstPlace: place, lastPlace: place })
    }
    log.logEnd = Math.max(log.logEnd, endOffset)
  }
}

function moveLogStart(
  log: PartitionOffsets,
  { offset, endOffset }: Pick<Entry, 'offset' | 'endOffset'>,
  place: JournalPlace,
): void {
  log.logStart = offset
  log.logStartPlace = place
  while (log.stretches.length > 0 && log.stretches[0].end <= offset) log.stretches.shift()
  log.logEnd = Math.max(log.logEnd, endOffset)
}

function truncate(log: PartitionOffsets, endOffset: number): void {
  while (log.stretches.length > 0 && log.stretches[log.stretches.length - 1].base >= endOffset)
    log.stretches.pop()
  const last = log.stretches.at(-1)
  if (last !== undefined && last.end > endOffset) last.end = endOffset
  log.logEnd = Math.min(log.logEnd, endOffset)
  if (endOffset < log.logStart) log.logStart = endOffset
}

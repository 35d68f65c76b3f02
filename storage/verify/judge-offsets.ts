/**
 * What the offsets of all partitions, taken together, say: what is missing between them, what was perhaps lost behind
 * them, and what contradicts metadata. Pure; the journal has been read to its end.
 *
 * An offset that was given out is never given again: so where a value is lost of which nobody knows what it held, the
 * partitions that may have been in it end, from then on, behind what they may have had in it.
 */
import type { Payload } from '../log/directory-repair.ts'
import { endAfter } from '../log/lost-values.ts'
import type { OffsetRange } from './examine-run.ts'
import { type Finding, hex, type KnownTopics, namesOf } from './finding.ts'
import type { Gap, JournalOffsets, JournalPlace, PartitionOffsets } from './journal-offsets.ts'

/** A value, or the first of a segment, of which it is not known what it held. */
export interface UnknownValue {
  readonly place: JournalPlace
  /** Undefined: its batches are known by the index; what else it said is not. */
  readonly payload: Payload | undefined
}

export interface LostOffsets extends OffsetRange {
  readonly topicId: Uint8Array
  readonly partition: number
  readonly leaderEpoch: number
}

export interface Judgement {
  readonly finding: Finding
  /** Of the value that is to blame, or beside which the lost offsets are to be marked. */
  readonly place?: JournalPlace
  readonly lost?: LostOffsets
}

/** More than a value can number by far, and marked by one batch. */
const OFFSETS_SKIPPED = 2 ** 31 - 1

/** @param unknown in journal order */
export function* judgeOffsets(
  journal: JournalOffsets,
  unknown: readonly UnknownValue[],
  topics: KnownTopics,
): Generator<Judgement> {
  for (const gap of journal.gaps()) yield gapJudgement(gap, unknown, topics)
  for (const { log, offset, endOffset, place } of journal.overlaps)
    yield {
      place,
      finding: {
        code: 'offsets-twice',
        severity: 'damage',
        sentence:
          'a later value has offsets again that an earlier one has: restore the data directory from a backup',
        remedy: 'none',
        ...namesOf(topics, log.topicId, log.partition),
        firstOffset: offset,
        lastOffset: endOffset - 1,
      },
    }
  yield* tailJudgements(journal, unknown, topics)
  yield* metadataJudgements(journal, topics)
}

/** Belongs where something is missing, if something is; else before what follows it. */
function gapJudgement(gap: Gap, unknown: readonly UnknownValue[], topics: KnownTopics): Judgement {
  const { log, offset, endOffset, after, before } = gap
  const end = before > after ? before : Number.POSITIVE_INFINITY
  const found = unknown.find(({ place }) => place >= after && place <= end)
  const known = end === Number.POSITIVE_INFINITY ? after : before
  const sentence = `${endOffset - offset} offsets are in no segment, and neither a truncation nor the log start explains it`
  return missing(log, { offset, endOffset }, Math.max(0, found?.place ?? known), sentence, topics)
}

function* tailJudgements(
  journal: JournalOffsets,
  unknown: readonly UnknownValue[],
  topics: KnownTopics,
): Generator<Judgement> {
  if (unknown.every(({ payload }) => payload === undefined)) return
  const logs = new Map<string, PartitionOffsets>()
  for (const log of journal.partitions()) logs.set(`${hex(log.topicId)}/${log.partition}`, log)
  // Partitions of which nothing is left may have been in it as well.
  for (const [id, { partitions }] of topics)
    for (let partition = 0; partition < partitions; partition++) {
      const key = `${id}/${partition}`
      if (!logs.has(key)) logs.set(key, neverMet(Buffer.from(id, 'hex'), partition))
    }
  for (const log of logs.values()) {
    const met = Math.max(log.logStartPlace, log.stretches.at(-1)?.lastPlace ?? -1)
    const behind = unknown.filter(({ place, payload }) => place >= met && payload !== undefined)
    const last = behind.at(-1)
    const endOffset = endOf(behind, log.logEnd)
    if (last === undefined || endOffset <= log.logEnd) continue
    const sentence =
      'the partition may have ended here: how far is not known, so these offsets will not be given again'
    yield missing(log, { offset: log.logEnd, endOffset }, last.place, sentence, topics)
  }
}

/** Where a partition that ended at `offset` may end after these values at most. */
function endOf(values: readonly UnknownValue[], offset: number): number {
  const payloads = values.flatMap(({ payload }) => payload ?? [])
  const blind = payloads.filter(({ kind }) => kind === 'unknown').length
  if (blind > 0) return offset + blind * OFFSETS_SKIPPED
  const lost = payloads.map((payload) => ({ segment: 0, sequence: 0, payload, committedAtMs: 0 }))
  return endAfter(lost, offset)
}

function neverMet(topicId: Uint8Array, partition: number): PartitionOffsets {
  return { topicId, partition, stretches: [], logStart: 0, logEnd: 0, leaderEpoch: 0, logStartPlace: -1 }
}

function missing(
  { topicId, partition, leaderEpoch }: PartitionOffsets,
  { offset, endOffset }: OffsetRange,
  place: JournalPlace,
  sentence: string,
  topics: KnownTopics,
): Judgement {
  return {
    place,
    lost: { topicId, partition, offset, endOffset, leaderEpoch },
    finding: {
      code: 'offsets-missing',
      severity: 'damage',
      sentence,
      remedy: 'fence',
      ...namesOf(topics, topicId, partition),
      firstOffset: offset,
      lastOffset: endOffset - 1,
    },
  }
}

function* metadataJudgements(journal: JournalOffsets, topics: KnownTopics): Generator<Judgement> {
  /** Once for a topic is enough. */
  const strangers = new Set<string>()
  for (const { topicId, partition, logStart, logEnd } of journal.partitions()) {
    const names = namesOf(topics, topicId, partition)
    const topic = topics.get(hex(topicId))
    if (logStart > logEnd)
      yield {
        finding: {
          code: 'log-start-beyond-end',
          severity: 'damage',
          sentence: `the log starts at ${logStart} and ends at ${logEnd}`,
          remedy: 'none',
          ...names,
        },
      }
    if (topic === undefined) {
      if (strangers.has(hex(topicId))) continue
      strangers.add(hex(topicId))
      yield {
        finding: {
          code: 'topic-unknown',
          severity: 'note',
          sentence:
            'the log holds data of a topic that metadata does not know; it was dropped by halves, or metadata is older than the log',
          remedy: 'nothing-to-do',
          topicId: hex(topicId),
        },
      }
    } else if (partition >= topic.partitions)
      yield {
        finding: {
          code: 'partition-unknown',
          severity: 'damage',
          sentence: `the topic has ${topic.partitions} partitions by its metadata, which is older than the log: restore it from a backup, or add partitions to the topic`,
          remedy: 'none',
          ...names,
        },
      }
  }
}

/**
 * What verify finds: one thing that is wrong, or worth knowing, at one place.
 *
 * `damage` is something stored that is not what was stored, or that contradicts what else is stored; a `note` is no
 * damage. The codes are for programs, the sentences for people; both are stable enough to be tested.
 */

export const findingCodes = {
  'metadata-missing': 'there is no metadata store, although there are segments',
  'metadata-damaged': 'the metadata store cannot be read, in part or as a whole',
  'groups-damaged': 'the view of consumer groups cannot be read, in part or as a whole',
  'manifest-missing': 'there are segments and no manifest',
  'manifest-damaged': 'the manifest is not one, or of another version',
  'file-missing': 'the manifest names a file that is not there',
  'file-short': 'a file is shorter than it was made',
  'file-unreadable': 'the system does not let the file be read',
  'file-left': 'a file of ours that belongs to nothing; the next start deletes it',
  'file-kept': 'a damaged file that a repair put aside',
  'file-strange': 'a file that is none of ours',
  'page-damaged': 'the structure of the file is damaged',
  'segment-damaged': 'header or trailer of the segment are not what they should be',
  'value-missing': 'a stored value cannot be found',
  'value-damaged': 'the directory of a stored value is damaged',
  'batch-damaged': 'a record batch is damaged: its records are lost',
  'batch-header-damaged': 'a field outside the checksum of a batch is wrong; its records are whole',
  'index-damaged': 'the index of a sealed segment is missing or damaged',
  'index-differs': 'the index of a sealed segment does not say what its values say',
  'offsets-missing': 'offsets that should be there are in no segment',
  'offsets-twice': 'offsets are there twice',
  'log-start-beyond-end': 'the log starts behind its end',
  'topic-unknown': 'the log holds data of a topic that metadata does not know',
  'partition-unknown': 'the log holds data of a partition that the topic does not have',
  'range-lost': 'offsets that were lost to damage and fenced by a repair',
} as const

export type FindingCode = keyof typeof findingCodes

/**
 * What repair can do. `mend`: nothing is lost. `fence`: the offsets are lost and marked as such, so that readers go on
 * behind them. `none`: nothing; the sentence says what a person can do. `nothing-to-do`: of notes.
 */
export type Remedy = 'mend' | 'fence' | 'none' | 'nothing-to-do'

export interface Finding {
  readonly code: FindingCode
  readonly severity: 'damage' | 'note'
  readonly sentence: string
  readonly remedy: Remedy
  /** Within the data directory. */
  readonly file?: string
  readonly segment?: number
  /** Sequence of the value in its segment. */
  readonly value?: number
  /** Name of the topic where metadata knows it. */
  readonly topic?: string
  /** 32 hex digits. */
  readonly topicId?: string
  readonly partition?: number
  readonly firstOffset?: number
  /** Inclusive. */
  readonly lastOffset?: number
  /** Bytes of record batches concerned. */
  readonly bytes?: number
}

/** A topic as metadata knows it. */
export interface KnownTopic {
  readonly name: string
  readonly partitions: number
}

/** By topic id, 32 hex digits. */
export type KnownTopics = ReadonlyMap<string, KnownTopic>

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** `topic "readings" (id …), partition 3, offsets 5 to 9` as far as it is known. */
export function placeName({
  topic,
  topicId,
  partition,
  firstOffset,
  lastOffset,
  segment,
  value,
}: Partial<Finding>): string {
  const words: string[] = []
  if (topic !== undefined) words.push(`topic ${topic}`)
  else if (topicId !== undefined) words.push(`topic with id ${topicId}`)
  if (partition !== undefined) words.push(`partition ${partition}`)
  if (firstOffset !== undefined && lastOffset !== undefined)
    words.push(
      firstOffset === lastOffset ? `offset ${firstOffset}` : `offsets ${firstOffset} to ${lastOffset}`,
    )
  if (segment !== undefined) words.push(`segment ${segment}`)
  if (value !== undefined) words.push(`value ${value}`)
  return words.join(', ')
}

export function namesOf(
  topics: KnownTopics,
  topicId: Uint8Array,
  partition: number,
): Pick<Finding, 'topic' | 'topicId' | 'partition'> {
  const id = hex(topicId)
  const topic = topics.get(id)?.name
  return { ...(topic !== undefined && { topic }), topicId: id, partition }
}

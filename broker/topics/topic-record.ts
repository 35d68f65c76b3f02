/**
 * A topic as metadata stores it: one key a topic, `/topics/NAME`, its value JSON
 *
 * ```json
 * {"topicId":"<32 hex digits>","partitions":4,"configs":{"retention.ms":"1000"},"createdAtMs":0,"state":"live"}
 * ```
 *
 * A topic is `deleting` from the moment its deletion is decided until its data is dead for ever; then its
 * key goes. Fields that are not known here are refused: they were written by a newer program.
 */
import { z } from 'zod'
import type { MetadataEntry } from '../../storage/metadata-store.ts'
import { decodeMetadataJson, encodeMetadataJson } from '../metadata-json.ts'
import { parseTopicIdHex, topicIdHex } from './topic-id.ts'

export const TOPIC_KEY_PREFIX = '/topics/'

const stored = z.strictObject({
  topicId: z.string(),
  partitions: z.int().min(1),
  configs: z.record(z.string(), z.string()),
  createdAtMs: z.int(),
  state: z.enum(['live', 'deleting']),
})

export interface TopicRecord {
  readonly topicId: Uint8Array
  readonly partitions: number
  /** Only what differs from the defaults. */
  readonly configs: Readonly<Record<string, string>>
  readonly createdAtMs: number
  readonly state: 'live' | 'deleting'
}

export function topicKey(name: string): string {
  return TOPIC_KEY_PREFIX + name
}

export function topicNameOfKey(key: string): string {
  return key.slice(TOPIC_KEY_PREFIX.length)
}

export function encodeTopicRecord({
  topicId,
  partitions,
  configs,
  createdAtMs,
  state,
}: TopicRecord): Uint8Array {
  return encodeMetadataJson({ topicId: topicIdHex(topicId), partitions, configs, createdAtMs, state })
}

/** Throws an Error that names the key and what is wrong with its value. */
export function decodeTopicRecord(entry: MetadataEntry): TopicRecord {
  const data = decodeMetadataJson(entry, stored, 'topic')
  const topicId = parseTopicIdHex(data.topicId)
  if (!topicId) throw new Error(`metadata ${entry.key} is no topic: topicId is not 32 hex digits`)
  return { ...data, topicId }
}

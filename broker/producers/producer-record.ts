/**
 * What metadata knows of producers, each value JSON:
 *
 * ```json
 * /producers/NAME  {"producerId":41003,"producerEpoch":7,"lastUsedMs":0}
 * /producer-ids    {"nextProducerId":42000}
 * ```
 *
 * A name has its id for as long as its key is there, and the epoch it was given last. `renewedEpoch` is there when
 * the producer with that epoch was given the present one itself. The other key says from where on ids are free: everything below has been handed to a node, to be given out or lost.
 */
import { z } from 'zod'
import type { MetadataEntry } from '../../storage/metadata-store.ts'
import { decodeMetadataJson, encodeMetadataJson } from '../metadata-json.ts'

export const PRODUCER_KEY_PREFIX = '/producers/'
export const PRODUCER_IDS_KEY = '/producer-ids'

/** Epochs are an int16 in every batch; after the last comes 0 again, for producers with a name. */
export const PRODUCER_EPOCH_MAX = 32_767

const storedProducer = z.strictObject({
  producerId: z.int().min(0),
  producerEpoch: z.int().min(0).max(PRODUCER_EPOCH_MAX),
  lastUsedMs: z.int(),
  renewedEpoch: z.int().min(0).max(PRODUCER_EPOCH_MAX).optional(),
})

const storedIds = z.strictObject({ nextProducerId: z.int().min(0) })

export interface ProducerRecord {
  readonly producerId: number
  readonly producerEpoch: number
  /** When somebody last asked for the name, ms since 1970. */
  readonly lastUsedMs: number
  /** The epoch of the producer that asked for the present one, if it had one. */
  readonly renewedEpoch?: number | undefined
}

export function producerKey(name: string): string {
  return PRODUCER_KEY_PREFIX + name
}

export function producerNameOfKey(key: string): string {
  return key.slice(PRODUCER_KEY_PREFIX.length)
}

export function encodeProducerRecord(record: ProducerRecord): Uint8Array {
  const { producerId, producerEpoch, lastUsedMs, renewedEpoch } = record
  return encodeMetadataJson({ producerId, producerEpoch, lastUsedMs, renewedEpoch })
}

/** Throws an Error that names the key and what is wrong with its value. */
export function decodeProducerRecord(entry: MetadataEntry): ProducerRecord {
  return decodeMetadataJson(entry, storedProducer, 'producer')
}

/** Throws an Error that names the key where it is one of producers and its value is wrong. */
export function checkProducerEntry(entry: MetadataEntry): void {
  if (entry.key.startsWith(PRODUCER_KEY_PREFIX)) decodeProducerRecord(entry)
  else if (entry.key === PRODUCER_IDS_KEY) decodeProducerIds(entry)
}

export function encodeProducerIds(nextProducerId: number): Uint8Array {
  return encodeMetadataJson({ nextProducerId })
}

/** Throws an Error that names the key and what is wrong with its value. */
export function decodeProducerIds(entry: MetadataEntry): number {
  return decodeMetadataJson(entry, storedIds, 'range of producer ids').nextProducerId
}

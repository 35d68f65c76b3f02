/**
 * What metadata knows of producers, each value JSON:
 *
 * ```json
 * /producers/NAME             {"producerId":41003,"producerEpoch":7,"lastUsedMs":0}
 * /producer-ids               {"nextProducerId":42000}
 * /producer-ids/blocks/40000  {"owner":"ada"}
 * ```
 *
 * A name has its id for as long as its key is there, and the epoch it was given last. `renewedEpoch` is there when
 * the producer with that epoch was given the present one itself. The second key says from where on ids are free:
 * everything below has been handed to a node, to be given out or lost. A block is {@link PRODUCER_BLOCK_IDS} ids from
 * the one in its key on, whose even ones are the owner's, a principal; "" is whoever comes without a credential.
 */
import { z } from 'zod'
import type { MetadataEntry } from '../../storage/metadata-store.ts'
import { decodeMetadataJson, encodeMetadataJson, MetadataValueError } from '../metadata-json.ts'

export const PRODUCER_KEY_PREFIX = '/producers/'
export const PRODUCER_IDS_KEY = '/producer-ids'
export const ID_BLOCK_KEY_PREFIX = '/producer-ids/blocks/'

/** Ids of a block; each begins at a multiple of it. Half of them are odd, and those have names. */
export const PRODUCER_BLOCK_IDS = 1_000

/** Epochs are an int16 in every batch; after the last comes 0 again, for producers with a name. */
export const PRODUCER_EPOCH_MAX = 32_767

const storedProducer = z.strictObject({
  producerId: z.int().min(0),
  producerEpoch: z.int().min(0).max(PRODUCER_EPOCH_MAX),
  lastUsedMs: z.int(),
  renewedEpoch: z.int().min(0).max(PRODUCER_EPOCH_MAX).optional(),
})

const storedIds = z.strictObject({ nextProducerId: z.int().min(0) })

const storedBlock = z.strictObject({ owner: z.string() })

/** Ids without a name and whose they are. */
export interface IdBlock {
  readonly first: number
  readonly owner: string
}

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
  else if (entry.key.startsWith(ID_BLOCK_KEY_PREFIX)) decodeIdBlock(entry)
}

export function encodeProducerIds(nextProducerId: number): Uint8Array {
  return encodeMetadataJson({ nextProducerId })
}

/** Throws an Error that names the key and what is wrong with its value. */
export function decodeProducerIds(entry: MetadataEntry): number {
  return decodeMetadataJson(entry, storedIds, 'range of producer ids').nextProducerId
}

export function idBlockKey(first: number): string {
  return ID_BLOCK_KEY_PREFIX + first
}

export function encodeIdBlock(owner: string): Uint8Array {
  return encodeMetadataJson({ owner })
}

/** Throws an Error that names the key and what is wrong with it or its value. */
export function decodeIdBlock(entry: MetadataEntry): IdBlock {
  const text = entry.key.slice(ID_BLOCK_KEY_PREFIX.length)
  const first = Number(text)
  const isBegin = Number.isSafeInteger(first) && first >= 0 && first % PRODUCER_BLOCK_IDS === 0
  if (!isBegin || String(first) !== text)
    throw new MetadataValueError(
      `metadata ${entry.key} is no block of producer ids: it must end with a multiple of ${PRODUCER_BLOCK_IDS}`,
    )
  return { first, owner: decodeMetadataJson(entry, storedBlock, 'block of producer ids').owner }
}

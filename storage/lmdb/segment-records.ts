/**
 * Reads and writes what a segment's environment holds besides values: header, index, trailer.
 *
 * Everything read is checked against what must be true of this segment, so that a swapped, half-restored or
 * damaged file is refused by name and not served.
 */

import { crc32c } from '@node-rs/crc32'
import { StorageError } from '../segment-store.ts'
import type { LmdbEnvironment } from './environment.ts'
import { INDEX_CHUNK_BYTES } from './page-budget.ts'
import {
  decodeHeader,
  decodeTrailer,
  encodeTrailer,
  HEADER_KEY,
  INDEX_KEY_FIRST,
  indexKeys,
  SEGMENT_VERSION,
  type SegmentTrailer,
  TRAILER_KEY,
} from './segment-layout.ts'

/** @throws StorageError if the environment is not that of the segment, or of a newer layout */
export function checkHeader(environment: LmdbEnvironment, segment: number): void {
  const bytes = environment.get(HEADER_KEY)
  const header = bytes && decodeHeader(bytes)
  if (header === undefined) throw damaged(environment, 'it has no segment header')
  if (header.version !== SEGMENT_VERSION) {
    const sentence = `${environment.path} has layout version ${header.version}; this Octopus reads version ${SEGMENT_VERSION}`
    throw new StorageError('FOREIGN', sentence, { path: environment.path })
  }
  if (header.segment !== segment)
    throw damaged(environment, `its header says it is segment ${header.segment}`)
}

/** Values in a segment, counted by the last key; that there is no gap, and that the trailer says the same, is checked. */
export function countValues(environment: LmdbEnvironment, trailer: SegmentTrailer | undefined): number {
  const lastKey = environment.lastKey(INDEX_KEY_FIRST - 1)
  const count = lastKey ?? 0
  const ownKeys =
    1 + (trailer === undefined ? 0 : 1 + indexKeys(trailer.indexBytes, trailer.indexChunkBytes).length)
  const valueKeys = environment.keyCount() - ownKeys
  if (valueKeys !== count || (trailer !== undefined && trailer.valueCount !== count)) {
    throw damaged(environment, `its last value has sequence ${count - 1}, but it holds ${valueKeys} values`)
  }
  return count
}

/** Undefined if the segment was not sealed. */
export function readTrailer(environment: LmdbEnvironment, segment: number): SegmentTrailer | undefined {
  const bytes = environment.get(TRAILER_KEY)
  if (bytes === undefined) return undefined
  const trailer = decodeTrailer(bytes)
  if (trailer === undefined) throw damaged(environment, 'its trailer is not one')
  if (trailer.segment !== segment)
    throw damaged(environment, `its trailer says it is segment ${trailer.segment}`)
  return trailer
}

/** The trailer of a segment the manifest calls sealed. */
export function sealedTrailer(environment: LmdbEnvironment, segment: number): SegmentTrailer {
  const trailer = readTrailer(environment, segment)
  if (trailer === undefined) throw damaged(environment, 'it is sealed, but has no trailer')
  return trailer
}

/** Puts index and trailer, to be committed as one: after a crash there are both or neither. The trailer. */
export function putIndex(
  environment: LmdbEnvironment,
  segment: number,
  valueCount: number,
  index: Uint8Array,
): SegmentTrailer {
  const indexChunkBytes = INDEX_CHUNK_BYTES
  indexKeys(index.length, indexChunkBytes).forEach((key, chunk) => {
    environment.put(key, index.subarray(chunk * indexChunkBytes, (chunk + 1) * indexChunkBytes))
  })
  const trailer = { segment, valueCount, indexBytes: index.length, indexChunkBytes, indexCrc: crc32c(index) }
  environment.put(TRAILER_KEY, encodeTrailer(trailer))
  return trailer
}

/** Brings bytes [start, end) of the stored index into memory; the disk is waited for outside the event loop. */
export async function prefetchIndex(
  environment: LmdbEnvironment,
  { indexBytes, indexChunkBytes }: SegmentTrailer,
  start: number,
  end: number,
): Promise<void> {
  const keys = indexKeys(indexBytes, indexChunkBytes)
  await environment.prefetch(
    keys.slice(Math.floor(start / indexChunkBytes), Math.ceil(end / indexChunkBytes)),
  )
}

/** A copy of bytes [start, end) of the stored index, which must lie within it. As a whole its checksum is looked at. */
export function readStoredIndex(
  environment: LmdbEnvironment,
  { indexBytes, indexChunkBytes, indexCrc }: SegmentTrailer,
  start: number,
  end: number,
): Uint8Array {
  const copy = new Uint8Array(end - start)
  for (let chunk = Math.floor(start / indexChunkBytes); chunk * indexChunkBytes < end; chunk++) {
    const from = chunk * indexChunkBytes
    const bytes = environment.get(INDEX_KEY_FIRST + chunk)
    if (bytes?.length !== Math.min(indexChunkBytes, indexBytes - from)) {
      throw damaged(environment, `chunk ${chunk} of its index is missing or has a wrong length`)
    }
    const part = bytes.subarray(Math.max(0, start - from), end - from)
    copy.set(part, Math.max(0, from - start))
  }
  if (copy.length === indexBytes && crc32c(copy) !== indexCrc)
    throw damaged(environment, 'its index does not have the checksum it was stored with')
  return copy
}

function damaged(environment: LmdbEnvironment, problem: string): StorageError {
  const sentence = `${environment.path} is damaged: ${problem}; restore it from a backup`
  return new StorageError('DAMAGED', sentence, { path: environment.path })
}

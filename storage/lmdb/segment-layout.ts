/**
 * What stands under which key of a segment's environment, and the bytes of its own two records.
 *
 * | key (uint32) | |
 * | --- | --- |
 * | 0 | header: which segment this is |
 * | 1 … 2^31 | the value of sequence key - 1 |
 * | 2^31 + 1 … 0xfffe_ffff | never used |
 * | 0xffff_0000 … 0xffff_fffe | chunks of the index, in order |
 * | 0xffff_ffff | trailer: what was sealed |
 *
 * The header has the lowest key because LMDB fills pages only when inserts come behind the last key; a record
 * above the values would leave every leaf page half empty. Pure.
 */

export const HEADER_KEY = 0
export const INDEX_KEY_FIRST = 0xffff_0000
export const TRAILER_KEY = 0xffff_ffff

/** The highest sequence a value may have. */
export const SEQUENCE_MAX = 0x7fff_ffff

export function valueKey(sequence: number): number {
  return sequence + 1
}

const HEADER_MAGIC = 0x4f53_4547
const TRAILER_MAGIC = 0x4f53_4554
const HEADER_BYTES = 12
const TRAILER_BYTES = 24

/** The version of this layout, in the header of each segment. */
export const SEGMENT_VERSION = 1

export interface SegmentHeader {
  readonly version: number
  readonly segment: number
}

/** `u32 magic "OSEG" · u32 layout version · u32 segment id`, big-endian. */
export function encodeHeader(segment: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES))
  view.setUint32(0, HEADER_MAGIC)
  view.setUint32(4, SEGMENT_VERSION)
  view.setUint32(8, segment)
  return new Uint8Array(view.buffer)
}

/** Undefined if these bytes are no header. A higher version may be longer. */
export function decodeHeader(bytes: Uint8Array): SegmentHeader | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint32(0) !== HEADER_MAGIC) return undefined
  return { version: view.getUint32(4), segment: view.getUint32(8) }
}

export interface SegmentTrailer {
  readonly segment: number
  readonly valueCount: number
  readonly indexBytes: number
  readonly indexChunkBytes: number
  /** CRC-32C of the whole index. */
  readonly indexCrc: number
}

/**
 * `u32 magic "OSET" · u32 segment id · u32 values · u32 index bytes · u32 bytes per index chunk · u32 CRC-32C
 * of the index`, big-endian. Every chunk but the last is full.
 */
export function encodeTrailer(trailer: SegmentTrailer): Uint8Array {
  const view = new DataView(new ArrayBuffer(TRAILER_BYTES))
  view.setUint32(0, TRAILER_MAGIC)
  view.setUint32(4, trailer.segment)
  view.setUint32(8, trailer.valueCount)
  view.setUint32(12, trailer.indexBytes)
  view.setUint32(16, trailer.indexChunkBytes)
  view.setUint32(20, trailer.indexCrc)
  return new Uint8Array(view.buffer)
}

/** Undefined if these bytes are no trailer. */
export function decodeTrailer(bytes: Uint8Array): SegmentTrailer | undefined {
  if (bytes.length !== TRAILER_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint32(0) !== TRAILER_MAGIC || view.getUint32(16) === 0) return undefined
  return {
    segment: view.getUint32(4),
    valueCount: view.getUint32(8),
    indexBytes: view.getUint32(12),
    indexChunkBytes: view.getUint32(16),
    indexCrc: view.getUint32(20),
  }
}

/** Keys of the chunks an index of this many bytes is cut into. */
export function indexKeys(indexBytes: number, chunkBytes: number): number[] {
  return Array.from({ length: Math.ceil(indexBytes / chunkBytes) }, (_, chunk) => INDEX_KEY_FIRST + chunk)
}

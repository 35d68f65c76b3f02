/**
 * How many pages LMDB may take: the arithmetic that keeps a preallocated segment from ever growing.
 *
 * lmdb-js does not fail when a map is full: it enlarges map and file in the middle of the transaction, and
 * a write into blocks nobody reserved is the one that can fail and abort the process. So nothing is
 * appended unless the worst case fits. Every number here is an upper bound for appends in ascending key
 * order; the true use is read from LMDB after each commit, so bounds never add up. Pure.
 *
 * What the bounds rest on (data format 2, 4 KB pages):
 * - A page has a 24-byte header. A node in a leaf page is 8 bytes, the 4-byte key, the value and 2 bytes of slot,
 *   rounded up to even. A node above 2,034 bytes moves its value to pages of its own and keeps 24 bytes.
 * - An insert behind the last key of a full leaf takes one page and moves the last node there together
 *   with the new one. So for each split, what stays behind plus these two did not fit into one page, and each node
 *   is counted in at most three such sums: splits ≤ 3 × node bytes / 4,072.
 * - A branch page takes 14 bytes for each page below it and splits by the same rule: 1 % on top.
 * - Besides, a commit copies the path from root to leaf, of the values' tree and of the free list's.
 */

export const PAGE_BYTES = 4096

/** An index of this share of the segment always fits: 16 bytes for each batch of 200 bytes. */
export const INDEX_SHARE = 0.08

/**
 * Pages one commit may take besides those of its nodes: two paths copied (four pages each), a first split that counts
 * nodes of earlier commits on each level (eight), and records of the free list, which stays short because
 * nothing is deleted and no reader is held.
 */
const COMMIT_PAGES = 32

const PAGE_HEADER_BYTES = 24
const NODE_BYTES_MAX = 2034
const NODE_HEADER_AND_KEY_BYTES = 12
const OVERFLOW_REFERENCE_BYTES = 24
const SLOT_BYTES = 2
/** 3 × 4,096 / 4,072, and branch pages. */
const LEAF_FACTOR = 3.1

/** What a value on pages of its own costs in its leaf. */
const OVERFLOW_LEAF_BYTES = leafCostBytes(NODE_HEADER_AND_KEY_BYTES + OVERFLOW_REFERENCE_BYTES)

/** Bytes of an index chunk: with the page header exactly 64 pages. */
export const INDEX_CHUNK_BYTES = 64 * PAGE_BYTES - PAGE_HEADER_BYTES

/** A last chunk that is small enough for a leaf page can cost more than one of its own page: up to this. */
const LAST_CHUNK_PAGES = 2

/** The most a value of this many bytes can cost on disk, its share of leaf and branch pages included. */
export function valueCostBytes(valueBytes: number): number {
  const nodeBytes = NODE_HEADER_AND_KEY_BYTES + valueBytes
  if (nodeBytes <= NODE_BYTES_MAX) return leafCostBytes(nodeBytes)
  const pages = Math.ceil((PAGE_HEADER_BYTES + valueBytes) / PAGE_BYTES)
  return pages * PAGE_BYTES + OVERFLOW_LEAF_BYTES
}

function leafCostBytes(nodeBytes: number): number {
  return Math.ceil((nodeBytes + (nodeBytes % 2) + SLOT_BYTES) * LEAF_FACTOR)
}

/** What the values of one more commit may cost, in the sense of {@link valueCostBytes}: the index still fits after it. */
export function valueRoomBytes(segmentBytes: number, lastPage: number): number {
  const chunks = Math.ceil((segmentBytes * INDEX_SHARE) / INDEX_CHUNK_BYTES)
  const indexPages = Math.ceil((segmentBytes * INDEX_SHARE) / PAGE_BYTES) + LAST_CHUNK_PAGES + 1
  const reserveBytes =
    (indexPages + COMMIT_PAGES) * PAGE_BYTES + chunks * (OVERFLOW_LEAF_BYTES + PAGE_HEADER_BYTES)
  return Math.max(0, freeBytes(segmentBytes, lastPage) - reserveBytes)
}

/** Appends a segment of {@link segmentBytesFor} may be filled by without losing the room that was asked for. */
const APPENDS_EXPECTED = 64
/** Pages one append takes for good besides those of its nodes: copied paths are free again one commit later. */
const APPEND_PAGES = 4
/** Below it the reserve for an index is mostly rounding. */
const SEGMENT_BYTES_MIN = 1024 * 1024

/** Size of a segment that takes values of this cost (see {@link valueCostBytes}), a few more, and their index. */
export function segmentBytesFor(costBytes: number): number {
  const wanted = costBytes + APPENDS_EXPECTED * APPEND_PAGES * PAGE_BYTES
  // A new segment has used its two meta pages and one for the header.
  let pages = Math.ceil(Math.max(SEGMENT_BYTES_MIN, wanted * (1 + INDEX_SHARE)) / PAGE_BYTES)
  while (valueRoomBytes(pages * PAGE_BYTES, 3) < wanted) pages += Math.ceil(pages / 128)
  return pages * PAGE_BYTES
}

/** The largest index, in bytes, that one more commit can store in the segment together with its trailer. */
export function indexRoomBytes(segmentBytes: number, lastPage: number): number {
  const free = Math.max(0, freeBytes(segmentBytes, lastPage))
  const chunks = Math.floor(free / valueCostBytes(INDEX_CHUNK_BYTES))
  const rest = free - chunks * valueCostBytes(INDEX_CHUNK_BYTES) - OVERFLOW_LEAF_BYTES
  const restPages = Math.floor(rest / PAGE_BYTES)
  return (
    chunks * INDEX_CHUNK_BYTES +
    (restPages < LAST_CHUNK_PAGES ? 0 : restPages * PAGE_BYTES - PAGE_HEADER_BYTES)
  )
}

/** For the nodes of one more commit. The last page stays untouched: lmdb-js grows the map when it is reached. */
function freeBytes(segmentBytes: number, lastPage: number): number {
  return segmentBytes - (1 + (lastPage + 1) + COMMIT_PAGES) * PAGE_BYTES
}

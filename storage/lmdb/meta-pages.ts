/**
 * Reads the two meta pages at the start of an LMDB file, before LMDB does.
 *
 * LMDB maps the file and believes it: where the file is shorter than its meta pages say, the first read
 * behind its end kills the process with SIGBUS. So the length is compared first, and a file of another kind,
 * format or page size is refused with a sentence instead of an error number. Pure.
 *
 * Layout of a meta page (data format 2 on a little-endian 64-bit machine):
 * `u64 page number · u64 transaction · u16 · u16 flags (8 = meta) · u32 · u32 magic 0xBEEFC0DE · u32 format ·
 * u64 address · u64 map size · free list's tree (48 bytes, beginning with u32 page size) · main tree (48 bytes) ·
 * u64 last page · u64 transaction · …`. A commit writes page 0 or 1 by turns; the higher transaction counts.
 */

import { PAGE_BYTES } from './page-budget.ts'

export const META_BYTES = 2 * PAGE_BYTES

const META_FLAG = 8
const MAGIC = 0xbeef_c0de
const FORMAT = 2
const FLAGS_AT = 18
const MAGIC_AT = 24
const FORMAT_AT = 28
const PAGE_SIZE_AT = 48
const LAST_PAGE_AT = 144

/** What is wrong with an LMDB file that begins with `pages` and has `fileBytes`; undefined if it can be opened. */
export function metaPagesProblem(pages: Uint8Array, fileBytes: number): string | undefined {
  if (pages.length < META_BYTES) return `it has ${fileBytes} bytes, too few for an LMDB file`
  for (let page = 0; page < 2; page++) {
    const view = new DataView(pages.buffer, pages.byteOffset + page * PAGE_BYTES, PAGE_BYTES)
    const isMeta =
      (view.getUint16(FLAGS_AT, true) & META_FLAG) !== 0 && view.getUint32(MAGIC_AT, true) === MAGIC
    if (!isMeta) return `its page ${page} is not an LMDB meta page`
    const format = view.getUint32(FORMAT_AT, true) & 0xffff
    if (format !== FORMAT) return `it has LMDB format ${format}; this program reads format ${FORMAT}`
    const pageBytes = view.getUint32(PAGE_SIZE_AT, true)
    if (pageBytes !== PAGE_BYTES)
      return `it has pages of ${pageBytes} bytes; this program reads ${PAGE_BYTES}`
    const bytesUsed = (view.getBigUint64(LAST_PAGE_AT, true) + 1n) * BigInt(PAGE_BYTES)
    if (bytesUsed > BigInt(fileBytes)) {
      return `it has ${fileBytes} bytes but its meta page ${page} says ${bytesUsed} are in use: its end is missing`
    }
  }
  return undefined
}

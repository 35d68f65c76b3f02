/** CRC-32C for Node: native where that pays. */
import { crc32c } from '@node-rs/crc32'
import { type Crc32c, crc32cTable } from '../crc32c.ts'

/** Calling native code costs more than the table does for a few bytes. */
const NATIVE_BYTES_MIN = 256

export const nativeCrc32c: Crc32c = (bytes) =>
  bytes.length < NATIVE_BYTES_MIN ? crc32cTable(bytes) : crc32c(bytes)

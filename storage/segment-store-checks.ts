/** Checks of arguments that every {@link SegmentStore} makes alike. They only throw. */

import { type SegmentId, StorageError } from './segment-store.ts'

/** @throws StorageError MISUSE unless [start, end) lies within an index of so many bytes */
export function checkIndexRange(segment: SegmentId, indexBytes: number, start: number, end: number): void {
  const isRange = Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end
  if (isRange && end <= indexBytes) return
  throw new StorageError(
    'MISUSE',
    `bytes ${start} to ${end} do not lie within the index of segment ${segment}: it has ${indexBytes}`,
  )
}

/** @throws StorageError MISUSE unless these may be the bytes of values to come */
export function checkAsideBytes(bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes > 0) return
  throw new StorageError(
    'MISUSE',
    `a segment aside for ${bytes} bytes of values: it must be a positive integer`,
  )
}

/**
 * What a directory really takes on its disk: allocated blocks, not lengths, since segments are reserved ahead; and
 * what a process holds of files it has unlinked already, which the disk has not got back.
 */
import { lstatSync, readdirSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode } from './process-statistics.ts'

/** `stat` counts blocks of so many bytes on every system. */
const BLOCK_BYTES = 512

/** Bytes of all files below the directory, and of its deleted ones that the process still has open. */
export function allocatedBytes(directory: string, pid: number): number {
  const files = new Map<number, number>()
  const count = ({ ino, blocks }: Stats) => files.set(ino, blocks * BLOCK_BYTES)
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) ifThere(() => count(lstatSync(join(entry.parentPath, entry.name))))
  const descriptors = `/proc/${pid}/fd`
  for (const fd of ifThere(() => readdirSync(descriptors)) ?? [])
    ifThere(() => {
      const path = readlinkSync(join(descriptors, fd))
      if (path.startsWith(directory) && path.endsWith(' (deleted)')) count(statSync(join(descriptors, fd)))
    })
  let bytes = 0
  for (const allocated of files.values()) bytes += allocated
  return bytes
}

/** Undefined for what went away between the list and the look. */
function ifThere<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    return undefined
  }
}

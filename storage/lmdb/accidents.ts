/**
 * Turns what the operating system and lmdb-js throw into a {@link StorageError} with the path and a sentence
 * that says what to do. Node names errors by text (`EACCES`), lmdb-js by number (13, or LMDB's own below -30000).
 */

import { constants } from 'node:os'
import { StorageError, type StorageErrorCode } from '../segment-store.ts'

const ADVICE: Record<string, { code: StorageErrorCode; sentence: string } | undefined> = {
  EACCES: {
    code: 'INACCESSIBLE',
    sentence: 'is not readable and writable by this user: change its owner or its mode',
  },
  EPERM: { code: 'INACCESSIBLE', sentence: 'may not be changed by this user: change its owner or its mode' },
  EROFS: { code: 'INACCESSIBLE', sentence: 'is on a read-only file system' },
  ENOTDIR: { code: 'INACCESSIBLE', sentence: 'leads through a file that is not a directory' },
  EMFILE: {
    code: 'INACCESSIBLE',
    sentence: 'cannot be opened, this process has too many files open: raise `ulimit -n`',
  },
  ENFILE: {
    code: 'INACCESSIBLE',
    sentence: 'cannot be opened, this machine has too many files open: raise fs.file-max',
  },
  ENOSPC: {
    code: 'NO_SPACE',
    sentence: 'finds no space left on the disk: free some or move the data directory',
  },
  EDQUOT: { code: 'NO_SPACE', sentence: 'exceeds the disk quota of this user' },
  ENOENT: { code: 'DAMAGED', sentence: 'is missing' },
}

/** @param fallback the code of an error that is not one of the well-known ones */
export function storageError(error: unknown, path: string, fallback: StorageErrorCode): StorageError {
  if (error instanceof StorageError) return error
  const name = errorName(error)
  const advice = name === undefined ? undefined : ADVICE[name]
  const reason = error instanceof Error ? error.message : String(error)
  if (advice === undefined) return new StorageError(fallback, `${path}: ${reason}`, { path, cause: error })
  return new StorageError(advice.code, `${path} ${advice.sentence} (${name})`, { path, cause: error })
}

/** `EACCES`, `ENOSPC`, …, whether the error carries the name or, as those of lmdb-js, the number. */
export function errorName(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  const { code } = error
  if (typeof code === 'string') return code
  return Object.entries(constants.errno).find(([, number]) => number === code)?.[0]
}

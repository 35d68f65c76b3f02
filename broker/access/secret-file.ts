/**
 * A file with a secret, for the eyes of its owner: written once, mode 0600, never over one that is there. Where others
 * may read it, it is no secret, and is refused.
 */
import { statSync } from 'node:fs'
import { access, open, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { replaceFile, syncDirectory } from '../../storage/durable-file.ts'
import { ConfigError } from '../config/config-error.ts'

export interface SecretFile {
  readonly path: string
  /** Undefined: it is not there. Rejects with ConfigError when it cannot be read, or others can. */
  read(): Promise<string | undefined>
  /** Resolves when it is durable; a crash leaves all of it or none. Rejects when it is there already. */
  write(text: string): Promise<void>
}

/** Where a secret will be that is not made yet. */
export interface NewSecretFile {
  /** Resolves when it is durable. */
  write(text: string): Promise<void>
  /** There is no secret after all. */
  discard(): Promise<void>
}

const MODE = 0o600
const OTHERS = 0o077
/** By the group, or by everybody. */
const READABLE = 0o044
/** Far more than any key has. */
const BYTES_MAX = 4_096

export function secretFile(path: string): SecretFile {
  return {
    path,
    read: () => read(path),
    // The lock of the directory is ours: nobody else of us puts one there in between.
    write: async (text) => {
      if (await isThere(path)) throw new Error(`${path} is there already`)
      await replaceFile(path, text, MODE)
    },
  }
}

/**
 * Takes the place first, so that no secret is made that could not be kept. Rejects with the error of the system, EEXIST
 * when something is there.
 */
export async function newSecretFile(path: string): Promise<NewSecretFile> {
  const handle = await open(path, 'wx', MODE)
  return {
    write: async (text) => {
      try {
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await syncDirectory(dirname(path))
    },
    discard: async () => {
      await handle.close()
      await rm(path, { force: true })
    },
  }
}

/** The mode of a file that others than its owner may read, in octal; undefined: they may not, or it is no file. */
export function modeForOthers(path: string, others = READABLE): string | undefined {
  const found = statSync(path)
  const isOpen = process.platform !== 'win32' && found.isFile() && (found.mode & others) !== 0
  return isOpen ? (found.mode & 0o777).toString(8).padStart(4, '0') : undefined
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    const { mode, size } = await stat(path)
    if (process.platform !== 'win32' && mode & OTHERS)
      throw new ConfigError([
        `${path} may be read by others (mode ${(mode & 0o777).toString(8)}), so what is in it is no secret; make it yours alone: chmod 600 ${path}`,
      ])
    if (size > BYTES_MAX) throw new ConfigError([`${path} has ${size} bytes; a key has fewer than 100`])
    const handle = await open(path, 'r')
    try {
      return await handle.readFile('utf8')
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new ConfigError([`${path} cannot be read: ${(error as Error).message}`])
  }
}

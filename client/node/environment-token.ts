/**
 * The credential of a program that was not given one: `OCTOPUS_TOKEN_FILE` names a file that holds it,
 * `OCTOPUS_TOKEN` is it. The file is read anew each time one is asked for, so that it may be replaced.
 */
import { closeSync, openSync, readSync } from 'node:fs'

/** As many as the protocol has room for. */
const BYTES_MAX = 65_536

/** Undefined: the environment has none. What it gives throws an Error that names the file and what is wrong with it. */
export function environmentToken(
  env: Readonly<Record<string, string | undefined>>,
): (() => string) | undefined {
  const { OCTOPUS_TOKEN_FILE: path, OCTOPUS_TOKEN: token } = env
  if (path) return () => tokenIn(path)
  return token ? () => token : undefined
}

/** Nothing of what is in the file is part of a sentence. */
function tokenIn(path: string): string {
  let text: string
  try {
    text = startOf(path)
  } catch (error) {
    throw problem(path, `cannot be read: ${(error as Error).message}`, error)
  }
  if (text.length > BYTES_MAX) throw problem(path, `has more than ${BYTES_MAX} bytes, and no credential has`)
  const token = text.trim()
  if (token === '') throw problem(path, 'is empty; it has to hold one key or token')
  if (/\s/.test(token)) throw problem(path, 'has several words or lines; it has to hold one key or token')
  return token
}

/** No more of it than tells that it is too long: what it names may have no end. */
function startOf(path: string): string {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.allocUnsafe(BYTES_MAX + 1)
    let length = 0
    for (;;) {
      const read = readSync(file, bytes, length, bytes.length - length, null)
      length += read
      if (read === 0 || length === bytes.length) return bytes.toString('latin1', 0, length)
    }
  } finally {
    closeSync(file)
  }
}

function problem(path: string, what: string, cause?: unknown): Error {
  return new Error(`OCTOPUS_TOKEN_FILE: ${path} ${what}`, { cause })
}

/**
 * The credential of a program that was not given one: `OCTOPUS_TOKEN_FILE` names a file that holds it,
 * `OCTOPUS_TOKEN` is it. The file is read anew each time one is asked for, so that it may be replaced.
 */
import { readFileSync } from 'node:fs'

/** Undefined: the environment has none. */
export function environmentToken(
  env: Readonly<Record<string, string | undefined>>,
): (() => string) | undefined {
  const { OCTOPUS_TOKEN_FILE: path, OCTOPUS_TOKEN: token } = env
  if (path) return () => readFileSync(path, 'utf8').trim()
  return token ? () => token : undefined
}

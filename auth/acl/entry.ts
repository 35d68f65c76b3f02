/** One rule of the access control list: to whom, on what, which operations, allowed or denied, until when. */
import { isOperation, type Operation } from './operation.ts'
import type { ResourcePattern } from './resource.ts'

export interface AclEntry {
  readonly id: string
  /** In text form: `user:ID`, `group:ID`, `role:ID`, `authenticated`, `anonymous`. */
  readonly principal: string
  readonly resource: ResourcePattern
  /** At least one, none twice. */
  readonly operations: readonly Operation[]
  readonly effect: 'allow' | 'deny'
  /** From this moment on it is as if it were not there, ms since 1970; null: never. */
  readonly expiresAtMs: number | null
  /** Who wrote it, in text form. */
  readonly grantedBy: string
  readonly createdAtMs: number
  /** Why, for people. */
  readonly note: string | null
}

export function hasExpired({ expiresAtMs }: Pick<AclEntry, 'expiresAtMs'>, nowMs: number): boolean {
  return expiresAtMs !== null && nowMs >= expiresAtMs
}

/** Ms since 1970; Infinity: never. */
export function endMsOf({ expiresAtMs }: Pick<AclEntry, 'expiresAtMs'>): number {
  return expiresAtMs ?? Number.POSITIVE_INFINITY
}

/** What is wrong with a list of words meant as operations, to be read behind "operations"; undefined: nothing. */
export function problemOfOperations(words: readonly string[]): string | undefined {
  if (words.length === 0) return 'are none; there must be at least one'
  const foreign = words.find((word) => !isOperation(word))
  if (foreign !== undefined) return `have ${JSON.stringify(foreign.slice(0, 40))}, which is none`
  const twice = words.find((word, i) => words.indexOf(word) !== i)
  return twice === undefined ? undefined : `name ${twice} twice`
}

/**
 * The name of a principal's own namespace: `u-` and the ID in the characters of namespaces. Where the ID has others, a
 * part of its hash keeps two principals apart; so it does where the ID looks as if it had one, or somebody could
 * choose to be called as another one's namespace.
 */
import { createHash } from 'node:crypto'

const ID_CHARACTERS_MAX = 60
/** 80 bits: nobody finds a second ID with the same. */
const HASH_CHARACTERS = 20
const LOOKS_HASHED = new RegExp(`-[0-9a-f]{${HASH_CHARACTERS}}$`)

export function personalNamespaceOf(id: string): string {
  const spelled = id.replace(/[^a-zA-Z0-9_-]/gu, '-').slice(0, ID_CHARACTERS_MAX)
  if (spelled === id && !LOOKS_HASHED.test(id)) return `u-${id}`
  const hash = createHash('sha256').update(id, 'utf8').digest('hex').slice(0, HASH_CHARACTERS)
  return `u-${spelled}-${hash}`
}

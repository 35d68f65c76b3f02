/**
 * The name of a principal's own namespace: `u-` and the ID in the characters of namespaces. Where the ID has others, a
 * part of its hash keeps two principals apart.
 */
import { createHash } from 'node:crypto'

const ID_CHARACTERS_MAX = 60
const HASH_CHARACTERS = 10

export function personalNamespaceOf(id: string): string {
  const spelled = id.replace(/[^a-zA-Z0-9_-]/gu, '-').slice(0, ID_CHARACTERS_MAX)
  if (spelled === id) return `u-${id}`
  const hash = createHash('sha256').update(id, 'utf8').digest('hex').slice(0, HASH_CHARACTERS)
  return `u-${spelled}-${hash}`
}

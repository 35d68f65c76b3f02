/**
 * Reads the metadata store without LMDB and without believing it: the entries that are whole, and what is wrong with
 * the others. Pure: bytes come from a {@link PageSource}.
 */

import { decodeEntry, decodeEntryKey, decodeRevision, revisionKey } from '../metadata/entry-layout.ts'
import type { MetadataEntry } from '../metadata-store.ts'
import { type PageSource, readTree } from './page-tree.ts'

export interface ReadMetadata {
  readonly entries: readonly MetadataEntry[]
  readonly problems: readonly string[]
}

export function readMetadata(source: PageSource): ReadMetadata {
  const entries: MetadataEntry[] = []
  const problems: string[] = []
  let revision: number | undefined
  const tree = readTree(source, false, (key, at, length) => {
    const value = source.read(at, length)
    if (Buffer.compare(key, revisionKey) === 0) {
      const decoded = decodeRevision(value)
      if (typeof decoded === 'string') problems.push(`its revision cannot be read: ${decoded}`)
      else revision = decoded
      return
    }
    const text = decodeEntryKey(key)
    const entry = text === undefined ? 'it is none of ours' : decodeEntry(text, value)
    const shown = text ?? Buffer.from(key).toString('hex')
    if (typeof entry === 'string')
      problems.push(`the entry ${JSON.stringify(shown)} cannot be read: ${entry}`)
    else entries.push(entry)
  })
  for (const { page, sentence } of tree.problems) problems.push(`page ${page}: ${sentence}`)
  const newest = entries.reduce((latest, { modRevision }) => Math.max(latest, modRevision), 0)
  if (revision === undefined && entries.length > 0) problems.push('its revision is missing')
  else if (revision !== undefined && newest > revision)
    problems.push(`an entry was written at revision ${newest}, the store is at ${revision}`)
  return { entries, problems }
}

/**
 * Verifies everything in a data directory that is open, and so locked, by this process: metadata, manifests, files,
 * segments. Reads only. What it may believe of each file is decided by pure parts beside this one; here are the
 * names of the files and the order of things.
 */
import { readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { DataDirectory } from '../data-directory.ts'
import { errorName, storageError } from '../lmdb/accidents.ts'
import { type Manifest, readManifest } from '../lmdb/manifest.ts'
import {
  isDamagedFile,
  leftoverFiles,
  MANIFEST_NAME,
  NEXT_MANIFEST_NAME,
  segmentOfFile,
  segmentPath,
} from '../lmdb/segment-files.ts'
import type { MetadataEntry } from '../metadata-store.ts'
import type { Crc32c } from '../record/crc32c.ts'
import { StorageError } from '../segment-store.ts'
import { type Finding, hex, type KnownTopics } from './finding.ts'
import { PageFile } from './page-file.ts'
import { readMetadata } from './read-metadata.ts'
import { type ShardVerdict, verifyShard } from './verify-shard.ts'

export interface VerifyDirectoryOptions {
  readonly crc32c: Crc32c
  /** The topic an entry of the metadata store describes; undefined: none. Throws an Error that says what is wrong with it. */
  readonly topicOf: (
    entry: MetadataEntry,
  ) => { readonly topicId: Uint8Array; readonly name: string; readonly partitions: number } | undefined
  readonly onFinding: (finding: Finding) => void
  /** Bytes that were read, and those there are. What it resolves with is awaited. */
  readonly onProgress: (bytes: number, ofBytes: number) => Promise<void>
}

export interface ShardState {
  /** Absolute. */
  readonly directory: string
  readonly manifest: Manifest
  readonly verdict: ShardVerdict
}

export interface DirectoryVerdict {
  readonly topics: KnownTopics
  /** Those with a manifest that could be read. */
  readonly shards: readonly ShardState[]
}

/** Rejects with StorageError INACCESSIBLE where the directory itself cannot be read. */
export async function verifyDirectory(
  data: DataDirectory,
  options: VerifyDirectoryOptions,
): Promise<DirectoryVerdict> {
  const topics = await verifyMetadata(data, options)
  await verifyGroups(data, options)
  const names = await readdir(data.path).catch((error) => {
    throw storageError(error, data.path, 'INACCESSIBLE')
  })
  const shardNames = names.filter((name) => /^shard-\d+$/.test(name)).sort()
  const directories = shardNames.map((name) => join(data.path, name))
  const manifests: { directory: string; manifest: Manifest }[] = []
  for (const directory of directories) {
    const manifest = await verifyFiles(data.path, directory, options)
    if (manifest !== undefined) manifests.push({ directory, manifest })
  }
  const ofBytes = await usedBytes(manifests)
  let bytes = 0
  const shards: ShardState[] = []
  for (const { directory, manifest } of manifests) {
    const verdict = await verifyShard(manifest.segments, {
      crc32c: options.crc32c,
      topics,
      openFile: (segment) => new PageFile(segmentPath(directory, segment)),
      fileName: (segment) => relative(data.path, segmentPath(directory, segment)),
      onFinding: options.onFinding,
      onProgress: (more) => {
        bytes += more
        return options.onProgress(bytes, ofBytes)
      },
    })
    shards.push({ directory, manifest, verdict })
  }
  return { topics, shards }
}

async function verifyMetadata(
  { path, metadataPath }: DataDirectory,
  { topicOf, onFinding }: VerifyDirectoryOptions,
): Promise<KnownTopics> {
  const topics = new Map<string, { name: string; partitions: number }>()
  const file = relative(path, metadataPath)
  const damage = (code: 'metadata-missing' | 'metadata-damaged', sentence: string) =>
    onFinding({
      code,
      severity: 'damage',
      file,
      remedy: 'none',
      sentence: `${sentence}: restore it from a backup`,
    })
  let source: PageFile
  try {
    source = new PageFile(metadataPath)
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    // A node that was stopped before it had begun has neither metadata nor segments.
    const hasShards = (await readdir(path)).some((name) => name.startsWith('shard-'))
    if (error.code !== 'DAMAGED') throw error
    if (hasShards) damage('metadata-missing', 'the metadata store is missing')
    return topics
  }
  try {
    const { entries, problems } = readMetadata(source)
    for (const problem of problems) damage('metadata-damaged', problem)
    for (const entry of entries) {
      try {
        const topic = topicOf(entry)
        if (topic !== undefined) topics.set(hex(topic.topicId), topic)
      } catch (error) {
        damage('metadata-damaged', error instanceof Error ? error.message : String(error))
      }
    }
  } finally {
    source.close()
  }
  return topics
}

/** The view of consumer groups, laid out as metadata is; there is none before the first group. */
async function verifyGroups(
  { path, groupsPath }: DataDirectory,
  { onFinding }: VerifyDirectoryOptions,
): Promise<void> {
  const file = relative(path, groupsPath)
  if (!(await readdir(path)).includes(file)) return
  const problems: string[] = []
  try {
    const source = new PageFile(groupsPath)
    try {
      problems.push(...readMetadata(source).problems)
    } finally {
      source.close()
    }
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'DAMAGED') throw error
    problems.push(error.message)
  }
  for (const problem of problems)
    onFinding({
      code: 'groups-damaged',
      severity: 'damage',
      file,
      remedy: 'none',
      sentence: `${problem}: restore the data directory from a backup`,
    })
}

/** The manifest, after the files were compared with it; undefined where it cannot be read. */
async function verifyFiles(
  root: string,
  directory: string,
  { onFinding }: VerifyDirectoryOptions,
): Promise<Manifest | undefined> {
  const names = await readdir(directory).catch((error) => {
    throw storageError(error, directory, 'INACCESSIBLE')
  })
  const nameOf = (name: string) => relative(root, join(directory, name))
  const damage = (code: 'manifest-missing' | 'manifest-damaged', sentence: string) =>
    onFinding({ code, severity: 'damage', file: nameOf(MANIFEST_NAME), remedy: 'none', sentence })
  let manifest: Manifest | undefined
  try {
    manifest = await readManifest(directory)
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    if (error.code === 'INACCESSIBLE') throw error
    damage('manifest-damaged', error.message)
    return undefined
  }
  if (manifest === undefined) {
    if (names.some((name) => segmentOfFile(name) !== undefined))
      damage('manifest-missing', 'it is missing, although there are segments: restore it from a backup')
    return undefined
  }
  const { nextId, segments } = manifest
  const live = new Set(segments.map(({ id }) => id))
  const leftovers = leftoverFiles(names, (segment) => live.has(segment))
  for (const name of names.sort()) {
    const segment = segmentOfFile(name)
    // Prepared ahead, as always, and not used yet.
    if (segment !== undefined && segment >= nextId) continue
    if (leftovers.includes(name))
      onFinding({
        code: 'file-left',
        severity: 'note',
        file: nameOf(name),
        remedy: 'nothing-to-do',
        sentence: 'it belongs to nothing any more; the next start deletes it',
      })
    else if (isDamagedFile(name))
      onFinding({
        code: 'file-kept',
        severity: 'note',
        file: nameOf(name),
        remedy: 'nothing-to-do',
        sentence: 'a repair put this damaged segment aside; delete it when it is not needed any more',
      })
    else if (name !== MANIFEST_NAME && name !== NEXT_MANIFEST_NAME && segment === undefined)
      onFinding({
        code: 'file-strange',
        severity: 'note',
        file: nameOf(name),
        remedy: 'nothing-to-do',
        sentence: 'it is none of ours; it is left alone',
      })
  }
  return manifest
}

/** Bytes of all segment files, for the progress. */
async function usedBytes(shards: readonly { directory: string; manifest: Manifest }[]): Promise<number> {
  let bytes = 0
  for (const { directory, manifest } of shards)
    for (const { id } of manifest.segments)
      bytes += await stat(segmentPath(directory, id)).then(
        ({ size }) => size,
        (error) => {
          if (errorName(error) !== 'ENOENT') throw storageError(error, directory, 'INACCESSIBLE')
          return 0
        },
      )
  return bytes
}

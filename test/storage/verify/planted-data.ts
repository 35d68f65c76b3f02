/**
 * A data directory with a little of everything, made by the real stores and the real log, and what it takes to damage
 * it: the bytes of its segment files in memory, to flip bits in and to verify without writing a file each time.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import { encodeTopicRecord, topicKey } from '../../../broker/topics/topic-record.ts'
import { type DataDirectory, openDataDirectory } from '../../../storage/data-directory.ts'
import { LmdbSegmentStore } from '../../../storage/lmdb/lmdb-segment-store.ts'
import { type ManifestSegment, readManifest } from '../../../storage/lmdb/manifest.ts'
import { segmentPath } from '../../../storage/lmdb/segment-files.ts'
import { valueKey } from '../../../storage/lmdb/segment-layout.ts'
import { ShardLog } from '../../../storage/log/shard-log.ts'
import { EntryKind, readDirectory } from '../../../storage/log/value.ts'
import { createLmdbMetadataStore } from '../../../storage/metadata/lmdb-metadata-store.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import { baseOffsetAt, nextBatchEnd } from '../../../storage/record/batch-header.ts'
import { isLostRangeAt } from '../../../storage/record/lost-range.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import type { Finding, KnownTopics } from '../../../storage/verify/finding.ts'
import { hex } from '../../../storage/verify/finding.ts'
import { type PageSource, readTree } from '../../../storage/verify/page-tree.ts'
import { SegmentScan } from '../../../storage/verify/segment-scan.ts'
import { type ShardVerdict, verifyShard } from '../../../storage/verify/verify-shard.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'

export const MIB = 1024 * 1024

export const topics = {
  readings: { topicId: new Uint8Array(16).fill(0x11), partitions: 3 },
  frames: { topicId: new Uint8Array(16).fill(0x22), partitions: 1 },
  gone: { topicId: new Uint8Array(16).fill(0x33), partitions: 1 },
} as const

export const knownTopics: KnownTopics = new Map(
  Object.entries(topics)
    .filter(([name]) => name !== 'gone')
    .map(([name, { topicId, partitions }]) => [hex(topicId), { name, partitions }]),
)

export function openData(path: string, mustExist = false): Promise<DataDirectory> {
  return openDataDirectory({
    path,
    now: () => 0,
    randomUuid: () => '0123abcd-0000-4000-8000-000000000000',
    mustExist,
  })
}

export async function openShard(directory: string): Promise<{ store: LmdbSegmentStore; shard: ShardLog }> {
  const store = new LmdbSegmentStore({ directory, segmentBytes: MIB, freeBytesMin: 0 })
  await store.open()
  const shard = await ShardLog.open({
    store,
    clock: { nowMs: () => 5_000 },
    crc32c,
    soon: queueMicrotask,
    commitBytesMax: 256 * 1024,
  })
  return { store, shard }
}

interface ProducerStamp {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

export function batch(
  random: SeededRandom,
  records: number,
  valueBytes: number,
  producer?: ProducerStamp,
): Uint8Array {
  const encoder = new BatchEncoder({ crc32c, bytesMax: 4 * MIB })
  for (let index = 0; index < records; index++) encoder.append(1_000 + index, null, random.bytes(valueBytes))
  return encoder.finish(producer)
}

/** Makes the directory: several sealed segments and an active one, small values and large ones. */
export async function plant(path: string, random: SeededRandom): Promise<void> {
  await mkdir(path, { recursive: true })
  const data = await openData(path)
  const metadata = createLmdbMetadataStore({
    path: data.metadataPath,
    onListenerError: (error) => {
      throw error
    },
  })
  await metadata.open()
  for (const [name, { topicId, partitions }] of Object.entries(topics)) {
    if (name === 'gone') continue
    const value = encodeTopicRecord({ topicId, partitions, configs: {}, createdAtMs: 0, state: 'live' })
    await metadata.transact([], [{ kind: 'put', key: topicKey(name), value }])
  }
  await metadata.close()
  const { store, shard } = await openShard(data.shardPath(0))
  const logs = Object.values(topics).flatMap(({ topicId, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => shard.createPartition(topicId, partition)),
  )
  const sequences = [0, 0, 0]
  while (store.segments().length < 4) {
    // An idempotent producer for each partition of the first topic.
    const index = random.below(3)
    const stamp = { producerId: 7_000 + index, producerEpoch: 1, baseSequence: sequences[index] }
    await shard.append({}, logs[index], batch(random, 2, 100, stamp))
    sequences[index] += 2
    const round = Array.from({ length: 1 + random.below(6) }, () => {
      const log = random.pick(logs)
      const size = random.pick([20, 20, 300, 3_000, 50_000])
      return shard.append({}, log, batch(random, 1 + random.below(4), size))
    })
    await Promise.all(round)
  }
  const [first] = logs
  await shard.moveLogStart(first, Math.floor(first.logEndOffset / 4))
  await shard.dropTopic(topics.gone.topicId)
  for (let index = 0; index < 10; index++) await shard.append({}, logs[index % 4], batch(random, 2, 700))
  await shard.close()
  await store.close()
  await data.close()
}

/** The segments of a directory, read into memory. */
export interface Segments {
  readonly manifest: readonly ManifestSegment[]
  readonly files: Map<number, Buffer>
}

export async function load(path: string): Promise<Segments> {
  const directory = join(path, 'shard-0')
  const manifest = (await readManifest(directory))?.segments ?? []
  const files = new Map<number, Buffer>()
  for (const { id } of manifest) {
    const path = segmentPath(directory, id)
    if (existsSync(path)) files.set(id, await readFile(path))
  }
  return { manifest, files }
}

export function sourceOf(bytes: Buffer): PageSource & { close(): void } {
  return {
    bytes: bytes.length,
    // Copies, so that nobody can rely on more than the port promises.
    read: (at, length) => {
      if (at < 0 || at + length > bytes.length)
        throw new Error(`read of ${at} to ${at + length} outside the file`)
      return new Uint8Array(bytes.subarray(at, at + length))
    },
    close: () => {},
  }
}

export async function verifyLoaded(
  { manifest, files }: Segments,
  known: KnownTopics = knownTopics,
  onFinding?: (finding: Finding) => void,
): Promise<{ findings: Finding[]; verdict: ShardVerdict }> {
  const findings: Finding[] = []
  const verdict = await verifyShard(manifest, {
    crc32c,
    topics: known,
    openFile: (segment) => {
      const file = files.get(segment)
      if (file === undefined) throw new StorageError('DAMAGED', `segment ${segment} is missing`)
      return sourceOf(file)
    },
    fileName: (segment) => `segment ${segment}`,
    onFinding: onFinding ?? ((finding) => findings.push(finding)),
    onProgress: async () => {},
  })
  return { findings, verdict }
}

export function scanOf({ manifest, files }: Segments, segment: number): SegmentScan {
  const descriptor = manifest.find(({ id }) => id === segment)
  const file = files.get(segment)
  if (descriptor === undefined || file === undefined) throw new Error(`there is no segment ${segment}`)
  return new SegmentScan(sourceOf(file), descriptor, crc32c)
}

/** Where a value begins in its file: not where a page that is free again still has a copy of it. */
export function placeOf({ files }: Segments, segment: number, sequence: number): number {
  let place: number | undefined
  readTree(sourceOf(files.get(segment) ?? Buffer.alloc(0)), true, (key, at) => {
    if (new DataView(key.buffer, key.byteOffset).getUint32(0, true) === valueKey(sequence)) place = at
  })
  if (place === undefined) throw new Error(`segment ${segment} has no value ${sequence}`)
  return place
}

/** Every record batch of the log by `topic id/partition/base offset`, without those that stand for what was lost. */
export function batchesOf(segments: Segments): Map<string, string> {
  const batches = new Map<string, string>()
  for (const { id } of segments.manifest) {
    const scan = scanOf(segments, id)
    for (let sequence = 0; sequence < scan.valueCount; sequence++) {
      const value = scan.value(sequence)
      if (value === undefined) continue
      const directory = readDirectory(value, id, sequence, crc32c)
      if ('problem' in directory) continue
      for (const { kind, topicId, partition, position, length } of directory.entries) {
        if (kind !== EntryKind.run) continue
        const end = position + length
        for (let at = position; at < end; at = nextBatchEnd(value, at, end)) {
          if (isLostRangeAt(value, at)) continue
          const bytes = value.subarray(at, nextBatchEnd(value, at, end))
          batches.set(
            `${hex(topicId)}/${partition}/${baseOffsetAt(value, at)}`,
            Buffer.from(bytes).toString('latin1'),
          )
        }
      }
    }
  }
  return batches
}

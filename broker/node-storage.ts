/**
 * What a node keeps things in: its data directory, metadata and the segments of its one shard, opened
 * together and closed together. The log on top of them belongs to the node.
 */
import { join } from 'node:path'
import type { Logger } from 'pino'
import { openDataDirectory } from '../storage/data-directory.ts'
import { LmdbSegmentStore } from '../storage/lmdb/lmdb-segment-store.ts'
import { createLmdbMedium, createLmdbMetadataStore } from '../storage/metadata/lmdb-metadata-store.ts'
import type { MetadataMedium } from '../storage/metadata/metadata-medium.ts'
import type { MetadataStore } from '../storage/metadata-store.ts'
import type { SegmentStore } from '../storage/segment-store.ts'
import { type SecretFile, secretFile } from './access/secret-file.ts'
import { Closers } from './closers.ts'
import type { Config } from './config/schema.ts'
import type { Clock, Random, Timers } from './ports.ts'

export interface NodeStorage {
  readonly nodeId: number
  readonly clusterId: string
  /** Where everything is, for people. */
  readonly path: string
  readonly metadata: MetadataStore
  readonly segments: SegmentStore
  /** Where the view of consumer groups is kept; each call opens it anew. */
  readonly openGroupView: () => MetadataMedium
  /** Holds the key of the first start. */
  readonly adminKeyFile: SecretFile
  close(): Promise<void>
}

export interface NodeStorageOptions {
  readonly config: Config
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}

/** After a failed write the files may never close; the process ends soon after. */
const CLOSE_PATIENCE_MS = 2_000
export const ADMIN_KEY_FILE = 'admin.key'
/** Of the segments' files: a log of 2 GB has one spare. Smaller ones do without, or a third of the disk would hold nothing. */
const SPARES_SHARE_MAX = 1 / 8
/** The only shard there is; more event loops will have more. */
const SHARD = 0

/** Rejects with StorageError, whose message is for the operator. Everything opened before is closed again. */
export async function openNodeStorage({
  config,
  clock,
  timers,
  random,
  logger,
}: NodeStorageOptions): Promise<NodeStorage> {
  const closers = new Closers()
  const closePatience = () => new Promise<void>((resolve) => timers.after(CLOSE_PATIENCE_MS, resolve))
  return closers.guarding(async () => {
    const directory = await openDataDirectory({
      path: config.data,
      provisioned: [ADMIN_KEY_FILE],
      now: () => clock.nowMs(),
      randomUuid: () => uuidOf(random.bytes(16)),
    })
    closers.add(() => directory.close())

    const metadata = createLmdbMetadataStore({
      path: directory.metadataPath,
      closePatience,
      onListenerError: (error) => logger.error({ err: error }, 'a metadata change met an unexpected error'),
    })
    closers.add(() => metadata.close())
    await metadata.open()

    const segments = new LmdbSegmentStore({
      directory: directory.shardPath(SHARD),
      segmentBytes: config.storage.segmentBytes,
      freeBytesMin: config.storage.freeBytesMin,
      recycle: config.storage.recycle === 'on',
      sparesShareMax: SPARES_SHARE_MAX,
      closePatience,
      onBackgroundError: (error) =>
        logger.error({ err: error }, 'the segment store met a problem in the background'),
    })
    closers.add(() => segments.close())
    await segments.open()

    const { nodeId, clusterId, path } = directory
    const adminKeyFile = secretFile(join(path, ADMIN_KEY_FILE))
    const openGroupView = () => createLmdbMedium(directory.groupsPath)
    const close = () => closers.close()
    return { nodeId, clusterId, path, metadata, segments, openGroupView, adminKeyFile, close }
  })
}

/** RFC 9562 version 4. */
function uuidOf(random: Uint8Array): string {
  const bytes = Buffer.from(random)
  bytes[6] = (bytes[6] & 0x0f) | 0x40
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

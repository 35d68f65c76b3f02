/**
 * What the log of a shard is made with, what it tells while it runs, and what it says of itself: types alone.
 */
import type { After, Clock, DiskPace } from '../ports.ts'
import type { CompressionCodecs } from '../record/compression.ts'
import type { Crc32c } from '../record/crc32c.ts'
import type { SegmentStore } from '../segment-store.ts'
import type { ColdReadStats } from './cold-reads.ts'
import type { DamageError } from './log-error.ts'
import type { PartitionLog } from './partition-log.ts'
import type { IndexCacheStats } from './sealed-indexes.ts'
import type { ProducerOptions, ProducerStats } from './shard-producers.ts'

export interface ShardLogOptions {
  readonly store: SegmentStore
  readonly clock: Clock
  readonly crc32c: Crc32c
  /** Runs the function when the present turn of the event loop has handled its events. */
  readonly soon: (run: () => void) => void
  /** For the moment that a commit waits to be filled under load; without it none waits. */
  readonly after?: After
  /** To look into compressed batches when an offset is asked by time. */
  readonly codecs?: CompressionCodecs
  readonly allocate?: (bytes: number) => Uint8Array
  readonly commitBytesMax?: number
  readonly queuedBytesMax?: number
  /** What runs of sealed segments may take in memory. */
  readonly indexCacheBytesMax?: number
  /** To pace reads of what is not in memory; without it they are not paced. */
  readonly diskPace?: DiskPace
  readonly producers?: ProducerOptions
  readonly observer?: ShardLogObserver
}

/** Told what happens; must not throw. */
export interface ShardLogObserver {
  /** The high watermark of a partition moved. */
  advanced?(log: PartitionLog): void
  committed?(bytes: number, values: number, appends: number): void
  /** No write will succeed any more. Called once. */
  failed?(error: Error): void
  warning?(sentence: string): void
  /** Bytes on disk are not what was written. Called once for each place, whoever meets it first. */
  damaged?(error: DamageError): void
}

export interface Appended {
  /** Offset of the first record. */
  readonly baseOffset: number
  /** What all records have as their time from now on; -1: they keep theirs, or were stored before and have it. */
  readonly appendTimeMs: number
  readonly logStartOffset: number
}

export interface ShardLogStats {
  readonly segments: number
  readonly bytes: number
  readonly freeBytes: number
  readonly partitions: number
  readonly commits: number
  readonly committedBytes: number
  readonly queuedBytes: number
  readonly producers: ProducerStats
  readonly indexCache: IndexCacheStats
  readonly coldReads: ColdReadStats
  /** Places in which damage was met since the start. */
  readonly damagedPlaces: number
}

/**
 * The storage of a node under watch: how full its disk is, which of its writes hang, and whether it has failed.
 * Puts the parts of this folder together; decides nothing.
 */
import type { Logger } from 'pino'
import type { MetadataStore } from '../../storage/metadata-store.ts'
import type { SegmentStore } from '../../storage/segment-store.ts'
import type { Config } from '../config/schema.ts'
import type { Clock, Timers } from '../ports.ts'
import { DiskWatch } from './disk-watch.ts'
import { StorageFailure } from './storage-failure.ts'
import { WatchedMetadata } from './watched-metadata.ts'
import { WatchedStore } from './watched-store.ts'
import { WriteGuard } from './write-guard.ts'

export interface WatchedStorageOptions {
  /** Open, and closed by their owner. */
  readonly storage: {
    readonly path: string
    readonly metadata: MetadataStore
    readonly segments: SegmentStore
  }
  readonly config: Pick<Config, 'storage'>
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  readonly onCommitted: (durationMs: number) => void
  /** There is less room than there should be: whatever may go should go now. */
  readonly onTight: () => void
  readonly onFailed: (error: Error) => void
}

export class WatchedStorage {
  readonly metadata: MetadataStore
  readonly segments: SegmentStore
  /** Looks when it is started. */
  readonly disk: DiskWatch
  readonly failure: StorageFailure
  readonly #guard: WriteGuard

  constructor(options: WatchedStorageOptions) {
    const { storage, config, clock, timers, logger, onCommitted, onTight, onFailed } = options
    const directory = storage.path
    this.failure = new StorageFailure((error) => {
      logger.fatal({ err: error }, 'nothing can be written any more')
      onFailed(error)
    })
    this.#guard = new WriteGuard({
      timers,
      timeoutMs: config.storage.commitTimeoutMs,
      onSlow: (sentence) => logger.warn({ reason: sentence }, 'the disk is slow'),
    })
    this.disk = new DiskWatch({
      freeBytes: () => storage.segments.freeBytes(),
      directory,
      ...config.storage,
      clock,
      timers,
      onChange: (state, sentence) => {
        if (state === 'ok') logger.info({ reason: sentence }, 'the disk has room again')
        else if (state === 'warning') logger.warn({ reason: sentence }, 'the disk is filling')
        else logger.error({ reason: sentence }, 'the disk is nearly full: no more events are taken')
        if (state !== 'ok') onTight()
      },
      onProblem: (error) => logger.error({ err: error }, 'the free space of the disk is not known'),
    })
    this.segments = new WatchedStore(storage.segments, {
      clock,
      guard: this.#guard,
      directory,
      refusal: () => this.disk.refusal,
      look: () => this.disk.look(),
      onAppend: onCommitted,
    })
    this.metadata = new WatchedMetadata(storage.metadata, {
      guard: this.#guard,
      directory,
      onFailed: (error) => this.failure.tell(error),
    })
  }

  /** A write that failed where nobody waits to be told, such as relocation's, is a failure too. */
  checkFailure(): void {
    const { failure } = this.segments
    if (failure) this.failure.tell(failure)
  }

  /** What a person should look at, one sentence each. */
  get warnings(): string[] {
    const { reason } = this.disk
    return [...(reason === undefined ? [] : [reason]), ...this.#guard.slow]
  }
}

/** A fetch handler on a log in memory, a connection that may buffer so much, and timers that a test runs. */
import type { FetchShaper } from '../../../broker/filters/fetch-shaper.ts'
import { fetchHandler } from '../../../broker/handlers/fetch.ts'
import { ScanTurns } from '../../../broker/handlers/scan-turns.ts'
import type { Timers } from '../../../broker/ports.ts'
import { Purgatory } from '../../../broker/purgatory.ts'
import { parseTopicConfig } from '../../../broker/topics/topic-config.ts'
import { topicIdKey } from '../../../broker/topics/topic-id.ts'
import type { Topic, TopicTable } from '../../../broker/topics/topic-table.ts'
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import { ShardLog } from '../../../storage/log/shard-log.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { MemorySegmentStore } from '../../../storage/memory/memory-segment-store.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { type Matches, PlainShaper } from '../filters/plain-shaper.ts'
import type { ManualTime } from '../manual-time.ts'
import { sessionOf } from '../sessions.ts'

export const topicId = new Uint8Array(16).fill(3)

export function batch(valueBytes: number): Uint8Array {
  const encoder = new BatchEncoder({ crc32c: crc32cTable, bytesMax: 1_000_000 })
  encoder.append(1_000, null, new Uint8Array(valueBytes))
  return encoder.finish()
}

interface SetupOptions {
  /** Which records a filter leaves. */
  readonly matches?: Matches
  /** Instead of the plain one. */
  readonly shaper?: FetchShaper
  readonly soon?: (run: () => void) => void
  /** Instead of `timers`, for waiting and for turns. */
  readonly time?: ManualTime
}

export async function setup({
  matches = () => true,
  shaper = new PlainShaper(matches),
  soon = queueMicrotask,
  time,
}: SetupOptions = {}) {
  const disk = new MemoryDisk()
  const store = new MemorySegmentStore({ disk, segmentBytes: 4 * 1024 * 1024 })
  await store.open()
  const timers: { delayMs: number; run: () => void }[] = []
  const listed: Timers = {
    after: (delayMs, run) => {
      const timer = { delayMs, run }
      timers.push(timer)
      return { cancel: () => void timers.splice(timers.indexOf(timer), 1) }
    },
    soon: queueMicrotask,
  }
  const purgatory = new Purgatory(time ?? listed)
  const shard = await ShardLog.open({
    store,
    clock: { nowMs: () => 5_000 },
    crc32c: crc32cTable,
    soon: queueMicrotask,
    observer: { advanced: (log: PartitionLog) => purgatory.advanced(log) },
  })
  const logs = [shard.createPartition(topicId, 0), shard.createPartition(topicId, 1)]
  const topic: Topic = {
    name: 'lab.events',
    topicId,
    idKey: topicIdKey(topicId),
    partitions: logs.length,
    config: parseTopicConfig({}),
    configValues: {},
    createdAtMs: 0,
    isInternal: false,
    logs,
  }
  const topics = { byId: (id: Uint8Array) => (id[0] === 3 ? topic : undefined) } as TopicTable
  const fetch = fetchHandler({
    topics,
    log: shard,
    purgatory,
    shaper,
    turns: time ? new ScanTurns(time, time) : new ScanTurns({ soon }, { monotonicMs: () => 0 }),
    crc32c: crc32cTable,
  })
  return { disk, shard, logs, topic, fetch, purgatory, timers }
}

export const context = {
  session: sessionOf(),
  connection: { id: 1, remoteAddress: '127.0.0.1' },
  signal: new AbortController().signal,
  clock: { nowMs: () => 5_000, monotonicMs: () => 0 },
}

export function request(
  partitions: { partition?: number; offset?: number; topicId?: Uint8Array }[],
  fields = {},
) {
  return {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1_000_000,
    isolationLevel: 0,
    partitions: partitions.map(({ partition = 0, offset = 0, topicId: id = topicId }) => ({
      topicId: id,
      partition,
      leaderEpoch: -1,
      fetchOffset: offset,
      lastFetchedEpoch: -1,
      partitionMaxBytes: 1_000_000,
    })),
    filter: null,
    compressions: null,
    ...fields,
  }
}

/** One connection that may buffer so much, and lets go of it when told. */
export class Connection {
  buffered = 0
  bufferedMax = 0
  sent: [partition: number, bytes: number][] = []
  readonly #limit: number
  #waiting: (() => void)[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  canWrite(): boolean {
    return this.buffered <= this.#limit
  }

  writable(): Promise<void> {
    return this.canWrite() ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve))
  }

  data({ partition }: { partition: number }, _value: Uint8Array, start: number, end: number): void {
    this.buffered += end - start
    this.bufferedMax = Math.max(this.bufferedMax, this.buffered)
    this.sent.push([partition, end - start])
  }

  drain(): void {
    this.buffered = 0
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

export const turns = async () => {
  for (let i = 0; i < 200; i++) await Promise.resolve()
}

/** A batch intake before a log in memory, with one topic whose configs a test chooses, and a pool it moves. */
import { produceHandler } from '../../../broker/handlers/produce.ts'
import { BatchIntake } from '../../../broker/produce/batch-intake.ts'
import type { NamelessOwners } from '../../../broker/producers/nameless-owners.ts'
import { Purgatory } from '../../../broker/purgatory.ts'
import { parseTopicConfig, type TopicConfigValues } from '../../../broker/topics/topic-config.ts'
import { topicIdKey } from '../../../broker/topics/topic-id.ts'
import type { Topic, TopicTable } from '../../../broker/topics/topic-table.ts'
import { errorDefinition } from '../../../client/protocol/errors.ts'
import { ShardLog } from '../../../storage/log/shard-log.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { MemorySegmentStore } from '../../../storage/memory/memory-segment-store.ts'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import { batchBytesAt, compressionAt, timestampTypeAt } from '../../../storage/record/batch-header.ts'
import { compressionName } from '../../../storage/record/compression.ts'
import { checkStoredBatch } from '../../../storage/record/validate.ts'
import { contextOf } from '../sessions.ts'
import { HeldPool, tools } from './held-pool.ts'

export const NOW_MS = 1_700_000_000_000

export interface StoredBatch {
  readonly compression: string
  readonly time: 'create' | 'append'
  readonly records: readonly { readonly value: string; readonly timestampMs: number }[]
}

const topicId = new Uint8Array(16).fill(3)

export async function intakeWorld(
  configs: TopicConfigValues = {},
  { offloadBytesMin = 1_000, decompressedBytesMax = 8 * 1024 * 1024, partitions = 2 } = {},
) {
  const disk = new MemoryDisk()
  const syncs = { failure: undefined as Error | undefined }
  const store = new MemorySegmentStore({
    disk,
    segmentBytes: 64 * 1024 * 1024,
    syncs: {
      wait: async () => {
        if (syncs.failure) throw syncs.failure
      },
    },
  })
  await store.open()
  const clock = { ms: NOW_MS, nowMs: () => clock.ms, monotonicMs: () => clock.ms }
  const shard = await ShardLog.open({ store, clock, crc32c: tools.crc32c, soon: queueMicrotask })
  const logs = Array.from({ length: partitions }, (_, at) => shard.createPartition(topicId, at))
  const pool = new HeldPool(offloadBytesMin)
  let topic: Topic | undefined = {
    name: 'lab.events',
    topicId,
    idKey: topicIdKey(topicId),
    partitions,
    config: parseTopicConfig(configs),
    configValues: configs,
    createdAtMs: 0,
    isInternal: false,
    logs,
  }
  const topics = { byId: () => topic } as unknown as TopicTable
  const intake = new BatchIntake({
    topics,
    log: shard,
    crc32c: tools.crc32c,
    codecPool: pool,
    clock,
    timers: { soon: setImmediate },
    decompressedBytesMax,
    producerNameOf: () => undefined,
    // Every id is the administrator's.
    nameless: { ownerOf: () => 'admin' } as unknown as NamelessOwners,
  })
  const produce = produceHandler({
    intake,
    log: shard,
    purgatory: new Purgatory({ after: () => ({ cancel: () => {} }), soon: queueMicrotask }),
    refusal: () => undefined,
  })

  return {
    pool,
    intake,
    shard,
    logs,
    clock,
    syncs,
    deleteTopic: async () => {
      topic = undefined
      await shard.dropTopic(topicId)
    },
    alter: (values: TopicConfigValues) => {
      topic = { ...(topic as Topic), config: parseTopicConfig(values), configValues: values }
    },
    /** One request, one entry for each of these, of partitions 0, 1, …; the body is gone when it has been called. */
    send(entries: readonly Uint8Array[], { acks = -1, context = contextOf(undefined, clock.ms) } = {}) {
      const body = new Uint8Array(Buffer.concat(entries))
      const request = {
        acks,
        timeoutMs: 1_000,
        transactionalId: null,
        partitions: entries.map(({ length }, partition) => ({
          topicId,
          partition,
          leaderEpoch: -1,
          bytes: length,
        })),
      }
      const answering = produce(request, body, context)
      body.fill(0)
      return answering.then((answers) =>
        answers.map(({ error, ...rest }) => ({ ...rest, error: errorDefinition(error).name })),
      )
    },
    /** Everything a partition has, batch by batch. */
    stored(partition = 0): StoredBatch[] {
      const log = logs[partition]
      const batches: StoredBatch[] = []
      for (let offset = log.logStartOffset; offset < log.durableOffset; ) {
        const slice = shard.read(log, offset, log.durableOffset, 100_000_000)
        if (!slice) break
        for (let at = slice.start; at < slice.end; at += batchBytesAt(slice.value, at)) {
          const problem = checkStoredBatch(slice.value, at, slice.end, tools.crc32c)
          if (problem) throw new Error(problem.sentence)
          const records = decodeBatch(slice.value, at, { topic: '', partition }, { codecs: tools.codecs })
          batches.push({
            compression: `${compressionName(compressionAt(slice.value, at))}`,
            time: timestampTypeAt(slice.value, at),
            records: records.map(({ value, timestampMs }) => ({
              value: Buffer.from(value ?? []).toString(),
              timestampMs,
            })),
          })
        }
        offset = slice.nextOffset
      }
      return batches
    },
  }
}

/** The values of all records of batches that were {@link intakeWorld stored}. */
export function valuesOf(batches: readonly StoredBatch[]): string[] {
  return batches.flatMap(({ records }) => records.map(({ value }) => value))
}

/** Lets promises settle. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** How the batches of a partition are stored, as a client finds them that asks for the bytes. */
import { apis } from '../../client/protocol/api.ts'
import {
  batchBytesAt,
  compressionAt,
  lastOffsetAt,
  timestampTypeAt,
} from '../../storage/record/batch-header.ts'
import { compressionName } from '../../storage/record/compression.ts'
import { ProtocolClient } from '../broker/protocol-client.ts'

export interface StoredBatch {
  readonly compression: string
  readonly time: 'create' | 'append'
}

/** Of all batches, in order. */
export async function storedBatches(url: string, topic: string, partition: number): Promise<StoredBatch[]> {
  const batches: StoredBatch[] = []
  const client = await ProtocolClient.connect(url)
  const { topics } = await client.call(apis.metadata, { topics: [{ name: topic, topicId: null }] })
  const topicId = topics[0]?.topicId
  if (!topicId) throw new Error(`there is no topic ${topic}`)
  for (let fetchOffset = 0, isEnd = false; !isEnd; ) {
    const asked = { topicId, partition, leaderEpoch: -1, fetchOffset, lastFetchedEpoch: -1 }
    const frames = await client.exchange(apis.fetch, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 10_000_000,
      isolationLevel: 0,
      filter: null,
      compressions: null,
      partitions: [{ ...asked, partitionMaxBytes: 10_000_000 }],
    })
    isEnd = frames.length === 1
    for (const { body } of frames.slice(0, -1))
      for (let at = 0; at < body.length; at += batchBytesAt(body, at)) {
        const compression = compressionName(compressionAt(body, at)) ?? 'nonsense'
        batches.push({ compression, time: timestampTypeAt(body, at) })
        fetchOffset = lastOffsetAt(body, at) + 1
      }
  }
  await client.close()
  return batches
}

/**
 * Opens a log on LMDB whose files were damaged and reads all of it; says on standard output, as JSON, what it was
 * served and what it was told. A process of its own, because the library below has the files mapped.
 *
 *     node damaged-log-process.js DIRECTORY
 */
import { StorageError } from '../../../storage/segment-store.ts'
import { openShard } from '../verify/planted-data.ts'
import { topicId } from './log-fixture.ts'
import { type Range, readAll } from './served-or-told.ts'

export const PARTITIONS = 4

export interface ReadLog {
  /** Why it could not be opened. */
  readonly refusal?: string
  readonly partitions?: readonly {
    readonly served: readonly { baseOffset: number; lastOffset: number; bytes: string }[]
    readonly damaged: readonly Range[]
    readonly endOffset: number
  }[]
}

async function readLog(directory: string): Promise<ReadLog> {
  const { store, shard } = await openShard(directory)
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => {
    const log = shard.createPartition(topicId, partition)
    const { served, damaged } = readAll(shard, log)
    const inHex = served.map(({ bytes, ...offsets }) => ({
      ...offsets,
      bytes: Buffer.from(bytes).toString('hex'),
    }))
    return { served: inHex, damaged, endOffset: log.logEndOffset }
  })
  await shard.close()
  await store.close()
  return { partitions }
}

const [, , directory] = process.argv
if (directory !== undefined && process.argv[1]?.endsWith('damaged-log-process.js')) {
  const result = await readLog(directory).catch((error: unknown): ReadLog => {
    if (error instanceof StorageError && error.code === 'DAMAGED') return { refusal: error.message }
    throw error
  })
  process.stdout.write(JSON.stringify(result))
}

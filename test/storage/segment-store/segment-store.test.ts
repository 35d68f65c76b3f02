/** The contract of the segment store, on both implementations. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { LmdbSegmentStore } from '../../../storage/lmdb/lmdb-segment-store.ts'
import { MemoryDisk, MemorySegmentStore } from '../../../storage/memory/memory-segment-store.ts'
import { testContract } from './contract.ts'

t.test('memory', async (t) => {
  testContract(t, async (_t, { segmentBytes }) => {
    const disk = new MemoryDisk()
    return () => new MemorySegmentStore({ disk, segmentBytes })
  })
})

t.test('lmdb', async (t) => {
  testContract(t, async (t, { segmentBytes }) => {
    const parent = await mkdtemp(join(tmpdir(), 'octopus-segments-'))
    t.teardown(() => rm(parent, { recursive: true }))
    const directory = join(parent, 'data', 'shard-0')
    return () => new LmdbSegmentStore({ directory, segmentBytes, freeBytesMin: 0 })
  })
})

/** The contract of the segment store, on both implementations. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { LmdbSegmentStore } from '../../../storage/lmdb/lmdb-segment-store.ts'
import { MemoryDisk, MemorySegmentStore } from '../../../storage/memory/memory-segment-store.ts'
import { testAsideContract } from './aside-contract.ts'
import { type MakeDisk, testContract } from './contract.ts'

const memory: MakeDisk = async (_t, { segmentBytes }) => {
  const disk = new MemoryDisk()
  return () => new MemorySegmentStore({ disk, segmentBytes })
}

const lmdb: MakeDisk = async (t, { segmentBytes }) => {
  const parent = await mkdtemp(join(tmpdir(), 'octopus-segments-'))
  t.teardown(() => rm(parent, { recursive: true }))
  const directory = join(parent, 'data', 'shard-0')
  return () => new LmdbSegmentStore({ directory, segmentBytes, freeBytesMin: 0 })
}

for (const [name, makeDisk] of Object.entries({ memory, lmdb })) {
  t.test(name, async (t) => testContract(t, makeDisk))
  t.test(`${name}, segments aside`, async (t) => testAsideContract(t, makeDisk))
}

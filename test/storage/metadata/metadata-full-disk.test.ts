/** The metadata store on a disk that others fill to the last byte: refused, never aborted, opened again, nothing lost. */
import { join } from 'node:path'
import t from 'tap'
import { createLmdbMetadataStore } from '../../../storage/metadata/lmdb-metadata-store.ts'
import { SmallDisk } from '../../support/small-disk.ts'
import { requireTool } from '../../support/tools.ts'
import { put } from './contract.ts'

const MIB = 1024 * 1024
/** More than one transaction needs and more than the page cache of LMDB hides. */
const URGENT_TRANSACTIONS = 20

t.test('a full disk', { skip: requireTool('tmpfs') }, async (t) => {
  const disk = await SmallDisk.mount(100 * MIB)
  t.teardown(() => disk.unmount())
  const open = async (path: string) => {
    const store = createLmdbMetadataStore({ path, onListenerError: t.error })
    t.teardown(() => store.close())
    await store.open()
    return store
  }
  const path = join(disk.path, 'metadata.lmdb')
  const store = await open(path)
  await store.transact([], [put('/a', 'before')])
  await disk.fill()
  t.equal(disk.freeBytes, 0)
  await t.rejects(store.transact([], [put('/b', '1')]), {
    code: 'NO_SPACE',
    message: /metadata\.lmdb needs \d+ bytes of free disk and has 0: free some space; nothing was written/,
  })
  t.equal(store.failure, undefined)
  // What lets data go is written into blocks that are reserved.
  for (let count = 0; count < URGENT_TRANSACTIONS; count++)
    await store.transact([], [put('/urgent', `${count} `.repeat(20_000))], { isUrgent: true })
  await store.close()

  const again = await open(path)
  t.equal(again.revision(), 1 + URGENT_TRANSACTIONS)
  t.equal(new TextDecoder().decode((await again.get('/a'))?.value), 'before')
  await t.rejects(open(join(disk.path, 'other.lmdb')), { code: 'NO_SPACE', message: /other\.lmdb needs/ })
  await disk.empty()
  t.match(await again.transact([], [put('/b', '1')]), { committed: true })
})

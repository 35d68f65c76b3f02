/** Metadata of a node without the node, for tests of what access control keeps there. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createLmdbMetadataStore } from '../../../storage/metadata/lmdb-metadata-store.ts'
import type { MetadataStore } from '../../../storage/metadata-store.ts'

export async function openMetadata(t: Test): Promise<MetadataStore> {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-metadata-'))
  const store = createLmdbMetadataStore({
    path: join(directory, 'metadata.lmdb'),
    closePatience: () => new Promise((resolve) => setTimeout(resolve, 2_000)),
    onListenerError: (error) => t.error(error),
  })
  await store.open()
  t.teardown(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  return store
}

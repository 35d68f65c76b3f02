/** Metadata in memory on a disk that is full when the test says so: then only what is urgent is written. */
import type { Test } from 'tap'
import {
  createMemoryMetadataStore,
  MemoryMetadataDisk,
} from '../../../storage/metadata/memory-metadata-store.ts'
import type { MetadataStore } from '../../../storage/metadata-store.ts'
import { StorageError } from '../../../storage/segment-store.ts'

export interface FillableDisk {
  isFull: boolean
}

export async function openFillable(t: Test): Promise<{ store: MetadataStore; disk: FillableDisk }> {
  const store = createMemoryMetadataStore({
    disk: new MemoryMetadataDisk(),
    onListenerError: (error) => t.error(error),
  })
  await store.open()
  t.teardown(() => store.close())
  const disk = { isFull: false }
  return { store: fillable(store, disk), disk }
}

export function fillable(store: MetadataStore, disk: FillableDisk): MetadataStore {
  const transact: MetadataStore['transact'] = async (compares, operations, options) => {
    if (disk.isFull && !options?.isUrgent) throw new StorageError('NO_SPACE', 'the disk is full')
    return store.transact(compares, operations, options)
  }
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'transact') return transact
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

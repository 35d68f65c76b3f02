/** What clients are told of the storage: what was wrong, and nothing of where it is. */
import t from 'tap'
import { partitionErrorOf } from '../../../broker/handlers/partition-error.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { StorageError } from '../../../storage/segment-store.ts'

t.test('of a path the name at its end is left', async (t) => {
  const path = '/srv/my lab/data/metadata.lmdb'
  const full = new StorageError('NO_SPACE', `${path} needs 16 bytes of free disk: nothing was written`, {
    path,
  })
  t.same(partitionErrorOf(full), {
    error: ErrorCode.STORAGE_FULL,
    message: 'metadata.lmdb needs 16 bytes of free disk: nothing was written',
  })
  for (const [given, told] of [
    ['/data has 90 MiB free, too little', 'data has 90 MiB free, too little'],
    ['a commit in /srv/octopus/data has not come back', 'a commit in data has not come back'],
    ["EIO: i/o error, open '/srv/octopus/data/00017.seg'", "EIO: i/o error, open '00017.seg'"],
    ['read/write of 3/4 MiB failed', 'read/write of 3/4 MiB failed'],
  ] as const)
    t.same(partitionErrorOf(new StorageError('DAMAGED', given)), {
      error: ErrorCode.KAFKA_STORAGE_ERROR,
      message: told,
    })
})

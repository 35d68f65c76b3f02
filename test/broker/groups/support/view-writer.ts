/** A process that writes the view of a coordinator until it is killed, and says what is durable, a line each. Started by tests. */
import { writeSync } from 'node:fs'
import { CoordinatorView, viewKey } from '../../../../broker/groups/coordinator-view.ts'
import { createLmdbMedium } from '../../../../storage/metadata/lmdb-metadata-store.ts'

const view = new CoordinatorView(() => createLmdbMedium(process.argv[2]))
await view.load()
for (let number = view.offset + 1; ; number++) {
  // More than a transaction has.
  const value = Buffer.from(String(number))
  await view.write(
    new Map(Array.from({ length: 400 }, (_, i) => [viewKey(Buffer.from(`key ${i}`)), value])),
    number,
  )
  writeSync(1, `acknowledged ${number}\n`)
}

/**
 * A process that opens a data directory and keeps it until its standard input ends or it is killed. Says on
 * standard output `open CLUSTER-ID` or `CODE message`.
 */
import { randomUUID } from 'node:crypto'
import { openDataDirectory } from '../../storage/data-directory.ts'
import { StorageError } from '../../storage/segment-store.ts'

try {
  const directory = await openDataDirectory({ path: process.argv[2], now: Date.now, randomUuid: randomUUID })
  console.log(`open ${directory.clusterId}`)
  process.stdin.resume()
  process.stdin.once('end', () => directory.close())
} catch (error) {
  console.log(error instanceof StorageError ? `${error.code} ${error.message}` : `unexpected ${error}`)
}

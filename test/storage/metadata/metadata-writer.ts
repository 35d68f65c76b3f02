/**
 * A process that writes metadata until it is killed, or until the disk refuses. Started by the tests with the
 * path of the file; says on standard output what was acknowledged, a line each.
 */
import { writeSync } from 'node:fs'
import { createLmdbMetadataStore } from '../../../storage/metadata/lmdb-metadata-store.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { bytes, put } from './contract.ts'

const [path, mode] = process.argv.slice(2)
const say = (line: string) => writeSync(1, `${line}\n`)
process.on('unhandledRejection', (error) => say(`unhandled ${error}`))

const store = createLmdbMetadataStore({
  path,
  onListenerError: (error) => {
    throw error
  },
})
await store.open()

/** Two keys that are equal in every revision, of a size that grows and shrinks, and a count of revisions. */
async function writeNext(number: number): Promise<void> {
  const text = `${number} `.repeat(1 + ((number * 37) % 2000))
  await store.transact(
    [],
    [put('/count', String(number)), put(`/left/${number % 50}`, text), put(`/right/${number % 50}`, text)],
  )
  say(`acknowledged ${number}`)
}

if (mode === 'until-killed') {
  for (let number = store.revision() + 1; ; number += 4) {
    await Promise.all([0, 1, 2, 3].map((index) => writeNext(number + index)))
  }
}

for (let number = store.revision() + 1; ; number++) {
  try {
    await writeNext(number)
  } catch (error) {
    say(describe(error))
    break
  }
}
// The revision before the failure can still be read; nothing is written any more.
say(`failure ${store.failure === undefined ? 'not set' : store.failure.code}`)
await store.transact([], [put('/count', 'late')]).catch((error) => say(describe(error)))
const count = await store.get('/count')
say(`count ${new TextDecoder().decode(count?.value ?? bytes('none'))} revision ${store.revision()}`)
await store.close()
// A rejection nobody handles shows itself within a turn of the event loop.
await new Promise((resolve) => setImmediate(resolve))
say('closed')

function describe(error: unknown): string {
  return error instanceof StorageError ? `${error.code} ${error.message}` : `unexpected ${error}`
}

/**
 * A process that writes to a segment store on LMDB and tells on standard output, one JSON array a line, what it is
 * about to do and what is durable. Its parent kills it, or takes the disk away from it.
 *
 *     node lmdb-process.js append DIRECTORY SEED   until it is killed
 *     node lmdb-process.js limit DIRECTORY         under `ulimit -f`: until a commit fails, and a little longer
 */
import { statSync, writeSync } from 'node:fs'
import { isLmdbCommitNoise } from '../../../storage/lmdb/environment.ts'
import { LmdbSegmentStore } from '../../../storage/lmdb/lmdb-segment-store.ts'
import { segmentPath } from '../../../storage/lmdb/segment-files.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { randomOf, type SeededRandom } from '../../support/seeded-random.ts'
import { bytesOf, MIB } from './contract.ts'

export const APPEND_SEGMENT_BYTES = MIB
export const LIMIT_SEGMENT_BYTES = 8 * MIB

/** The value that belongs to a place, whoever writes or checks it. */
export function valueAt(segment: number, sequence: number): Uint8Array {
  const key = segment * 100_000 + sequence
  return bytesOf(key, [10, 300, 3000, 30_000][(key * 7) % 4] + (key % 100))
}

export function indexOf(segment: number): Uint8Array {
  return bytesOf(segment, 40_000)
}

function say(...words: readonly unknown[]): void {
  writeSync(1, `${JSON.stringify(words)}\n`)
}

async function append(directory: string, seed: number): Promise<never> {
  const random = randomOf(seed)
  const store = new LmdbSegmentStore({ directory, segmentBytes: APPEND_SEGMENT_BYTES, freeBytesMin: 0 })
  await store.open()
  /** Files that were segments of this process. */
  const seen = new Set<number>()
  for (;;) {
    const { id } = store.segments()[store.segments().length - 1]
    const first = store.valueCount(id)
    const count = 1 + random.below(12)
    const values = Array.from({ length: count }, (_, index) => valueAt(id, first + index))
    const cost = values.reduce((sum, value) => sum + store.costBytes(value.length), 0)
    if (cost > store.roomBytes()) {
      say('roll', id)
      const next = await store.roll(indexOf(id))
      say('rolled', id)
      const { ino } = statSync(segmentPath(directory, next))
      if (seen.has(ino)) say('recycled', next)
      seen.add(ino)
      if (store.segments().length < 4) continue
      if (random.below(2) === 0) await rewriteOldest(store, random)
      const oldest = store.segments()[0].id
      say('remove', oldest)
      await store.remove(oldest)
      say('removed', oldest)
    } else {
      say('append', id, first + count)
      await store.append(first, values)
      say('appended', id, first + count)
    }
  }
}

/** Puts one new segment in the place of the two oldest, or begins to and thinks better of it. */
async function rewriteOldest(store: LmdbSegmentStore, random: SeededRandom): Promise<void> {
  const replaced = store
    .segments()
    .slice(0, 2)
    .map(({ id }) => id)
  const aside = await store.beginAside(300_000)
  say('aside', aside.id)
  let count = 0
  for (let appends = random.below(6); appends > 0; appends--) {
    const values = [valueAt(aside.id, count), valueAt(aside.id, count + 1)]
    await aside.append(count, values)
    count += values.length
  }
  if (random.below(4) === 0) return aside.discard()
  say('publish', aside.id, count, replaced)
  await aside.publish(indexOf(aside.id), replaced)
  say('published', aside.id, count, replaced)
}

async function limit(directory: string): Promise<void> {
  // Ends the process unless there is a listener; then writes beyond the limit fail.
  process.on('SIGXFSZ', () => {})
  process.on('unhandledRejection', (error) => say('unhandled', String(error), isLmdbCommitNoise(error)))
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: unknown) => (error instanceof StorageError ? error.code : String(error)),
    )
  const store = new LmdbSegmentStore({ directory, segmentBytes: LIMIT_SEGMENT_BYTES, freeBytesMin: 0 })
  await store.open()
  const values = (count: number) => Array.from({ length: count }, (_, index) => bytesOf(index, 65_500))
  say('first', await codeOf(store.append(0, values(20))))
  say('second', await codeOf(store.append(20, values(60))))
  say('failure', store.failure?.code, store.failure?.message)
  say('count', store.valueCount(1), store.read(1, 20) === undefined)
  say(
    'later',
    await codeOf(store.append(20, values(1))),
    await codeOf(store.roll(new Uint8Array())),
    await codeOf(store.remove(1)),
  )
  say('close', await codeOf(store.close()))
}

const [mode, directory, seed] = process.argv.slice(2)
if (mode === 'append') await append(directory, Number(seed))
if (mode === 'limit') await limit(directory)

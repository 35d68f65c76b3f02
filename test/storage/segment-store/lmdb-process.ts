/**
 * A process that writes to a segment store on LMDB and tells on standard output, one JSON array a line, what it is
 * about to do and what is durable. Its parent kills it, or takes the disk away from it.
 *
 *     node lmdb-process.js append DIRECTORY SEED   until it is killed
 *     node lmdb-process.js limit DIRECTORY         under `ulimit -f`: until a commit fails, and a little longer
 *     node lmdb-process.js full DIRECTORY SEED     until it is killed, on a disk that others fill: lets data go when there is no room
 *     node lmdb-process.js failing DIRECTORY       under strace: one thing after the other, until one fails, and all things after it
 *     node lmdb-process.js stuck DIRECTORY         under strace: closes while a write is never finished, after another one failed
 */
import { statSync, writeSync } from 'node:fs'
import { isLmdbCommitNoise } from '../../../storage/lmdb/environment.ts'
import { LmdbSegmentStore, type LmdbSegmentStoreOptions } from '../../../storage/lmdb/lmdb-segment-store.ts'
import { segmentPath } from '../../../storage/lmdb/segment-files.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { randomOf, type SeededRandom } from '../../support/seeded-random.ts'
import { bytesOf, equalBytes, MIB } from './contract.ts'

export const APPEND_SEGMENT_BYTES = MIB
export const FULL_SEGMENT_BYTES = 2 * MIB
export const LIMIT_SEGMENT_BYTES = 8 * MIB

export const CLOSE_PATIENCE_MS = 300

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

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof StorageError ? error.code : String(error)),
  )

/** A store that tells of accidents in the background, and of rejections that nobody handles. */
async function openTelling(
  directory: string,
  options: Partial<LmdbSegmentStoreOptions> = {},
): Promise<LmdbSegmentStore> {
  process.on('unhandledRejection', (error) => say('unhandled', String(error), isLmdbCommitNoise(error)))
  const store = new LmdbSegmentStore({
    directory,
    segmentBytes: APPEND_SEGMENT_BYTES,
    freeBytesMin: 0,
    onBackgroundError: (error) => say('background', error.code, error.message),
    closePatience: () => new Promise((resolve) => setTimeout(resolve, CLOSE_PATIENCE_MS)),
    ...options,
  })
  await store.open()
  return store
}

/** A full disk is refused by name and survived; anything else that goes wrong ends the process. */
async function full(directory: string, seed: number): Promise<never> {
  const random = randomOf(seed)
  const store = await openTelling(directory, { segmentBytes: FULL_SEGMENT_BYTES, freeBytesMin: MIB })
  say('open')
  const step = async (what: string, work: Promise<unknown>, ...rest: unknown[]) => {
    const code = await codeOf(work)
    say(what, code, ...rest)
    if (code !== 'done' && code !== 'NO_SPACE') process.exit(1)
    return code === 'done'
  }
  for (;;) {
    const { id } = store.segments()[store.segments().length - 1]
    const first = store.valueCount(id)
    const values = Array.from({ length: 1 + random.below(12) }, (_, at) => valueAt(id, first + at))
    const cost = values.reduce((sum, value) => sum + store.costBytes(value.length), 0)
    say('begin', id, first + values.length)
    const isTaken =
      cost > store.roomBytes()
        ? await step('rolled', store.roll(indexOf(id)))
        : await step('appended', store.append(first, values), id, first + values.length)
    if (isTaken && store.segments().length < 6) continue
    const oldest = store.segments()[0]
    if (oldest.sealed && random.below(3) === 0) {
      say('removing', oldest.id)
      await step('removed', store.remove(oldest.id), oldest.id)
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

async function failing(directory: string): Promise<void> {
  const store = await openTelling(directory)
  const append = async (sequence: number) => {
    const { id } = store.segments()[store.segments().length - 1]
    const what = await codeOf(store.append(sequence, [valueAt(id, sequence), valueAt(id, sequence + 1)]))
    say('append', what, id, sequence + 2)
  }
  const steps: Record<string, () => Promise<unknown>> = {
    roll: () => store.roll(indexOf(store.segments()[store.segments().length - 1].id)),
    remove: () => store.remove(store.segments()[0].id),
    aside: async () => {
      const aside = await store.beginAside(100_000)
      await aside.append(0, [valueAt(aside.id, 0)])
      await aside.publish(indexOf(aside.id), [store.segments()[0].id])
      say('published', aside.id, 1)
    },
  }
  for (let sequence = 0; sequence < 12 && store.failure === undefined; sequence += 2) await append(sequence)
  for (const name of ['roll', 'remove', 'aside', 'roll']) {
    if (store.failure !== undefined) break
    say(name, await codeOf(steps[name]()))
    // What was refused, and is no failure, goes well the second time.
    if (store.failure === undefined && name !== 'aside') await append(name === 'remove' ? 2 : 0)
  }
  say('failure', store.failure?.code, store.failure?.message, store.failure?.path)
  const startedAt = performance.now()
  const active = store.segments()[store.segments().length - 1].id
  const count = store.valueCount(active)
  const one = store.append(count, [valueAt(active, count)])
  const later = [one, ...Object.values(steps).map((step) => step())]
  say('later', ...(await Promise.all(later.map(codeOf))))
  const codes = new Set<string>()
  for (const { id, sealed } of store.segments()) {
    for (let sequence = 0; sequence < store.valueCount(id); sequence++) {
      try {
        codes.add(equalBytes(store.read(id, sequence), valueAt(id, sequence)) ? 'same' : 'DIFFERENT')
      } catch (error) {
        codes.add(error instanceof StorageError ? error.code : String(error))
      }
    }
    if (sealed) codes.add(await codeOf(store.readIndex(id)))
  }
  say('reads', ...codes)
  say('close', await codeOf(store.close()))
  await new Promise((resolve) => setImmediate(resolve))
  say('end', Math.round(performance.now() - startedAt))
}

async function stuck(directory: string): Promise<never> {
  const store = await openTelling(directory)
  const { id } = store.segments()[store.segments().length - 1]
  store.append(0, [valueAt(id, 0)]).then(
    () => say('append', 'done'),
    (error) => say('append', String(error)),
  )
  say('remove', await codeOf(store.remove(store.segments()[0].id)))
  const startedAt = performance.now()
  say('close', await codeOf(store.close()))
  say('end', Math.round(performance.now() - startedAt))
  process.exit(0)
}

const [mode, directory, seed] = process.argv.slice(2)
if (mode === 'append') await append(directory, Number(seed))
if (mode === 'limit') await limit(directory)
if (mode === 'full') await full(directory, Number(seed))
if (mode === 'failing') await failing(directory)
if (mode === 'stuck') await stuck(directory)

/** Looking at the disk, giving up on writes, and what becomes of stores around which both stand. */
import t from 'tap'
import { DiskWatch } from '../../../broker/disk/disk-watch.ts'
import { StorageFailure } from '../../../broker/disk/storage-failure.ts'
import { WatchedMetadata } from '../../../broker/disk/watched-metadata.ts'
import { WatchedStore } from '../../../broker/disk/watched-store.ts'
import { WriteGuard } from '../../../broker/disk/write-guard.ts'
import { MemoryDisk, MemorySegmentStore } from '../../../storage/memory/memory-segment-store.ts'
import { createMemoryMetadataStore } from '../../../storage/metadata/memory-metadata-store.ts'
import type { MetadataStore } from '../../../storage/metadata-store.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { ManualTime, settled } from '../manual-time.ts'

const MIB = 1024 * 1024

function watchOf(freeBytes: () => number) {
  const time = new ManualTime()
  const told: string[] = []
  const disk = new DiskWatch({
    freeBytes,
    directory: '/data',
    freeBytesMin: 64 * MIB,
    segmentBytes: 16 * MIB,
    clock: time,
    timers: time,
    onChange: (state, sentence) => told.push(`${state}: ${sentence}`),
    onProblem: (error) => told.push(`problem: ${(error as Error).message}`),
  })
  return { time, told, disk }
}

t.test('a look comes with time and with what is committed; changes are told once', async (t) => {
  let free = 1_000 * MIB
  let looks = 0
  const { time, told, disk } = watchOf(() => {
    looks++
    return free
  })
  disk.committed(1_000 * MIB)
  t.equal(looks, 0, 'before it is started it does not look')
  disk.start()
  t.equal(looks, 1)
  await time.advance(1_000)
  t.equal(looks, 5)
  free = 90 * MIB
  disk.committed(3 * MIB)
  t.equal(disk.state, 'ok')
  t.equal(disk.refusal, undefined)
  disk.committed(1 * MIB)
  t.equal(disk.state, 'read-only', 'no more than a quarter of a segment is written between two looks')
  const sentence =
    '/data has 90 MiB free, too little to take events: 112 MiB are needed; free some, or let topics keep less'
  t.match(disk.refusal, { name: 'StorageError', code: 'NO_SPACE', message: sentence, path: '/data' })
  t.equal(disk.reason, sentence)
  free = 150 * MIB
  await time.advance(250)
  t.equal(disk.refusal, undefined)
  t.equal(disk.reason, '/data has 150 MiB free; below 96 MiB no more events are taken')
  free = 1_000 * MIB
  await time.advance(10_000)
  t.equal(disk.reason, undefined)
  t.same(told, [
    `read-only: ${sentence}`,
    'warning: /data has 150 MiB free; below 96 MiB no more events are taken',
    'ok: /data has 1000 MiB free',
  ])
  disk.stop()
  t.equal(time.timerCount, 0)
})

t.test('a disk that fills fast is told of with the time that is left', async (t) => {
  let free = 100_000 * MIB
  const { time, told, disk } = watchOf(() => free)
  disk.start()
  while (disk.state === 'ok') {
    await time.advance(250)
    free -= 25 * MIB
  }
  t.match(told, [/^warning: .*; below 96 MiB no more events are taken, which is in about 1[67] minutes at/])
})

t.test('a disk that cannot be asked is told once and keeps its state', async (t) => {
  let free = 10
  const { time, told, disk } = watchOf(() => {
    if (free < 0) throw new Error('EIO')
    return free
  })
  disk.start()
  t.equal(disk.state, 'read-only')
  free = -1
  await time.advance(2_000)
  t.equal(disk.state, 'read-only')
  free = 1_000 * MIB
  await time.advance(250)
  t.equal(disk.state, 'ok')
  free = -1
  await time.advance(500)
  t.same(
    told.map((line) => line.split(':', 1)[0]),
    ['read-only', 'problem', 'ok', 'problem'],
  )
})

t.test('a write that does not come back is told and then given up', async (t) => {
  const time = new ManualTime()
  const slow: string[] = []
  const guard = new WriteGuard({ timers: time, timeoutMs: 30_000, onSlow: (sentence) => slow.push(sentence) })
  t.equal(await guard.watch('a commit', '/data', Promise.resolve(7), t.fail), 7)
  await t.rejects(guard.watch('a commit', '/data', Promise.reject(new Error('EIO')), t.fail), {
    message: 'EIO',
  })
  let finish = () => {}
  const late = new Promise<void>((resolve) => {
    finish = resolve
  })
  const watched = guard.watch('a commit to /data', '/data', late, t.fail)
  await time.advance(5_000)
  finish()
  await watched
  t.same(slow, ['a commit to /data has not come back for 5 s; the disk is very slow or hangs'])
  t.same(guard.slow, [])

  const order: string[] = []
  const never = guard.watch('a commit to /data', '/data', new Promise(() => {}), () => order.push('given up'))
  const rejected = never.catch((error: Error) => {
    order.push('rejected')
    return error
  })
  await time.advance(29_750)
  t.same(guard.slow, ['a commit to /data has not come back for 29.8 s; the disk is very slow or hangs'])
  await time.advance(250)
  t.match(await rejected, {
    code: 'WRITE_FAILED',
    message: 'a commit to /data has not come back for 30 s: the disk hangs, nothing more is written',
  })
  t.same(order, ['given up', 'rejected'])
  t.same(guard.slow, [])
  await time.advance(250)
  t.equal(time.timerCount, 0, 'nothing ticks while nothing is written')
})

t.test('a store whose write was given up has failed, whatever the write does later', async (t) => {
  const time = new ManualTime()
  let release = () => {}
  let isHanging = false
  const syncs = {
    wait: () => (isHanging ? new Promise<void>((resolve) => (release = resolve)) : Promise.resolve()),
  }
  const inner = new MemorySegmentStore({ disk: new MemoryDisk(), syncs })
  let refusal: StorageError | undefined
  const timed: number[] = []
  const guard = new WriteGuard({ timers: time, timeoutMs: 1_000, onSlow: () => {} })
  const store = new WatchedStore(inner, {
    clock: time,
    guard,
    directory: '/data',
    refusal: () => refusal,
    look: () => {
      refusal = new StorageError('NO_SPACE', 'seen only now')
    },
    onAppend: (durationMs) => timed.push(durationMs),
  })
  await store.open()
  const value = new Uint8Array(10)
  await store.append(0, [value])
  t.same(timed, [0])
  refusal = new StorageError('NO_SPACE', 'full')
  await t.rejects(store.append(1, [value]), refusal)
  t.equal(inner.valueCount(1), 1, 'nothing was written')
  await store.append(1, [value], { isUrgent: true })
  t.equal(store.failure, undefined, 'a full disk is no failure')
  refusal = undefined
  inner.append = () => Promise.reject(new StorageError('NO_SPACE', 'of the store'))
  await t.rejects(store.append(2, [value]), { message: 'seen only now' })
  Reflect.deleteProperty(inner, 'append')
  refusal = undefined
  isHanging = true
  const hanging = store.append(2, [value])
  const outcome = hanging.catch((error: Error) => error)
  await time.advance(1_000)
  const error = (await outcome) as StorageError
  t.match(error, { code: 'WRITE_FAILED', message: /^a commit in \/data has not come back for 1 s/ })
  t.equal(store.failure, error)
  release()
  await settled()
  await t.rejects(store.append(3, [value]), error)
  await t.rejects(store.roll(value), error)
  t.equal(store.failure, error)
})

t.test('metadata that cannot be written any more is told once', async (t) => {
  const time = new ManualTime()
  const told: Error[] = []
  const guard = new WriteGuard({ timers: time, timeoutMs: 1_000, onSlow: () => {} })
  const watchedOver = (store: MetadataStore) =>
    new WatchedMetadata(store, { guard, directory: '/data', onFailed: (error) => told.push(error) })
  const inner = createMemoryMetadataStore({ onListenerError: t.error })
  const store = watchedOver(inner)
  await store.open()
  const put = [{ kind: 'put', key: '/a', value: new Uint8Array(1) }] as const
  t.same(await store.transact([], put), { committed: true, revision: 1 })
  await t.rejects(store.transact([], [{ ...put[0], key: '' }]), { code: 'MISUSE' })
  t.same(told, [], 'a refusal is no failure')

  inner.transact = () => new Promise(() => {})
  const hung = watchedOver(inner)
  const outcomes = Promise.allSettled([hung.transact([], put), hung.transact([], put)])
  await time.advance(1_000)
  const [first, second] = await outcomes
  t.match(first, {
    reason: { code: 'WRITE_FAILED', message: /^a change of metadata in \/data has not come back/ },
  })
  t.match(second, { status: 'rejected' })
  t.equal(told.length, 1)
  t.equal(hung.failure, told[0])
  await t.rejects(hung.transact([], put), { code: 'WRITE_FAILED' })
  t.equal(told.length, 1)
})

t.test('of several failures the first is the one that is told', async (t) => {
  const told: Error[] = []
  const failure = new StorageFailure((error) => told.push(error))
  t.equal(failure.error, undefined)
  const first = new Error('first')
  failure.tell(first)
  failure.tell(new Error('second'))
  t.equal(failure.error, first)
  t.equal(await failure.happened, first)
  t.same(told, [first])
})

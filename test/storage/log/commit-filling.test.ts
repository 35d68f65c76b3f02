/** When a commit waits to be filled: the rule alone, and a log that keeps it on a clock of the test's own. */
import t from 'tap'
import { FILLING_MS_MAX, FillingRule } from '../../../storage/log/commit-filling.ts'
import { ShardLog } from '../../../storage/log/shard-log.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { MemorySegmentStore } from '../../../storage/memory/memory-segment-store.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { batch, offsetsOf, topicId } from './log-fixture.ts'

t.test('only after a large commit, and only while little is there', async (t) => {
  const filling = new FillingRule(1600)
  t.notOk(filling.shouldWait(0), 'nothing came before')
  filling.began(199)
  t.notOk(filling.shouldWait(0), 'the one before was small')
  filling.began(200)
  t.ok(filling.shouldWait(0))
  t.ok(filling.shouldWait(799))
  t.notOk(filling.shouldWait(800), 'half of the largest commit is enough')
  t.notOk(filling.isEnough(799))
  t.ok(filling.isEnough(800))
})

t.test('waits that bring little become rare, and one that was worth it brings them back', async (t) => {
  const filling = new FillingRule(1600)
  /** Commits that do not wait until one does. */
  const commitsUntilWait = () => {
    for (let commits = 0; ; commits++) {
      filling.began(300)
      if (filling.shouldWait(100)) return commits
    }
  }
  t.equal(commitsUntilWait(), 0)
  const pauses: number[] = []
  for (let i = 0; i < 9; i++) {
    filling.waited(299)
    pauses.push(commitsUntilWait())
  }
  t.strictSame(pauses, [1, 2, 4, 8, 16, 32, 64, 64, 64])
  filling.waited(300)
  t.equal(commitsUntilWait(), 0, 'an eighth of the largest commit came')
  filling.waited(100)
  t.equal(commitsUntilWait(), 1, 'from the beginning')
  filling.waited(800)
  t.equal(commitsUntilWait(), 0)
})

/** A log whose largest commit has 16 KiB, and its waits. */
async function waitingLog() {
  const store = new MemorySegmentStore({ disk: new MemoryDisk(), segmentBytes: 1024 * 1024 })
  await store.open()
  const commits: number[] = []
  const timers: { readonly delayMs: number; readonly run: () => void; cancelled: boolean }[] = []
  const shard = await ShardLog.open({
    store,
    clock: { nowMs: () => 5_000 },
    crc32c: crc32cTable,
    soon: (run) => {
      setImmediate(run)
    },
    after: (delayMs, run) => {
      const timer = { delayMs, run, cancelled: false }
      timers.push(timer)
      return {
        cancel: () => {
          timer.cancelled = true
        },
      }
    },
    commitBytesMax: 16 * 1024,
    observer: { committed: (_bytes, _values, appends) => commits.push(appends) },
  })
  const log = shard.createPartition(topicId, 0)
  const source = {}
  /** About 1 KiB. */
  const append = () => shard.append(source, log, batch(1, 1000))
  const large = async () => void (await Promise.all(Array.from({ length: 4 }, append)))
  return { shard, log, append, large, commits, timers }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('a commit behind a large one begins when its time is over', async (t) => {
  const { shard, log, append, large, commits, timers } = await waitingLog()
  await large()
  t.strictSame([commits, timers.length], [[4], 0], 'the first one did not wait')
  const appended = append()
  while (timers.length === 0) await turn()
  t.equal(timers[0].delayMs, FILLING_MS_MAX)
  const second = append()
  await turn()
  await turn()
  t.strictSame(commits, [4], 'it waits')
  timers[0].run()
  t.strictSame(
    (await Promise.all([appended, second])).map(({ baseOffset }) => baseOffset),
    [4, 5],
  )
  t.strictSame(commits, [4, 2], 'what came meanwhile shares it')
  await append()
  t.equal(timers.length, 1, 'the one before was small')
  t.equal(offsetsOf(shard, log).length, 7)
})

t.test('or at the end of the turn in which it is full enough', async (t) => {
  const { append, large, commits, timers } = await waitingLog()
  await large()
  const all = [append()]
  while (timers.length === 0) await turn()
  for (let i = 0; i < 9; i++) all.push(append())
  await Promise.all(all)
  t.strictSame(commits, [4, 10], 'the appends behind the one that filled it share it')
  t.ok(timers[0].cancelled)
})

t.test('or when something comes that is not to wait', async (t) => {
  const { shard, log, append, large, commits, timers } = await waitingLog()
  await large()
  const appended = append()
  while (timers.length === 0) await turn()
  await shard.beginLeaderEpoch(log, 3)
  t.ok(timers[0].cancelled)
  await appended
  t.strictSame(commits, [4, 1, 1])
})

t.test('a log that closes writes what waits', async (t) => {
  const { shard, append, large, timers } = await waitingLog()
  await large()
  const appended = append()
  while (timers.length === 0) await turn()
  const closed = shard.close()
  timers[0].run()
  await closed
  t.equal((await appended).baseOffset, 4)
})

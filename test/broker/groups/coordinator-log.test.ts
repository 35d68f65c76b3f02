/**
 * The log of a coordinator against a plain map: appends, crashes, views written in part, retention, in random order. What
 * comes back after a crash is the state of some moment between the last acknowledgement and the last append.
 */
import t from 'tap'
import { CoordinatorLog, type CoordinatorRecord } from '../../../broker/groups/coordinator-log.ts'
import { CoordinatorView } from '../../../broker/groups/coordinator-view.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { MemoryMetadataDisk } from '../../../storage/metadata/memory-metadata-store.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { openLog } from '../../storage/log/log-fixture.ts'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { ManualTime } from '../manual-time.ts'

type State = Map<string, string>

function record(key: string, value: string | null): CoordinatorRecord {
  return { key: Buffer.from(key), value: value === null ? null : Buffer.from(value) }
}

function apply(state: State, { key, value }: CoordinatorRecord): void {
  if (value === null) state.delete(Buffer.from(key).toString())
  else state.set(Buffer.from(key).toString(), Buffer.from(value).toString())
}

async function open(disk: MemoryDisk, viewDisk: MemoryMetadataDisk, segmentBytes = 256 * 1024) {
  const time = new ManualTime()
  const { shard, log: partition } = await openLog(disk, { segmentBytes })
  const problems: Error[] = []
  const log = new CoordinatorLog({
    log: shard,
    partition,
    create: async () => partition,
    view: new CoordinatorView(() => viewDisk),
    crc32c: crc32cTable,
    clock: time,
    timers: { after: (delayMs, run) => time.after(delayMs, run), soon: queueMicrotask },
    onProblem: (error) => problems.push(error),
  })
  const state: State = new Map()
  await log.load((replayed) => apply(state, replayed))
  const retain = () =>
    shard.enforceRetention(time.nowMs(), () => ({
      retentionMs: -1,
      retentionBytes: -1,
      goneBelowOffset: log.keptFromOffset,
    }))
  return { log, partition, shard, state, time, problems, retain }
}

t.test('what was appended is there after a restart, from the log and from the view', async (t) => {
  const disk = new MemoryDisk()
  const viewDisk = new MemoryMetadataDisk()
  const first = await open(disk, viewDisk)
  await first.log.append([record('a', '1'), record('b', '2')])
  await first.log.append([record('a', '3'), record('b', null)])
  t.equal(first.log.keptFromOffset, 0, 'the view follows later')
  const fromLog = await open(disk, new MemoryMetadataDisk())
  t.same([...fromLog.state], [['a', '3']])

  await first.time.advance(5_000)
  t.equal(first.log.keptFromOffset, 4)
  await first.retain()
  t.equal(first.partition.logStartOffset, 4, 'what the view has may leave the log')
  const fromView = await open(disk, viewDisk)
  t.same([...fromView.state], [['a', '3']])
  await fromView.log.append([record('c', '4')])
  t.same(
    [...(await open(disk, viewDisk)).state],
    [
      ['a', '3'],
      ['c', '4'],
    ],
  )
})

t.test('a batch of many records is divided, and comes back whole', async (t) => {
  const disk = new MemoryDisk()
  const { log } = await open(disk, new MemoryMetadataDisk(), 4 * 1024 * 1024)
  const value = 'x'.repeat(1_000)
  await log.append(Array.from({ length: 3_000 }, (_, i) => record(`key ${i}`, value)))
  t.equal((await open(disk, new MemoryMetadataDisk(), 4 * 1024 * 1024)).state.size, 3_000)
})

t.test('a view that cannot be written is told of, and the log keeps everything', async (t) => {
  const disk = new MemoryDisk()
  let refusal: StorageError | undefined = new StorageError('NO_SPACE', 'full')
  let writes = 0
  const viewDisk = new MemoryMetadataDisk({
    sync: async () => {
      writes++
      if (refusal) throw refusal
    },
  })
  const { log, time, problems, retain, partition } = await open(disk, viewDisk)
  await log.append([record('a', '1')])
  await time.advance(5_000)
  t.match(problems, [{ code: 'NO_SPACE' }])
  await retain()
  t.equal(partition.logStartOffset, 0)
  await time.advance(5_000)
  t.equal(writes, 2, 'full disks become free again')
  refusal = undefined
  await time.advance(5_000)
  t.equal(log.keptFromOffset, 1)

  refusal = new StorageError('WRITE_FAILED', 'broken')
  await log.append([record('a', '2')])
  await time.advance(5_000)
  const before = writes
  await log.append([record('a', '3')])
  await time.advance(60_000)
  t.equal(writes, before, 'after a failed write it is never written again')
  await log.close()
  t.equal(writes, before)
  t.same([...(await open(disk, viewDisk)).state], [['a', '3']])
})

t.test('closing lets the view follow to the end', async (t) => {
  const disk = new MemoryDisk()
  const viewDisk = new MemoryMetadataDisk()
  const { log } = await open(disk, viewDisk)
  await log.append([record('a', '1')])
  await log.close()
  t.equal((await viewDisk.load()).revision, 2)
})

t.test('random appends, views, retention and crashes', async (t) => {
  const random = seededRandom(t)
  for (const round of roundsOf(t, process.env.OCTOPUS_SOAK ? 2_000 : 60)) {
    const disk = new MemoryDisk()
    // A crash in the middle of a view: some of its transactions are durable.
    let transactionsLeft = Number.POSITIVE_INFINITY
    const viewDisk = new MemoryMetadataDisk({
      sync: async () => {
        if (transactionsLeft-- <= 0) throw new StorageError('WRITE_FAILED', 'the power went')
      },
    })
    const model: State = new Map()
    let opened = await open(disk, viewDisk)
    for (let step = 0; step < 30; step++) {
      const what = random.below(10)
      if (what < 5) {
        const records = Array.from({ length: 1 + random.below(random.below(4) === 0 ? 400 : 5) }, () =>
          record(`k${random.below(300)}`, random.below(4) === 0 ? null : `${step}`),
        )
        const appending = opened.log.append(records)
        for (const each of records) apply(model, each)
        await appending
      } else if (what < 7) await opened.time.advance(5_000)
      else if (what < 8) await opened.retain()
      else {
        transactionsLeft = random.below(3)
        if (random.below(2) === 0) await opened.time.advance(5_000)
        disk.crash()
        transactionsLeft = Number.POSITIVE_INFINITY
        opened = await open(disk, viewDisk)
        t.same([...opened.state].sort(), [...model].sort(), `round ${round}, step ${step}`)
      }
    }
  }
})

/** When retention looks: again and again, at once when asked to, and never two looks at a time. */
import t from 'tap'
import { RetentionTimer } from '../../broker/retention-timer.ts'
import type { TopicTable } from '../../broker/topics/topic-table.ts'
import type { RetentionReport } from '../../storage/log/retention.ts'
import { ManualTime, settled } from './manual-time.ts'

const REPORT = { moved: 0, removedSegments: [], failures: [] } as unknown as RetentionReport

t.test('looks come in turn', async (t) => {
  const time = new ManualTime()
  const looks: { startedAtMs: number; finish: (report: RetentionReport) => void }[] = []
  const timer = new RetentionTimer({
    log: {
      enforceRetention: () =>
        new Promise<RetentionReport>((finish) => looks.push({ startedAtMs: time.monotonicMs(), finish })),
    },
    topics: {} as TopicTable,
    clock: time,
    timers: time,
    intervalMs: 5_000,
    onEnforced: () => {},
    onError: t.error,
  })
  const startedAtMs = () => looks.map((look) => look.startedAtMs)
  const finish = async () => {
    looks.at(-1)?.finish(REPORT)
    await settled()
  }
  await time.advance(5_000)
  t.same(startedAtMs(), [5_000])
  await finish()
  await time.advance(1_000)
  timer.lookNow()
  timer.lookNow()
  await time.advance(0)
  t.same(startedAtMs(), [5_000, 6_000], 'at once when asked to')
  timer.lookNow()
  await time.advance(3_000)
  t.equal(looks.length, 2, 'not while a look is under way')
  await finish()
  await time.advance(0)
  t.same(startedAtMs(), [5_000, 6_000, 9_000], 'but as soon as it is over')
  await finish()
  await time.advance(4_999)
  t.equal(looks.length, 3, 'and then at its leisure again')
  await time.advance(1)
  t.equal(looks.length, 4)
  let isStopped = false
  const stopping = timer.stop().then(() => {
    isStopped = true
  })
  await settled()
  t.equal(isStopped, false)
  await finish()
  await stopping
  timer.lookNow()
  await time.advance(10_000)
  t.equal(looks.length, 4)
})

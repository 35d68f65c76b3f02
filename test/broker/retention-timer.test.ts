/** When old data is looked for: by the clock, by what was written, on demand, and never twice at once. */
import t from 'tap'
import { RetentionTimer } from '../../broker/retention-timer.ts'
import type { RetentionReport } from '../../storage/log/retention.ts'
import { ManualTime, settled } from './manual-time.ts'

const REPORT: RetentionReport = { moved: 0, removedSegments: [], failures: [] }

function start(lookMs = 0, partitionCount = 10_000) {
  const time = new ManualTime()
  const looks: number[] = []
  const seen: string[] = []
  let relocating: ((signal: AbortSignal) => Promise<void>) | undefined
  const timer = new RetentionTimer({
    log: {
      enforceRetention: async () => {
        looks.push(time.monotonicMs())
        if (lookMs > 0) await new Promise<void>((resolve) => time.after(lookMs, resolve))
        return REPORT
      },
      relocate: async (signal) => {
        await relocating?.(signal)
        seen.push(signal.aborted ? 'gave up' : 'relocated')
        return { relocated: [], failures: [] }
      },
    },
    policyOf: () => undefined,
    partitionCount: () => partitionCount,
    clock: time,
    timers: time,
    intervalMs: 5_000,
    writtenBytesMax: 1_000,
    onEnforced: () => {},
    onRelocated: () => seen.push('told'),
    onError: (error) => seen.push(String(error)),
  })
  return {
    time,
    timer,
    looks,
    seen,
    relocateBy: (run: typeof relocating) => {
      relocating = run
    },
  }
}

t.test('a look comes by the clock, and files are looked at after it', async (t) => {
  const { time, timer, looks, seen } = start()
  await time.advance(11_000)
  t.strictSame(looks, [5_000, 10_000])
  t.strictSame(seen, ['relocated', 'told', 'relocated', 'told'])
  await timer.stop()
  await time.advance(60_000)
  t.equal(looks.length, 2, 'none after the stop')
})

t.test('enough bytes bring the look at once, fewer do not', async (t) => {
  const { time, timer, looks } = start()
  timer.wrote(999)
  await time.advance(1_000)
  t.strictSame(looks, [])
  timer.wrote(1)
  await time.advance(0)
  t.strictSame(looks, [1_000])
  timer.wrote(5_000)
  timer.wrote(5_000)
  await time.advance(0)
  t.strictSame(looks, [1_000, 1_000], 'counted anew after each look')
  await time.advance(4_999)
  t.equal(looks.length, 2)
  await time.advance(1)
  t.strictSame(looks, [1_000, 1_000, 6_000], 'the clock goes on')
  await timer.stop()
})

t.test('a look that takes long rests long, however much is written', async (t) => {
  const { time, timer, looks } = start(100)
  timer.wrote(1_000)
  await time.advance(100)
  t.strictSame(looks, [0])
  timer.wrote(1_000)
  await time.advance(1_999)
  t.strictSame(looks, [0], 'twenty times as long as it took')
  await time.advance(1)
  t.strictSame(looks, [0, 2_100])
  timer.wrote(1_000)
  timer.lookNow()
  await time.advance(100)
  t.strictSame(looks, [0, 2_100, 2_200], 'unless it is asked for')
  await time.advance(100)
  await timer.stop()
})

t.test('a look that only waited for the disk does not rest for that', async (t) => {
  const { time, timer, looks } = start(100, 50)
  timer.wrote(1_000)
  await time.advance(100)
  timer.wrote(1_000)
  await time.advance(39)
  t.strictSame(looks, [0])
  await time.advance(1)
  t.strictSame(looks, [0, 140], 'fifty partitions are two ms of work, at most')
  await time.advance(100)
  await timer.stop()
})

t.test(
  'a stop ends a relocation and waits for it; one that fails is told and does not end the looking',
  async (t) => {
    const { time, timer, looks, seen, relocateBy } = start()
    relocateBy(async () => {
      throw new Error('no room')
    })
    await time.advance(5_000)
    t.strictSame(seen, ['Error: no room'])
    relocateBy((signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())))
    await time.advance(5_000)
    t.equal(looks.length, 2)
    timer.wrote(10_000)
    timer.lookNow()
    await time.advance(20_000)
    t.equal(looks.length, 2, 'never two at once')
    await timer.stop()
    t.strictSame(seen.slice(1), ['gave up', 'told'])
  },
)

t.test('looks come in turn', async (t) => {
  const time = new ManualTime()
  const looks: { startedAtMs: number; finish: (report: RetentionReport) => void }[] = []
  const timer = new RetentionTimer({
    log: {
      enforceRetention: () =>
        new Promise<RetentionReport>((finish) => looks.push({ startedAtMs: time.monotonicMs(), finish })),
      relocate: async () => ({ relocated: [], failures: [] }),
    },
    policyOf: () => undefined,
    partitionCount: () => 1,
    clock: time,
    timers: time,
    intervalMs: 5_000,
    writtenBytesMax: Number.POSITIVE_INFINITY,
    onEnforced: () => {},
    onRelocated: () => {},
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

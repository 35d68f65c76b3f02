/** What retention will let go, as far as can be known before. */
import t from 'tap'
import { forecastRetention } from '../../../storage/log/retention-forecast.ts'
import { batch, openLog } from './log-fixture.ts'

const HOUR = 3_600_000
const one = batch(1, 100).length

t.test('by age: exactly what the policy takes when the time has come', async (t) => {
  const { shard, log } = await openLog()
  for (const hours of [0, 1, 2, 3]) await shard.append(log, log, batch(1, 100, hours * HOUR))
  const policy = { retentionMs: 2 * HOUR, retentionBytes: -1 }
  const forecast = (nowMs: number) => forecastRetention(log, policy, nowMs, HOUR)
  t.strictSame(forecast(HOUR), { logStartOffset: 0, bytes: 0 })
  t.strictSame(forecast(2 * HOUR), { logStartOffset: 1, bytes: one })
  t.strictSame(forecast(3 * HOUR), { logStartOffset: 2, bytes: 2 * one })
  t.strictSame(forecast(90 * HOUR), { logStartOffset: 4, bytes: 4 * one })
  await shard.enforceRetention(3 * HOUR, () => policy)
  t.equal(log.logStartOffset, 1, 'and what is gone is not counted again')
  t.strictSame(forecast(3 * HOUR), { logStartOffset: 2, bytes: one })
  t.strictSame(forecastRetention(log, { retentionMs: -1, retentionBytes: -1 }, 90 * HOUR, HOUR), {
    logStartOffset: 1,
    bytes: 0,
  })
})

t.test('by bytes: what is over the limit, and what comes on top at the present rate', async (t) => {
  const { shard, log } = await openLog()
  for (let minutes = 0; minutes < 60; minutes++) await shard.append(log, log, batch(1, 100, minutes * 60_000))
  const nowMs = 60 * 60_000
  const forecast = (retentionBytes: number) =>
    forecastRetention(log, { retentionMs: -1, retentionBytes }, nowMs, HOUR)
  t.strictSame(forecast(200 * one), { logStartOffset: 0, bytes: 0 })
  t.strictSame(forecast(90 * one), { logStartOffset: 30, bytes: 30 * one })
  t.strictSame(forecast(60 * one), { logStartOffset: 60, bytes: 60 * one })
  t.strictSame(forecast(0), { logStartOffset: 60, bytes: 60 * one }, 'no more than there is')
})

t.test(
  'a sealed segment goes as a whole or in proportion; a timestamp from the future does not stay',
  async (t) => {
    const policy = { retentionMs: 2 * HOUR, retentionBytes: -1 }
    const { shard, log } = await openLog()
    for (let minutes = 0; minutes < 30; minutes++)
      await shard.append(log, log, batch(1, 4_000, minutes * 60_000))
    const extents = log.extents.view()
    t.ok(extents.count > 1, 'some are sealed')
    const firstEnds = extents.endOffset(0)
    const { logStartOffset } = forecastRetention(log, policy, HOUR + (firstEnds + 2) * 60_000, HOUR)
    t.ok(
      logStartOffset > firstEnds && logStartOffset <= firstEnds + 3,
      `${logStartOffset}, a little above ${firstEnds}`,
    )

    // The clock of the log says 5,000.
    const ahead = await openLog()
    await ahead.shard.append(ahead.log, ahead.log, batch(1, 100, 400 * HOUR))
    t.equal(forecastRetention(ahead.log, policy, HOUR, HOUR).logStartOffset, 0)
    t.equal(forecastRetention(ahead.log, policy, HOUR + 5_001, HOUR).logStartOffset, 1)
  },
)

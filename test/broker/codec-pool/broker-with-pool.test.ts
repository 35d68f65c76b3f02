/** A real broker whose pool is at work: what it tells of it, and that it ends at once. */
import t from 'tap'
import { connect } from '../../../client/index.ts'
import { adminHeaders } from '../../support/admin-key.ts'
import { BrokerProcess } from '../../support/broker-process.ts'
import { inProcess } from '../cli/octopus.ts'

const broker = await BrokerProcess.start(['--codecs-offload-bytes-min', '0', '--codecs-workers', '2'])
t.teardown(() => broker.destroy())

t.test('metrics, status and the end', async (t) => {
  const client = await connect({ url: broker.url })
  t.teardown(() => client.close())
  const admin = client.admin()
  t.match((await admin.status()).codecPool, { workers: 0, workersMax: 2, tasks: 0 }, 'nobody needed it yet')
  await admin.createTopic('packed', { configs: { 'compression.type': 'zstd' } })
  const producer = client.producer()
  const sent: Promise<unknown>[] = []
  for (let index = 0; index < 20_000; index++)
    sent.push(producer.send('packed', { value: `an event that is much like all others ${index % 1000}` }))
  await producer.flush()
  await Promise.all(sent)
  await producer.close()

  const { codecPool } = await admin.status()
  t.ok(codecPool.workers >= 1 && codecPool.tasks > 0)
  t.match(codecPool, { workersMax: 2, queuedBytes: 0, refused: 0, deaths: 0 })
  t.match(
    (await inProcess(['status', '--url', broker.url])).out,
    new RegExp(`codec pool +${codecPool.workers} of 2 threads; ${codecPool.tasks} tasks since the start\n`),
  )
  const metrics = await (await fetch(`${broker.httpUrl}/metrics`, { headers: adminHeaders })).text()
  for (const line of [
    `octopus_codec_workers ${codecPool.workers}`,
    'octopus_codec_workers_max 2',
    'octopus_codec_queued_bytes 0',
    `octopus_codec_run_seconds_count{kind="rebuild",where="worker"} ${codecPool.tasks}`,
    `octopus_codec_wait_seconds_count{kind="rebuild"} ${codecPool.tasks}`,
    'octopus_codec_worker_deaths_total{end="stuck"} 0',
  ])
    t.ok(metrics.split('\n').includes(line), line)

  const startMs = performance.now()
  t.equal(await broker.end('SIGTERM'), 0)
  t.ok(performance.now() - startMs < 5_000, 'idle threads do not hold it up')
})

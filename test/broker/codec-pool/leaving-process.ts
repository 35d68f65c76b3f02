/**
 * A process with a pool that leaves in the way its argument names, for `process-end.test.ts`: `idle` does nothing any
 * more, `busy` calls process.exit while a worker is at work for ever, `close` closes the pool meanwhile. Says `leaving` before.
 */
import { WorkerPool } from '../../../broker/codec-pool/worker-pool.ts'
import { systemPorts } from '../../../broker/system-ports.ts'
import { batchOf, deathTask, rebuildTask, tools } from './pools.ts'

const { clock, timers } = systemPorts()
const pool = new WorkerPool({
  workersMax: 2,
  queuedBytesMax: 64 << 20,
  offloadBytesMin: 0,
  taskTimeoutMs: 30_000,
  tools,
  clock,
  timers,
  workerFile: new URL('./mortal-worker.js', import.meta.url),
})
await Promise.all([pool.run(rebuildTask(batchOf('a'))), pool.run(rebuildTask(batchOf('b')))])
const how = process.argv[2]
if (how !== 'idle') {
  pool.run(deathTask('hang')).catch((error) => process.stdout.write(`${error.reason}\n`))
  // One that is answered shows that the other one has begun: the threads work side by side.
  await pool.run(rebuildTask(batchOf('c')))
}
process.stdout.write('leaving\n')
if (how === 'busy') process.exit(5)
if (how === 'close') await pool.close()

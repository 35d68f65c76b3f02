/** A broker whose workers die under it. Takes the arguments of `octopus serve` that tests give. */
import { availableParallelism } from 'node:os'
import { pino } from 'pino'
import { WorkerPool } from '../../broker/codec-pool/worker-pool.ts'
import { loadConfig } from '../../broker/config/load-config.ts'
import { startNode } from '../../broker/node.ts'
import { systemPorts } from '../../broker/system-ports.ts'
import { loadUwsTransport } from '../../broker/transport/uws-transport.ts'

const flag = (name: string) => process.argv[process.argv.indexOf(name) + 1]
const ports = systemPorts()

const node = await startNode({
  config: loadConfig({
    flags: {
      data: flag('--data'),
      listen: flag('--listen'),
      'storage.segmentBytes': '16MiB',
      'codecs.offloadBytesMin': '0',
    },
    env: {},
    readFile: () => '',
  }),
  logger: pino({ level: 'warn' }),
  transport: await loadUwsTransport(),
  ...ports,
  codecPool: ({ workers: _, ...settings }) =>
    new WorkerPool({
      ...settings,
      workersMax: Math.max(2, availableParallelism()),
      tools: { crc32c: ports.crc32c, codecs: ports.codecs },
      clock: ports.clock,
      timers: ports.timers,
      workerFile: new URL('./dying-worker.js', import.meta.url),
      // They die more often than any broker should have to bear.
      restarts: { burst: 1_000, refillMs: 1 },
    }),
})
process.once('SIGTERM', () => void node.stop().then(() => process.exit(0)))

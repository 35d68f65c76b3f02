/**
 * The real node with a store that forgets: what remains of a broker without its disk. Takes the flags of
 * `octopus serve` that the bench uses, prints the same word when it is ready, and ends on SIGTERM.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { loadConfig } from '../../broker/config/load-config.ts'
import { startNode } from '../../broker/node.ts'
import type { NodeStorage } from '../../broker/node-storage.ts'
import { createLogger } from '../../broker/observability/logger.ts'
import { systemPorts } from '../../broker/system-ports.ts'
import { loadUwsTransport } from '../../broker/transport/uws-transport.ts'
import {
  createMemoryMetadataStore,
  MemoryMetadataDisk,
} from '../../storage/metadata/memory-metadata-store.ts'
import { adminKeyInMemory } from './admin-key.ts'
import { DiscardingStore } from './discarding-store.ts'

const { values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string' },
    listen: { type: 'string' },
    'log-format': { type: 'string' },
    'tls-cert': { type: 'string' },
    'tls-key': { type: 'string' },
  },
})

function failed(error: unknown): never {
  throw error
}

async function openNothing(): Promise<NodeStorage> {
  const metadata = createMemoryMetadataStore({ onListenerError: failed })
  await metadata.open()
  return {
    nodeId: 0,
    clusterId: 'keeps-nothing',
    path: 'nowhere',
    metadata,
    segments: new DiscardingStore(),
    openGroupView: () => new MemoryMetadataDisk(),
    adminKeyFile: adminKeyInMemory,
    close: () => metadata.close(),
  }
}

const config = loadConfig({
  flags: {
    data: flags.data,
    listen: flags.listen,
    'log.format': flags['log-format'],
    'tls.cert': flags['tls-cert'],
    'tls.key': flags['tls-key'],
  },
  env: {},
  readFile: (path) => readFileSync(path, 'utf8'),
})
const node = await startNode({
  config,
  logger: createLogger({ level: 'warn', format: config.log.format, destination: process.stderr }),
  transport: await loadUwsTransport(),
  ...systemPorts(),
  openStorage: openNothing,
})
process.stdout.write(`${JSON.stringify({ ready: true, url: node.url, pid: process.pid })}\n`)
await once(process, 'SIGTERM')
await node.stop()
process.exit(0)

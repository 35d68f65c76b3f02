/**
 * A broker with a mistake: it acknowledges what is not on the disk yet. The tests of syncs run on it, too, to show
 * that they would notice. Takes the arguments of `octopus serve`.
 */
import { pino } from 'pino'
import { loadConfig } from '../../broker/config/load-config.ts'
import { startNode } from '../../broker/node.ts'
import { openNodeStorage } from '../../broker/node-storage.ts'
import { systemPorts } from '../../broker/system-ports.ts'
import { loadUwsTransport } from '../../broker/transport/uws-transport.ts'
import type { SegmentStore } from '../../storage/segment-store.ts'

const flag = (name: string) => process.argv[process.argv.indexOf(name) + 1]

/** Begins the append and says at once that it is done. */
function hasty(store: SegmentStore): SegmentStore {
  let writing = Promise.resolve()
  const append = async (...call: Parameters<SegmentStore['append']>) => {
    await writing
    writing = store.append(...call)
  }
  return new Proxy(store, {
    get(target, name) {
      if (name === 'append') return append
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

await startNode({
  config: loadConfig({
    flags: { data: flag('--data'), listen: flag('--listen'), 'storage.segmentBytes': '16MiB' },
    env: {},
    readFile: () => '',
  }),
  logger: pino({ level: 'warn' }),
  transport: await loadUwsTransport(),
  ...systemPorts(),
  openStorage: async (options) => {
    const storage = await openNodeStorage(options)
    return { ...storage, segments: hasty(storage.segments) }
  },
})

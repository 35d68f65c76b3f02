/** Real clocks, timers, chance, checksums and codecs, for Node. The only place of the client where they are built. */
import { nativeCrc32c } from '../../storage/record/node/native-crc32c.ts'
import { nodeCodecs } from '../../storage/record/node/node-codecs.ts'
import type { ClientPorts } from '../ports.ts'
import { soonTogether } from './soon.ts'
import { nodeWebSockets } from './websocket-connector.ts'

export const nodePorts: ClientPorts = {
  clock: { nowMs: Date.now, monotonicMs: () => performance.now() },
  timers: {
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs)
      return { cancel: () => clearTimeout(timer) }
    },
    soon: soonTogether((run) => setImmediate(run)),
  },
  random: { unit: Math.random },
  websockets: nodeWebSockets,
  crc32c: nativeCrc32c,
  // Synchronous: a batch of 64 KiB takes a fraction of a millisecond, and order needs no care.
  codecs: nodeCodecs,
}

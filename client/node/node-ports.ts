/** Real clocks, timers, chance, checksums and codecs, for Node. The only place of the client where they are built. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import type { CompressionCodec } from '../../storage/record/compression.ts'
import { crc32cTable } from '../../storage/record/crc32c.ts'
import type { ClientPorts } from '../ports.ts'
import { soonTogether } from './soon.ts'
import { nodeWebSockets } from './websocket-connector.ts'

/** Synchronous: a batch of 64 KiB takes about a millisecond, and order needs no care. */
const gzip: CompressionCodec = {
  compress: (bytes) => gzipSync(bytes),
  decompress: (bytes, bytesMax) => gunzipSync(bytes, { maxOutputLength: bytesMax }),
}

const CRC_NATIVE_BYTES_MIN = 256

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
  // Calling native code costs more than the table does for a few bytes.
  crc32c: (bytes) => (bytes.length < CRC_NATIVE_BYTES_MIN ? crc32cTable(bytes) : crc32c(bytes)),
  codecs: { gzip },
}

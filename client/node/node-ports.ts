/** Real clocks, timers, chance, checksums and codecs, for Node. The only place of the client where they are built. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import type { CompressionCodec } from '../../storage/record/compression.ts'
import type { ClientPorts } from '../ports.ts'
import { nodeWebSockets } from './websocket-connector.ts'

/** Synchronous: a batch of 64 KiB takes about a millisecond, and order needs no care. */
const gzip: CompressionCodec = {
  compress: (bytes) => gzipSync(bytes),
  decompress: (bytes, bytesMax) => gunzipSync(bytes, { maxOutputLength: bytesMax }),
}

export const nodePorts: ClientPorts = {
  clock: { nowMs: Date.now, monotonicMs: () => performance.now() },
  timers: {
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs)
      return { cancel: () => clearTimeout(timer) }
    },
    soon: (run) => {
      setImmediate(run)
    },
  },
  random: { unit: Math.random },
  websockets: nodeWebSockets,
  crc32c: (bytes) => crc32c(bytes),
  codecs: { gzip },
}

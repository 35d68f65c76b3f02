/**
 * Who may touch the world, and why: the list `test/rooms.test.ts` holds the product to. Everybody else is
 * handed clocks, timers, randomness, disks and sockets, so that a seeded simulator can hand in its own.
 */
import type { Effect, Performer } from './rules.ts'

export const effects: Readonly<Record<string, Effect>> = {
  clock: {
    words: /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b|\bprocess\.hrtime\b/g,
    modules: ['node:perf_hooks'],
    instead: 'take a Clock as an argument',
  },
  timers: {
    words: /(?<!\.)\b(?:setTimeout|setInterval|setImmediate)\b/g,
    modules: ['node:timers', 'node:timers/promises'],
    instead: 'take Timers as an argument',
  },
  randomness: {
    words: /\bMath\.random\b|\b(?:randomUUID|randomBytes|randomInt|randomFill(?:Sync)?|getRandomValues)\b/g,
    instead: 'take a Random as an argument',
  },
  environment: {
    words: /\bprocess\.(?:env|argv|exit)\b/g,
    instead: 'take settings as an argument, and let the entry point end the process',
  },
  disk: {
    modules: ['node:fs', 'node:fs/promises', 'lmdb'],
    instead: 'go through SegmentStore or MetadataStore, or let the entry point read the file',
  },
  network: {
    words: /(?<![.\w#]|async )fetch\(|\bnew WebSocket\b/g,
    modules: [
      'node:net',
      'node:http',
      'node:https',
      'node:http2',
      'node:tls',
      'node:dgram',
      'node:dns',
      'ws',
      'uWebSockets.js',
    ],
    instead: 'go through Transport, or take the connection as an argument',
  },
  processes: {
    modules: ['node:child_process', 'node:cluster', 'node:worker_threads'],
    instead: 'take what the process does as an argument',
  },
}

export const performers: Readonly<Record<string, Performer>> = {
  'broker/main.ts': {
    may: ['clock', 'environment', 'disk'],
    reason: 'the entry point of the program; asks whether its standard input is a directory',
  },
  'broker/access/secret-file.ts': {
    may: ['disk'],
    reason:
      'the key of the first start is a file, as is one made with --out, and who may read it is looked at',
  },
  'broker/cli/filter-argument.ts': { may: ['disk'], reason: 'reads the file that @FILE names' },
  'broker/cli/last-resort.ts': {
    may: ['processes'],
    reason: 'starts the process that ends this one',
  },
  'broker/cli/progress.ts': { may: ['clock', 'timers'], reason: 'a counter on a terminal, for the eye only' },
  'broker/cli/serve.ts': { may: ['disk'], reason: 'reads the configuration file for the node it starts' },
  'broker/codec-pool/codec-worker.ts': {
    may: ['clock', 'processes'],
    reason: 'the worker thread itself: nobody could hand it anything but messages',
  },
  'broker/system-ports.ts': {
    may: ['clock', 'timers', 'randomness', 'disk', 'network'],
    reason:
      'the real ports that entry points hand to a node; the limit of open files stands in /proc, certificates in files',
  },
  'broker/cli/trusted-issuers.ts': { may: ['disk'], reason: 'reads the file that --ca-file names' },
  'broker/transport/port-probe.ts': { may: ['network'], reason: 'asks the system about ports' },
  'broker/transport/uws-listening.ts': { may: ['network'], reason: 'where the transport listens' },
  'broker/transport/uws-socket.ts': { may: ['network'], reason: 'a socket of the transport' },
  'broker/transport/uws-transport.ts': { may: ['network'], reason: 'the transport is the network' },
  'client/index.ts': { may: ['environment'], reason: 'the entry point of the SDK in Node' },
  'client/node/environment-token.ts': { may: ['disk'], reason: 'reads the file with the credential' },
  'client/node/masked-frames.ts': {
    may: ['randomness'],
    reason: 'masking keys must be such as nobody can foresee: neither a test nor a seed may choose them',
  },
  'client/node/node-ports.ts': {
    may: ['clock', 'timers', 'randomness'],
    reason: 'the real ports that the Node entry hands to a client',
  },
  'client/node/reading-socket.ts': { may: ['network'], reason: 'the TCP socket under the WebSocket' },
  'client/node/websocket-connector.ts': { may: ['network'], reason: 'the WebSocket of Node is the network' },
  'storage/data-directory.ts': { may: ['disk'], reason: 'makes and recognises the data directory' },
  'storage/directory-lock.ts': { may: ['disk', 'network'], reason: 'the lock is a socket in the directory' },
  'storage/durable-file.ts': {
    may: ['disk'],
    reason: 'replaces small files so that a crash shows one of the two',
  },
  'storage/lmdb/environment.ts': { may: ['disk'], reason: 'all calls of lmdb-js for segments' },
  'storage/lmdb/environment-file.ts': {
    may: ['disk'],
    reason: 'looks at the files of an environment before it is opened',
  },
  'storage/lmdb/live-segments.ts': { may: ['disk'], reason: 'the set of segment files' },
  'storage/lmdb/manifest.ts': { may: ['disk'], reason: 'the manifest is a file' },
  'storage/lmdb/prepare-segment.ts': {
    may: ['disk', 'processes'],
    reason: 'reserves blocks; fallocate is a program, since Node has no call for it',
  },
  'storage/lmdb/retired-segments.ts': {
    may: ['disk'],
    reason: 'renames the files of removed segments and has them deleted',
  },
  'storage/lmdb/segment-files.ts': { may: ['disk'], reason: 'names, sizes and removal of segment files' },
  'storage/record/node/zstd-wasm.ts': {
    may: ['disk'],
    reason: 'reads the WebAssembly of a package: loading a library cannot be handed in before there is one',
  },
  'storage/verify/page-file.ts': { may: ['disk'], reason: 'reads the files that are verified' },
  'storage/verify/repair-shard.ts': {
    may: ['disk'],
    reason: 'clears what a killed repair left, and puts damaged files aside',
  },
  'storage/verify/verify-directory.ts': { may: ['disk'], reason: 'lists the files of a data directory' },
  'storage/metadata/metadata-environment.ts': { may: ['disk'], reason: 'all calls of lmdb-js for metadata' },
  'storage/metadata/metadata-file.ts': {
    may: ['disk', 'processes'],
    reason: 'reserves blocks, as for segments',
  },
}

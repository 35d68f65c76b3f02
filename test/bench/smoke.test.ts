/**
 * The benches, small: that they run against the real broker, count right and print the keys they promise.
 * Never how fast the machine is.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const main = fileURLToPath(new URL('../../bench/main.js', import.meta.url))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function bench(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text) => (stdout += text))
  child.stderr.on('data', (text) => (stderr += text))
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })))
}

/** The value of a dotted key. */
function at(result: unknown, key: string): unknown {
  return key.split('.').reduce<unknown>((value, part) => (value as Record<string, unknown>)?.[part], result)
}

function lastLine(text: string): unknown {
  return JSON.parse(text.trimEnd().split('\n').at(-1)!)
}

const linux = process.platform === 'linux'

t.test('throughput --smoke', async (t) => {
  const run = await bench('throughput', '--smoke', '--tls', '--json', '--data', t.testdir())
  t.equal(run.code, 0, run.stderr)
  const result = lastLine(run.stdout)
  const positive = [
    'produce.eventsPerSecond',
    'produce.megabytesPerSecond',
    'produce.diskRatio',
    'consume.eventsPerSecondLazy',
    'consume.eventsPerSecondValues',
    ...(linux ? ['broker.cpuSecondsPerMillionEvents', 'broker.anonymousRssBytesMax'] : []),
    'probes.disk.megabytesPerSecond',
    'probes.fdatasync.p50Ms',
    'probes.nothingStored.eventsPerSecond',
    'tls.produceRatio',
    'tls.consumeRatioLazy',
    'tls.consumeRatioValues',
    'tls.produceEventsPerSecond',
  ]
  for (const key of positive) t.ok((at(result, key) as number) > 0, `${key} is ${at(result, key)}`)
  t.equal(at(result, 'config.events'), 100_000)
  t.equal(at(result, 'config.seed'), 1)
  t.type(at(result, 'config.machine.versions.lmdb'), 'string')
  t.match(run.stderr, /producing/, 'says what it does')

  // Golden: the same seed and inputs move the same bytes, today and after the next optimisation.
  t.equal(at(result, 'config.resultHash'), '5c047572a435fc2c')
})

t.test('latency --smoke', async (t) => {
  const run = await bench('latency', '--smoke', '--json', '--data', t.testdir())
  t.equal(run.code, 0, run.stderr)
  const result = lastLine(run.stdout)
  for (const key of ['endToEnd.p50Ms', 'endToEnd.p99Ms', 'achievedPerSecond', 'probes.fdatasync.p50Ms'])
    t.ok((at(result, key) as number) > 0, `${key} is ${at(result, key)}`)
  t.equal(at(result, 'endToEnd.events'), 1_000, 'every event of the measured second')
  t.ok((at(result, 'endToEnd.p50Ms') as number) <= (at(result, 'endToEnd.p99Ms') as number))
})

t.test('cold --smoke', { skip: !linux && 'only Linux lets go of its page cache' }, async (t) => {
  const run = await bench('cold', '--smoke', '--json', '--data', t.testdir())
  t.equal(run.code, 0, run.stderr)
  const result = lastLine(run.stdout)
  const positive = [
    'live.alone.p50Ms',
    'live.alone.events',
    'live.beside.p99Ms',
    'live.beside.events',
    'live.p99Ratio',
    'live.achievedPerSecond',
    'replay.megabytesPerSecond',
    'replay.bytes',
    'broker.anonymousRssBytesMax',
    'probes.coldRead.megabytesPerSecond',
    'probes.fdatasync.p50Ms',
  ]
  for (const key of positive) t.ok((at(result, key) as number) > 0, `${key} is ${at(result, key)}`)
  t.type(at(result, 'replay.diskBytes'), 'number')
  t.equal((at(result, 'rounds') as unknown[]).length, 1)
})

t.test('connections --smoke', async (t) => {
  const run = await bench('connections', '--smoke', '--json', '--generators', '2', '--data', t.testdir())
  t.equal(run.code, 0, run.stderr)
  const result = lastLine(run.stdout)
  const positive = [
    'acknowledged.eventsPerSecond',
    'acknowledged.nothingStoredRatio',
    'latency.p50Ms',
    'client.cpuSecondsPerMillionEvents',
    ...(linux ? ['broker.cpuSecondsPerMillionEvents', 'broker.anonymousRssBytesMax'] : []),
    'probes.nothingStored.eventsPerSecond',
    'probes.fdatasync.p50Ms',
  ]
  for (const key of positive) t.ok((at(result, key) as number) > 0, `${key} is ${at(result, key)}`)
  t.ok((at(result, 'latency.p50Ms') as number) <= (at(result, 'latency.p99Ms') as number))
  t.equal(at(result, 'config.connections'), 20)
})

t.test('partitions --smoke', async (t) => {
  const run = await bench('partitions', '--smoke', '--json', '--data', t.testdir())
  t.equal(run.code, 0, run.stderr)
  const result = lastLine(run.stdout)
  const positive = [
    'produce.ratio',
    'produce.many.eventsPerSecond',
    'produce.one.eventsPerSecond',
    'produce.oneWithDefaults.eventsPerSecond',
    'startup.afterTerm.seconds',
    'startup.afterKill.seconds',
    'log.bytes',
    'log.readSeconds',
    ...(linux ? ['startup.evicted.seconds', 'log.openSegmentsMax', 'log.mappedSegmentsMax'] : []),
    ...(linux ? ['broker.anonymousRssBytesMax', 'startup.afterKill.anonymousRssBytes'] : []),
    'probes.nothingStored.manyEventsPerSecond',
    'probes.nothingStored.oneEventsPerSecond',
    'probes.disk.megabytesPerSecond',
    'probes.fdatasync.p50Ms',
  ]
  for (const key of positive) t.ok((at(result, key) as number) > 0, `${key} is ${at(result, key)}`)
  t.ok((at(result, 'startup.batches') as number) >= 2_000, 'as many batches as were asked for')
  t.ok((at(result, 'startup.segments') as number) >= 2, 'and segments')
  for (const part of ['many', 'one'])
    t.ok((at(result, `produce.${part}.eventsPerBatch`) as number) > 10, `batches of ${part} hold some events`)
  // Golden: two slices and the warm-up to each side, and an eighth for the defaults.
  t.equal(at(result, 'config.resultHash'), '44ea4c40c1cc244d')
})

t.test('retention --smoke', async (t) => {
  const run = await bench('retention', '--smoke', '--json', '--data', t.testdir())
  t.equal(run.code, 0, run.stderr)
  const result = lastLine(run.stdout)
  const positive = [
    'steady.megabytesPerSecond',
    'steady.lastOverFirst',
    'steady.diskBytesMax',
    'steady.liveBytesMax',
    'mixture.megabytesPerSecond',
    'mixture.throughputRatio',
    ...(linux ? ['broker.anonymousRssBytesMax'] : []),
    'probes.nothingStored.megabytesPerSecond',
    'probes.disk.megabytesPerSecond',
  ]
  for (const key of positive) t.ok((at(result, key) as number) > 0, `${key} is ${at(result, key)}`)
  t.equal((at(result, 'steady.megabytesPerSecondOfEach') as number[]).length, 16, 'a rate for each stretch')
  const left = (at(result, 'rounds') as { events: number; eventsLeft: number }[])[0]
  t.ok(left.eventsLeft * 1024 >= 16e6, 'what is to be kept is there')
  t.ok(left.eventsLeft < left.events, 'and old data has left')
})

t.test('access --smoke', async (t) => {
  const run = await bench('access', '--smoke', '--json', '--data', t.testdir())
  t.equal(run.code, 0, run.stderr)
  const result = lastLine(run.stdout)
  const effects = ['grant', 'revoke', 'parkedFetch', 'revokedKey', 'revokedKeyParkedFetch', 'change']
  effects.push('bulk.change', 'bulk.roundTrip')
  const kinds = ['newcomers.key', 'newcomers.eddsa', 'newcomers.es256', 'probes.anonymous']
  const positive = [
    'cost.check.nanoseconds',
    'cost.check.compileMicroseconds',
    'cost.check.compileChangedMicroseconds',
    ...['bulk', 'single'].flatMap((load) => [
      `cost.${load}.rateRatio`,
      `cost.${load}.eventsPerSecond`,
      ...(linux ? [`cost.${load}.cpuRatio`, `cost.${load}.noise`, `cost.${load}.checkShare`] : []),
    ]),
    ...effects.map((name) => `effect.${name}.maxMs`),
    ...kinds.flatMap((kind) => [
      `${kind}.perSecond`,
      `${kind}.anonymousRatio`,
      `${kind}.p50Ms`,
      `${kind}.generatorCpuShare`,
      `${kind}.storm.seconds`,
      ...(linux ? [`${kind}.brokerCpuMicroseconds`] : []),
    ]),
    'probes.sdk.perSecond',
    'probes.roundTrip.p50Ms',
    'probes.processor.megabytesPerSecond',
    ...(linux ? ['broker.anonymousRssBytesMax'] : []),
  ]
  for (const key of positive) t.ok((at(result, key) as number) > 0, `${key} is ${at(result, key)}`)
  t.equal(at(result, 'config.entries'), 800, 'ten entries for each principal')
  t.equal(at(result, 'cost.single.eventsPerBatch'), 1)
  t.ok((at(result, 'cost.bulk.eventsPerBatch') as number) > 100)
})

t.test('groups --smoke', async (t) => {
  const run = await bench('groups', '--smoke', '--json', '--data', t.testdir())
  t.equal(run.code, 0, run.stderr)
  const result = lastLine(run.stdout)
  const positive = [
    'cost.lazy.rateRatio',
    'cost.lazy.groupedEventsPerSecond',
    'cost.events.rateRatio',
    'cost.events.clientCpuRatio',
    'join.maxMs',
    'join.unread.maxMs',
    'stay.partitions',
    'stay.latencyQuiet.p99Ms',
    'kill.maxMs',
    'commits.perSecond',
    'commits.p50Ms',
    'commits.clientCpuSecondsPerMillion',
    ...(linux ? ['commits.brokerCpuSecondsPerMillion', 'broker.anonymousRssBytesMax'] : []),
    'probes.fdatasync.p50Ms',
  ]
  for (const key of positive) t.ok((at(result, key) as number) > 0, `${key} is ${at(result, key)}`)
  t.equal(at(result, 'join.partitionsMoved'), 12, 'a quarter of the partitions, twice')
  t.equal(at(result, 'kill.partitionsMoved'), 6, 'and those of who was killed')
  t.equal(at(result, 'stay.fetchedAgain'), 0)
})

t.test('codecs --smoke', async (t) => {
  const run = await bench('codecs', '--smoke', '--json', '--data', t.testdir())
  t.equal(run.code, 0, run.stderr)
  const result = lastLine(run.stdout)
  const topics = ['topics.zstd-1', 'topics.lz4']
  const positive = [
    'events.meanBytes',
    'pool.workers',
    'pool.configuredBytes',
    ...topics.flatMap((topic) => [
      `${topic}.recompress.eventsPerSecond`,
      `${topic}.consume.lazy.eventsPerSecond`,
      `${topic}.consume.values.eventsPerSecond`,
      `${topic}.live.alone.p99Ms`,
      `${topic}.live.p99Ratio`,
      `${topic}.live.besidePerSecond`,
      `${topic}.plain.aloneEventsPerSecond`,
      `${topic}.plain.besideEventsPerSecond`,
      ...(linux ? [`${topic}.plain.cpuShare`, `${topic}.recompress.loopCpuSecondsPerMillionEvents`] : []),
    ]),
    'probes.processor.megabytesPerSecond',
    'probes.disk.megabytesPerSecond',
    ...(linux ? ['broker.anonymousRssBytesMax'] : []),
  ]
  for (const key of positive) t.ok((at(result, key) as number) > 0, `${key} is ${at(result, key)}`)
  for (const topic of topics) {
    const share = at(result, `${topic}.recompress.storedShare`) as number
    t.ok(share < 0.7, `${topic}: ${share} of the bytes are on the disk`)
  }
  const codecs = at(result, 'codecs') as { name: string; batchBytes: number; ratio: number }[]
  t.equal(codecs.length, 2 * 7, 'each codec at each size')
  for (const codec of codecs) {
    t.ok(codec.ratio > 1.2, `${codec.name} at ${codec.batchBytes}: ${codec.ratio}`)
    for (const way of ['compress', 'decompress'])
      t.ok((at(codec, `${way}.megabytesPerSecond`) as number) > 0, `${codec.name}: ${way}`)
  }
  const costs = at(result, 'pool.costs') as { inline: object; pool: object }[]
  t.equal(costs.length, 2 * 2)
  for (const cost of costs)
    for (const where of ['inline', 'pool'] as const) t.ok((at(cost[where], 'eventsPerSecond') as number) > 0)
})

t.test('filters --smoke', async (t) => {
  const run = await bench('filters', '--smoke', '--json', '--data', t.testdir())
  t.equal(run.code, 0, run.stderr)
  const result = lastLine(run.stdout)
  const positive = [
    'matcher.slowestEventsPerSecond',
    'scan.eventsPerSecond',
    'scan.plain.eventsPerSecond',
    'scan.selective.matchedShare',
    'many.one.eventsPerSecond',
    'many.many.eventsPerSecond',
    'live.p99Ratio',
    'live.besidePerSecond',
    'probes.processor.megabytesPerSecond',
    ...(linux ? ['scan.eventsPerCoreSecond', 'broker.anonymousRssBytesMax'] : []),
  ]
  for (const key of positive) t.ok((at(result, key) as number) > 0, `${key} is ${at(result, key)}`)
  t.ok((at(result, 'scan.savedShare') as number) > 0.9, 'what does not match is not sent')
  const share = at(result, 'scan.selective.matchedShare') as number
  t.ok(share > 0.001 && share < 0.05, `${share} of the events match`)
})

t.test('without a name it lists what there is', async (t) => {
  const run = await bench()
  t.equal(run.code, 0)
  for (const name of [
    'throughput',
    'latency',
    'partitions',
    'retention',
    'cold',
    'connections',
    'access',
    'groups',
    'codecs',
    'filters',
  ])
    t.match(run.stdout, new RegExp(`^  ${name} `, 'm'))
})

t.test('a wrong command line says what would be right', async (t) => {
  const unknown = await bench('troughput')
  t.equal(unknown.code, 64)
  t.match(unknown.stderr, /unknown command 'troughput'/)
  const rate = await bench('latency', '--rate', 'fast')
  t.equal(rate.code, 64)
  t.match(rate.stderr, /--rate.*whole number from 1 on/s)
})

/**
 * Disks that fail or hang under a broker at work: nothing is acknowledged that is not on the disk, whoever waits
 * is told within seconds, the process ends by itself with the cause named, and the next start has everything
 * that was acknowledged.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { apis } from '../../client/protocol/api.ts'
import { batchOf, ProtocolClient } from '../broker/protocol-client.ts'
import { BrokerProcess } from '../support/broker-process.ts'
import { Strace } from '../support/strace.ts'
import { requireTool } from '../support/tools.ts'

interface Fault {
  readonly name: string
  /** As after strace's `-e inject=`. */
  readonly inject: string
  /** Which writes meet it. */
  readonly of: 'log' | 'metadata'
  /** What the line on standard error says besides the file. */
  readonly cause: RegExp
  readonly ends: readonly (number | NodeJS.Signals)[]
  readonly args?: readonly string[]
}

const IO_ERROR = 74
const isSoak = process.env.OCTOPUS_SOAK === '1'
const faults: readonly Fault[] = [
  {
    name: 'fdatasync fails',
    inject: 'fdatasync:error=EIO',
    of: 'log',
    cause: /Input\/output error/,
    ends: [IO_ERROR],
  },
  {
    name: 'fdatasync fails once',
    inject: 'fdatasync:error=EIO:when=1',
    of: 'log',
    cause: /Input\/output error/,
    ends: [IO_ERROR],
  },
  {
    name: 'the meta page cannot be written',
    inject: 'pwrite64:error=EIO',
    of: 'log',
    cause: /Input\/output error/,
    ends: [IO_ERROR],
  },
  {
    name: 'the meta page finds no space',
    inject: 'pwrite64:error=ENOSPC',
    of: 'log',
    cause: /No space left on device/,
    ends: [IO_ERROR],
  },
  {
    name: 'fdatasync finds no space',
    inject: 'fdatasync:error=ENOSPC',
    of: 'log',
    cause: /No space left on device/,
    ends: [IO_ERROR],
  },
  {
    // lmdb-js formats this error into a buffer that is too small for a long one: it may abort the process.
    name: 'data pages cannot be written',
    inject: 'writev:error=EIO',
    of: 'log',
    cause: /Input\/output error/,
    ends: [IO_ERROR, 'SIGABRT'],
  },
  {
    name: 'data pages exceed a quota',
    inject: 'writev:error=EDQUOT',
    of: 'log',
    cause: /Disk quota exceeded/,
    ends: [IO_ERROR, 'SIGABRT'],
  },
  {
    name: 'fdatasync of the metadata fails',
    inject: 'fdatasync:error=EIO',
    of: 'metadata',
    cause: /Input\/output error/,
    ends: [IO_ERROR],
  },
  {
    name: 'the meta page of the metadata cannot be written',
    inject: 'pwrite64:error=EIO',
    of: 'metadata',
    cause: /Input\/output error/,
    ends: [IO_ERROR],
  },
  {
    name: 'the disk hangs for a while',
    inject: 'fdatasync:delay_enter=3000000',
    of: 'log',
    cause: /has not come back for 1 s: the disk hangs/,
    ends: [IO_ERROR],
    args: ['--storage-commit-timeout-ms', '1000'],
  },
  {
    // Exiting waits for the thread that waits for the disk, so another process puts an end to it.
    name: 'the disk of the metadata hangs for long',
    inject: `fdatasync:delay_enter=${isSoak ? 20 : 3}000000`,
    of: 'metadata',
    cause: /has not come back for 1 s: the disk hangs/,
    ends: isSoak ? ['SIGKILL'] : [IO_ERROR],
    args: ['--storage-commit-timeout-ms', '1000'],
  },
]
const WITHIN_MS = 5_000
const skip = requireTool('strace')

/** What became of a request, and after how long. */
async function outcomeOf(request: Promise<{ error: number }>) {
  const startMs = performance.now()
  const error = await request.then(
    (answer) => answer.error,
    (reason: Error) => reason.message,
  )
  return { error, ms: performance.now() - startMs }
}

async function created(client: ProtocolClient, name: string): Promise<{ error: number }> {
  const topic = { name, partitions: 1, replicationFactor: -1, configs: [] }
  const { topics } = await client.call(apis.createTopics, {
    topics: [topic],
    validateOnly: false,
    timeoutMs: 5_000,
  })
  return { error: topics[0]?.error ?? -1 }
}

async function survives(t: Test, fault: Fault): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-strace-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const broker = await BrokerProcess.start(['--storage-segment-bytes', '16MiB', ...(fault.args ?? [])])
  t.teardown(() => broker.destroy())
  const clients = await Promise.all([1, 2, 3].map(() => ProtocolClient.connect(broker.url)))
  const [producer, consumer, admin] = clients
  const topicId = await producer.createTopic('lab.events', 1)
  const acknowledged = new Map<number, string>()
  const produce = async (text: string) => {
    const answer = await producer.produce(topicId, 0, batchOf([text]))
    if (answer.error === 0) acknowledged.set(answer.baseOffset, text)
    return answer
  }
  for (let i = 0; i < 5; i++) await produce(`before ${i}`)
  const idle = await admin.createTopic('lab.idle', 1)

  const strace = await Strace.attach(broker.pid, join(directory, 'log'), {
    trace: 'fdatasync,pwrite64,writev',
    inject: [fault.inject],
  })
  const parked = outcomeOf(
    consumer.fetch(idle, 0, 0, 60_000).then(({ response }) => ({ error: response?.error ?? -1 })),
  )
  const waiting: Promise<{ error: number | string; ms: number }>[] = []
  for (let i = 0; i < 10; i++) {
    if (fault.of === 'log') waiting.push(outcomeOf(produce(`after ${i}`)))
    else waiting.push(outcomeOf(created(admin, `lab.after-${i}`)))
    if (i < 4) await Promise.race([waiting[i], new Promise((resolve) => setTimeout(resolve, 20))])
  }
  const outcomes = await Promise.all([...waiting, parked])
  const slowest = Math.max(...outcomes.map(({ ms }) => ms))
  t.ok(slowest < WITHIN_MS, `everyone who waited was told, the last after ${slowest.toFixed()} ms`)
  t.not((await parked).error, 0, 'a parked fetch, too')
  t.not(outcomes.at(-2)?.error, 0)

  const { code, signal } = await broker.ended()
  const said = broker.log
  t.ok(fault.ends.includes(code ?? signal ?? -1), `it ended by itself, with ${code ?? signal}`)
  if (signal !== 'SIGABRT') {
    const fatal = said.split('\n').filter((line) => /^\{"level":60,/.test(line))
    t.equal(fatal.length, 1, 'one fatal line in the log')
    t.match(fatal[0], fault.cause)
    const last = said.split('\n').filter((line) => line.startsWith('octopus: '))
    t.equal(last.length, 1, 'one line on standard error')
    t.match(last[0], fault.cause)
    // A write that hangs is named by the directory, one that failed by its file.
    const file = fault.args
      ? ''
      : { log: '/shard-0/segment-0000000001.lmdb', metadata: '/metadata.lmdb' }[fault.of]
    t.match(last[0], `${broker.dataDirectory}${file}`)
  }
  await strace.kill()
  for (const client of clients) await client.close()

  await broker.restart()
  const again = await ProtocolClient.connect(broker.url)
  const { records } = await again.fetch(topicId, 0, 0)
  t.ok(acknowledged.size >= 5)
  for (const [offset, value] of acknowledged) t.same(records[offset], { offset, value })
  t.same(new Set(records.map(({ value }) => value)).size, records.length, 'nothing is there twice')
  const produced = await again.produce(topicId, 0, batchOf(['afterwards']))
  t.match(produced, { error: 0, baseOffset: records.length })
  t.match(await created(again, 'lab.afterwards'), { error: 0 })
  await again.close()
  t.equal(await broker.end('SIGTERM'), 0)
}

t.jobs = 3
for (const fault of faults) {
  t.test(fault.name, { skip, buffered: true }, (t) => survives(t, fault))
}

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
  /** In the data directory; what is named on standard error. A write that hangs is named by the directory. */
  readonly file: string
  readonly args?: readonly string[]
  /** Size of an event, where it matters. */
  readonly valueBytes?: number
  /** Events come one after the other until one fails: the fault comes late. Otherwise ten pile up behind it. */
  readonly isOneByOne?: boolean
  /** Events written before. */
  readonly before?: number
}

const IO_ERROR = 74
const SEGMENT = '/shard-0/segment-0000000001.lmdb'
const METADATA = '/metadata.lmdb'
const faults: readonly Fault[] = [
  {
    name: 'fdatasync fails',
    inject: 'fdatasync:error=EIO',
    of: 'log',
    cause: /Input\/output error/,
    ends: [IO_ERROR],
    file: SEGMENT,
  },
  {
    name: 'fdatasync fails once',
    inject: 'fdatasync:error=EIO:when=1',
    of: 'log',
    cause: /Input\/output error/,
    ends: [IO_ERROR],
    file: SEGMENT,
  },
  {
    name: 'the meta page cannot be written',
    inject: 'pwrite64:error=EIO',
    of: 'log',
    cause: /Input\/output error/,
    ends: [IO_ERROR],
    file: SEGMENT,
  },
  {
    name: 'the meta page finds no space',
    inject: 'pwrite64:error=ENOSPC',
    of: 'log',
    cause: /No space left on device/,
    ends: [IO_ERROR],
    file: SEGMENT,
  },
  {
    name: 'fdatasync finds no space',
    inject: 'fdatasync:error=ENOSPC',
    of: 'log',
    cause: /No space left on device/,
    ends: [IO_ERROR],
    file: SEGMENT,
  },
  {
    // lmdb-js formats this error into a buffer that is too small for a long one: it may abort the process.
    name: 'data pages cannot be written',
    inject: 'writev:error=EIO',
    of: 'log',
    cause: /Input\/output error/,
    ends: [IO_ERROR, 'SIGABRT'],
    file: SEGMENT,
  },
  {
    name: 'data pages exceed a quota',
    inject: 'writev:error=EDQUOT',
    of: 'log',
    cause: /Disk quota exceeded/,
    ends: [IO_ERROR, 'SIGABRT'],
    file: SEGMENT,
  },
  {
    name: 'the change to the next segment cannot be synced',
    inject: 'fsync:error=EIO',
    of: 'log',
    cause: /EIO: i\/o error, fsync/,
    ends: [IO_ERROR],
    file: '/shard-0/MANIFEST',
    valueBytes: 900_000,
    isOneByOne: true,
  },
  {
    name: 'fdatasync of the metadata fails',
    inject: 'fdatasync:error=EIO',
    of: 'metadata',
    cause: /Input\/output error/,
    ends: [IO_ERROR],
    file: METADATA,
  },
  {
    name: 'the meta page of the metadata cannot be written',
    inject: 'pwrite64:error=EIO',
    of: 'metadata',
    cause: /Input\/output error/,
    ends: [IO_ERROR],
    file: METADATA,
  },
  {
    name: 'the disk hangs for a while',
    inject: 'fdatasync:delay_enter=3000000',
    of: 'log',
    cause: /has not come back for 1 s: the disk hangs/,
    ends: [IO_ERROR],
    file: '',
    args: ['--storage-commit-timeout-ms', '1000'],
  },
  {
    name: 'the disk of the metadata hangs for a while',
    inject: 'fdatasync:delay_enter=3000000',
    of: 'metadata',
    cause: /has not come back for 1 s: the disk hangs/,
    ends: [IO_ERROR],
    file: '',
    args: ['--storage-commit-timeout-ms', '1000'],
  },
]
/** Takes a while: what it writes to get far enough, or what it waits for. */
const longFaults: readonly Fault[] = [
  {
    name: 'data pages far into a segment cannot be written',
    inject: 'writev:error=EIO',
    of: 'log',
    cause: /Input\/output error/,
    ends: [IO_ERROR, 'SIGABRT'],
    file: SEGMENT,
    args: ['--storage-segment-bytes', '256MiB'],
    valueBytes: 700_000,
    before: 180,
  },
  {
    // Exiting waits for the thread that waits for the disk, so another process puts an end to it.
    name: 'the disk of the metadata hangs for very long',
    inject: 'fdatasync:delay_enter=20000000',
    of: 'metadata',
    cause: /has not come back for 1 s: the disk hangs/,
    ends: ['SIGKILL'],
    file: '',
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

/** The events of the partition by offset, without their padding. */
async function everything(client: ProtocolClient, topicId: Uint8Array): Promise<string[]> {
  const texts: string[] = []
  for (;;) {
    const { records } = await client.fetch(topicId, 0, texts.length)
    if (records.length === 0) return texts
    for (const { offset, value } of records) texts[offset] = value.trimEnd()
  }
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
    const answer = await producer.produce(topicId, 0, batchOf([text.padEnd(fault.valueBytes ?? 0)]))
    if (answer.error === 0) acknowledged.set(answer.baseOffset, text)
    return answer
  }
  for (let i = 0; i < (fault.before ?? 5); i++) await produce(`before ${i}`)
  const idle = await admin.createTopic('lab.idle', 1)

  const strace = await Strace.attach(broker.pid, join(directory, 'log'), {
    trace: 'fdatasync,fsync,pwrite64,writev',
    inject: [fault.inject],
  })
  const parked = outcomeOf(
    consumer.fetch(idle, 0, 0, 60_000).then(({ response }) => ({ error: response?.error ?? -1 })),
  )
  const waiting: Promise<{ error: number | string; ms: number }>[] = []
  for (let i = 0; i < 40; i++) {
    if (fault.of === 'log') waiting.push(outcomeOf(produce(`after ${i}`)))
    else waiting.push(outcomeOf(created(admin, `lab.after-${i}`)))
    if (fault.isOneByOne && (await waiting[i]).error !== 0) break
    if (!fault.isOneByOne && i === 9) break
    if (i < 4) await Promise.race([waiting[i], new Promise((resolve) => setTimeout(resolve, 20))])
  }
  if ((await waiting.at(-1))?.error === 0) throw new Error('the fault was never met')
  const outcomes = await Promise.all([...waiting, parked])
  const slowest = Math.max(...outcomes.map(({ ms }) => ms))
  t.ok(slowest < WITHIN_MS, `everyone who waited was told, the last after ${slowest.toFixed()} ms`)
  t.not((await parked).error, 0, 'a parked fetch, too')

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
    t.match(last[0], `${broker.dataDirectory}${fault.file}`)
  }
  await strace.kill()
  for (const client of clients) await client.close()

  await broker.restart()
  const again = await ProtocolClient.connect(broker.url)
  const records = await everything(again, topicId)
  t.ok(acknowledged.size >= 5)
  let missing = 0
  for (const [offset, text] of acknowledged) if (records[offset] !== text) missing++
  t.equal(missing, 0, `all ${acknowledged.size} acknowledged events are where they were said to be`)
  t.equal(new Set(records).size, records.length, 'nothing is there twice')
  const produced = await again.produce(topicId, 0, batchOf(['afterwards']))
  t.match(produced, { error: 0, baseOffset: records.length })
  t.match(await created(again, 'lab.afterwards'), { error: 0 })
  await again.close()
  t.equal(await broker.end('SIGTERM'), 0)
}

t.jobs = 3
for (const fault of process.env.OCTOPUS_SOAK ? [...faults, ...longFaults] : faults) {
  t.test(fault.name, { skip, buffered: true }, (t) => survives(t, fault))
}

/** `octopus consume --filter`: against a real broker; what is printed, what is said at the end, and what is refused. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { connect } from '../../../client/index.ts'
import { ADMIN_KEY } from '../../support/admin-key.ts'
import { inProcess, startBroker } from './octopus.ts'

const directory = await mkdtemp(join(tmpdir(), 'octopus-filtered-'))
const broker = await startBroker(join(directory, 'data'))
const client = await connect({ url: broker.url, token: ADMIN_KEY })

t.teardown(async () => {
  await client.close()
  await broker.stop()
  await rm(directory, { recursive: true, force: true })
})

/** Even events are cold, every third is no JSON. */
await client.admin().createTopic('readings', { partitions: 2, configs: { 'retention.ms': '-1' } })
const producer = client.producer({ compression: 'zstd' })
for (let n = 0; n < 30; n++) {
  const value = n % 3 === 0 ? `reading ${n}` : JSON.stringify({ n, celsius: n % 2 === 0 ? 10 : 35 })
  await producer.append('readings', { value, partition: n % 2, timestampMs: 1_700_000_000_000 + n })
}
await producer.close()

const HOT = '{"value":{"celsius":[{"numeric":[">",30]}]}}'
const hot = Array.from({ length: 30 }, (_, n) => n).filter((n) => n % 3 !== 0 && n % 2 === 1)

const consume = (...args: readonly string[]) =>
  inProcess(['consume', 'readings', '--url', broker.url, ...args])
const numbers = (out: string) =>
  out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line).n as number)

t.test('what matches is printed, and the end says how much was examined', async (t) => {
  const { exitCode, out, err } = await consume('--filter', HOT, '--from', 'earliest', '--until-end')
  t.equal(exitCode, 0)
  t.same(numbers(out), hot)
  t.equal(err, 'octopus: 30 events examined: 10 matched, 10 had a value that is no JSON\n')
})

t.test('--json: one line of numbers, on standard error', async (t) => {
  const { out, err } = await consume('--filter', HOT, '--from', 'earliest', '-e', '--json')
  t.equal(err, '{"examined":30,"matched":10,"notJson":10}\n')
  t.same(
    out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).offset as number),
    hot.map((n) => (n - 1) / 2),
    'with the offsets they have',
  )
})

t.test('a file holds a filter, also with a newline at its end', async (t) => {
  const file = join(directory, 'hot.json')
  await writeFile(file, `${HOT}\n`)
  const { out } = await consume('--filter', `@${file}`, '--from', 'earliest', '-e')
  t.same(numbers(out), hot)
})

t.test('--last and --max count what matches', async (t) => {
  t.same(numbers((await consume('--filter', HOT, '--last', '3', '-e')).out), hot.slice(-3))
  t.same(numbers((await consume('--filter', HOT, '--from', 'earliest', '--max', '4')).out), hot.slice(0, 4))
  const { out } = await consume('--filter', HOT, '--from', 'earliest', '--to', '@1700000000012')
  t.same(
    numbers(out),
    hot.filter((n) => n < 12),
  )
  t.same(numbers((await consume('--filter', HOT, '--last', '5', '-e', '--order', 'time')).out), hot.slice(-5))
})

t.test('a group goes on behind what it examined, and its lag says so', async (t) => {
  await client.admin().createTopic('grouped', { configs: { 'retention.ms': '-1' } })
  const send = async (...values: readonly string[]) => {
    const some = client.producer()
    for (const value of values) await some.append('grouped', { value })
    await some.close()
  }
  await send('{"n":0,"celsius":35}', '{"n":1,"celsius":5}', '{"n":2,"celsius":5}')
  const group = [
    'consume',
    'grouped',
    '--url',
    broker.url,
    '--group',
    'night',
    '--from',
    'earliest',
    '--filter',
    HOT,
    '-e',
  ]
  const first = await inProcess(group)
  t.same(numbers(first.out), [0])
  t.match(first.err, /3 events examined: 1 matched/)
  t.same(
    (await client.admin().groupOffsets('night')).map(({ offset, lag }) => [offset, lag]),
    [[3, 0]],
  )
  await send('{"n":3,"celsius":5}', '{"n":4,"celsius":35}')
  const second = await inProcess(group)
  t.same(numbers(second.out), [4])
  t.match(second.err, /2 events examined: 1 matched/)
})

t.test('nothing matches', async (t) => {
  const { exitCode, out, err } = await consume('--filter', '{"key":["none"]}', '--from', 'earliest', '-e')
  t.same([exitCode, out], [0, ''])
  t.equal(err, 'octopus: 30 events examined: 0 matched, 0 had a value that is no JSON\n')
})

t.test('a wrong filter is shown before anything is asked', async (t) => {
  const wrong = await inProcess([
    'consume',
    'readings',
    '--url',
    'ws://127.0.0.1:1',
    '--filter',
    '{"value":{"a":[{"prefx":"b"}]}}',
  ])
  t.equal(wrong.exitCode, 64)
  t.match(wrong.err, /no operator "prefx"/)
  t.match(wrong.err, /\n {2}\{"value":\{"a":\[\{"prefx":"b"\}\]\}\}\n {18}\^\n/)
  t.match(await consume('--filter', '@/no/such/file'), { exitCode: 64, err: /no\/such\/file cannot be read/ })
})

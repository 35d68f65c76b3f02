/** `octopus consume`: the newest events, windows of time, replay; against a real broker, and what is refused. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { readOptions, timeText } from '../../../broker/cli/read-options.ts'
import { parseEndPosition } from '../../../broker/cli/start-position.ts'
import { connect } from '../../../client/index.ts'
import { ADMIN_KEY } from '../../support/admin-key.ts'
import { ended, inProcess, type RunOptions, start, startBroker } from './octopus.ts'

const directory = await mkdtemp(join(tmpdir(), 'octopus-reading-'))
const broker = await startBroker(join(directory, 'data'))
const client = await connect({ url: broker.url, token: ADMIN_KEY })

t.teardown(async () => {
  await client.close()
  await broker.stop()
  await rm(directory, { recursive: true, force: true })
})

const NOON = Date.parse('2024-05-01T12:00:00Z')
const MINUTE = 60_000

/** Event `n` is n minutes after noon; each goes to the partition `n` modulo 3. In batches, some of them compressed. */
async function hour(topic: string): Promise<void> {
  await client.admin().createTopic(topic, { partitions: 3, configs: { 'retention.ms': '-1' } })
  for (const compression of ['none', 'gzip'] as const) {
    const producer = client.producer({ compression })
    for (let n = compression === 'none' ? 0 : 30; n < (compression === 'none' ? 30 : 60); n++)
      await producer.append(topic, { value: `${n}`, partition: n % 3, timestampMs: NOON + n * MINUTE })
    const { failed, error } = await producer.flush()
    if (failed > 0) throw error
    await producer.close()
  }
}

await hour('hour')

/** Words as a shell reads them: what stands in single quotes is one. */
const octopus = (line: string, options: RunOptions = {}) =>
  inProcess(
    [
      ...line.split(/ (?=(?:[^']*'[^']*')*[^']*$)/).map((word) => word.replace(/^'(.*)'$/, '$1')),
      '--url',
      broker.url,
    ],
    options,
  )
const read = async (flags: string, options: RunOptions = {}) => {
  const { exitCode, out, err } = await octopus(`consume hour ${flags}`, options)
  if (exitCode !== 0 || err !== '') throw new Error(`${exitCode}: ${err}`)
  return out.split('\n').slice(0, -1).map(Number)
}
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const ascending = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)

t.test('--last: the newest of all partitions, oldest first', async (t) => {
  t.same(await read('--last 10 --until-end'), range(50, 60))
  t.same(await read('--last 1 --until-end'), [59])
  t.same(await read('-l 1000 -e'), range(0, 60), 'all there are')
  t.same(await read('--last 4 -p 1 -e'), [49, 52, 55, 58])
  t.same(await read('--last 40 --max 3'), [20, 21, 22])
  t.same(ascending(await read('--last 7 --order arrival -e')), range(53, 60))
})

t.test('--last goes on with what comes, as tail -f', async (t) => {
  await hour('followed')
  const child = start(['consume', 'followed', '--last', '2', '--max', '3', '--url', broker.url])
  const end = ended(child)
  await once(child.stdout!, 'data')
  await client.producer().send('followed', { value: 'new', timestampMs: NOON })
  t.same(await end, { exitCode: 0, out: '58\n59\nnew\n', err: '' })
})

t.test('--from and --to: a window of time, of offsets', async (t) => {
  const window = '--from @2024-05-01T12:10:00Z --to @2024-05-01T12:20:00Z'
  t.same(ascending(await read(window)), range(10, 20))
  t.same(await read(`${window} --order time`), range(10, 20))
  t.same(ascending(await read('--from @-50m --to @-40m', { nowMs: NOON + 60 * MINUTE })), range(10, 20))
  t.same(ascending(await read(`--from earliest --to @${NOON + MINUTE}`)), [0])
  t.same(ascending(await read(`${window} --late 5m`)), range(10, 20))
  t.same(ascending(await read('--from 3 --to 5')), range(9, 15))
  t.same(await read('--from 15 --to 1000 -p 0 --until-end'), [45, 48, 51, 54, 57])
  t.same(await read('--from @2024-05-01T14:00:00Z --to @2024-05-01T15:00:00Z'), [])
  t.same(await octopus('consume hour --from 30 --to 40 -p 0'), {
    exitCode: 0,
    out: '',
    err: 'octopus: hour has nothing from offset 30 on: its end is at 20\n',
  })
})

t.test('--speed: as far apart as they were, divided by it', async (t) => {
  const beganMs = performance.now()
  t.same(await read('--from @2024-05-01T12:30:00Z --to @2024-05-01T12:36:00Z --speed 1200'), range(30, 36))
  // Five minutes at 1200 times: a quarter of a second.
  t.ok(performance.now() - beganMs >= 249)
  t.same(await read('--last 5 --speed 1000000 -e'), range(55, 60))
  const child = start(['consume', 'hour', '--from', 'earliest', '--speed', '1', '-e', '--url', broker.url])
  const end = ended(child)
  await once(child.stdout!, 'data')
  child.kill('SIGINT')
  t.same(await end, { exitCode: 130, out: '0\n', err: '' }, 'a wait of a minute ends at once')
})

t.test('the SDK against a real broker: seek to the newest, to a time, with a wait going on', async (t) => {
  const consumer = client.consumer({ topics: ['hour'], from: 'earliest', speed: 1, untilEnd: true })
  await consumer.ready()
  const iterator = consumer[Symbol.asyncIterator]()
  t.equal((await iterator.next()).value?.text(), '0')
  const waiting = iterator.next()
  for (const partition of [0, 1, 2]) consumer.seek('hour', partition, { last: 1 })
  t.equal((await waiting).value?.text(), '57')
  consumer.seek('hour', 1, { timeMs: NOON + 33 * MINUTE })
  t.equal((await iterator.next()).value?.text(), '34')
  consumer.close()
  t.ok((await iterator.next()).done)
})

t.test('flags that are wrong, or contradict each other: one line, exit code 64', async (t) => {
  const wrong: [string, string][] = [
    [
      '--last 0',
      "option '-l, --last <count>' argument '0' is invalid. It must be a whole number from 1 to 1000000. See: octopus consume --help",
    ],
    [
      '--last 5000000',
      "option '-l, --last <count>' argument '5000000' is invalid. It must be a whole number from 1 to 1000000. See: octopus consume --help",
    ],
    [
      '--last ten',
      "option '-l, --last <count>' argument 'ten' is invalid. It must be a whole number from 1 to 1000000. See: octopus consume --help",
    ],
    ['--last 5 --from earliest', '--last and --from both say where to begin: leave one of them out'],
    ['--last 5 --to 7', '--last counts from the end: leave --to out'],
    ['--to @-1h', '--to ends what is stored: say from where, as in --from earliest or --from @-2h'],
    [
      '--from 5 --to 9 --late 5m',
      '--late says how long reading goes on behind the time of --to: give one, as in --to @-1h',
    ],
    ['--late 5m', '--late says how long reading goes on behind the time of --to: give one, as in --to @-1h'],
    [
      '--from @-3h --to @-2h --late 5',
      "option '--late <while>' argument '5' is invalid. It must be a while: 30s, 15m, 2h or 7d. See: octopus consume --help",
    ],
    [
      '--from latest --to 9',
      '--to ends what is stored: say from where, as in --from earliest or --from @-2h',
    ],
    [
      '--from earliest --to latest',
      '--to: "latest" is no place to end; use an offset such as 1234, or a time such as @2024-05-01T12:00:00Z or @-2h, and for the end of the topic --until-end instead',
    ],
    [
      '--from earliest --to @noon',
      '--to: "@noon" is no time; use ISO 8601 such as @2024-05-01T12:00:00Z, ms since 1970 such as @1714564800000, or a while ago such as @-2h',
    ],
    ['--from 9 --to 9', '--to: nothing lies between offset 9 and offset 9; the end must be behind --from'],
    [
      '--from @2024-05-01T12:00:00Z --to @2024-05-01T11:00:00Z',
      '--to: nothing lies between 2024-05-01T12:00:00.000Z and 2024-05-01T11:00:00.000Z; the end must be behind --from',
    ],
    [
      '--speed 1',
      '--speed replays what is stored: say from where, as in --from earliest, --from @-1h or --last 100',
    ],
    ['--speed 1 --from earliest --order arrival', '--speed has the order of time: leave --order arrival out'],
    [
      '--order newest',
      "option '-o, --order <order>' argument 'newest' is invalid. Allowed choices are arrival, time. See: octopus consume --help",
    ],
  ]
  for (const speed of ['0', '-1', 'fast', '1e3', '0.0001', '2000000', 'Infinity'])
    wrong.push([
      `--from earliest --speed ${speed}`,
      `option '-s, --speed <factor>' argument '${speed}' is invalid. It must be a number from 0.001 to 1000000. See: octopus consume --help`,
    ])
  for (const [flags, sentence] of wrong)
    t.same(
      await octopus(`consume hour ${flags}`),
      { exitCode: 64, out: '', err: `octopus: ${sentence}\n` },
      flags,
    )
})

t.test('flags as options of a consumer', async (t) => {
  t.same(readOptions({}, NOON), { from: 'latest' })
  t.same(readOptions({ last: 5, speed: 0.5 }, NOON), { from: { last: 5 }, speed: 0.5 })
  t.same(readOptions({ from: '@-2h', to: '@-1h', order: 'time' }, NOON), {
    from: { timeMs: NOON - 120 * MINUTE },
    to: { timeMs: NOON - 60 * MINUTE },
    order: 'time',
  })
  t.same(readOptions({ from: '5', to: '@-1h' }, NOON).to, { timeMs: NOON - 60 * MINUTE })
  t.same(parseEndPosition('1234', NOON), { offset: 1234 })
  t.equal(timeText(8.64e15 + 1), '8640000000000001 ms since 1970')
})

t.test('every example of the help text is taken', async (t) => {
  const { out } = await inProcess(['consume', '--help'])
  for (const flag of ['--last', '--to', '--speed', '--order'])
    t.match(out, new RegExp(`\\$ octopus consume .*|${flag}`))
  const lines = out.split('\n').filter((line) => line.startsWith('  $ octopus consume readings '))
  const interrupted = AbortSignal.abort('SIGINT')
  await client.admin().createTopic('readings', { partitions: 3 })
  for (const line of lines) {
    const flags = line.replace(/^ {2}\$ octopus consume readings ?/, '').replace(/ [|>].*/, '')
    const { err } = await octopus(`consume readings ${flags}`, { interrupted })
    // With a filter the end is told how much was looked at.
    t.equal(err.replace(/^octopus: 0 events examined: .*\n$/, ''), '', line)
  }
  t.ok(lines.length >= 6)
})

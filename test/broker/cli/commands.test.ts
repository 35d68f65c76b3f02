/**
 * The commands against a real broker, which is a process of its own; most of them called in this process
 * because that is quick, and as the program people start wherever a process makes a difference.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { topicConfigs } from '../../../broker/topics/topic-config.ts'
import { provisionAdminKey } from '../../support/admin-key.ts'
import {
  asProcess,
  cleanEnvironment,
  ended,
  inProcess,
  mainScript,
  type RunOptions,
  start,
  startBroker,
  type TestBroker,
} from './octopus.ts'

const directory = await mkdtemp(join(tmpdir(), 'octopus-cli-'))
const broker: TestBroker = await startBroker(join(directory, 'data'))

t.teardown(async () => {
  await broker.stop()
  await rm(directory, { recursive: true, force: true })
})

/** A command line against the broker, in this process. */
function octopus(line: string, options: RunOptions = {}) {
  return inProcess([...line.split(' '), '--url', broker.url], options)
}

/** A fresh topic. */
async function topic(name: string, partitions: number, more = ''): Promise<void> {
  const { exitCode, err } = await octopus(`topic create ${name} --partitions ${partitions}${more}`)
  if (exitCode !== 0) throw new Error(err)
}

t.test('topic create, list, describe, alter, delete', async (t) => {
  t.match(await octopus('topic list'), {
    exitCode: 0,
    out: '',
    err: 'no topics yet. Create one with: octopus topic create readings --partitions 4\n',
  })
  t.same(await octopus('topic create lab.b -p 3 -c retention.ms=3600000 -c retention.bytes=1000'), {
    exitCode: 0,
    out: 'created topic lab.b with 3 partitions\n',
    err: '',
  })
  t.same(await octopus('topic create a'), { exitCode: 0, out: 'created topic a with 1 partition\n', err: '' })
  t.match(await octopus('topic create a'), {
    exitCode: 1,
    out: '',
    err: /^octopus: .*TOPIC_ALREADY_EXISTS\)\n$/,
  })
  t.match(await octopus('topic create a/b'), { exitCode: 1, err: /INVALID_TOPIC_EXCEPTION\)\n$/ })
  t.match(await octopus('topic create c -c nope=1'), {
    exitCode: 1,
    err: /"nope".*retention\.ms.*INVALID_CONFIG\)\n$/,
  })
  t.match(await octopus('topic create c -c retention.ms'), {
    exitCode: 64,
    err: "octopus: option '-c, --config <key=value>' argument 'retention.ms' is invalid. It must be KEY=VALUE. See: octopus topic create --help\n",
  })
  t.same(await octopus('topic list'), {
    exitCode: 0,
    out: 'TOPIC  PARTITIONS\na               1\nlab.b           3\n',
    err: '',
  })
  const listed = JSON.parse((await octopus('topic list --json')).out)
  t.match(listed, [
    { name: 'a', topicId: /^[0-9a-f]{32}$/, isInternal: false, partitions: 1 },
    { name: 'lab.b', partitions: 3 },
  ])

  const described = await octopus('topic describe lab.b')
  t.equal(described.exitCode, 0)
  t.match(
    described.out,
    /^topic {4}lab\.b\nid {7}[0-9a-f]{32}\ncreated {2}\d{4}-.*Z\n\nPARTITION {2}LEADER {2}LOG START/,
  )
  t.match(described.out, /\nretention\.bytes +1000\n/)
  t.match(described.out, /\ncleanup\.policy +delete {2}\(default\)\n/)
  const { name, partitions, configs } = JSON.parse((await octopus('topic describe lab.b --json')).out)
  t.equal(name, 'lab.b')
  t.match(
    partitions,
    [0, 1, 2].map((partition) => ({ partition, logStartOffset: 0, logEndOffset: 0, bytes: 0 })),
  )
  t.same(configs['retention.ms'], { value: '3600000', isDefault: false })

  const altered = await octopus('topic alter lab.b -p 5 -c retention.ms=7200000 -r retention.bytes --json')
  t.match(JSON.parse(altered.out), {
    partitions: { length: 5 },
    configs: {
      'retention.ms': { value: '7200000', isDefault: false },
      'retention.bytes': { value: '-1', isDefault: true },
    },
  })
  t.match(await octopus('topic alter lab.b -p 2'), { exitCode: 1, err: /INVALID_PARTITIONS\)\n$/ })
  t.same(await octopus('topic alter lab.b'), {
    exitCode: 64,
    out: '',
    err: 'octopus: nothing to change: give --partitions, --config or --reset. See: octopus topic alter --help\n',
  })

  t.same(await octopus('topic delete a'), {
    exitCode: 64,
    out: '',
    err: 'octopus: topic delete asks before it deletes, and nobody is there: add --yes\n',
  })
  t.same(await octopus('topic delete a', { answer: 'yes' }), {
    exitCode: 1,
    out: '',
    err: 'octopus: nothing deleted: the answer was not "a"\n',
  })
  t.same(await octopus('topic delete a', { answer: 'a\n' }), {
    exitCode: 0,
    out: 'deleted topic a\n',
    err: '',
  })
  t.same(await octopus('topic delete lab.b --yes --json'), {
    exitCode: 0,
    out: '{"name":"lab.b","deleted":true,"events":0}\n',
    err: '',
  })
  for (const command of ['topic describe', 'topic alter -p 2', 'topic delete --yes', 'produce', 'consume']) {
    t.same(
      await octopus(`${command} gone`),
      {
        exitCode: 1,
        out: '',
        err: 'octopus: there is no topic "gone". There is none yet. Create it with: octopus topic create gone --partitions 4\n',
      },
      command,
    )
  }
})

t.test('produce and consume: every byte of every line', async (t) => {
  await topic('lines', 1)
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 10))
  const stdin = Buffer.concat([Buffer.from('one\n\r\n\n'), every, Buffer.from('\nlast without newline')])
  t.same(await octopus('produce lines', { stdin }), { exitCode: 0, out: '5 events acknowledged\n', err: '' })
  const read = await octopus('consume lines --from earliest --until-end')
  t.same(read, { exitCode: 0, out: `${stdin.toString('latin1')}\n`, err: '' })
  t.same(await octopus('produce lines --json', { stdin: '' }), {
    exitCode: 0,
    out: '{"acknowledged":0,"failed":0}\n',
    err: '',
  })
})

t.test('produce and consume: keys, headers, partitions, compression, acks', async (t) => {
  await topic('keyed', 3)
  const json = async (line: string) =>
    (await octopus(`${line} --json`)).out
      .trimEnd()
      .split('\n')
      .filter(Boolean)
      .map((text) => JSON.parse(text))
  t.same(
    await octopus('produce keyed -k \\t -H a=1 -H b==x -z gzip -a 1 -p 2 --json', {
      stdin: 'k\tv\tw\nplain\n\t\n',
    }),
    {
      exitCode: 0,
      out: '{"acknowledged":3,"failed":0}\n',
      err: '',
    },
  )
  const headers = [
    { key: 'a', value: '1' },
    { key: 'b', value: '=x' },
  ]
  t.match(await json('consume keyed --from earliest --until-end'), [
    { topic: 'keyed', partition: 2, offset: 0, key: 'k', value: 'v\tw', headers },
    { partition: 2, offset: 1, key: null, value: 'plain', headers },
    { partition: 2, offset: 2, key: '', value: '', headers },
  ])
  t.equal((await octopus('consume keyed --from earliest --until-end -k =>')).out, 'k=>v\tw\n=>plain\n=>\n')

  // By key: one partition for a key, as a Kafka producer would choose it.
  const stdin = 'a:1\nb:1\nc:1\na:2\nb:2\nc:2\n'
  await octopus('produce keyed --key-separator :', { stdin })
  const keyed = (await json('consume keyed --from @-1h --until-end')).filter((record) =>
    /^[abc]$/.test(record.key),
  )
  for (const key of ['a', 'b', 'c']) {
    const ofKey = keyed.filter((record) => record.key === key)
    t.same(
      ofKey.map((record) => record.value),
      ['1', '2'],
    )
    t.equal(new Set(ofKey.map((record) => record.partition)).size, 1)
  }
  t.same(await octopus('produce keyed -a 0', { stdin: 'x\n' }), {
    exitCode: 0,
    out: '1 event sent\n',
    err: '',
  })

  const wrong: [string, number, string][] = [
    ['produce keyed -p 3', 1, 'topic "keyed" has partitions 0 to 2, and no partition 3'],
    ['consume keyed -p 0 -p 7', 1, 'topic "keyed" has partitions 0 to 2, and no partition 7'],
    ['produce keyed -a 2', 64, '--acks: "2" is none of all, 1 and 0'],
    ['produce keyed -z zip', 64, '--compression: "zip" is none of none, gzip, snappy, lz4, zstd'],
    [
      'produce keyed -z zstd --compression-level 23',
      64,
      '--compression-level: zstd has levels -131072 to 22, got 23',
    ],
    ['produce keyed --compression-level 3', 64, '--compression-level: none has no levels, got 3'],
    ['consume keyed --json -k :', 64, '--json prints the key already: leave --key-separator out'],
    [
      'consume keyed --from yesterday',
      64,
      '--from: "yesterday" is no place to start; use earliest, latest, an offset such as 1234, or a time such as @2024-05-01T12:00:00Z or @-2h',
    ],
  ]
  for (const [line, exitCode, sentence] of wrong) {
    t.same(await octopus(line, { stdin: 'x' }), { exitCode, out: '', err: `octopus: ${sentence}\n` }, line)
  }
})

t.test('produce from a directory is an error, not an empty input', async (t) => {
  await topic('from-directory', 1)
  const child = spawn(process.execPath, [mainScript, 'produce', 'from-directory', '--url', broker.url], {
    stdio: [openSync(directory, 'r'), 'pipe', 'pipe'],
    env: cleanEnvironment(),
  })
  t.same(await ended(child), {
    exitCode: 64,
    out: '',
    err: 'octopus: standard input is a directory: give it a file of lines, or pipe the lines in\n',
  })
})

t.test('consume: positions, --max, --until-end, one partition', async (t) => {
  await topic('places', 2)
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `${from + i}\n`).join('')
  await octopus('produce places -p 0', { stdin: numbers(0, 10) })
  await octopus('produce places -p 1', { stdin: numbers(100, 105) })
  const read = async (flags: string) => (await octopus(`consume places ${flags}`)).out
  t.equal(await read('--from earliest -p 0 --max 3'), numbers(0, 3))
  t.equal(await read('--from 7 -p 0 --until-end'), numbers(7, 10))
  t.equal(await read('--from 10 -p 0 --until-end'), '')
  t.equal(await read('--from latest --until-end'), '')
  t.equal(await read('--from @-1h -p 1 --until-end'), numbers(100, 105))
  t.equal((await read('--from 4 --until-end')).length, numbers(4, 10).length + numbers(104, 105).length)
  t.same(await octopus('consume places --from 11 -p 0 --until-end'), {
    exitCode: 0,
    out: '',
    err: 'octopus: places has nothing from offset 11 on: its end is at 10\n',
  })
  t.match(
    (await octopus('consume places --from 11 --until-end')).err,
    /farthest end of its partitions is at 10\n$/,
  )
  t.same(
    await octopus('consume places --from 10 -p 0 --until-end'),
    { exitCode: 0, out: '', err: '' },
    'the end is no mistake',
  )
  t.match(await octopus('consume places --from 11 -p 0 --max 1'), {
    exitCode: 1,
    out: '',
    err: /^octopus: .*11.*OFFSET_OUT_OF_RANGE\)\n$/,
  })

  const stored = (await octopus('consume places --from earliest -p 0 --max 10 --json')).out
    .trimEnd()
    .split('\n')
  const timestamps = stored.map((line) => JSON.parse(line).timestamp as number)
  const last = timestamps[9]
  const firstOfLast = timestamps.indexOf(last)
  t.equal(await read(`--from @${last} -p 0 --until-end`), numbers(firstOfLast, 10))
  t.equal(await read(`--from @${new Date(last).toISOString()} -p 0 --until-end`), numbers(firstOfLast, 10))
  t.equal(await read(`--from @${last + 1} -p 0 --until-end`), '')
  const nowMs = timestamps[0] + 5000
  t.equal((await octopus('consume places --from @-5s -p 0 --until-end', { nowMs })).out, numbers(0, 10))
})

t.test('produce: a line that is too long fails by its number and harms no other', async (t) => {
  await topic('narrow', 1, ' -c max.message.bytes=1128')
  const stdin = `short\n${'x'.repeat(1001)}\n${'y'.repeat(1000)}\n${'z'.repeat(200_000)}\nlast\n`
  t.same(await octopus('produce narrow --json', { stdin }), {
    exitCode: 1,
    out: '{"acknowledged":3,"failed":2}\n',
    err:
      'octopus: line 2 has 1,001 bytes, more than the 1,000 an event of this topic may have; skipped\n' +
      'octopus: line 4 has 200,000 bytes, more than the 1,000 an event of this topic may have; skipped\n' +
      'octopus: 2 of 5 events failed: line 2 has 1,001 bytes, more than the 1,000 an event of this topic may have\n',
  })
  const { out } = await octopus('consume narrow --from earliest --until-end')
  t.equal(out, `short\n${'y'.repeat(1000)}\nlast\n`)
})

t.test('produce --producer-name: the same command again stores the rest', async (t) => {
  await topic('resumed', 1)
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `line ${i}\n`).join('')
  const run = async (count: number, flags = '') =>
    octopus(`produce resumed --producer-name lab.import-7${flags}`, { stdin: lines(count) })
  t.same(await run(1000), { exitCode: 0, out: '1,000 events acknowledged\n', err: '' })
  t.same(await run(1000), {
    exitCode: 0,
    out: '1,000 events acknowledged, 1,000 of them stored before\n',
    err: '',
  })
  t.same(await run(1500, ' --json'), {
    exitCode: 0,
    out: '{"acknowledged":1500,"duplicates":1000,"failed":0}\n',
    err: '',
  })
  t.equal((await octopus('consume resumed --from earliest --until-end')).out, lines(1500))
  t.same(
    await octopus('produce resumed --producer-name lab.other --json', { stdin: 'x\n' }),
    { exitCode: 0, out: '{"acknowledged":1,"duplicates":0,"failed":0}\n', err: '' },
    'another name counts for itself',
  )
})

t.test('produce --producer-name: lines must go to the same partition every time', async (t) => {
  await topic('several', 4)
  const lines = Array.from({ length: 200 }, (_, i) => `k${i % 17}:v${i}\n`)
  const keyed = 'produce several -k : --producer-name lab.keyed --json'
  t.equal((await octopus(keyed, { stdin: lines.slice(0, 90).join('') })).exitCode, 0)
  t.same(await octopus(keyed, { stdin: lines.join('') }), {
    exitCode: 0,
    out: '{"acknowledged":200,"duplicates":90,"failed":0}\n',
    err: '',
  })
  const { out } = await octopus('consume several -k : --from earliest --until-end')
  t.same(out.trimEnd().split('\n').sort(), lines.map((line) => line.trimEnd()).sort())

  t.equal((await octopus('produce several -p 2 -N lab.one', { stdin: 'a\n' })).exitCode, 0)
  const wrong: [string, string, number, string][] = [
    [
      'produce several -N lab.a',
      'a\n',
      64,
      '--producer-name: topic "several" has 4 partitions, and each line must go to the same one every time: add --partition, or keys and --key-separator',
    ],
    [
      'produce several -k : -N lab.a',
      'a:b\nc\n',
      1,
      'line 2 has no key: with --producer-name every line of a topic with 4 partitions needs one; the lines before it are sent',
    ],
    ['produce several -p 0 -a 0 -N lab.a', 'a\n', 64, '--producer-name: needs --acks all, not 0'],
    [
      'produce narrow -N lab.a',
      `a\n${'x'.repeat(1001)}\nb\n`,
      1,
      'line 2 has 1,001 bytes, more than the 1,000 an event of this topic may have; with --producer-name no line is skipped, since that would change the numbers of those behind it; the lines before it are sent',
    ],
  ]
  for (const [command, stdin, exitCode, sentence] of wrong) {
    const ran = await octopus(command, { stdin })
    t.equal(ran.exitCode, exitCode, command)
    t.ok(ran.err.startsWith(`octopus: ${sentence}`), ran.err)
  }
  const illegal = await octopus('produce several -p 0 -N a/b', { stdin: 'a\n' })
  t.not(illegal.exitCode, 0)
  t.match(illegal.err, /producerName|producer name/)
})

t.test('produce --producer-name: the newer of two goes on, the older says why it does not', async (t) => {
  await topic('contested', 1)
  const older = start(['produce', 'contested', '-N', 'lab.contested', '--url', broker.url])
  older.stdin!.write('a\n')
  const first = ended(older)
  while (!(await octopus('consume contested --from earliest --until-end')).out)
    await new Promise((resolve) => setTimeout(resolve, 20))
  t.match(await octopus('produce contested -N lab.contested', { stdin: 'a\nb\n' }), {
    exitCode: 0,
    out: '2 events acknowledged, 1 of them stored before\n',
  })
  older.stdin!.end('c\nd\n')
  const { exitCode, err } = await first
  t.equal(exitCode, 1)
  t.match(err, /failed: another producer with the name lab\.contested has taken over/)
  t.equal((await octopus('consume contested --from earliest --until-end')).out, 'a\nb\n')
})

t.test('status', async (t) => {
  const { exitCode, out } = await octopus('status')
  t.equal(exitCode, 0)
  t.match(
    out,
    /^broker +ws:\/\/127\.0\.0\.1:\d+ {2}\(node 0, cluster \S+\)\nstate +ready\nsoftware +octopus\//,
  )
  t.match(JSON.parse((await octopus('status --json')).out), {
    ready: true,
    reason: null,
    url: broker.url,
    pid: broker.child.pid,
    storage: { kind: 'lmdb' },
  })
})

t.test('no credential: where there is one', async (t) => {
  const { exitCode, out, err } = await asProcess(['status', '--url', broker.url], {
    env: { OCTOPUS_TOKEN: '', OCTOPUS_DATA: '/srv/octopus' },
  })
  t.strictSame([exitCode, out], [1, ''])
  t.equal(
    err,
    `octopus: ${broker.url} asks for a credential. Name a file that holds one: export OCTOPUS_TOKEN_FILE=/srv/octopus/admin.key ` +
      "is the administrator's, which the broker wrote into its data directory when it first started\n",
  )
})

t.test('a credential is not shown where others could read it, unless that is said to be safe', async (t) => {
  const url = broker.url.replace('127.0.0.1', '0.0.0.0')
  const status = ['status', '--json', '--url', url]
  const refused = {
    exitCode: 64,
    out: '',
    err: new RegExp(
      `^octopus: on the way to ${url} others could read the credential; .*--insecure-plaintext`,
    ),
  }
  t.match(await inProcess(status), refused)
  t.match(await inProcess(status, { env: { OCTOPUS_INSECURE_PLAINTEXT: 'off' } }), refused)
  t.match(await inProcess([...status, '--insecure-plaintext']), { exitCode: 0 })
  t.match(await inProcess(status, { env: { OCTOPUS_INSECURE_PLAINTEXT: 'on' } }), { exitCode: 0 })
  t.match(
    await asProcess(status, { env: { OCTOPUS_TOKEN: '' } }),
    { exitCode: 1, err: /asks for a credential/ },
    'without one there is nothing to read',
  )
})

t.test('no broker: one line and what to do', async (t) => {
  for (const command of ['topic list', 'topic create x', 'produce x', 'consume x', 'status']) {
    t.same(
      await inProcess(command.split(' '), { env: { OCTOPUS_URL: 'ws://127.0.0.1:1' } }),
      {
        exitCode: 69,
        out: '',
        err: 'octopus: cannot reach ws://127.0.0.1:1 (connection refused). Is a broker running? Start one with: octopus serve\n',
      },
      command,
    )
  }
  t.same(await inProcess(['status', '--url', 'localhost']), {
    exitCode: 64,
    out: '',
    err: 'octopus: --url: "localhost" is not the address of a broker; it looks like ws://127.0.0.1:7654\n',
  })
})

t.test('wrong command lines: one line, the nearest right word, exit code 64', async (t) => {
  const wrong: [string, string][] = [
    ['topc', "unknown command 'topc' (Did you mean topic?). See: octopus --help"],
    ['topic lst', "unknown command 'lst' (Did you mean list?). See: octopus topic --help"],
    ['topic list --jsn', "unknown option '--jsn' (Did you mean --json?). See: octopus topic list --help"],
    ['serve --lisen x', "unknown option '--lisen' (Did you mean --listen?). See: octopus serve --help"],
    ['topic create', "missing required argument 'name'. See: octopus topic create --help"],
    [
      'topic list x',
      "too many arguments for 'list'. Expected 0 arguments but got 1. See: octopus topic list --help",
    ],
    [
      'produce x --partition',
      "option '-p, --partition <number>' argument missing. See: octopus produce --help",
    ],
    [
      'consume x -n 0',
      "option '-n, --max <count>' argument '0' is invalid. It must be a whole number from 1. See: octopus consume --help",
    ],
  ]
  for (const [line, sentence] of wrong) {
    t.same(await inProcess(line.split(' ')), { exitCode: 64, out: '', err: `octopus: ${sentence}\n` }, line)
  }
  t.match(await inProcess([]), { exitCode: 64, out: '', err: /^Usage: octopus/ })
})

t.test('every command has a help text with examples', async (t) => {
  const commands = [
    '',
    'serve',
    'topic',
    'topic create',
    'topic list',
    'topic describe',
    'topic alter',
    'topic delete',
    'produce',
    'consume',
    'status',
  ]
  for (const command of commands) {
    const { exitCode, out, err } = await inProcess([...command.split(' ').filter(Boolean), '--help'])
    t.same({ exitCode, err }, { exitCode: 0, err: '' }, command)
    t.match(out, /\nExamples:\n {2}\$ .*octopus /, command)
    const configs = command === 'topic create' || command === 'topic alter' ? topicConfigs : []
    for (const { name, fallback } of configs) {
      const [, text = ''] = out.split(`\n  ${name}\n`)
      t.ok(
        text
          .split(/\n {2}\w/)[0]
          .replace(/\s+/g, ' ')
          .includes(`Default ${fallback}`),
        `${command}: ${name}`,
      )
    }
  }
})

t.test('versions, and stack traces only on demand', async (t) => {
  t.match(await inProcess(['--version']), { exitCode: 0, out: /^\d+\.\d+\.\d+\n$/, err: '' })
  t.match(await octopus('topic describe gone', { env: { OCTOPUS_DEBUG: '1' } }), {
    exitCode: 1,
    err: /^octopus: there is no topic[^\n]+\nUNKNOWN_TOPIC_OR_PARTITION: [^\n]+\n +at /,
  })
})

t.test('as a process: the exit code is that of the command, and hints can be pasted', async (t) => {
  const [help, nowhere] = await Promise.all([
    asProcess(['--help']),
    asProcess(['status'], { env: { OCTOPUS_URL: 'ws://127.0.0.1:1' } }),
  ])
  t.match(help, { exitCode: 0, out: /^Usage: octopus/, err: '' })
  t.match(nowhere, { exitCode: 69, err: /Start one with: node \S*main\.js serve\n$/ })
})

t.test('as a process: pipes, a reader that goes away, signals', async (t) => {
  await topic('pipes', 2)
  const lines = Array.from({ length: 200_000 }, (_, i) => `line ${i}\n`).join('')
  const produced = await asProcess(['produce', 'pipes', '--json', '--url', broker.url], { stdin: lines })
  t.same(produced, { exitCode: 0, out: '{"acknowledged":200000,"failed":0}\n', err: '' })

  const all = await asProcess(['consume', 'pipes', '--from', 'earliest', '--until-end', '--url', broker.url])
  t.equal(all.exitCode, 0)
  t.same(sorted(all.out), sorted(lines))

  await t.test('a reader that goes away', async (t) => {
    const child = start(['consume', 'pipes', '--from', 'earliest', '--url', broker.url])
    const end = once(child, 'exit')
    await once(child.stdout!, 'data')
    child.stdout!.destroy()
    const [exitCode] = await end
    t.equal(exitCode, 0)
  })

  await t.test('a reader that is slow gets everything', async (t) => {
    const child = start(['consume', 'pipes', '--from', 'earliest', '--until-end', '--url', broker.url])
    let bytes = 0
    for await (const chunk of child.stdout!) {
      bytes += (chunk as Buffer).length
      await new Promise((resolve) => setImmediate(resolve))
    }
    t.equal(bytes, lines.length)
  })

  await t.test('Ctrl-C while following ends with 0, before --max is reached with 130', async (t) => {
    const follow = start(['consume', 'pipes', '--url', broker.url, '--from', '0', '-p', '0'])
    const wait = start(['consume', 'pipes', '--url', broker.url, '--from', 'earliest', '--max', '1000000'])
    const ends = [ended(follow), ended(wait)]
    await Promise.all([once(follow.stdout!, 'data'), once(wait.stdout!, 'data')])
    follow.kill('SIGINT')
    wait.kill('SIGINT')
    const [followed, waited] = await Promise.all(ends)
    t.match(followed, { exitCode: 0, err: '' })
    t.match(waited, { exitCode: 130, err: '' })
  })

  await t.test('Ctrl-C while producing sends what was read', async (t) => {
    await topic('typed', 1)
    const child = start(['produce', 'typed', '--url', broker.url])
    const end = ended(child)
    child.stdin!.write('first\nsecond\nunfinis')
    const seen = await inProcess([
      'consume',
      'typed',
      '--from',
      'earliest',
      '--max',
      '2',
      '--url',
      broker.url,
    ])
    t.equal(seen.out, 'first\nsecond\n')
    child.kill('SIGINT')
    t.same(await end, { exitCode: 130, out: '2 events acknowledged\n', err: '' })
  })
})

t.test('serve: what can be wrong', async (t) => {
  const file = join(directory, 'bad.yaml')
  await writeFile(file, 'log:\n  level: loud\n')
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const port = (taken.address() as { port: number }).port
  const fresh = join(directory, 'fresh')
  const cases: [string[], number, RegExp][] = [
    [
      ['--listen', `127.0.0.1:${port}`],
      69,
      /^\{.*the first start: .*\}\noctopus: cannot listen on 127\.0\.0\.1:\d+: the port is in use.*\n$/,
    ],
    [
      ['--listen', '0.0.0.0:7654'],
      78,
      /^octopus: listen = "0\.0\.0\.0:7654" \(--listen\): others could read .*--tls-cert .*--insecure-plaintext.*\n$/,
    ],
    [['--config', file], 78, /^octopus: log\.level = "loud" \(.*bad\.yaml:2\): must be one of trace, .*\n$/],
    [
      ['--config', join(directory, 'none.yaml')],
      78,
      /^octopus: config = .*none\.yaml" \(--config\): cannot be read.*\n$/,
    ],
    [['--data', '/dev/null/x'], 73, /^octopus: \/dev\/null\/x .*not a directory.*\n$/],
    [['--data', file], 73, /^octopus: .*bad\.yaml is a file: --data must name a directory\n$/],
    [['--data', directory], 73, /^octopus: .*not a data directory of Octopus.*\n$/],
    [['--data', join(directory, 'data')], 73, /^octopus: .*in use by process \d+.*\n$/],
  ]
  for (const [i, [flags, exitCode, sentence]] of cases.entries()) {
    const args = ['serve', '--data', `${fresh}-${i}`, '--listen', '127.0.0.1:0', ...flags]
    t.match(await inProcess(args), { exitCode, out: '', err: sentence }, flags.join(' '))
  }
  t.match(await asProcess(['serve', '--listen', 'x']), { exitCode: 78, out: '', err: /HOST:PORT/ })
  taken.close()
})

t.test('serve: the ready line, SIGTERM, and all is there afterwards', async (t) => {
  const data = join(directory, 'second')
  await provisionAdminKey(data)
  const child = start(['serve', '--data', data, '--listen', '127.0.0.1:0', '--log-level', 'warn'])
  const end = ended(child)
  const [first] = (await once(child.stdout!, 'data')) as [Buffer]
  const match =
    /^octopus is ready at (ws:\/\/127\.0\.0\.1:\d+), data in (.*); stop it with Ctrl-C or: kill (\d+)\n$/.exec(
      first.toString(),
    )
  t.ok(match, first.toString())
  t.equal(match?.[2], data)
  t.equal(match?.[3], String(child.pid))
  const url = match?.[1] ?? ''
  const at = (line: string, stdin?: string) =>
    inProcess([...line.split(' '), '--url', url], stdin === undefined ? {} : { stdin })
  await at('topic create kept -p 2')
  t.equal((await at('produce kept --json', 'a\nb\nc\n')).out, '{"acknowledged":3,"failed":0}\n')
  child.kill('SIGTERM')
  t.match(await end, { exitCode: 0, err: '' })

  const again = await startBroker(data)
  t.same(
    sorted(
      (await inProcess(['consume', 'kept', '--from', 'earliest', '--until-end', '--url', again.url])).out,
    ),
    ['a', 'b', 'c'],
  )
  t.match(await again.stop(), { exitCode: 0, err: /"msg":"stopping".*\n.*"msg":"stopped"/ })
})

function sorted(text: string): string[] {
  return text.trimEnd().split('\n').sort()
}

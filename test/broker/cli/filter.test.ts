/** `octopus filter test` as people and programs see it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { jsonLine } from '../../../broker/cli/record-line.ts'
import { asProcess, inProcess, type Ran } from './octopus.ts'

const directory = await mkdtemp(join(tmpdir(), 'octopus-filter-'))
t.teardown(() => rm(directory, { recursive: true, force: true }))

const hot = '{"value": {"temp": [{"numeric": [">", 30]}]}}'
/** As text: the bytes of the output stand for themselves in what the runner gives. */
const shown = (ran: Ran): Ran => {
  const text = (latin1: string) => Buffer.from(latin1, 'latin1').toString()
  return { exitCode: ran.exitCode, out: text(ran.out), err: text(ran.err) }
}
const filter = async (...args: string[]) => shown(await inProcess(['filter', 'test', ...args]))

t.test('one event from flags', async (t) => {
  t.same(await filter(hot, '--value', '{"temp": 31}'), { exitCode: 0, out: '1  matches\n', err: '' })
  t.same(await filter(hot, '--value', '{"temp": 30}'), {
    exitCode: 1,
    out: '1  does not match\n   value.temp is 30, and must be {"numeric":[">",30]}\n',
    err: '',
  })
  const whole =
    '{"key": [{"suffix": "/raw"}], "headers": {"type": ["reading"]}, "value": [{"exists": false}]}'
  const { exitCode } = await filter(whole, '--key', 'beam/raw', '--header', 'a=b', '--header', 'type=reading')
  t.equal(exitCode, 0)
})

t.test('the time of the event: now, in ms, or as people write it', async (t) => {
  const day = '{"timestamp": [{"numeric": [">=", 1767225600000, "<", 1767312000000]}]}'
  const now = (nowMs: number) => inProcess(['filter', 'test', day, '--key', 'k'], { nowMs })
  t.equal((await now(1767225600000)).exitCode, 0)
  t.equal((await now(1767225599999)).exitCode, 1)
  t.equal((await filter(day, '--timestamp', '1767311999999')).exitCode, 0)
  t.equal((await filter(day, '--timestamp', '2026-01-01T12:00:00Z')).exitCode, 0)
  t.equal((await filter(day, '--timestamp', '-5')).exitCode, 1)
  const { exitCode, err } = await filter(day, '--timestamp', 'noon')
  t.equal(exitCode, 64)
  t.match(err, /^octopus: --timestamp: "@noon" is no time; use ISO 8601/)
})

t.test('events on standard input', async (t) => {
  const stdin = '{"temp":31}\nno json\n\n{"temp":[5,40]}\n{"temp":null}'
  const { exitCode, out, err } = await asProcess(['filter', 'test', hot], { stdin })
  t.equal(err, '')
  t.equal(
    out,
    `1  matches
2  does not match
   value is "no json", which is not JSON and so has no fields
3  does not match
   value is "", which is not JSON and so has no fields
4  matches
5  does not match
   value.temp is null, and must be {"numeric":[">",30]}
2 of 5 events matched; 2 values are not JSON
`,
  )
  t.equal(exitCode, 0)
  t.same(await inProcess(['filter', 'test', hot], { stdin: '{}\n' }), {
    exitCode: 1,
    out: '1  does not match\n   value.temp is missing, and must be {"numeric":[">",30]}\n0 of 1 event matched\n',
    err: '',
  })
  t.same(await inProcess(['filter', 'test', hot]), {
    exitCode: 1,
    out: 'the filter is right; there was no event to try it on\n',
    err: '',
  })
})

t.test('JSON for programs', async (t) => {
  const { exitCode, out } = await inProcess(['filter', 'test', hot, '--json'], {
    stdin: '{"temp":31}\nx\n{}\n',
  })
  t.equal(exitCode, 0)
  t.same(
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { event: 1, matches: true, notJson: false, refused: [] },
      {
        event: 2,
        matches: false,
        notJson: true,
        refused: [{ field: 'value', sentence: 'value is "x", which is not JSON and so has no fields' }],
      },
      {
        event: 3,
        matches: false,
        notJson: false,
        refused: [
          { field: 'value.temp', sentence: 'value.temp is missing, and must be {"numeric":[">",30]}' },
        ],
      },
      { summary: { events: 3, matched: 1, notJson: 1 } },
    ],
  )
})

t.test('records as consume prints them, whatever their bytes', async (t) => {
  const place = { topic: 'readings', partition: 0, offset: 7, timestampMs: 5 }
  const lines = [
    jsonLine({
      ...place,
      key: Buffer.from('k'),
      value: Buffer.from('{"a":"é"}'),
      headers: [{ key: 'h', value: Buffer.from('1') }],
    }),
    jsonLine({ ...place, key: null, value: null, headers: [{ key: 'h', value: null }] }),
    jsonLine({
      ...place,
      key: Buffer.of(0xff, 0x6b),
      value: Buffer.of(0xff),
      headers: [{ key: 'h', value: Buffer.of(0x31, 0xff) }],
    }),
  ]
  const matching = async (pattern: unknown) => {
    const { out } = await inProcess(['filter', 'test', JSON.stringify(pattern), '--records', '--json'], {
      stdin: lines.join('\n'),
    })
    return out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ matches }) => matches)
      .map(({ event }) => event)
  }
  t.same(await matching({ timestamp: [5] }), [1, 2, 3])
  t.same(await matching({ value: { a: ['é'] } }), [1])
  t.same(await matching({ key: [{ suffix: 'k' }] }), [1, 3])
  t.same(await matching({ value: [null] }), [2])
  t.same(await matching({ headers: { h: [{ prefix: '1' }] } }), [1, 3])
  t.same(await matching({ headers: { h: [null] } }), [2])

  for (const [line, message] of [
    ['x', 'Unexpected token'],
    ['[]', 'it is not a JSON object'],
    ['{}', 'timestamp is not a whole number of ms since 1970'],
    ['{"timestamp":1,"key":5}', 'key is neither text nor null'],
    ['{"timestamp":1,"headers":{}}', 'headers is not a list of {"key","value"}'],
    ['{"timestamp":1,"headers":[{"value":"x"}]}', 'header 1 has no key'],
    ['{"timestamp":1,"headers":[{"key":"x","value":[]}]}', 'the value of header 1 is neither text nor null'],
  ]) {
    const { exitCode, err } = await inProcess(['filter', 'test', '{"key":["x"]}', '--records'], {
      stdin: `${lines[0]}\n${line}\n`,
    })
    t.equal(exitCode, 64)
    t.ok(
      err.startsWith(
        `octopus: --records: line 2 is no record as octopus consume --json prints them: ${message}`,
      ),
      err,
    )
  }
  const { err } = await filter('{"key":["x"]}', '--records', '--key', 'x')
  t.match(err, /--records goes with events on standard input/)
})

t.test('a filter in a file, and what is wrong with it at its place', async (t) => {
  const path = join(directory, 'hot.json')
  await writeFile(path, `\n${hot}\n`)
  t.equal((await filter(`@${path}`, '--value', '{"temp":31}')).exitCode, 0)

  await writeFile(path, '{\n\t"value": {"日本😀e\u0301": [{"prefx": "x"}]}\r\n}')
  const { exitCode, out, err } = await filter(`@${path}`, '--value', '5')
  t.equal(exitCode, 64)
  t.equal(out, '')
  t.equal(
    err,
    `octopus: there is no operator "prefx"; did you mean "prefix"?
  ${path}, line 2, column 23, at /value/日本😀e\u0301/0/prefx
   "value": {"日本😀e\u0301": [{"prefx": "x"}]}
                          ^
`,
  )
  const json = await filter(`@${path}`, '--value', '5', '--json')
  t.equal(json.exitCode, 64)
  t.same(JSON.parse(json.out), {
    error: {
      sentence: 'there is no operator "prefx"; did you mean "prefix"?',
      pointer: '/value/日本😀e\u0301/0/prefx',
      offset: 25,
      line: 2,
      column: 23,
    },
  })
  t.equal(json.err, err)
})

t.test('of a long line the part around the place', async (t) => {
  const long = `{"key": [${'"xxxxxxx", '.repeat(20)}{"sufix": "y"}${', "zzzzzzz"'.repeat(20)}]}`
  const { err } = await filter(long, '--key', 'x')
  t.equal(
    err,
    `octopus: there is no operator "sufix"; did you mean "suffix"?
  the filter, line 1, column 231, at /key/20/sufix
  …", "xxxxxxx", "xxxxxxx", "xxxxxxx", {"sufix": "y"}, "zzzzzzz", "zzzzzzz", …
                                        ^
`,
  )
})

t.test('what cannot be a filter', async (t) => {
  t.match(
    (await filter('', '--key', 'x')).err,
    /^octopus: there is nothing: a pattern is a JSON object\n {2}the filter, line 1, column 1\n {2}\n {2}\^\n$/,
  )
  t.match(
    (await filter('@', '--key', 'x')).err,
    /^octopus: @ is followed by the name of a file that holds a filter\n$/,
  )
  t.match(
    (await filter(`@${directory}/nowhere`, '--key', 'x')).err,
    /^octopus: the filter .*nowhere cannot be read: ENOENT/,
  )
  const path = join(directory, 'latin1.json')
  await writeFile(path, Buffer.from('{"key":["é"]}', 'latin1'))
  t.match((await filter(`@${path}`, '--key', 'x')).err, /^octopus: the filter .*latin1.json is not UTF-8\n$/)
  const command = await filter('{"key":[\u001b[2J', '--key', 'x')
  t.notOk(command.err.includes('\u001b'), 'nothing commands the terminal')
  t.match(command.err, /\\u\{001B\}/)
})

t.test('a reader that goes away, and an event that is too long', async (t) => {
  const { exitCode, err } = await asProcess(['filter', 'test', hot], {
    stdin: `${'x'.repeat(9 * 1024 * 1024)}\n`,
  })
  t.equal(exitCode, 64)
  t.match(err, /^octopus: line 1 has 9,437,184 bytes; no event has more than 8,388,608\n$/)
})

t.test('help', async (t) => {
  const { exitCode, out } = await filter('--help')
  t.equal(exitCode, 0)
  t.match(out, /octopus filter test @hot.json < readings.ndjson/)
})

/** The parts of the command line that need no broker: splitting, parsing, printing, wording. */
import { readFile } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { ExitCode, exitCodeHelp, exitCodeOfSignal } from '../../../broker/cli/exit-codes.ts'
import { asFailure, Failure, failureText, usage } from '../../../broker/cli/failure.ts'
import { invocation } from '../../../broker/cli/invocation.ts'
import { LineSplitter } from '../../../broker/cli/line-splitter.ts'
import { Output } from '../../../broker/cli/output.ts'
import { jsonLine, type PrintableRecord, rawLine } from '../../../broker/cli/record-line.ts'
import { brokerUrl, outageTeller, unknownTopic } from '../../../broker/cli/session.ts'
import { parseStartPosition } from '../../../broker/cli/start-position.ts'
import { duration } from '../../../broker/cli/status.ts'
import { pairs, table } from '../../../broker/cli/table.ts'
import { SERVER_VERSION } from '../../../broker/version.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'

interface Split {
  readonly number: number
  readonly byteLength: number
  /** Latin-1, so that every byte shows; undefined when too long. */
  readonly text: string | undefined
}

function split(chunks: readonly Uint8Array[], lineBytesMax = 1000): Split[] {
  const splitter = new LineSplitter(lineBytesMax)
  const lines: Split[] = []
  const take = (line: ReturnType<LineSplitter['next']>) => {
    if (line === undefined) return false
    const text = line.bytes === undefined ? undefined : Buffer.from(line.bytes).toString('latin1')
    lines.push({ number: line.number, byteLength: line.byteLength, text })
    return true
  }
  for (const chunk of chunks) {
    splitter.push(chunk)
    while (take(splitter.next()));
  }
  take(splitter.end())
  return lines
}

const texts = (input: string, lineBytesMax?: number) =>
  split([Buffer.from(input, 'latin1')], lineBytesMax).map((line) => line.text)

t.test('lines: a newline ends one, everything else is content', async (t) => {
  t.same(texts(''), [])
  t.same(texts('a'), ['a'])
  t.same(texts('a\n'), ['a'])
  t.same(texts('a\nb'), ['a', 'b'])
  t.same(texts('\n\n'), ['', ''])
  t.same(texts('a\r\n\0\xff\n'), ['a\r', '\0\xff'])
})

t.test('lines: every split of the stream gives the same lines', async (t) => {
  const input = Buffer.from('first\n\nthe third one\xff\x00\n0123456789ABCDEF\nlast', 'latin1')
  const expected = split([input], 14)
  t.same(
    expected.map((line) => line.text),
    ['first', '', undefined, undefined, 'last'],
  )
  for (let a = 0; a <= input.length; a++) {
    for (let b = a; b <= input.length; b++) {
      const lines = split([input.subarray(0, a), input.subarray(a, b), input.subarray(b)], 14)
      if (JSON.stringify(lines) !== JSON.stringify(expected))
        t.same(lines, expected, `split at ${a} and ${b}`)
    }
  }
})

t.test(
  'lines: one that is too long is reported with its number and length, the others are not affected',
  async (t) => {
    t.same(split([Buffer.from('12345\n123456\n12345')], 5), [
      { number: 1, byteLength: 5, text: '12345' },
      { number: 2, byteLength: 6, text: undefined },
      { number: 3, byteLength: 5, text: '12345' },
    ])
    t.same(split([Buffer.from('1234567')], 5), [{ number: 1, byteLength: 7, text: undefined }])
  },
)

t.test('lines: misuse is a bug and says so', async (t) => {
  t.throws(() => new LineSplitter(0), { message: 'lineBytesMax must be above 0, got 0' })
  const splitter = new LineSplitter(10)
  splitter.push(Buffer.from('a\nb\n'))
  t.ok(splitter.next())
  t.throws(() => splitter.push(Buffer.from('c')), {
    message: 'push before the lines of the last chunk were taken',
  })
})

t.test('--from', async (t) => {
  const nowMs = Date.parse('2024-05-01T12:00:00Z')
  const from = (text: string) => parseStartPosition(text, nowMs)
  t.equal(from('earliest'), 'earliest')
  t.equal(from('latest'), 'latest')
  t.same(from('0'), { offset: 0 })
  t.same(from('9007199254740991'), { offset: 9007199254740991 })
  t.same(from('@2024-05-01T10:00:00Z'), { timeMs: nowMs - 7_200_000 })
  t.same(from('@2024-05-01T10:00:00.250+02:00'), { timeMs: nowMs - 4 * 3_600_000 + 250 })
  t.same(from('@2024-05-01'), { timeMs: Date.parse('2024-05-01') })
  t.same(from('@1714564800000'), { timeMs: 1714564800000 })
  t.same(from('@-2h'), { timeMs: nowMs - 7_200_000 })
  t.same(from('@-1d12h'), { timeMs: nowMs - 36 * 3_600_000 })
  t.same(from('@-1h30m5s250ms'), { timeMs: nowMs - 5_405_250 })
  for (const wrong of ['', 'first', '-1', '1.5', '1e3', '9007199254740992', 'EARLIEST']) {
    t.throws(() => from(wrong), {
      name: 'RangeError',
      message: `"${wrong}" is no place to start; use earliest, latest, an offset such as 1234, or a time such as @2024-05-01T12:00:00Z or @-2h`,
    })
  }
  for (const wrong of ['', '2h', '-2', '-2w', '-', 'yesterday', '12', '2024-13-01', '-99999999999999999d']) {
    t.throws(() => from(`@${wrong}`), {
      name: 'RangeError',
      message: `"@${wrong}" is no time; use ISO 8601 such as @2024-05-01T12:00:00Z, ms since 1970 such as @1714564800000, or a while ago such as @-2h`,
    })
  }
})

const plain: PrintableRecord = {
  topic: 'readings',
  partition: 2,
  offset: 41,
  timestampMs: 1714564800123,
  key: Buffer.from('k'),
  value: Buffer.from('grüße\n"'),
  headers: [{ key: 'h', value: Buffer.from('1') }],
}

t.test('a record as JSON', async (t) => {
  t.equal(
    jsonLine(plain),
    '{"topic":"readings","partition":2,"offset":41,"timestamp":1714564800123,"key":"k","value":"grüße\\n\\"","headers":[{"key":"h","value":"1"}]}',
  )
  t.equal(
    jsonLine({ ...plain, key: null, value: null, headers: [] }),
    '{"topic":"readings","partition":2,"offset":41,"timestamp":1714564800123,"key":null,"value":null,"headers":[]}',
  )
  const bytes = Buffer.from([0xff, 0x00])
  t.equal(
    jsonLine({
      ...plain,
      key: bytes,
      value: bytes,
      headers: [
        { key: 'h', value: bytes },
        { key: 'n', value: null },
      ],
    }),
    '{"topic":"readings","partition":2,"offset":41,"timestamp":1714564800123,"key":"/wA=","keyEncoding":"base64","value":"/wA=","encoding":"base64","headers":[{"key":"h","value":"/wA=","encoding":"base64"},{"key":"n","value":null}]}',
  )
  // A text that begins with a byte order mark keeps it.
  t.equal(JSON.parse(jsonLine({ ...plain, value: Buffer.from('\ufeffx') })).value, '\ufeffx')
})

t.test('a record as bytes', async (t) => {
  const joined = (record: PrintableRecord, separator?: string) =>
    Buffer.concat(rawLine(record, separator === undefined ? undefined : Buffer.from(separator)))
  t.same(joined(plain), Buffer.from('grüße\n"'))
  t.same(joined(plain, ': '), Buffer.from('k: grüße\n"'))
  t.same(joined({ ...plain, key: null, value: null }, ':'), Buffer.from(':'))
  t.same(joined({ ...plain, value: Buffer.from([0xff, 0]) }), Buffer.from([0xff, 0]))
})

t.test('failures are one line', async (t) => {
  const of = (error: unknown) => {
    const failure = asFailure(error)
    return [failure.exitCode, failureText(failure, false)]
  }
  t.same(of(usage('no such flag')), [64, 'octopus: no such flag\n'])
  t.same(of(new Failure(ExitCode.CONFIG, 'one\n   two')), [78, 'octopus: one two\n'])
  t.same(of(new ProtocolError(ErrorCode.INVALID_PARTITIONS, 'partitions must be 1 to 1000, got 0.')), [
    1,
    'octopus: partitions must be 1 to 1000, got 0 (INVALID_PARTITIONS)\n',
  ])
  t.same(of(new ProtocolError(ErrorCode.DISCONNECTED)), [
    69,
    'octopus: The connection ended before the answer came (DISCONNECTED)\n',
  ])
  t.same(of(new TypeError('x is not a function')), [
    70,
    'octopus: unexpected error: x is not a function (set OCTOPUS_DEBUG=1 to see where)\n',
  ])
  t.same(of('text'), [70, 'octopus: unexpected error: text (set OCTOPUS_DEBUG=1 to see where)\n'])
  t.match(failureText(asFailure(new TypeError('odd')), true), /^octopus: .*\nTypeError: odd\n {4}at /)
})

t.test('words around the commands', async (t) => {
  t.equal(invocation('/usr/local/bin/octopus', '/home/x'), 'octopus')
  t.equal(invocation('/repo/.build/broker/main.js', '/repo'), 'node .build/broker/main.js')
  t.equal(invocation('/repo/.build/broker/main.js', '/elsewhere'), 'node /repo/.build/broker/main.js')
  t.equal(invocation('/my repo/main.js', '/elsewhere'), "node '/my repo/main.js'")
  t.equal(
    unknownTopic('x', [], 'octopus'),
    'there is no topic "x". There is none yet. Create it with: octopus topic create x --partitions 4',
  )
  t.equal(
    unknownTopic('x', ['g', 'b', 'c', 'd', 'e', 'f', 'a'], 'octopus'),
    'there is no topic "x". There is: a, b, c, d, e and 2 more. Create it with: octopus topic create x --partitions 4',
  )
  const unseen = 'there is no topic "x" that you may see'
  t.equal(unknownTopic('x', [], undefined), `${unseen}, nor any other`)
  t.equal(unknownTopic('x', ['b', 'a'], undefined), `${unseen}. There is: a, b`)
  t.equal(brokerUrl(undefined, {}), 'ws://127.0.0.1:7654')
  t.equal(brokerUrl(undefined, { OCTOPUS_URL: '' }), 'ws://127.0.0.1:7654')
  t.equal(brokerUrl(undefined, { OCTOPUS_URL: 'wss://b:1' }), 'wss://b:1')
  t.equal(brokerUrl('ws://c:2', { OCTOPUS_URL: 'wss://b:1' }), 'ws://c:2')
  for (const url of [
    'ws://b:1/?token=oct_secret',
    'ws://oct_secret@b:1',
    'ws://u:oct_secret@b:1',
    'ws://b:1#oct_secret',
  ])
    t.throws(() => brokerUrl(url, {}), {
      message: /^--url: an address has no user, password, query or fragment(?!.*oct_secret)/,
    })
  t.throws(() => brokerUrl('localhost:7654', {}), {
    exitCode: 64,
    message: '--url: "localhost:7654" is not the address of a broker; it looks like ws://127.0.0.1:7654',
  })
  t.throws(() => brokerUrl(undefined, { OCTOPUS_URL: 'http://b' }), {
    exitCode: 64,
    message: 'OCTOPUS_URL: "http://b" is not the address of a broker; it looks like ws://127.0.0.1:7654',
  })
})

t.test('an outage is told once, and its end', async (t) => {
  const stream = new PassThrough()
  const tell = outageTeller(new Output(stream))
  const url = 'ws://b:1'
  const error = new Error('the connection to ws://b:1 ended: gone')
  tell({ kind: 'connected', url })
  tell({ kind: 'disconnected', url, error })
  tell({ kind: 'waiting', url, error, delayMs: 50 })
  tell({ kind: 'connected', url })
  t.equal(
    String(stream.read()),
    'octopus: the connection to ws://b:1 ended: gone; trying again\noctopus: connected to ws://b:1 again\n',
  )
})

t.test('a credential that has ended is told once, one that is to be renewed not at all', async (t) => {
  const stream = new PassThrough()
  const tell = outageTeller(new Output(stream))
  const url = 'ws://b:1'
  const error = new Error('the credential shown to ws://b:1 has expired: no credential: ENOENT')
  const unrenewed = { kind: 'unrenewed', url, error, delayMs: 50 } as const
  tell({ kind: 'renewed', url })
  tell({ ...unrenewed, isExpired: false })
  t.equal(stream.read(), null)
  for (let times = 0; times < 2; times++) {
    tell({ ...unrenewed, isExpired: true })
    tell({ ...unrenewed, isExpired: true })
    tell({ kind: 'renewed', url })
    t.equal(
      String(stream.read()),
      `octopus: ${error.message}; trying again\noctopus: there is a newer credential\n`,
    )
  }
})

t.test('output: back-pressure, a reader that goes away, a write that fails', async (t) => {
  const full = new PassThrough({ highWaterMark: 4 })
  const out = new Output(full)
  t.ok(out.canWrite)
  out.write('more than fits')
  t.notOk(out.canWrite)
  const writable = out.writable()
  full.resume()
  await writable
  t.ok(out.canWrite)
  t.notOk(out.gone.aborted)

  const left = new PassThrough({ highWaterMark: 1 })
  const quiet = new Output(left)
  quiet.write('xx')
  const waiting = quiet.writable()
  left.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
  await waiting
  t.ok(quiet.gone.aborted)
  quiet.write('dropped')
  await quiet.flush()

  const broken = new PassThrough()
  const loud = new Output(broken)
  broken.destroy(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }))
  await t.rejects(
    new Promise((resolve) => setImmediate(resolve)).then(() => loud.flush()),
    { exitCode: 1, message: 'cannot write the output: no space left on device' },
  )
})

t.test('tables and durations', async (t) => {
  t.equal(
    table(
      [{ title: 'topic' }, { title: 'partitions', align: 'right' }],
      [
        ['a', 4],
        ['longer.name', 16],
      ],
    ),
    'TOPIC        PARTITIONS\na                     4\nlonger.name          16\n',
  )
  t.equal(
    pairs([
      ['a', 1],
      ['long', 'x'],
    ]),
    'a     1\nlong  x\n',
  )
  t.same([0, 999, 12_000, 61_000, 3_600_000, 90_061_000].map(duration), [
    '0s',
    '0s',
    '12s',
    '1m 1s',
    '1h',
    '1d 1h',
  ])
})

t.test('exit codes', async (t) => {
  t.equal(exitCodeOfSignal('SIGINT'), 130)
  t.equal(exitCodeOfSignal('SIGTERM'), 143)
  const help = exitCodeHelp()
  for (const code of Object.values(ExitCode)) t.match(help, new RegExp(`\\b${code}\\b`))
})

t.test('the version is that of the package', async (t) => {
  let directory = new URL('.', import.meta.url)
  for (;;) {
    const found = await readFile(new URL('package.json', directory), 'utf8').catch(() => '{}')
    const { name, version } = JSON.parse(found)
    if (name === 'octopus-event-fabric') return t.equal(SERVER_VERSION, version)
    if (directory.pathname === '/') throw new Error('no package.json above the test')
    directory = new URL('..', directory)
  }
})

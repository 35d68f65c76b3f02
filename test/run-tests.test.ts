/**
 * The runner behind `npm test`: what it tells about files, failures, skipped tests and totals is what a person and
 * `.ci/run` believe.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { TapStream } from './support/tap-stream.ts'
import { type FileOptions, type FileResult, TestFile } from './support/test-file.ts'

function readAll(text: string): TapStream {
  const stream = new TapStream()
  for (const line of text.split('\n')) stream.line(line)
  return stream
}

const passing = `TAP version 14
# seed=42
# Subtest: outer
    ok 1 - fine
    # Subtest: middle
        ok 1 - finer
        ok 2 - inner # SKIP strace is not installed
        1..2
    ok 2 - middle # time=1ms
    1..2
ok 1 - outer # time=6.088ms

ok 2 - late # SKIP
1..2
# { total: 4, pass: 2, skip: 2 }
# time=1234.5ms`

const failing = `TAP version 14
# seed=7
# Subtest: fails
    ok 1 - passing
    not ok 2 - should be equal
      ---
      found: |
        ok 9 - this is quoted # SKIP no
        # { total: 9, pass: 9 }
      ...
    1..2
not ok 1 - fails # time=57ms

1..1
# { total: 2, pass: 1, fail: 1 }
# time=83.766ms`

t.test('totals, and what is going on', async (t) => {
  const stream = readAll(passing)
  t.same(stream.totals, { passed: 2, failed: 0, skipped: 2 })
  t.same(readAll(failing).totals, { passed: 1, failed: 1, skipped: 0 })
  const under = readAll(passing.slice(0, passing.indexOf('        ok 2 - inner')))
  t.same([under.totals, under.checks, under.newest], [undefined, 2, 'middle'], 'a file that was cut off')
  t.equal(readAll(passing.slice(0, passing.indexOf('# Subtest'))).newest, 'seed=42')
})

t.test('skipped tests keep their names and reasons', async (t) => {
  t.same(readAll(passing).skipped, [
    { path: ['outer', 'middle', 'inner'], reason: 'strace is not installed' },
    { path: ['late'], reason: '' },
  ])
  t.same(readAll(failing).skipped, [], 'what a diagnostic quotes is no test')
  t.same(readAll('TAP version 14\n1..0 # needs chromium').skipped, [{ path: [], reason: 'needs chromium' }])
})

t.test('a failure keeps its seed and diagnostics, not its passing lines', async (t) => {
  const detail = readAll(failing).detail.join('\n')
  t.match(detail, /# seed=7/)
  t.match(detail, /not ok 2 - should be equal\n {6}---\n {6}found/)
  t.notMatch(detail, /passing/)
})

/** Runs the lines as a test file. */
async function ran(
  t: Test,
  lines: string,
  limits: Pick<FileOptions, 'timeoutSeconds' | 'lastWordsMs'> = { timeoutSeconds: 0 },
): Promise<FileResult> {
  const directory = t.testdir()
  mkdirSync(directory, { recursive: true })
  const file = join(directory, 'a.test.mjs')
  writeFileSync(file, lines)
  return new TestFile(file, { cwd: process.cwd(), env: process.env, ...limits }).result()
}

const tap = JSON.stringify(import.meta.resolve('tap'))

t.test('a file that passes, and one that does not', async (t) => {
  t.match(await ran(t, `import t from ${tap}; t.pass(); t.test('x', async (t) => { t.equal(1, 1) })`), {
    passed: true,
    totals: { passed: 2, failed: 0, skipped: 0 },
  })
  const failed = await ran(t, `import t from ${tap}; t.pass(); t.equal(1, 2, 'sums')`)
  t.match(failed, { passed: false, totals: { passed: 1, failed: 1, skipped: 0 } })
  t.match(failed.detail.join('\n'), /not ok 2 - sums/)
})

t.test('a file that does not come to its end is a failure, whatever it has passed', async (t) => {
  const ends: [string, RegExp][] = [
    [`import t from ${tap}; t.test('x', async (t) => { t.pass(); process.exit(0) })`, /x|ended before/],
    ['console.log("TAP version 14\\nok 1 - fine"); process.exit(0)', /ended before its tests did/],
    ['process.kill(process.pid, "SIGKILL")', /ended by SIGKILL/],
    ['process.exit(1)', /exit code 1/],
  ]
  for (const [lines, how] of ends) {
    const result = await ran(t, lines)
    t.match(result, { passed: false, totals: { failed: 1 } }, lines)
    t.match(result.detail.join('\n'), how)
  }
})

t.test('a file that hangs is ended', async (t) => {
  const result = await ran(
    t,
    `import t from ${tap}; t.test('for ever', () => new Promise(() => setInterval(() => {}, 1000)))`,
    { timeoutSeconds: 1, lastWordsMs: 500 },
  )
  t.equal(result.passed, false)
  t.match(result.detail.join('\n'), /killed: it had not ended after 1 s/)
})

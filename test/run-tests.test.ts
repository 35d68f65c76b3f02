/**
 * The reader of tap's output behind `npm test`: what it tells about files, failures, skipped tests and
 * totals is what a person and `.ci/run` believe.
 */
import t from 'tap'
import { type FileResult, TapStream } from './support/tap-stream.ts'

function readAll(text: string): { files: FileResult[]; stream: TapStream } {
  const files: FileResult[] = []
  const stream = new TapStream((file) => files.push(file))
  for (const line of text.split('\n')) stream.line(line)
  return { files, stream }
}

const run = `TAP version 14
1..3
# Subtest: .build/test/a.test.js
    # seed=42
    # Subtest: outer
        ok 1 - fine
        ok 2 - inner # SKIP strace is not installed
        1..2
    ok 1 - outer # time=6.088ms
    ok 2 - late # SKIP
    1..2
ok 1 - .build/test/a.test.js # time=1234.5ms

# Subtest: .build/test/b.test.js
    # seed=7
    # Subtest: fails
        ok 1 - passing
        not ok 2 - should be equal
          ---
          found: |
            ok 9 - this is quoted # SKIP no
          ...
        1..2
    not ok 1 - fails # time=57ms
    1..1
not ok 2 - .build/test/b.test.js # time=83.766ms
  ---
  exitCode: 1
  ...

# Subtest: .build/test/c.test.js
    1..0 # needs chromium
ok 3 - .build/test/c.test.js # SKIP needs chromium

# { total: 7, pass: 3, fail: 1, skip: 3 }
# time=2808.352ms`

t.test('files, durations and totals', async (t) => {
  const { files, stream } = readAll(run)
  t.same(
    files.map(({ file, passed, durationMs }) => ({ file, passed, durationMs })),
    [
      { file: '.build/test/a.test.js', passed: true, durationMs: 1234.5 },
      { file: '.build/test/b.test.js', passed: false, durationMs: 83.766 },
      { file: '.build/test/c.test.js', passed: true, durationMs: 0 },
    ],
  )
  t.same(stream.totals, { passed: 3, failed: 1, skipped: 3 })
})

t.test('skipped tests keep their names and reasons', async (t) => {
  const { files } = readAll(run)
  t.same(files[0].skipped, [
    { path: ['outer', 'inner'], reason: 'strace is not installed' },
    { path: ['late'], reason: '' },
  ])
  t.same(files[1].skipped, [], 'what a diagnostic quotes is no test')
  t.same(files[2].skipped, [{ path: [], reason: 'needs chromium' }])
})

t.test('a failure keeps its seed and diagnostics, not its passing lines', async (t) => {
  const { files } = readAll(run)
  const detail = files[1].detail.join('\n')
  t.match(detail, /# seed=7/)
  t.match(detail, /not ok 2 - should be equal\n {10}---\n {10}found/)
  t.notMatch(detail, /passing|seed=42/)
})

t.test('a file that died without a failing check is a failure', async (t) => {
  const died = `# Subtest: .build/test/a.test.js
    ok 1 - fine
not ok 1 - .build/test/a.test.js # time=5ms
# { total: 1, pass: 1 }`
  t.same(readAll(died).stream.totals, { passed: 1, failed: 1, skipped: 0 })
})

t.test('a run that was cut off has no totals', async (t) => {
  const { stream } = readAll(run.slice(0, run.indexOf('# Subtest: fails')))
  t.equal(stream.totals, undefined)
})

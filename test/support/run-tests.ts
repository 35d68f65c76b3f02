/**
 * `npm test`: runs the compiled tests, each file in a process of its own, and says in plain lines how it goes.
 *
 *     node .build/test/support/run-tests.js [--soak] [--jobs n] [part of a path …]
 *
 * The list of files comes from the sources, so that the compiled remains of a deleted test never run.
 * Ends with every test that did not run and why, and with the totals; exits 0 only when all passed.
 * Writes nothing outside .build and .tap.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type FileResult, TestFile } from './test-file.ts'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
/** A person should not wonder for longer than this whether anything still happens. */
const SILENCE_MS_MAX = 15_000
const TIMEOUT_SECONDS = 240
const SOAK_TIMEOUT_SECONDS = 2 * 3_600
/** One more than can work: many tests wait for a disk or a clock. */
const JOBS = availableParallelism() + 1

/**
 * What takes longest begins first, so that no core is left waiting for the last file. Parts of paths; what is not
 * named comes after these.
 */
const LONGEST_FIRST = [
  'end-to-end/groups.test',
  'bench/smoke',
  'end-to-end/sigkill',
  'end-to-end/',
  'failing-disk',
  'broker/transport',
  'broker/cli',
  'bench/demo',
  'broker/idempotence',
]

const { values: flags, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: { soak: { type: 'boolean', default: false }, jobs: { type: 'string', default: `${JOBS}` } },
})

function rank(path: string): number {
  const index = LONGEST_FIRST.findIndex((part) => path.includes(part))
  return index < 0 ? LONGEST_FIRST.length : index
}

/** Each test source that matches, from the root, in the order in which they begin. */
function testSources(): string[] {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .map((path) => join('test', path).split(sep).join('/'))
    .filter((path) => path.endsWith('.test.ts'))
    .filter((path) => parts.length === 0 || parts.some((part) => path.includes(part)))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
}

function compiledOf(source: string): string {
  return `.build/${source.replace(/\.ts$/, '.js')}`
}

function sourceOf(compiled: string): string {
  return compiled.replace(/^\.build\//, '').replace(/\.js$/, '.ts')
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** What a person needs at the end; returns the number of failures. */
function report(results: readonly FileResult[]): number {
  const skipped = results.flatMap((result) => result.skipped.map((test) => ({ file: result.file, ...test })))
  if (skipped.length > 0) {
    console.log('\nDid not run:')
    for (const { file, path, reason } of skipped)
      console.log(`  ${[sourceOf(file), ...path].join(' > ')}: ${reason || 'skipped'}`)
  }
  const bad = results.filter((result) => !result.passed).map(({ file }) => file)
  if (bad.length > 0) console.log(`\nFailed: ${bad.map(sourceOf).join(', ')}`)
  const sum = (key: 'passed' | 'failed' | 'skipped') =>
    results.reduce((total, { totals }) => total + totals[key], 0)
  const [passed, failed] = [sum('passed'), sum('failed')]
  console.log(`\n${passed} passed, ${failed} failed, ${sum('skipped')} skipped`)
  writeFileSync(join(root, '.build', 'test-totals.json'), `${JSON.stringify({ passed, failed })}\n`)
  return failed
}

/** Runs the files, `jobs` at a time, and tells of each as it ends; and, should none end for long, what is under way. */
async function runAll(files: readonly string[], jobs: number): Promise<FileResult[]> {
  const results: FileResult[] = []
  const waiting = [...files]
  const running = new Set<TestFile>()
  let spokeAtMs = performance.now()
  const say = (text: string) => {
    spokeAtMs = performance.now()
    console.log(text)
  }
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const test = new TestFile(file, {
        cwd: root,
        timeoutSeconds: flags.soak ? SOAK_TIMEOUT_SECONDS : TIMEOUT_SECONDS,
        env: { ...process.env, ...(flags.soak ? { OCTOPUS_SOAK: '1' } : {}) },
      })
      running.add(test)
      const result = await test.result()
      running.delete(test)
      results.push(result)
      const mark = result.passed ? 'ok  ' : 'FAIL'
      say(`${mark} ${results.length}/${files.length} ${sourceOf(file)} (${seconds(result.durationMs)})`)
      // Of a long run its seeds are of interest, too.
      if (!result.passed || flags.soak) console.log(result.detail.join('\n'))
    }
  }
  const patience = setInterval(() => {
    if (performance.now() - spokeAtMs < SILENCE_MS_MAX) return
    for (const test of running) say(`…    ${sourceOf(test.file)}: ${test.state}`)
  }, 1_000)
  // They are in groups of their own: what ends this process has to end them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      for (const test of running) test.kill()
      process.exit(130)
    })
  await Promise.all(Array.from({ length: jobs }, worker))
  clearInterval(patience)
  return results
}

async function main(): Promise<number> {
  const jobs = Number(flags.jobs)
  if (!Number.isInteger(jobs) || jobs < 1) {
    console.error(`--jobs ${flags.jobs}: a whole number from 1 on is needed`)
    return 2
  }
  const files = testSources().map(compiledOf)
  if (files.length === 0) {
    console.error(`no test file under test/ matches ${parts.map((part) => `'${part}'`).join(' or ')}`)
    return 2
  }
  const missing = files.find((file) => !existsSync(join(root, file)))
  if (missing) {
    console.error(`${missing} is not built: run 'npm run build' first ('npm test' does)`)
    return 2
  }
  return report(await runAll(files, jobs)) > 0 ? 1 : 0
}

process.exitCode = await main()

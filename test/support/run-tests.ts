/**
 * `npm test`: runs the compiled tests with tap and says in plain lines how it goes.
 *
 *     node .build/test/support/run-tests.js [--soak] [part of a path …]
 *
 * The list of files comes from the sources, so that the compiled remains of a deleted test never run.
 * Ends with every test that did not run and why, and with the totals; exits 0 only when all passed.
 * Writes nothing outside .build and .tap.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative, resolve, sep } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type FileResult, TapStream, type Totals } from './tap-stream.ts'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const require = createRequire(import.meta.url)
/** A person should not wonder for longer than this whether anything still happens. */
const SILENCE_MS_MAX = 15_000
const SOAK_TIMEOUT_SECONDS = 3_600

const { values: flags, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: { soak: { type: 'boolean', default: false } },
})

/** Compiled path of each test source that matches. */
function testFiles(): string[] {
  const sources = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .map((path) => join('test', path).split(sep).join('/'))
    .filter((path) => path.endsWith('.test.ts'))
    .filter((path) => parts.length === 0 || parts.some((part) => path.includes(part)))
    .sort()
  return sources.map((path) => `.build/${path.replace(/\.ts$/, '.js')}`)
}

/**
 * tap generates its test class from the configured plugins; a fresh node_modules holds the default one,
 * whose TypeScript plugin does not work with our compiler. tap would rebuild it in the middle of
 * the first run and fail that run, so it is done before. Costs some seconds, once after `npm ci`.
 */
function prepareTap(tap: string): void {
  const testClass = createRequire(tap).resolve('@tapjs/test/built')
  if (!readFileSync(testClass, 'utf8').includes('@tapjs/typescript')) return
  console.log('preparing tap (once after npm ci) …')
  const { status, stdout, stderr } = spawnSync(process.execPath, [tap, 'build'], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`tap build failed:\n${stdout}${stderr}`)
}

function sourceOf(compiled: string): string {
  return relative(root, resolve(root, compiled))
    .split(sep)
    .join('/')
    .replace(/^\.build\//, '')
    .replace(/\.js$/, '.ts')
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** What a person needs at the end. `lost` are files that tap gave up after another one had timed out. */
function report(results: readonly FileResult[], lost: readonly string[], totals: Totals): void {
  const skipped = results.flatMap((result) => result.skipped.map((test) => ({ file: result.file, ...test })))
  if (skipped.length > 0) {
    console.log('\nDid not run:')
    for (const { file, path, reason } of skipped)
      console.log(`  ${[sourceOf(file), ...path].join(' > ')}: ${reason || 'skipped'}`)
  }
  const bad = results.filter((result) => !result.passed).map(({ file }) => file)
  if (bad.length > 0) console.log(`\nFailed: ${bad.map(sourceOf).join(', ')}`)
  if (lost.length > 0) console.log(`\nGiven up by tap before their end: ${lost.map(sourceOf).join(', ')}`)
  console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
}

interface Run {
  readonly exitCode: number
  readonly results: readonly FileResult[]
  /** Undefined when tap died before its end. */
  readonly totals: Totals | undefined
}

/** Runs the files and tells of each as it ends; and, should nothing end for long, what is under way. */
async function runTap(tap: string, files: readonly string[]): Promise<Run> {
  const results: FileResult[] = []
  let spokeAt = Date.now()
  const say = (text: string) => {
    spokeAt = Date.now()
    console.log(text)
  }
  const stream = new TapStream((result) => {
    if (!files.includes(result.file)) return say(`FAIL tap: ${result.file}`)
    results.push(result)
    const mark = result.passed ? 'ok  ' : 'FAIL'
    say(`${mark} ${results.length}/${files.length} ${sourceOf(result.file)} (${seconds(result.durationMs)})`)
    if (!result.passed) console.log(result.detail.join('\n'))
  })
  const timeout = flags.soak ? [`--timeout=${SOAK_TIMEOUT_SECONDS}`] : []
  const child = spawn(process.execPath, [tap, 'run', '--no-color', '--reporter=tap', ...timeout, ...files], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...(flags.soak ? { OCTOPUS_SOAK: '1' } : {}) },
  })
  const closed = new Promise<number>((done) => child.on('close', (code) => done(code ?? 1)))
  const patience = setInterval(() => {
    // tap begins with the first and shows a file when it has ended.
    const oldest = files.find((file) => !results.some((result) => result.file === file))
    if (oldest && Date.now() - spokeAt > SILENCE_MS_MAX) say(`…    ${sourceOf(oldest)} is still running`)
  }, 1_000)
  for await (const line of createInterface({ input: child.stdout })) stream.line(line)
  clearInterval(patience)
  return { exitCode: await closed, results, totals: stream.totals }
}

async function main(): Promise<number> {
  const files = testFiles()
  if (files.length === 0) {
    console.error(`no test file under test/ matches ${parts.map((part) => `'${part}'`).join(' or ')}`)
    return 2
  }
  const missing = files.find((file) => !existsSync(join(root, file)))
  if (missing) {
    console.error(`${missing} is not built: run 'npm run build' first ('npm test' does)`)
    return 2
  }
  const tap = join(require.resolve('tap/package.json'), '../dist/esm/run.mjs')
  prepareTap(tap)
  const run = await runTap(tap, files)
  if (!run.totals) console.error(`tap ended early (exit code ${run.exitCode})`)
  const lost = files.filter((file) => !run.results.some((result) => result.file === file))
  const counted = run.totals ?? { passed: 0, failed: 0, skipped: 0 }
  const totals = { ...counted, failed: counted.failed + lost.length }
  report(run.results, lost, totals)
  const { passed, failed } = totals
  writeFileSync(join(root, '.build', 'test-totals.json'), `${JSON.stringify({ passed, failed })}\n`)
  return run.exitCode || (failed > 0 ? 1 : 0)
}

process.exitCode = await main()

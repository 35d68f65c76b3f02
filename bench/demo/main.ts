/**
 * `npm run demo`: real events through a real broker, with the broker and agents killed in the middle. Ends by itself
 * in under a minute, exit code 0 only if everything adds up. See {@link Scenario} for the story.
 *
 *   --json    JSON lines only; the last one has the numbers
 *   --small   a fiftieth of the events, in a few seconds
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import chalk from 'chalk'
import { loadDataSets } from './data-sets.ts'
import { type Display, jsonDisplay, pictureDisplay, plainDisplay } from './display.ts'
import { demoEvents } from './events.ts'
import { checks, type Outcome } from './outcome.ts'
import { Scenario } from './scenario.ts'

const DEADLINE_MS = 55_000
const FRAME_MS = 100
const full = { stride: 1, agents: 4, durationMs: 14_000, killAt: [0.25, 0.75], killAgentAt: [0.15, 0.6] }
const small = { stride: 50, agents: 2, durationMs: 1_500, killAt: [0.4], killAgentAt: [0.15] }

const write = (text: string) => void process.stdout.write(text)

function options() {
  try {
    return parseArgs({ options: { json: { type: 'boolean' }, small: { type: 'boolean' } } }).values
  } catch (error) {
    process.stderr.write(`demo: ${(error as Error).message}. The flags are --json and --small.\n`)
    process.exit(64)
  }
}

function chooseDisplay(json: boolean): Display {
  if (json) return jsonDisplay(write)
  return process.stdout.isTTY ? pictureDisplay(process.stdout) : plainDisplay(write)
}

async function main(): Promise<number> {
  const { json = false, small: isSmall = false } = options()
  const size = isSmall ? small : full
  const display = chooseDisplay(json)
  const dataDirectory = await mkdtemp(join(tmpdir(), 'octopus-demo-'))
  const events = demoEvents(await loadDataSets(), size.stride)
  const scenario = new Scenario({
    ...size,
    events,
    dataDirectory,
    wallClockMs: Date.now,
    monotonicMs: () => performance.now(),
    onNote: (text) => display.note(scenario.view(), text),
  })
  const drawing = setInterval(() => display.update(scenario.view()), FRAME_MS)
  try {
    const outcome = await Promise.race([scenario.run(), interrupted(), crashed(), deadline()])
    display.end(scenario.view())
    return report(outcome, json)
  } finally {
    clearInterval(drawing)
    scenario.destroy()
    await rm(dataDirectory, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Ended early by a signal; 128 + its number, as shells count. */
class Interrupted extends Error {
  readonly exitCode: number

  constructor(exitCode: number) {
    super('interrupted')
    this.exitCode = exitCode
  }
}

function interrupted(): Promise<never> {
  return new Promise((_, reject) => {
    process.once('SIGINT', () => reject(new Interrupted(130)))
    process.once('SIGTERM', () => reject(new Interrupted(143)))
  })
}

/** An error outside every call; the demo must still end its processes and remove its data. */
function crashed(): Promise<never> {
  return new Promise((_, reject) => {
    process.once('uncaughtException', reject)
    process.once('unhandledRejection', reject)
  })
}

function deadline(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`it did not end within ${DEADLINE_MS / 1000} s`)), DEADLINE_MS).unref()
  })
}

function report(outcome: Outcome, json: boolean): number {
  const found = checks(outcome)
  const ok = found.every((check) => check.ok)
  if (json) {
    write(
      `${JSON.stringify({ ok, failed: found.filter((check) => !check.ok).map((check) => check.sentence), ...outcome })}\n`,
    )
    return ok ? 0 : 1
  }
  write('\n')
  for (const check of found) {
    write(
      ` ${check.ok ? chalk.green('✓') : chalk.red('✗')} ${check.ok ? check.sentence : chalk.red(check.sentence)}\n`,
    )
  }
  write(ok ? nextSteps(outcome) : chalk.red('\n Something does not add up: see the lines above.\n'))
  return ok ? 0 : 1
}

function nextSteps(outcome: Outcome): string {
  const octopus = `node ${relative(process.cwd(), fileURLToPath(new URL('../../broker/main.js', import.meta.url)))}`
  return `
 Done in ${outcome.seconds.toFixed(1)} s; its data is removed. To keep a broker running:

   ${chalk.bold('npm start')}

 and in another terminal:

   export OCTOPUS_TOKEN_FILE=data/admin.key
   ${octopus} topic create readings --partitions 4
   echo hello | ${octopus} produce readings
   ${octopus} consume readings --from earliest --until-end
`
}

try {
  process.exitCode = await main()
} catch (error) {
  const isInterruption = error instanceof Interrupted
  process.stderr.write(
    `demo: ${isInterruption ? 'interrupted' : error instanceof Error ? error.message : String(error)}\n`,
  )
  process.exitCode = isInterruption ? error.exitCode : 1
}
process.exit()

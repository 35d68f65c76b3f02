/**
 * Runs one compiled test file in a process of its own and reads what it says. The process is started as a person
 * would start it: no loader and no hook of a runner, which every broker it starts would inherit, and pay for.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type Skipped, TapStream, type Totals } from './tap-stream.ts'

export interface FileResult {
  readonly file: string
  readonly passed: boolean
  readonly durationMs: number
  readonly skipped: readonly Skipped[]
  /** What it said without its passing lines; and, where it is not in there, why it counts as failed. */
  readonly detail: readonly string[]
  readonly totals: Totals
}

export interface FileOptions {
  readonly cwd: string
  /** tap fails the file by then and tells what it waited for; a little later it is killed. 0: never. */
  readonly timeoutSeconds: number
  /** How much later. */
  readonly lastWordsMs?: number
  readonly env: NodeJS.ProcessEnv
}

export class TestFile {
  readonly file: string
  readonly startedAtMs = performance.now()
  readonly #stream = new TapStream()
  readonly #child: ChildProcess
  readonly #options: FileOptions

  constructor(file: string, options: FileOptions) {
    this.file = file
    this.#options = options
    const { cwd, timeoutSeconds, env } = options
    // A group of its own, so that whatever it has started can be ended with it.
    this.#child = spawn(process.execPath, ['--enable-source-maps', file], {
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...env, TAP_TIMEOUT: `${timeoutSeconds}` },
    })
  }

  /** What is going on in it, for somebody who waits. */
  get state(): string {
    const { checks, newest } = this.#stream
    const seconds = Math.round((performance.now() - this.startedAtMs) / 1000)
    return `${seconds} s, ${checks} checks${newest && `, ${newest}`}`
  }

  /** Resolves when it has ended, or was killed for taking too long. */
  async result(): Promise<FileResult> {
    const { timeoutSeconds, lastWordsMs = 10_000 } = this.#options
    let isLate = false
    const late = () => {
      isLate = true
      this.kill()
    }
    const limit = timeoutSeconds > 0 ? setTimeout(late, timeoutSeconds * 1000 + lastWordsMs) : undefined
    const closed = once(this.#child, 'close')
    for await (const line of createInterface({ input: this.#child.stdout! })) this.#stream.line(line)
    const [code, signal] = await closed
    clearTimeout(limit)
    const how = isLate
      ? `killed: it had not ended after ${timeoutSeconds} s`
      : signal
        ? `ended by ${signal}`
        : code !== 0
          ? `exit code ${code}`
          : !this.#stream.totals
            ? 'ended before its tests did'
            : undefined
    const { passed, failed, skipped } = this.#stream.totals ?? { passed: 0, failed: 0, skipped: 0 }
    return {
      file: this.file,
      passed: how === undefined && failed === 0,
      durationMs: performance.now() - this.startedAtMs,
      skipped: this.#stream.skipped,
      detail: how === undefined ? this.#stream.detail : [...this.#stream.detail, how],
      // A file that died without a failing check is a failure all the same.
      totals: { passed, failed: failed || (how === undefined ? 0 : 1), skipped },
    }
  }

  /** Ends it and everything it has started. */
  kill(): void {
    const { pid } = this.#child
    if (pid === undefined) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch (error) {
      // Nobody of the group is there any more.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

/**
 * Reads the TAP text of a whole run, line by line as it comes, into one result per test file.
 *
 * Keeps what a person needs (failures with their diagnostics and comments such as seeds, skipped tests
 * with their reasons) and forgets passing lines at once, so a file with a million checks costs nothing.
 */

/** A test that did not run. */
export interface Skipped {
  /** Names from the outermost test to the skipped one; empty: the whole file. */
  readonly path: readonly string[]
  readonly reason: string
}

export interface FileResult {
  readonly file: string
  readonly passed: boolean
  readonly durationMs: number
  readonly skipped: readonly Skipped[]
  /** The file's output without its passing lines, indentation kept. */
  readonly detail: readonly string[]
}

export interface Totals {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** Lines of one file kept for a failure report. */
const DETAIL_LINES_MAX = 2_000

const point = /^( *)(not )?ok \d+(?: - (.*?))?(?: # (SKIP|TODO|time=)(.*))?(?: \{)?$/
const subtest = /^( *)# Subtest: (.*)$/
const totals = /^# \{ total: (\d+), pass: (\d+)(?:, fail: (\d+))?(?:, skip: (\d+))?.*\}$/

export class TapStream {
  readonly #onFile: (result: FileResult) => void
  /** The file whose lines come now. */
  #current: string | undefined
  #open: string[] = []
  #skipped: Skipped[] = []
  #detail: string[] = []
  #totals: Totals | undefined
  #filesFailed = 0
  /** The line that ends the YAML block we are in: what it quotes may look like TAP. */
  #yamlEnd: string | undefined

  constructor(onFile: (result: FileResult) => void) {
    this.#onFile = onFile
  }

  /**
   * Undefined while the runner has not said how many tests passed: it died before its end. A file that
   * died without a failing check counts as one failure.
   */
  get totals(): Totals | undefined {
    if (!this.#totals) return undefined
    return { ...this.#totals, failed: Math.max(this.#totals.failed, this.#filesFailed) }
  }

  line(line: string): void {
    if (this.#yamlEnd !== undefined) {
      if (line === this.#yamlEnd) this.#yamlEnd = undefined
      if (this.#current) this.#keep(line)
      return
    }
    if (/^ *---$/.test(line)) this.#yamlEnd = line.replace('---', '...')
    const opened = subtest.exec(line)
    if (opened) {
      const depth = opened[1].length / 4
      this.#open = [...this.#open.slice(0, depth), opened[2]]
      if (depth === 0) this.#current = opened[2]
    }
    const closed = point.exec(line)
    if (closed) this.#point(line, closed)
    else if (this.#current && line.trim() !== '' && !/^ *\d+\.\.\d+/.test(line)) this.#keep(line)
    const end = totals.exec(line)
    if (end)
      this.#totals = { passed: Number(end[2]), failed: Number(end[3] ?? 0), skipped: Number(end[4] ?? 0) }
  }

  #keep(line: string): void {
    if (this.#detail.length < DETAIL_LINES_MAX) this.#detail.push(line)
  }

  #point(line: string, [, indent, failed, name = '', directive, rest = '']: RegExpExecArray): void {
    const depth = indent.length / 4
    const isSubtestEnd = this.#open.length === depth + 1
    if (failed) this.#keep(line)
    if (directive === 'SKIP') {
      const path = depth === 0 ? [] : [...this.#open.slice(1, depth), name]
      this.#skipped.push({ path, reason: rest.trim() })
    }
    if (isSubtestEnd) this.#open = this.#open.slice(0, depth)
    if (depth !== 0) return
    if (failed) this.#filesFailed++
    this.#onFile({
      file: name,
      passed: !failed,
      durationMs: directive === 'time=' ? Number.parseFloat(rest) : 0,
      skipped: this.#skipped,
      detail: this.#detail,
    })
    this.#current = undefined
    this.#skipped = []
    this.#detail = []
  }
}

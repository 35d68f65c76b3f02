/**
 * Reads the TAP text of one test file, line by line as it comes, into one result.
 *
 * Keeps what a person needs (failures with their diagnostics and comments such as seeds, skipped tests
 * with their reasons, what was said last) and forgets passing lines at once, so a file with a million checks
 * costs nothing.
 */

/** A test that did not run. */
export interface Skipped {
  /** Names from the outermost test to the skipped one; empty: the whole file. */
  readonly path: readonly string[]
  readonly reason: string
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
const comment = /^ *# (?!\{|time=)(.*)$/
const wholeFileSkipped = /^1\.\.0 # (.*)$/
const totals = /^# \{ total: (\d+), pass: (\d+)(?:, fail: (\d+))?(?:, skip: (\d+))?.*\}$/

export class TapStream {
  readonly skipped: Skipped[] = []
  /** The output without its passing lines, indentation kept. */
  readonly detail: string[] = []
  /** So far; those that end a test with tests inside are not counted. */
  checks = 0
  /** The newest comment or name of a test: what is going on. */
  newest = ''
  #open: string[] = []
  #failed = 0
  #totals: Totals | undefined
  /** The line that ends the YAML block we are in: what it quotes may look like TAP. */
  #yamlEnd: string | undefined

  /** Undefined while the file has not come to its end: it says so itself. */
  get totals(): Totals | undefined {
    if (!this.#totals) return undefined
    return { ...this.#totals, failed: Math.max(this.#totals.failed, this.#failed) }
  }

  line(line: string): void {
    if (this.#yamlEnd !== undefined) {
      if (line === this.#yamlEnd) this.#yamlEnd = undefined
      this.#keep(line)
      return
    }
    if (/^ *---$/.test(line)) this.#yamlEnd = line.replace('---', '...')
    const opened = subtest.exec(line)
    if (opened) {
      const depth = opened[1].length / 4
      this.#open = [...this.#open.slice(0, depth), opened[2]]
    }
    this.newest = (opened?.[2] ?? comment.exec(line)?.[1] ?? '') || this.newest
    const none = wholeFileSkipped.exec(line)
    if (none) this.skipped.push({ path: [], reason: none[1] })
    const closed = point.exec(line)
    if (closed) this.#point(line, closed)
    else if (line.trim() !== '' && !/^ *\d+\.\.\d+/.test(line)) this.#keep(line)
    const end = totals.exec(line)
    if (end)
      this.#totals = { passed: Number(end[2]), failed: Number(end[3] ?? 0), skipped: Number(end[4] ?? 0) }
  }

  #keep(line: string): void {
    if (this.detail.length < DETAIL_LINES_MAX) this.detail.push(line)
  }

  #point(line: string, [, indent, failed, name = '', directive, rest = '']: RegExpExecArray): void {
    const depth = indent.length / 4
    const isSubtestEnd = this.#open.length === depth + 1
    if (failed) this.#keep(line)
    if (failed && depth === 0) this.#failed++
    if (directive === 'SKIP')
      this.skipped.push({ path: [...this.#open.slice(0, depth), name], reason: rest.trim() })
    if (isSubtestEnd) this.#open = this.#open.slice(0, depth)
    else this.checks++
  }
}

/**
 * `octopus filter test`: which events a filter matches, by the matcher of the broker, and what refuses the others.
 * Works without a broker. Memory is bounded by the longest line.
 */
import { type Refusal, RefusalExplainer } from '../filters/explain-refusal.ts'
import { type LooseRecord, recordFieldsOf } from '../filters/loose-record.ts'
import type { RecordPattern } from '../filters/pattern.ts'
import { PatternError } from '../filters/pattern-error.ts'
import { PatternSet } from '../filters/pattern-set.ts'
import { BATCH_BYTES_MAX } from '../topics/topic-config.ts'
import type { CommandContext } from './context.ts'
import { forEachLine } from './each-line.ts'
import { ExitCode } from './exit-codes.ts'
import { usage } from './failure.ts'
import { readFilter } from './filter-argument.ts'
import type { Setting } from './flag-values.ts'
import { type Line, LineSplitter } from './line-splitter.ts'
import type { Output } from './output.ts'
import { parseRecordLine } from './record-line.ts'
import { parseTime } from './start-position.ts'

export interface FilterTestFlags {
  readonly value?: string
  readonly key?: string
  readonly header?: readonly Setting[]
  readonly timestamp?: string
  readonly records?: true
  readonly json?: true
}

export async function testFilter(
  argument: string,
  flags: FilterTestFlags,
  context: CommandContext,
): Promise<number> {
  const given = eventOf(flags, context)
  const report = new Report(filterOf(argument, flags, context.out), flags.json === true, context.out)
  if (given !== undefined) report.add(given)
  else await readEvents(flags, context, report)
  return report.finish(given !== undefined)
}

/** A program that asks for JSON gets what is wrong with the filter as JSON as well. */
function filterOf(argument: string, flags: FilterTestFlags, out: Output): RecordPattern {
  try {
    return readFilter(argument)
  } catch (error) {
    if (flags.json && error instanceof Error && error.cause instanceof PatternError) {
      const { sentence, pointer, offset, line, column } = error.cause
      out.write(`${JSON.stringify({ error: { sentence, pointer, offset, line, column } })}\n`)
    }
    throw error
  }
}

/** The event that the flags describe; undefined: they describe none. */
function eventOf(
  { value, key, header, timestamp, records }: FilterTestFlags,
  context: CommandContext,
): LooseRecord | undefined {
  if (value === undefined && key === undefined && header === undefined && timestamp === undefined)
    return undefined
  if (records)
    throw usage(
      '--records goes with events on standard input: leave --value, --key, --header and --timestamp out',
    )
  const bytes = (text: string | undefined) => (text === undefined ? null : Buffer.from(text))
  return {
    key: bytes(key),
    value: bytes(value),
    headers: (header ?? []).map((each) => ({ name: each.name, value: Buffer.from(each.value) })),
    timestampMs: timestamp === undefined ? context.nowMs() : timeOf(timestamp, context.nowMs()),
  }
}

function timeOf(text: string, nowMs: number): number {
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  try {
    return parseTime(text, nowMs)
  } catch (error) {
    throw usage(`--timestamp: ${(error as Error).message}`)
  }
}

async function readEvents(flags: FilterTestFlags, context: CommandContext, report: Report): Promise<void> {
  if ((context.stdin as Partial<NodeJS.ReadStream>).isTTY === true)
    context.err.write('One event per line; Ctrl-D ends.\n')
  const take = (line: Line): Promise<void> | undefined => {
    if (line.bytes === undefined)
      throw usage(
        `line ${line.number} has ${line.byteLength.toLocaleString('en-US')} bytes; no event has more than ${BATCH_BYTES_MAX.toLocaleString('en-US')}`,
      )
    report.add(flags.records ? recordOf(line, line.bytes) : withValue(line.bytes, context.nowMs()))
    return context.out.canWrite ? undefined : context.out.writable()
  }
  const isOver = () => context.out.gone.aborted
  await forEachLine(context.stdin, new LineSplitter(BATCH_BYTES_MAX), context.out.gone, isOver, take)
}

const withValue = (value: Uint8Array, timestampMs: number): LooseRecord => ({
  key: null,
  value,
  headers: [],
  timestampMs,
})

function recordOf({ number }: Line, bytes: Uint8Array): LooseRecord {
  try {
    return parseRecordLine(bytes)
  } catch (error) {
    throw usage(
      `--records: line ${number} is no record as octopus consume --json prints them: ${(error as Error).message}`,
    )
  }
}

/** Says of each event whether it matches, and at the end how many did. */
class Report {
  readonly #set: PatternSet
  readonly #explainer: RefusalExplainer
  readonly #json: boolean
  readonly #out: Output
  #events = 0
  #matched = 0
  #notJson = 0

  constructor(pattern: RecordPattern, json: boolean, out: Output) {
    this.#set = new PatternSet([pattern])
    this.#explainer = new RefusalExplainer(pattern, (part) => {
      const set = new PatternSet([part])
      return (record) => set.match(record) > 0
    })
    this.#json = json
    this.#out = out
  }

  add(record: LooseRecord): void {
    const fields = recordFieldsOf(record)
    const event = ++this.#events
    const matches = this.#set.match(fields) > 0
    const { notJson } = this.#set
    if (matches) this.#matched++
    if (notJson) this.#notJson++
    const refused = matches ? [] : this.#explainer.explain(record, fields)
    if (this.#json) this.#out.write(`${JSON.stringify({ event, matches, notJson, refused })}\n`)
    else this.#say(event, matches, refused)
  }

  finish(isSingle: boolean): number {
    const [events, matched, notJson] = [this.#events, this.#matched, this.#notJson]
    if (this.#json) this.#out.write(`${JSON.stringify({ summary: { events, matched, notJson } })}\n`)
    else if (events === 0) this.#out.write('the filter is right; there was no event to try it on\n')
    else if (!isSingle) this.#out.write(`${summary(events, matched, notJson)}\n`)
    return matched > 0 ? ExitCode.OK : ExitCode.FAILED
  }

  #say(event: number, matches: boolean, refused: readonly Refusal[]): void {
    this.#out.write(`${event}  ${matches ? 'matches' : 'does not match'}\n`)
    const left = { lines: LINES_MAX }
    for (const line of refusalLines(refused, '   ', left)) this.#out.say(line)
    if (left.lines === 0) this.#out.say('   …')
  }
}

function summary(events: number, matched: number, notJson: number): string {
  const count = (number: number) => number.toLocaleString('en-US')
  const broken =
    notJson === 0 ? '' : `; ${count(notJson)} ${notJson === 1 ? 'value is' : 'values are'} not JSON`
  return `${count(matched)} of ${count(events)} ${events === 1 ? 'event' : 'events'} matched${broken}`
}

/** Of a filter with many parts only the first are of use. */
const LINES_MAX = 20

function* refusalLines(
  refusals: readonly Refusal[],
  indent: string,
  left: { lines: number },
): Generator<string> {
  for (const { sentence, branches } of refusals) {
    if (left.lines === 0) return
    left.lines--
    yield `${indent}${sentence}`
    for (const [index, branch] of (branches ?? []).entries()) {
      const lines = refusalLines(branch, `${indent}     `, left)
      // The number of the branch stands before its first line.
      const first = lines.next()
      if (first.done) break
      yield `${indent}  ${`${index + 1}.`.padEnd(3)}${first.value.trimStart()}`
      yield* lines
    }
  }
}

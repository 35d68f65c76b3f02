/**
 * `octopus consume`: the events of a topic on standard output, as they come.
 *
 * A slow reader of the output slows the reading down, and memory stays bounded; a reader that goes away
 * ends the command quietly. Nothing is printed twice and nothing is skipped; of a group what was printed is committed, and
 * what was printed and could not be is printed again by whoever reads then. With a filter the broker sends what matches.
 */
import type { FilterCounts, GroupOptions, StartPosition, TopicDescription } from '../../client/index.ts'
import type { CommandContext, StopSignal } from './context.ts'
import { ExitCode, exitCodeOfSignal } from './exit-codes.ts'
import { usage } from './failure.ts'
import { readFilter } from './filter-argument.ts'
import { keySeparator } from './key-separator.ts'
import type { Output } from './output.ts'
import { showProgress } from './progress.ts'
import { type ReadFlags, readOptions, timeText } from './read-options.ts'
import { jsonLine, type PrintableRecord, rawLine } from './record-line.ts'
import { type ClientFlags, checkPartition, existingTopic, withClient } from './session.ts'

interface ConsumeFlags extends ClientFlags, ReadFlags {
  readonly partition?: readonly number[]
  readonly max?: number
  readonly untilEnd?: true
  readonly keySeparator?: string
  readonly group?: string
  readonly instance?: string
  readonly filter?: string
}

export function consume(name: string, flags: ConsumeFlags, context: CommandContext): Promise<number> {
  checkGroupFlags(flags)
  const reading = readOptions(flags, context.nowMs())
  const separator = keySeparator(flags.keySeparator)
  const filter = flags.filter === undefined ? undefined : readFilter(flags.filter).text
  if (flags.json && separator !== undefined) {
    throw usage('--json prints the key already: leave --key-separator out')
  }
  const interrupted = context.interruption()
  return withClient(flags, context, async (client) => {
    const topic = await existingTopic(client, name, context.invocation)
    const partitions = [...new Set(flags.partition)]
    for (const partition of partitions) checkPartition(name, topic.partitions.length, partition)
    const consumer = client.consumer({
      // All of them as a topic, so that partitions added later are read as well.
      ...(partitions.length === 0
        ? { topics: [name] }
        : { assignments: partitions.map((partition) => ({ topic: name, partition })) }),
      ...reading,
      ...(filter !== undefined && { filter }),
      untilEnd: flags.untilEnd === true,
      ...(flags.group !== undefined && { group: groupOptions(flags.group, flags.instance, context.err) }),
      onLost: ({ topic, partition, firstOffset, lastOffset }) => {
        context.err.write(
          `octopus: offsets ${firstOffset} to ${lastOffset} of ${topic}, partition ${partition}, were lost to damage on the broker's disk\n`,
        )
      },
    })
    let isPrinting = false
    // What is being printed is finished first, so that a group keeps it.
    const stop = () => {
      if (!isPrinting) void consumer.close()
    }
    const endings = AbortSignal.any([interrupted, context.out.gone])
    endings.addEventListener('abort', stop)
    if (endings.aborted) stop()
    const print = new Printer(context.out, flags.json === true, separator)
    const max = flags.max ?? Number.POSITIVE_INFINITY
    let count = 0
    let reachedMs = 0
    // On a terminal that shows the events themselves a counter would stand between them.
    const endProgress = context.out.isTerminal
      ? () => {}
      : showProgress(context.err, () =>
          progressText(count, reachedMs, filter === undefined ? undefined : consumer.filtered),
        )
    try {
      for await (const batch of consumer.batches()) {
        isPrinting = true
        let last: PrintableRecord | undefined
        for (const record of batch.records) {
          print.record(record)
          reachedMs = record.timestampMs
          last = record
          if (++count >= max) break
        }
        print.flush()
        // A group keeps what has left this process, and nothing else.
        if (flags.group !== undefined) await context.out.flush()
        else if (!context.out.canWrite) await context.out.writable()
        if (count >= max || endings.aborted) {
          if (last && flags.group !== undefined && !context.out.gone.aborted) await consumer.commit(last)
          break
        }
        isPrinting = false
      }
    } finally {
      endProgress()
    }
    await consumer.close()
    if (filter !== undefined && !context.out.gone.aborted)
      context.err.write(filterSummary(consumer.filtered, count, flags.json === true))
    const endsByItself = flags.untilEnd === true || reading.to !== undefined
    if (count === 0 && endsByItself && !endings.aborted)
      tellIfBeyondEnd(topic, partitions, reading.from, context.err)
    const unfinished = interrupted.aborted && (endsByItself || flags.max !== undefined)
    return unfinished && count < max ? exitCodeOfSignal(interrupted.reason as StopSignal) : ExitCode.OK
  })
}

/** Throws the failure of a wrong command line, saying what would be right. */
function checkGroupFlags(flags: ConsumeFlags): void {
  if (flags.group === undefined) {
    if (flags.instance !== undefined)
      throw usage('--instance names a member of a group: give --group as well')
    return
  }
  const instead = 'it goes on where it is; octopus group reset sends it elsewhere'
  if (flags.last !== undefined || /^\d+$/.test(flags.from ?? ''))
    throw usage(
      `${flags.last === undefined ? '--from OFFSET' : '--last'} does not go with --group: ${instead}. Where it has no offset yet, ` +
        'it begins at --from earliest, latest or @TIME',
    )
  if (flags.partition !== undefined)
    throw usage('--partition does not go with --group: its members share the partitions among them')
  for (const name of ['to', 'late', 'speed', 'order'] as const)
    if (flags[name] !== undefined)
      throw usage(`--${name} does not go with --group, of which each member reads a part: leave it out`)
}

function groupOptions(id: string, instanceId: string | undefined, err: Output): GroupOptions {
  return {
    id,
    ...(instanceId !== undefined && { instanceId }),
    onWarning: (sentence) => err.say(`octopus: ${sentence}`),
  }
}

/** Somebody who asks for an offset that was never given out has likely mistyped it. The end itself is no mistake. */
function tellIfBeyondEnd(
  { name, partitions }: TopicDescription,
  chosen: readonly number[],
  from: StartPosition,
  err: Output,
): void {
  if (typeof from === 'string' || !('offset' in from)) return
  const ends = partitions
    .filter(({ partition }) => chosen.length === 0 || chosen.includes(partition))
    .map(({ logEndOffset }) => logEndOffset)
  const end = Math.max(...ends)
  if (from.offset <= end) return
  const whose = ends.length === 1 ? 'its end is at' : 'the farthest end of its partitions is at'
  err.write(`octopus: ${name} has nothing from offset ${from.offset} on: ${whose} ${end}\n`)
}

/** What came of a filter, for the end: a person is to see why little was printed. */
function filterSummary({ examined, notJson }: FilterCounts, matched: number, isJson: boolean): string {
  if (isJson) return `${JSON.stringify({ examined, matched, notJson })}\n`
  const [looked, printed, foreign] = [examined, matched, notJson].map((each) => each.toLocaleString('en-US'))
  return `octopus: ${looked} events examined: ${printed} matched, ${foreign} had a value that is no JSON\n`
}

function progressText(count: number, reachedMs: number, filtered: FilterCounts | undefined): string {
  const examined = filtered ? ` of ${filtered.examined.toLocaleString('en-US')} examined` : ''
  const reached = count === 0 ? '' : `, up to ${timeText(reachedMs)}`
  return `${count.toLocaleString('en-US')} events${examined}${reached}`
}

/** Gathers lines and hands them over in pieces of a size that suits a pipe. */
class Printer {
  readonly #out: Output
  readonly #json: boolean
  readonly #separator: Uint8Array | undefined
  #pieces: Uint8Array[] = []
  #bytes = 0

  constructor(out: Output, json: boolean, separator: Uint8Array | undefined) {
    this.#out = out
    this.#json = json
    this.#separator = separator
  }

  record(record: PrintableRecord): void {
    if (this.#json) this.#add(Buffer.from(jsonLine(record)))
    else for (const piece of rawLine(record, this.#separator)) this.#add(piece)
    this.#add(NEWLINE)
    if (this.#bytes >= WRITE_BYTES) this.flush()
  }

  flush(): void {
    if (this.#bytes === 0) return
    this.#out.write(Buffer.concat(this.#pieces, this.#bytes))
    this.#pieces = []
    this.#bytes = 0
  }

  #add(piece: Uint8Array): void {
    this.#pieces.push(piece)
    this.#bytes += piece.length
  }
}

const NEWLINE = Buffer.from('\n')
const WRITE_BYTES = 64 * 1024

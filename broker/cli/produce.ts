/**
 * `octopus produce`: each line of standard input becomes an event.
 *
 * The bytes of a line are the value, untouched. Memory is bounded: reading waits while the producer's
 * buffer is full. Every line is accounted for: acknowledged or failed, and the exit code says whether
 * any failed. Ctrl-C ends the reading; what was read is still sent.
 *
 * With `--producer-name` lines are numbered, and those that an earlier run has stored are not stored again.
 */
import type { Readable } from 'node:stream'
import type { FlushResult, TopicDescription } from '../../client/index.ts'
import { compressionNames, levelProblem } from '../../storage/record/compression.ts'
import type { CommandContext, StopSignal } from './context.ts'
import { forEachLine } from './each-line.ts'
import { ExitCode, exitCodeOfSignal } from './exit-codes.ts'
import { asFailure, usage } from './failure.ts'
import type { Setting } from './flag-values.ts'
import { keySeparator, splitKey } from './key-separator.ts'
import { LineSequence, unnumbered } from './line-sequence.ts'
import { type Line, LineSplitter } from './line-splitter.ts'
import type { Output } from './output.ts'
import { showProgress } from './progress.ts'
import { type ClientFlags, checkPartition, existingTopic, withClient } from './session.ts'

interface ProduceFlags extends ClientFlags {
  readonly keySeparator?: string
  readonly partition?: number
  readonly header?: readonly Setting[]
  readonly compression: string
  readonly compressionLevel?: number
  readonly acks: string
  readonly producerName?: string
}

const LINGER_MS = 5
const acksByFlag: Readonly<Record<string, 'all' | 'leader' | 'none'>> = {
  all: 'all',
  '1': 'leader',
  '0': 'none',
}

export function produce(name: string, flags: ProduceFlags, context: CommandContext): Promise<number> {
  const separator = keySeparator(flags.keySeparator)
  const acks = acksByFlag[flags.acks]
  if (acks === undefined) throw usage(`--acks: "${flags.acks}" is none of all, 1 and 0`)
  const packing = compressionOf(flags)
  const { producerName } = flags
  if (producerName !== undefined && acks !== 'all')
    throw usage(`--producer-name: needs --acks all, not ${flags.acks}`)
  const headers = (flags.header ?? []).map(({ name, value }) => ({ key: name, value: Buffer.from(value) }))
  const common = {
    ...(headers.length > 0 && { headers }),
    ...(flags.partition !== undefined && { partition: flags.partition }),
  }
  const interrupted = context.interruption()
  return withClient(flags, context, async (client) => {
    const topic = await existingTopic(client, name, context.invocation)
    const partitions = topic.partitions.length
    if (flags.partition !== undefined) checkPartition(name, partitions, flags.partition)
    const { partition } = flags
    const hasKeys = separator !== undefined
    const sequence =
      producerName === undefined
        ? undefined
        : new LineSequence({ topic: name, partitions, partition, hasKeys })
    const tally = new Tally(context.err)
    const producer = client.producer({
      lingerMs: LINGER_MS,
      acks,
      ...packing,
      ...(producerName !== undefined && { producerName }),
      onDelivery: ({ count, error }) => tally.deliver(count, error),
    })
    // What is wrong with the name comes to light before the first line is read.
    if (sequence) await producer.nextSequence(name, partition ?? 0)
    if (isTerminal(context.stdin)) context.err.write('One event per line; Ctrl-D ends.\n')
    const stopProgress = isTerminal(context.stdin)
      ? () => {}
      : showProgress(context.err, (elapsedMs) => tally.progress(elapsedMs))
    const bytesMax = lineBytesMax(topic, flags.header ?? [])
    const take = (line: Line) => {
      if (line.bytes === undefined) return tally.skip(line, bytesMax, sequence !== undefined)
      tally.read++
      const record =
        separator === undefined ? { key: null, value: line.bytes } : splitKey(line.bytes, separator)
      if (!sequence) return producer.append(name, { ...record, ...common })
      return producer.append(name, { ...record, ...common, ...sequence.next(line, record.key) })
    }
    try {
      // Behind a line that failed no numbered line can be stored.
      const isOver = () => sequence !== undefined && tally.hasFailed
      await forEachLine(context.stdin, new LineSplitter(bytesMax), interrupted, isOver, take)
      return report(await producer.flush(), tally, flags, context, interrupted)
    } finally {
      stopProgress()
    }
  })
}

function compressionOf({ compression: name, compressionLevel: level }: ProduceFlags) {
  const compression = compressionNames.find((known) => known === name)
  if (compression === undefined)
    throw usage(`--compression: "${name}" is none of ${compressionNames.join(', ')}`)
  if (level === undefined) return { compression }
  const problem = levelProblem(compression, level)
  if (problem !== undefined) throw usage(`--compression-level: ${problem}`)
  return { compression, compressionLevel: level }
}

function report(
  flushed: FlushResult,
  tally: Tally,
  flags: ProduceFlags,
  context: CommandContext,
  interrupted: AbortSignal,
): number {
  const { acknowledged, duplicates = 0 } = flushed
  const failed = flushed.failed + tally.skipped
  if (failed > 0) context.err.write(`octopus: ${tally.failureSentence(flushed)}\n`)
  if (flags.json) {
    const isNumbered = flags.producerName !== undefined
    context.out.write(`${JSON.stringify({ acknowledged, ...(isNumbered && { duplicates }), failed })}\n`)
  } else {
    const before = duplicates > 0 ? `, ${duplicates.toLocaleString('en-US')} of them stored before` : ''
    context.out.write(`${counted(acknowledged)} ${flags.acks === '0' ? 'sent' : 'acknowledged'}${before}\n`)
  }
  if (failed > 0) return ExitCode.FAILED
  return interrupted.aborted ? exitCodeOfSignal(interrupted.reason as StopSignal) : ExitCode.OK
}

/** What became of the lines, as far as it is known while they are read. */
class Tally {
  /** Lines that became events. */
  read = 0
  /** Lines that were too long. */
  skipped = 0
  readonly #err: Output
  #acknowledged = 0
  #failed = 0
  #firstReason = ''

  constructor(err: Output) {
    this.#err = err
  }

  get hasFailed(): boolean {
    return this.#failed > 0
  }

  deliver(count: number, error: Error | undefined): void {
    if (error === undefined) this.#acknowledged += count
    else this.#failed += count
  }

  skip(line: Line, bytesMax: number, isNumbered: boolean): undefined {
    const reason = `line ${line.number} has ${line.byteLength.toLocaleString('en-US')} bytes, more than the ${bytesMax.toLocaleString('en-US')} an event of this topic may have`
    if (isNumbered) throw unnumbered(reason)
    this.skipped++
    if (this.#firstReason === '') this.#firstReason = reason
    if (this.skipped <= SKIPS_SHOWN) this.#err.write(`octopus: ${reason}; skipped\n`)
  }

  failureSentence({ failed, error }: FlushResult): string {
    const reason = error === undefined ? this.#firstReason : asFailure(error).message
    return `${(failed + this.skipped).toLocaleString('en-US')} of ${counted(this.read + this.skipped)} failed: ${reason}`
  }

  progress(elapsedMs: number): string {
    const rate = Math.round((this.#acknowledged * 1000) / elapsedMs).toLocaleString('en-US')
    return `${counted(this.#acknowledged)} acknowledged, ${rate}/s`
  }
}

const SKIPS_SHOWN = 10

function counted(count: number): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? 'event' : 'events'}`
}

/** What a record takes in its batch besides key, value and headers, at most, and the batch's header. */
const OVERHEAD_BYTES = 128
const HEADER_OVERHEAD_BYTES = 10

/** The longest line that fits into a record batch of the topic. */
function lineBytesMax(topic: TopicDescription, headers: readonly Setting[]): number {
  const batchBytesMax = Number(topic.configs.find((config) => config.name === 'max.message.bytes')?.value)
  const headerBytes = headers.reduce(
    (sum, { name, value }) =>
      sum + Buffer.byteLength(name) + Buffer.byteLength(value) + HEADER_OVERHEAD_BYTES,
    0,
  )
  const bytesMax = batchBytesMax - OVERHEAD_BYTES - headerBytes
  if (!(bytesMax > 0)) {
    throw usage(
      headers.length > 0
        ? `--header: these headers leave no room for a value; batches of topic "${topic.name}" have at most ${batchBytesMax} bytes`
        : `batches of topic "${topic.name}" have at most ${batchBytesMax} bytes, too few for any line: raise its max.message.bytes`,
    )
  }
  return bytesMax
}

function isTerminal(stdin: Readable): boolean {
  return (stdin as Partial<NodeJS.ReadStream>).isTTY === true
}

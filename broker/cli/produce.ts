/**
 * `octopus produce`: each line of standard input becomes an event.
 *
 * The bytes of a line are the value, untouched. Memory is bounded: reading waits while the producer's
 * buffer is full. Every line is accounted for: acknowledged or failed, and the exit code says whether
 * any failed. Ctrl-C ends the reading; what was read is still sent.
 */
import type { Readable } from 'node:stream'
import type { TopicDescription } from '../../client/index.ts'
import type { CommandContext, StopSignal } from './context.ts'
import { ExitCode, exitCodeOfSignal } from './exit-codes.ts'
import { asFailure, usage } from './failure.ts'
import type { Setting } from './flag-values.ts'
import { keySeparator, splitKey } from './key-separator.ts'
import { type Line, LineSplitter } from './line-splitter.ts'
import type { Output } from './output.ts'
import { showProgress } from './progress.ts'
import { type ClientFlags, checkPartition, existingTopic, withClient } from './session.ts'

interface ProduceFlags extends ClientFlags {
  readonly keySeparator?: string
  readonly partition?: number
  readonly header?: readonly Setting[]
  readonly compression: string
  readonly acks: string
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
  const { compression } = flags
  if (compression !== 'none' && compression !== 'gzip') {
    throw usage(`--compression: "${compression}" is none of none and gzip`)
  }
  const headers = (flags.header ?? []).map(({ name, value }) => ({ key: name, value: Buffer.from(value) }))
  const common = {
    ...(headers.length > 0 && { headers }),
    ...(flags.partition !== undefined && { partition: flags.partition }),
  }
  const interrupted = context.interruption()
  return withClient(flags, context, async (client) => {
    const topic = await existingTopic(client, name, context.invocation)
    if (flags.partition !== undefined) checkPartition(name, topic.partitions.length, flags.partition)
    const tally = new Tally(context.err)
    const producer = client.producer({
      lingerMs: LINGER_MS,
      acks,
      compression,
      onDelivery: ({ count, error }) => {
        if (error === undefined) tally.acknowledged += count
        else tally.fail(count, asFailure(error).message)
      },
    })
    if (isTerminal(context.stdin)) context.err.write('One event per line; Ctrl-D ends.\n')
    const stopProgress = isTerminal(context.stdin)
      ? () => {}
      : showProgress(context.err, (elapsedMs) => tally.progress(elapsedMs))
    const bytesMax = lineBytesMax(topic, flags.header ?? [])
    try {
      await forEachLine(context.stdin, new LineSplitter(bytesMax), interrupted, (line) => {
        tally.read++
        if (line.bytes === undefined) return tally.skip(line, bytesMax)
        const record = separator === undefined ? { value: line.bytes } : splitKey(line.bytes, separator)
        return producer.append(name, { ...record, ...common })
      })
      await producer.close()
    } finally {
      stopProgress()
    }
    return report(tally, flags, context, interrupted)
  })
}

function report(
  tally: Tally,
  flags: ProduceFlags,
  context: CommandContext,
  interrupted: AbortSignal,
): number {
  const { acknowledged, failed } = tally
  if (failed > 0) context.err.write(`octopus: ${tally.failureSentence()}\n`)
  if (flags.json) context.out.write(`${JSON.stringify({ acknowledged, failed })}\n`)
  else context.out.write(`${counted(acknowledged)} ${flags.acks === '0' ? 'sent' : 'acknowledged'}\n`)
  if (failed > 0) return ExitCode.FAILED
  return interrupted.aborted ? exitCodeOfSignal(interrupted.reason as StopSignal) : ExitCode.OK
}

/** What became of the lines. */
class Tally {
  read = 0
  acknowledged = 0
  failed = 0
  readonly #err: Output
  #firstReason = ''

  constructor(err: Output) {
    this.#err = err
  }

  fail(count: number, reason: string): void {
    this.failed += count
    if (this.#firstReason === '') this.#firstReason = reason
  }

  skip(line: Line, bytesMax: number): undefined {
    const reason = `line ${line.number} has ${line.byteLength.toLocaleString('en-US')} bytes, more than the ${bytesMax.toLocaleString('en-US')} an event of this topic may have`
    this.fail(1, reason)
    if (this.failed <= SKIPS_SHOWN) this.#err.write(`octopus: ${reason}; skipped\n`)
  }

  failureSentence(): string {
    return `${this.failed.toLocaleString('en-US')} of ${counted(this.read)} failed: ${this.#firstReason}`
  }

  progress(elapsedMs: number): string {
    const rate = Math.round((this.acknowledged * 1000) / elapsedMs).toLocaleString('en-US')
    return `${counted(this.acknowledged)} acknowledged, ${rate}/s`
  }
}

const SKIPS_SHOWN = 10

function counted(count: number): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? 'event' : 'events'}`
}

/** Calls `take` with each line and waits where it asks to, until the stream ends or is interrupted. */
async function forEachLine(
  stdin: Readable,
  splitter: LineSplitter,
  interrupted: AbortSignal,
  take: (line: Line) => Promise<void> | undefined,
): Promise<void> {
  const stop = () => stdin.destroy()
  interrupted.addEventListener('abort', stop)
  if (interrupted.aborted) stop()
  try {
    for await (const chunk of stdin) {
      splitter.push(chunk as Uint8Array)
      for (let line = splitter.next(); line !== undefined; line = splitter.next()) {
        const wait = take(line)
        if (wait !== undefined) await wait
      }
    }
  } catch (error) {
    // Ending a stream early is an error to its reader; this time it was wanted. Half a line is none.
    if (interrupted.aborted) return
    throw error
  }
  const last = splitter.end()
  if (last !== undefined) await take(last)
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

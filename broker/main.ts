#!/usr/bin/env node
/**
 * The entry point of `octopus`: the one place where the command line meets the real process. It builds the
 * streams, the clock and the signals the commands are handed, runs one command and turns its end into
 * an exit code. Whatever happens, what a person sees is a line, never a stack trace (unless OCTOPUS_DEBUG=1).
 */
import { fstatSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { Readable } from 'node:stream'
import type { CommandContext, StopSignal } from './cli/context.ts'
import { execute, tell } from './cli/execute.ts'
import { exitCodeOfSignal } from './cli/exit-codes.ts'
import { invocation } from './cli/invocation.ts'
import { Output } from './cli/output.ts'

const err = new Output(process.stderr)
let isExpected: (error: unknown) => boolean = () => false

const context: CommandContext = {
  stdin: standardInput(),
  out: new Output(process.stdout),
  err,
  env: process.env,
  invocation: invocation(process.argv[1], process.cwd()),
  nowMs: Date.now,
  interruption,
  onHangup: (run) => void process.on('SIGHUP', run),
  ask,
  expectStrayErrors: (judge) => {
    isExpected = judge
  },
}

process.on('unhandledRejection', stray)
process.on('uncaughtException', stray)
process.exit(await execute(process.argv.slice(2), context))

/** An error outside every command's reach: unless it is an expected one, the process cannot be trusted any more. */
function stray(error: unknown): void {
  if (!isExpected(error)) process.exit(tell(error, context))
}

/** Node would show a directory as an empty stream; reading one is an error. */
function standardInput(): Readable {
  if (!isDirectory(0)) return process.stdin
  const error = Object.assign(new Error('EISDIR: standard input is a directory'), { code: 'EISDIR' })
  return new Readable({
    read() {
      this.destroy(error)
    },
  })
}

function isDirectory(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isDirectory()
  } catch {
    // It is closed: nobody can read from it.
    return false
  }
}

function interruption(): AbortSignal {
  const controller = new AbortController()
  const stop = (signal: StopSignal) => {
    if (controller.signal.aborted) process.exit(exitCodeOfSignal(signal))
    controller.abort(signal)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return controller.signal
}

async function ask(question: string): Promise<string | undefined> {
  if (!process.stdin.isTTY || !err.isTerminal) return undefined
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await lines.question(question)
  } finally {
    lines.close()
  }
}

/**
 * Runs a process under strace, which lets chosen system calls fail or take long, and records them. For tests with
 * `skip: requireTool('strace')`.
 *
 * The process gets one thread for its disk work, because strace counts `when=N` per thread: so "the fifth
 * fdatasync of this file" is the same in every run.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

export interface TraceOptions {
  /** Only calls on these files are seen and changed. */
  readonly paths: readonly string[]
  /** Names of system calls. */
  readonly calls: readonly string[]
  /** For disk work; 1 unless it is to go on while one hangs. */
  readonly threads?: number
  /** As in strace's `inject`: `fdatasync:error=EIO:when=5`. */
  readonly inject?: readonly string[]
}

export interface TracedRun {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** The recorded calls, a line each. */
  readonly calls: readonly string[]
}

/** Runs a compiled program with Node until it ends. */
export async function runTraced(
  program: string,
  args: readonly string[],
  { paths, calls, inject = [], threads = 1 }: TraceOptions,
): Promise<TracedRun> {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-strace-'))
  try {
    const record = join(directory, 'calls')
    const flags = [
      ...['-f', '-qq', '-o', record],
      ...paths.flatMap((path) => ['-P', path]),
      ...['-e', `trace=${calls.join(',')}`],
      ...inject.flatMap((injection) => ['-e', `inject=${injection}`]),
    ]
    const child = spawn('strace', [...flags, process.execPath, program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, UV_THREADPOOL_SIZE: String(threads) },
    })
    const exit = once(child, 'exit')
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    const [exitCode, signal] = await exit
    const lines = (await readFile(record, 'utf8')).split('\n')
    return { exitCode, signal, stdout, stderr, calls: lines.filter((line) => /^\d+ +\w+\(/.test(line)) }
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** Bytes that each recorded `pwrite64` was to write, in order. */
export function pwriteBytes(run: TracedRun): number[] {
  return run.calls.flatMap((call) => {
    const bytes = / pwrite64\(.*, (\d+), \d+\) +=/.exec(call)?.[1]
    return bytes === undefined ? [] : [Number(bytes)]
  })
}

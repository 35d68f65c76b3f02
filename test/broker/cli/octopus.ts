/**
 * Runs `octopus` for the tests: in this process, which is quick, or as the process people start. And keeps
 * one broker, a process of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { CommandContext } from '../../../broker/cli/context.ts'
import { execute } from '../../../broker/cli/execute.ts'
import { Output } from '../../../broker/cli/output.ts'
import { ADMIN_KEY, provisionAdminKey } from '../../support/admin-key.ts'

export const mainScript = fileURLToPath(new URL('../../../broker/main.js', import.meta.url))

export interface Ran {
  readonly exitCode: number | null
  readonly out: string
  readonly err: string
}

export interface RunOptions {
  readonly stdin?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  /** Answer to a question; undefined: nobody is there. */
  readonly answer?: string
  readonly nowMs?: number
  readonly interrupted?: AbortSignal
}

/** The environment without what would change the outcome. */
export function cleanEnvironment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('OCTOPUS_'))
  return { ...(Object.fromEntries(kept) as Record<string, string>), OCTOPUS_TOKEN: ADMIN_KEY, ...more }
}

/** Runs a command line in this process. Hints call the program `octopus`. */
export async function inProcess(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const out = new PassThrough()
  const err = new PassThrough()
  const texts = [collect(out), collect(err)]
  const context: CommandContext = {
    stdin: Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]),
    out: new Output(out),
    err: new Output(err),
    env: { OCTOPUS_TOKEN: ADMIN_KEY, ...options.env },
    invocation: 'octopus',
    nowMs: () => options.nowMs ?? Date.now(),
    interruption: () => options.interrupted ?? new AbortController().signal,
    onHangup: () => {},
    ask: async () => options.answer,
    expectStrayErrors: () => {},
  }
  const exitCode = await execute(args, context)
  out.end()
  err.end()
  const [outText, errText] = await Promise.all(texts)
  return { exitCode, out: outText, err: errText }
}

/** Starts the real program. */
export function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, [mainScript, ...args], { env: cleanEnvironment(env) })
}

/** Runs the real program to its end. */
export async function asProcess(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = start(args, options.env)
  child.stdin!.end(options.stdin ?? '')
  return ended(child)
}

/** What a process said by the time it has ended. */
export async function ended(child: ChildProcess): Promise<Ran> {
  const exited = once(child, 'exit')
  const [out, err] = await Promise.all([collect(child.stdout!), collect(child.stderr!)])
  const [exitCode] = (await exited) as [number | null]
  return { exitCode, out, err }
}

async function collect(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('latin1')
}

export interface TestBroker {
  readonly url: string
  readonly child: ChildProcess
  stop(): Promise<Ran>
}

/** A broker in a process of its own, on a free port. */
export async function startBroker(dataDirectory: string): Promise<TestBroker> {
  await provisionAdminKey(dataDirectory)
  const child = start(['serve', '--data', dataDirectory, '--listen', '127.0.0.1:0', '--log-format', 'json'])
  const end = ended(child)
  const [first] = (await once(child.stdout!, 'data')) as [Buffer]
  const { url } = JSON.parse(first.toString()) as { url: string }
  return {
    url,
    child,
    stop: () => {
      child.kill('SIGTERM')
      return end
    },
  }
}

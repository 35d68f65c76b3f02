/**
 * strace on a running process: what system calls it makes, in which order, and some of them delayed or failed on
 * purpose. For tests that ask for `requireTool('strace')`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'

export class Strace {
  readonly #child: ChildProcess
  readonly #logPath: string

  private constructor(child: ChildProcess, logPath: string) {
    this.#child = child
    this.#logPath = logPath
  }

  /**
   * Resolves when every thread of the process is held by it.
   * @param inject as after `-e inject=`, e.g. `fdatasync:error=EIO`
   */
  static async attach(
    pid: number,
    logPath: string,
    { trace, inject = [] }: { readonly trace: string; readonly inject?: readonly string[] },
  ): Promise<Strace> {
    const injections = inject.flatMap((what) => ['-e', `inject=${what}`])
    const child = spawn(
      'strace',
      // All text in hexadecimal and whole, the path of each descriptor beside it.
      [
        '-f',
        '-y',
        '-xx',
        '-s',
        '65536',
        '-o',
        logPath,
        '-e',
        `trace=${trace}`,
        ...injections,
        '-p',
        `${pid}`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    let said = ''
    await new Promise<void>((resolve, reject) => {
      child.stderr?.on('data', (chunk) => {
        said += chunk
        if (/ attached/.test(said)) resolve()
      })
      child.once('close', () => reject(new Error(`strace ended: ${said}`)))
    })
    return new Strace(child, logPath)
  }

  /** Lets go of the process, which is still there, and returns the calls it made. */
  async detach(): Promise<SystemCall[]> {
    await this.#end('SIGINT')
    return systemCalls(await readFile(this.#logPath, 'utf8'))
  }

  /**
   * Ends strace after the process has ended. By itself it would not always: of a child that outlives its
   * parent it may wait for an end that came already.
   */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const closed = once(this.#child, 'close')
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill(signal)
    await closed
  }
}

/** One end of a system call, in the order in which they came. A short call has both at once. */
export interface SystemCall {
  readonly name: string
  readonly edge: 'begin' | 'end'
  /** What the descriptor of the first argument is: a path, `socket:[1234]`; empty where it is none. */
  readonly target: string
  /** The number of the descriptor. */
  readonly descriptor: number
  /** Returned; undefined at the beginning. -1: an error. */
  readonly result: number | undefined
  /** The first text among the arguments. */
  readonly bytes: Uint8Array
}

const COMPLETE = /^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)/
const UNFINISHED = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)/

/** The log of `strace -f -y -xx`. Signals, ends of threads and whatever else is no call are left out. */
export function systemCalls(log: string): SystemCall[] {
  const calls: SystemCall[] = []
  const unfinished = new Map<string, string>()
  const add = (edge: 'begin' | 'end', name: string, args: string, result?: string) => {
    const descriptor = /^(\d+)<((?:[^>]|->)*)>/.exec(args)
    calls.push({
      name,
      edge,
      target: textOf(descriptor?.[2] ?? ''),
      descriptor: Number(descriptor?.[1] ?? -1),
      result: result === undefined ? undefined : Number(result),
      bytes: bytesOf(/"((?:\\x[0-9a-f]{2})*)"/.exec(args)?.[1] ?? ''),
    })
  }
  for (const line of log.split('\n')) {
    const whole = COMPLETE.exec(line)
    const begun = whole ? null : UNFINISHED.exec(line)
    const ended = whole || begun ? null : RESUMED.exec(line)
    if (whole) {
      add('begin', whole[2], whole[3])
      add('end', whole[2], whole[3], whole[4])
    } else if (begun) {
      unfinished.set(begun[1], begun[3])
      add('begin', begun[2], begun[3])
    } else if (ended) {
      add('end', ended[2], (unfinished.get(ended[1]) ?? '') + ended[3], ended[4])
    }
  }
  return calls
}

/** Paths are hexadecimal, too, in some versions. */
function textOf(target: string): string {
  return target.startsWith('\\x') ? Buffer.from(bytesOf(target)).toString() : target
}

function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex.replaceAll('\\x', ''), 'hex')
}

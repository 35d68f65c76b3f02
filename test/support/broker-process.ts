/** A real broker in a process of its own, on a loopback port that stays the same over restarts. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { adminHeaders, provisionAdminKey } from './admin-key.ts'

const MAIN = fileURLToPath(new URL('../../broker/main.js', import.meta.url))

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export class BrokerProcess {
  readonly dataDirectory: string
  readonly port: number
  readonly #arguments: readonly string[]
  readonly #main: string
  #child: ChildProcess | undefined
  #log = ''
  #isClosed = false

  private constructor(dataDirectory: string, port: number, args: readonly string[], main: string) {
    this.dataDirectory = dataDirectory
    this.port = port
    this.#arguments = args
    this.#main = main
  }

  /**
   * @param where the directory it makes its own in, and the program: another one than `octopus` gets the same
   * arguments and must answer in the same way
   */
  static async start(
    args: readonly string[] = [],
    { parent = tmpdir(), main = MAIN }: { readonly parent?: string; readonly main?: string | undefined } = {},
  ): Promise<BrokerProcess> {
    const directory = await mkdtemp(join(parent, 'octopus-test-'))
    const broker = new BrokerProcess(join(directory, 'data'), await freePort(), args, main)
    await provisionAdminKey(broker.dataDirectory)
    await broker.restart()
    return broker
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`
  }

  get httpUrl(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#child?.pid ?? -1
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** What it has logged since it was started last. */
  get log(): string {
    return this.#log
  }

  /** Starts it on the same data and port; resolves when it answers. */
  async restart(): Promise<void> {
    this.#log = ''
    const child = spawn(
      process.execPath,
      [
        this.#main,
        'serve',
        '--data',
        this.dataDirectory,
        '--listen',
        `127.0.0.1:${this.port}`,
        '--log-format',
        'json',
        ...this.#arguments,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    this.#child = child
    this.#isClosed = false
    child.once('close', () => {
      this.#isClosed = this.#child === child
    })
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (this.#log += chunk))
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the broker ended: ${this.#log}`)
      // Refused: it does not listen yet.
      const response = await fetch(`${this.httpUrl}/readyz`, { headers: adminHeaders }).catch(() => undefined)
      if (response?.ok) return
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  /** Ends it with the signal and waits for its end. Returns its exit code, or null when a signal ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (!child) return null
    const closed = once(child, 'close')
    child.kill(signal)
    await closed
    return child.exitCode
  }

  /** Resolves when it has ended by itself or by a signal, and all it said is in {@link log}. */
  async ended(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
    const child = this.#child
    if (!child) throw new Error('it was never started')
    if (!this.#isClosed) await once(child, 'close')
    return { code: child.exitCode, signal: child.signalCode }
  }

  /** Kills it and removes its data. */
  async destroy(): Promise<void> {
    if (this.isRunning) await this.end('SIGKILL')
    await rm(join(this.dataDirectory, '..'), { recursive: true, force: true })
  }
}

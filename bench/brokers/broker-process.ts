/**
 * A broker in a process of its own, on a leash: it ends with this process, however that goes. It can be
 * killed and started again on the same data and port.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { provisionAdminKey, useAdminKey } from './admin-key.ts'
import type { CertificateFiles } from './self-signed.ts'

/** The node as it is, and the same node with a store that keeps nothing. */
const scripts = {
  durable: new URL('../../broker/main.js', import.meta.url),
  discarding: new URL('./discarding-broker.js', import.meta.url),
} as const

export type BrokerKind = keyof typeof scripts

/** Flags of `octopus serve` besides the usual ones, by their names without `--`. */
export type Settings = Readonly<Record<string, string | number>>

export const leash = new URL('../demo/leash.js', import.meta.url).href

const LINES_KEPT = 20

export class BrokerProcess {
  readonly #kind: BrokerKind
  readonly #dataDirectory: string
  #settings: Settings
  readonly #lastLines: string[] = []
  readonly #tls: CertificateFiles | undefined
  #listen = ''
  #url = ''
  #child: ChildProcess | undefined
  /** Whom its clients have to trust, in PEM form; undefined in plain text. */
  readonly ca: string | undefined

  constructor(
    dataDirectory: string,
    kind: BrokerKind = 'durable',
    settings: Settings = {},
    tls?: CertificateFiles,
  ) {
    this.ca = tls?.ca
    this.#tls = tls
    this.#dataDirectory = dataDirectory
    this.#kind = kind
    this.#settings = settings
  }

  /** Where it listens; the same after every start. */
  get url(): string {
    return this.#url
  }

  get pid(): number {
    return this.#running().pid!
  }

  /**
   * Resolves when it says it is ready; rejects with its own words when it ends before. New settings hold from
   * this start on.
   */
  async start(settings: Settings = this.#settings): Promise<void> {
    this.#settings = settings
    if (this.#listen === '') {
      this.#listen = `127.0.0.1:${await freePort()}`
      if (this.#kind === 'durable') await provisionAdminKey(this.#dataDirectory)
      useAdminKey()
    }
    const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
    const place = ['--data', this.#dataDirectory, '--listen', this.#listen]
    if (this.#tls) place.push('--tls-cert', this.#tls.certFile, '--tls-key', this.#tls.keyFile)
    const args = ['serve', ...place, '--log-format', 'json', ...flags]
    const child = fork(fileURLToPath(scripts[this.#kind]), args, {
      execArgv: ['--import', leash],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#child = child
    const ready = new Promise<string>((resolve) => {
      for (const stream of [child.stdout!, child.stderr!])
        createInterface({ input: stream }).on('line', (line) => {
          this.#lastLines.push(line)
          if (this.#lastLines.length > LINES_KEPT) this.#lastLines.shift()
          const url = /"ready":true.*"url":"(wss?:[^"]+)"/.exec(line)?.[1]
          if (url !== undefined) resolve(url)
        })
    })
    const url = await Promise.race([ready, once(child, 'close').then(() => undefined)])
    if (url === undefined) throw this.explain(new Error('the broker ended at its start'))
    this.#url = url
  }

  /** SIGKILL: no chance to flush, close or say good-bye. Resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** SIGTERM. Resolves when it has ended as it should; rejects when its exit code is not 0. */
  async stop(): Promise<void> {
    const code = await this.#end('SIGTERM')
    if (code !== 0) throw this.explain(new Error(`the broker ended with exit code ${code}`))
  }

  /** Ends it now, in whatever state it is; harmless when it has ended. */
  destroy(): void {
    this.#child?.kill('SIGKILL')
  }

  /** The error with what the broker said last, for the person who has to find out why. */
  explain(error: unknown): Error {
    const message = error instanceof Error ? error.message : String(error)
    return new Error([message, 'The broker said last:', ...this.#lastLines].join('\n  '), { cause: error })
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#running()
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    }
    return child.exitCode
  }

  #running(): ChildProcess {
    if (this.#child === undefined) throw new Error('the broker has not been started')
    return this.#child
  }
}

/**
 * A port nobody listens on now. A broker that is to be started again on its port must be given it from the start on:
 * one the system chose for it stays taken for a minute after clients have hung up.
 */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/**
 * The processes of the demo: the broker, which can be killed and started again on the same data and port,
 * and the agents. All of them are on a leash and end with the demo.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { AgentReport, AgentTask, StartPublishing } from './agent-messages.ts'

const brokerScript = fileURLToPath(new URL('../../broker/main.js', import.meta.url))
const agentScript = fileURLToPath(new URL('./agent.js', import.meta.url))
const leash = new URL('./leash.js', import.meta.url).href

const ERROR_LINES_KEPT = 20

/** With a credential of its own or none: that of whoever started the demo is for other brokers. */
function start(script: string, args: readonly string[], token?: string): ChildProcess {
  const { OCTOPUS_TOKEN: _token, OCTOPUS_TOKEN_FILE: _file, ...environment } = process.env
  return fork(script, [...args], {
    env: token === undefined ? environment : { ...environment, OCTOPUS_TOKEN: token },
    execArgv: ['--import', leash],
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
}

export class BrokerProcess {
  readonly #dataDirectory: string
  #listen: string | undefined
  #child: ChildProcess | undefined
  #url = ''
  readonly #lastLines: string[] = []
  #isDestroyed = false

  constructor(dataDirectory: string) {
    this.#dataDirectory = dataDirectory
  }

  /** Where it listens; the same after every start. */
  get url(): string {
    return this.#url
  }

  /** Starts it and resolves when it says it is ready; rejects with its own words when it ends before. */
  async start(): Promise<void> {
    this.#listen ??= `127.0.0.1:${await freePort()}`
    // The broker writes it at its first start; the clients of the demo and of its agents read it.
    process.env.OCTOPUS_TOKEN_FILE = join(this.#dataDirectory, 'admin.key')
    const args = ['serve', '--data', this.#dataDirectory, '--listen', this.#listen, '--log-format', 'json']
    if (this.#isDestroyed) throw new Error('the demo has ended')
    const child = start(brokerScript, args)
    this.#child = child
    const ended = this.#ended(child)
    const ready = new Promise<string>((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        onLines(stream!, (line) => {
          this.#lastLines.push(line)
          if (this.#lastLines.length > ERROR_LINES_KEPT) this.#lastLines.shift()
          const url = readyUrl(line)
          if (url !== undefined) resolve(url)
        })
      }
    })
    const url = await Promise.race([ready, ended.then(() => undefined)])
    if (url === undefined) throw new Error(`the broker ended at its start: ${this.#lastLines.join(' | ')}`)
    this.#url = url
  }

  /** SIGKILL: no chance to flush, close or say good-bye. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#running()
    const ended = this.#ended(child)
    child.kill('SIGKILL')
    await ended
  }

  /** SIGTERM. Resolves with its exit code. */
  async stop(): Promise<number | null> {
    const child = this.#running()
    const ended = this.#ended(child)
    child.kill('SIGTERM')
    return ended
  }

  /** Ends it now, in whatever state it is, for good; for when the demo itself ends early. */
  destroy(): void {
    this.#isDestroyed = true
    this.#child?.kill('SIGKILL')
  }

  #running(): ChildProcess {
    if (this.#child === undefined) throw new Error('the broker is not running')
    return this.#child
  }

  #ended(child: ChildProcess): Promise<number | null> {
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
    return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
  }
}

const PORTS = { from: 20_000, count: 10_000 }

/**
 * A free port of this machine, below those the system gives to outgoing connections: while the broker is down
 * nothing else is to get it.
 */
async function freePort(): Promise<number> {
  const port = PORTS.from + Math.floor(Math.random() * PORTS.count)
  const server = createServer().listen({ host: '127.0.0.1', port, exclusive: true })
  try {
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return freePort()
    throw error
  }
  server.close()
  await once(server, 'close')
  return port
}

/** The address in the broker's ready line, a line of JSON. */
function readyUrl(line: string): string | undefined {
  const match = /"ready":true.*"url":"(ws:[^"]+)"/.exec(line)
  return match?.[1]
}

function onLines(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) take(line)
  })
}

export interface AgentListener {
  /** What it has handed over so far, what it found stored, and what was acknowledged since the last report. */
  progress(published: number, held: Float64Array, acknowledged: Float64Array): void
}

/** One life of an agent. */
export class AgentProcess {
  readonly #child: ChildProcess
  #isKilled = false
  /** Resolves when it is ready to publish. */
  readonly ready: Promise<void>
  /** Resolves when all its events are acknowledged; rejects when one failed or the process died by itself. */
  readonly done: Promise<void>

  constructor(task: AgentTask, key: string, listener: AgentListener) {
    const child = start(agentScript, [JSON.stringify(task)], key)
    this.#child = child
    let lastWords = ''
    child.stdout!.resume()
    onLines(child.stderr!, (line) => {
      lastWords = line.trim() === '' ? lastWords : line
    })
    const name = `agent ${task.agent}`
    const reports = { ready: () => {}, done: () => {}, failed: (_error: Error) => {} }
    this.ready = new Promise<void>((resolve) => (reports.ready = resolve))
    this.done = new Promise<void>((resolve, reject) => {
      reports.done = resolve
      reports.failed = reject
    })
    this.ready = Promise.race([this.ready, this.done])
    child.on('message', (report: AgentReport) => {
      if (report.kind === 'ready') reports.ready()
      else if (report.kind === 'progress')
        listener.progress(report.published, report.held, report.acknowledged)
      else if (report.kind === 'done') reports.done()
      else reports.failed(new Error(`${name}: ${report.message}`))
    })
    child.once('exit', (code, signal) => {
      if (!this.#isKilled) reports.failed(new Error(`${name} ended (${signal ?? code}): ${lastWords}`))
    })
  }

  /** `sinceMs`: how long ago the publishing began. */
  start(sinceMs: number): void {
    const message: StartPublishing = { kind: 'start', sinceMs }
    this.#child.send(message)
  }

  /** SIGKILL. Resolves when it is gone and everything it has reported is told; it is never done then. */
  async kill(): Promise<void> {
    this.#isKilled = true
    if (this.#child.exitCode !== null) return
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await closed
  }

  destroy(): void {
    this.#child.kill('SIGKILL')
  }
}

/**
 * A load generator in a process of its own, as a bench sees it: one task at a time, on a leash.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { leash } from '../brokers/broker-process.ts'
import type { Answers, Report, Request, Stop, Task } from './tasks.ts'

const script = fileURLToPath(new URL('./generator.js', import.meta.url))

export class LoadProcess {
  readonly #child: ChildProcess

  /** @param caFile a PEM file whose certificates it trusts besides those of the system */
  constructor(caFile?: string) {
    this.#child = fork(script, [], {
      execArgv: ['--import', leash],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, ...(caFile !== undefined && { NODE_EXTRA_CA_CERTS: caFile }) },
    })
  }

  /** Throws when it could not be started. */
  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined) throw new Error('the load generator did not start')
    return pid
  }

  /**
   * Rejects with the generator's words when the task failed or the process died.
   * @param token default: that of the environment
   */
  run<T extends Task>(
    url: string,
    task: T,
    onProgress?: (events: number) => void,
    token?: string,
  ): Promise<Answers[T['kind']]> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null, signal: string | null) =>
        settle(() => reject(new Error(`the load generator ended (${signal ?? code})`)))
      const received = (report: Report) => {
        if (report.kind === 'progress') onProgress?.(report.events)
        else if (report.kind === 'failed') settle(() => reject(new Error(report.message)))
        else settle(() => resolve(report.answer as Answers[T['kind']]))
      }
      const settle = (how: () => void) => {
        this.#child.off('exit', ended)
        this.#child.off('message', received)
        how()
      }
      this.#child.on('message', received)
      this.#child.once('exit', ended)
      const request: Request = token === undefined ? { url, task } : { url, task, token }
      this.#child.send(request, (error) => {
        if (error) settle(() => reject(error))
      })
    })
  }

  /** Ends the task at hand before its time: what `Stop` says. `run` resolves when it has ended. */
  stop(stopAfterEvents = 0): void {
    const stop: Stop = { stopAfterEvents }
    this.#child.send(stop)
  }

  /** Ends it; it owes nothing between tasks. */
  destroy(): void {
    this.#child.kill('SIGKILL')
  }
}

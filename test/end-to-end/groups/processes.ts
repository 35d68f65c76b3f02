/** The member and producer processes of a group, as a test sees them. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { monotonicMs } from './group-history.ts'
import type { MemberTask, ProducerOrder, ProducerReport, ProducerTask } from './group-tasks.ts'

const MEMBER = fileURLToPath(new URL('member.js', import.meta.url))
const PRODUCER = fileURLToPath(new URL('producer.js', import.meta.url))

/** One life of a member. */
export class MemberProcess {
  readonly task: MemberTask
  /** From when to when it was stopped. */
  readonly pauses: { readonly fromMs: number; readonly toMs: number }[] = []
  /** It was handed an event. */
  isReading = false
  /** Resolves then, or when it has ended. */
  readonly reading: Promise<void>
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>

  constructor(task: MemberTask) {
    this.task = task
    // Without the flags of the test's own process: it starts often, and as people start it.
    this.#child = fork(MEMBER, [JSON.stringify(task)], { execArgv: [] })
    this.#closed = once(this.#child, 'close')
    this.reading = new Promise((resolve) => {
      this.#child.once('message', () => {
        this.isReading = true
        resolve()
      })
      // Nobody waits for who is gone.
      this.#child.once('close', () => resolve())
    })
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }

  async pause(forMs: number): Promise<void> {
    const fromMs = monotonicMs()
    this.#child.kill('SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, forMs))
    this.#child.kill('SIGCONT')
    this.pauses.push({ fromMs, toMs: monotonicMs() })
  }

  /** Lets it leave its group and end. */
  async leave(): Promise<void> {
    if (this.isRunning && this.#child.connected) this.#child.send('stop')
    await this.#closed
  }

  destroy(): void {
    this.#child.kill('SIGKILL')
  }
}

export class ProducerProcess {
  readonly faults: string[] = []
  readonly #child: ChildProcess

  constructor(task: ProducerTask) {
    this.#child = fork(PRODUCER, [JSON.stringify(task)], { execArgv: [] })
    this.#child.on('message', (report: ProducerReport) => {
      if (report.kind === 'fault') this.faults.push(report.text)
    })
  }

  begin(topic: string, topicId: string, partitions: number): void {
    this.#order({ kind: 'begin', topic, topicId, partitions })
  }

  /** Writes no more there; resolves with how many events each partition has when all are stored. */
  async end(topic: string): Promise<readonly number[]> {
    const ended = new Promise<readonly number[]>((resolve, reject) => {
      this.#child.on('message', (report: ProducerReport) => {
        if (report.kind === 'ended' && report.topic === topic) resolve(report.counts)
      })
      this.#child.once('close', () => reject(new Error('the producer ended')))
    })
    this.#order({ kind: 'end', topic })
    return ended
  }

  async stop(): Promise<void> {
    const closed = once(this.#child, 'close')
    this.#order({ kind: 'stop' })
    await closed
  }

  destroy(): void {
    this.#child.kill('SIGKILL')
  }

  #order(order: ProducerOrder): void {
    this.#child.send(order)
  }
}

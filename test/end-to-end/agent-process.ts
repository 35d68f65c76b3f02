/** An {@link agent.ts agent} that is killed and started again, and what it has reported in all its lives. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { AgentReport, AgentTask } from './agent-events.ts'

const AGENT = fileURLToPath(new URL('agent.js', import.meta.url))

export class AgentProcess {
  readonly name: string
  /** Offsets by partition and sequence, of what was acknowledged and reported. */
  readonly offsets: Map<number, number>[]
  /** What went wrong, in words. */
  readonly faults: string[] = []
  kills = 0
  duplicates = 0
  readonly #task: Omit<AgentTask, 'seed'>
  #child: ChildProcess | undefined
  #done: Promise<readonly number[]> | undefined

  constructor(task: Omit<AgentTask, 'seed'>) {
    this.#task = task
    this.name = task.name
    this.offsets = Array.from({ length: task.partitions }, () => new Map())
  }

  start(seed: number): void {
    const task = JSON.stringify({ ...this.#task, seed })
    // Without the flags of the test's own process: an agent starts often, and as people start it.
    const child = fork(AGENT, [task], { serialization: 'advanced', execArgv: [] })
    this.#child = child
    this.#done = new Promise((resolve, reject) => {
      child.on('message', (report: AgentReport) => {
        if (report.kind === 'progress') return this.#book(report.places)
        this.duplicates += report.duplicates
        if (report.failure) this.faults.push(report.failure)
        resolve(report.counts)
      })
      child.once('close', (code, signal) => {
        if (signal === null && code !== 0) this.faults.push(`it ended by itself, with code ${code}`)
        reject(new Error(`agent ${this.name} ended before it was done`))
      })
    })
    // Only who waits for the end wants to hear of it: most lives end by a kill.
    this.#done.catch(() => undefined)
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (!child) return
    this.kills++
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
  }

  /** Lets it deliver what it has and end. Resolves with how many events each partition has of it. */
  async finish(): Promise<readonly number[]> {
    const child = this.#child
    if (!child || !this.#done) throw new Error('an agent that was never started')
    const closed = once(child, 'close')
    child.send('stop')
    const counts = await this.#done
    await closed
    return counts
  }

  destroy(): void {
    this.#child?.kill('SIGKILL')
  }

  #book(places: readonly number[]): void {
    for (let i = 0; i < places.length; i += 3) {
      const [partition, sequence, offset] = places.slice(i, i + 3)
      const offsets = this.offsets[partition]
      if (offsets.has(sequence)) this.faults.push(`${partition}/${sequence} was acknowledged twice`)
      offsets.set(sequence, offset)
    }
  }
}

/**
 * Where a command writes: a stream with back-pressure and a quiet end.
 *
 * A reader that goes away (`octopus consume … | head`) is no error: from then on writes are dropped,
 * {@link Output.gone} is aborted and the command stops. Any other error of the stream (a full disk behind
 * a redirect) is thrown by the next {@link Output.writable} or {@link Output.flush}.
 */
import type { Writable } from 'node:stream'
import { showable } from '../../auth/showable-text.ts'
import { ExitCode } from './exit-codes.ts'
import { Failure } from './failure.ts'

export class Output {
  readonly #stream: Writable
  readonly #gone = new AbortController()
  #failure: Failure | undefined
  #wakeUp: (() => void) | undefined
  #needsDrain = false

  constructor(stream: Writable) {
    this.#stream = stream
    stream.on('drain', () => {
      this.#needsDrain = false
      this.#wake()
    })
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') {
        this.#failure = new Failure(ExitCode.FAILED, `cannot write the output: ${error.message}`, {
          cause: error,
        })
      }
      this.#gone.abort()
      this.#wake()
    })
  }

  /** Aborted once nobody reads any more, or the stream has failed. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  get isTerminal(): boolean {
    return (this.#stream as Partial<NodeJS.WriteStream>).isTTY === true
  }

  /** Characters in a line of the terminal; a sober width where there is none. */
  get columns(): number {
    return (this.#stream as Partial<NodeJS.WriteStream>).columns ?? 80
  }

  /** True while the stream takes more at once; when false, await {@link writable} before writing on. */
  get canWrite(): boolean {
    return !this.#needsDrain || this.#gone.signal.aborted
  }

  write(data: string | Uint8Array): void {
    if (this.#gone.signal.aborted) return
    if (!this.#stream.write(data)) this.#needsDrain = true
  }

  /** One line for people. What may come from elsewhere is written out where it would not show. */
  say(sentence: string): void {
    this.write(`${showable(sentence)}\n`)
  }

  /** Resolves when the stream takes more, or nobody reads any more. One caller at a time. */
  async writable(): Promise<void> {
    if (!this.canWrite) await new Promise<void>((resolve) => (this.#wakeUp = resolve))
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Resolves when everything written has left the process, or nobody reads any more. */
  async flush(): Promise<void> {
    if (!this.#gone.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#gone.signal.addEventListener('abort', () => resolve(), { once: true })
        this.#stream.write('', () => resolve())
      })
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  #wake(): void {
    this.#wakeUp?.()
    this.#wakeUp = undefined
  }
}

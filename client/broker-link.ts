/**
 * A lasting tie to one broker over connections that come and go: connects, connects again with back-off and
 * jitter, and tells its watchers. Producers and consumers send to the link of a partition's leader; with one
 * broker there is one link.
 *
 * A connection whose credential has expired is as good as none until that is renewed: nobody sends on it, and when it
 * takes requests again it is told as a new one is.
 *
 * It gives up only when it is closed or when a broker refuses the greeting or a new credential in a way that waiting
 * does not heal (a wrong one, a version nobody speaks); then {@link BrokerLink.failure} says why, for ever.
 */
import { backoffDelayMs } from './backoff.ts'
import { Connection } from './connection.ts'
import { CredentialRenewal } from './credential-renewal.ts'
import { tell } from './listener.ts'
import type { ClientSettings, ConnectionEvent } from './options.ts'
import type { ClientPorts } from './ports.ts'
import type { Api } from './protocol/api.ts'
import { ErrorCode, ProtocolError } from './protocol/errors.ts'
import type { HelloResponse } from './protocol/messages/hello.ts'

export interface LinkWatcher {
  /** A connection is open and takes requests (again). */
  up(connection: Connection): void
  /**
   * There is none that takes requests; the link goes on trying. Of what was sent on the last one nothing is left
   * unanswered if it has ended; some may be if its credential has expired.
   */
  down(error: ProtocolError): void
  /** There will never be one again. */
  failed(error: ProtocolError): void
}

export class BrokerLink {
  readonly #settings: ClientSettings
  readonly #ports: ClientPorts
  readonly #watchers = new Set<LinkWatcher>()
  readonly #closing = new AbortController()
  #connection: Connection | undefined
  /** The credential of the connection has expired. */
  #isSuspended = false
  #failure: ProtocolError | undefined
  #lastError: ProtocolError | undefined
  #limits: HelloResponse['limits'] | undefined
  /** Attempts since a connection last held. */
  #attempts = 0

  constructor(settings: ClientSettings, ports: ClientPorts) {
    this.#settings = settings
    this.#ports = ports
  }

  get url(): string {
    return this.#settings.url
  }

  /** The open connection, or undefined while there is none that takes requests. */
  get connection(): Connection | undefined {
    // While a connection ends, those who hear of it first must not send on it.
    return this.#connection?.isOpen && !this.#isSuspended ? this.#connection : undefined
  }

  /** The limits that the broker announced last. */
  get limits(): HelloResponse['limits'] | undefined {
    return this.#limits
  }

  /** Why there will never be a connection again. */
  get failure(): ProtocolError | undefined {
    return this.#failure
  }

  /** Why there is no connection at this moment. */
  get lastError(): ProtocolError | undefined {
    return this.#failure ?? this.#lastError
  }

  /** Resolves when connected for the first time; rejects when that fails and is not to be tried again. */
  async start(): Promise<void> {
    const { signal, retryFirstConnect } = this.#settings
    const abort = () => this.close()
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) this.close()
    try {
      for (;;) {
        const error = await this.#attempt()
        if (!error) return
        if (!retryFirstConnect || this.#failure) {
          this.close()
          throw signal?.aborted ? signal.reason : error
        }
        await this.#pause(error)
      }
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Tells `watcher` of every change from now on. Returns how to stop that. */
  watch(watcher: LinkWatcher): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /**
   * A request and its answer, over as many connections as it takes within the request timeout. `repeatable`
   * requests are sent again when the connection ended before the answer came; others may have been carried
   * out, so that the caller must be told. What was refused because of an expired credential was not carried out.
   */
  async call<Request, Response>(
    api: Api<Request, Response>,
    message: Request,
    { repeatable }: { readonly repeatable: boolean },
  ): Promise<Response> {
    const deadlineMs = this.#ports.clock.monotonicMs() + this.#settings.requestTimeoutMs
    for (;;) {
      const connection = this.connection ?? (await this.#connected(deadlineMs))
      try {
        return await connection.call(api, message)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        const isExpired = error.code === ErrorCode.CREDENTIAL_EXPIRED
        const isLost = error.code === ErrorCode.DISCONNECTED
        if (!isExpired && !(isLost && repeatable)) throw error
        if (this.#failure) throw isExpired ? this.#failure : error
      }
    }
  }

  /** Ends the connection and every attempt. Outstanding requests fail with CLOSED. */
  close(): void {
    this.#fail(new ProtocolError(ErrorCode.CLOSED))
  }

  /** One attempt to connect; the error when it fails. */
  async #attempt(): Promise<ProtocolError | undefined> {
    if (this.#failure) return this.#failure
    this.#attempts++
    try {
      const connection = await Connection.open(this.#settings, this.#ports, this.#closing.signal)
      if (this.#failure) {
        // The link was closed after the attempt had stopped listening for that.
        connection.close()
        return this.#failure
      }
      this.#up(connection)
      return undefined
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#lastError = error
      if (!error.retriable) this.#fail(error)
      return error
    }
  }

  #up(connection: Connection): void {
    const sinceMs = this.#ports.clock.monotonicMs()
    this.#connection = connection
    this.#limits = connection.hello.limits
    this.#lastError = undefined
    const renewal = this.#renewalOf(connection)
    connection.onCredentialExpired((refusal) => renewal.expired(refusal))
    this.#tell({ kind: 'connected', url: this.url })
    for (const watcher of [...this.#watchers]) watcher.up(connection)
    connection.onClosed((error) => {
      renewal.stop()
      this.#connection = undefined
      this.#isSuspended = false
      if (this.#failure) return
      this.#lastError = error
      // A broker that accepts and hangs up at once must not be met with a storm of attempts.
      const heldMs = this.#ports.clock.monotonicMs() - sinceMs
      if (heldMs >= this.#settings.reconnect.backoffMaxMs) this.#attempts = 0
      this.#tell({ kind: 'disconnected', url: this.url, error })
      for (const watcher of [...this.#watchers]) watcher.down(error)
      void this.#reconnect(error)
    })
  }

  #renewalOf(connection: Connection): CredentialRenewal {
    return new CredentialRenewal(connection, this.#settings, this.#ports, {
      suspended: (error) => {
        this.#isSuspended = true
        this.#lastError = error
        for (const watcher of [...this.#watchers]) watcher.down(error)
      },
      resumed: () => {
        this.#isSuspended = false
        this.#lastError = undefined
        this.#tell({ kind: 'renewed', url: this.url })
        for (const watcher of [...this.#watchers]) watcher.up(connection)
      },
      delayed: (error, delayMs, isExpired) => {
        if (isExpired) this.#lastError = error
        this.#tell({ kind: 'unrenewed', url: this.url, error, delayMs, isExpired })
      },
      failed: (error) => this.#fail(error),
    })
  }

  async #reconnect(reason: ProtocolError): Promise<void> {
    let error: ProtocolError | undefined = reason
    while (error && !this.#failure) {
      await this.#pause(error)
      error = await this.#attempt()
    }
  }

  /** Waits before the next attempt; ends early when the link is closed. */
  #pause(error: ProtocolError): Promise<void> {
    const delayMs = backoffDelayMs(
      this.#settings.reconnect,
      this.#attempts,
      this.#ports.random.unit(),
      error.retryAfterMs,
    )
    this.#tell({ kind: 'waiting', url: this.url, error, delayMs })
    const { signal } = this.#closing
    return new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const done = () => {
        timer.cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = this.#ports.timers.after(delayMs, done)
      signal.addEventListener('abort', done)
    })
  }

  /** The next connection; rejects with the reason there is none when `deadlineMs` passes first. */
  #connected(deadlineMs: number): Promise<Connection> {
    if (this.#failure) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const settle = (run: () => void) => {
        timer.cancel()
        stop()
        run()
      }
      const give = (error: ProtocolError) => settle(() => reject(error))
      const stop = this.watch({
        up: (connection) => settle(() => resolve(connection)),
        down: () => undefined,
        failed: give,
      })
      const leftMs = Math.max(0, deadlineMs - this.#ports.clock.monotonicMs())
      const timer = this.#ports.timers.after(leftMs, () =>
        give(this.#lastError ?? new ProtocolError(ErrorCode.DISCONNECTED)),
      )
    })
  }

  #fail(error: ProtocolError): void {
    if (this.#failure) return
    this.#failure = error
    this.#closing.abort()
    this.#connection?.close(error)
    for (const watcher of [...this.#watchers]) watcher.failed(error)
    this.#watchers.clear()
  }

  #tell(event: ConnectionEvent): void {
    tell(this.#ports.timers, this.#settings.onConnection, event)
  }
}

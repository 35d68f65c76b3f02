/**
 * Where uWebSockets.js listens: one port that is nobody else's, and over TLS another certificate on it later.
 *
 * In plain text the library keeps others off the port. Over TLS it cannot: a certificate belongs to an app for ever, so
 * a new one is a new app, and two apps can listen on one port only when both share it. So before the first listens
 * the system is asked whether anybody else does, and from then on every other broker is answered that somebody does.
 *
 * Ports that the system shall choose are chosen beforehand: a port that the library took as 0 is refused to the next
 * process for a minute when this one was killed.
 */
import type * as uws from 'uWebSockets.js'
import { explainListenFailure, freePort } from './port-probe.ts'
import { type Listening, TransportError, type TransportOptions } from './transport.ts'

type Library = (typeof uws)['default']

/** A free port may be taken by somebody else before it is listened on. */
const ATTEMPTS = 5

/** Rejects with {@link TransportError}. `equip` gives an app its routes. */
export function listenWith(
  library: Library,
  options: TransportOptions,
  equip: (app: uws.TemplatedApp) => void,
): Promise<Listening> {
  return UwsListening.open(library, options, equip)
}

class UwsListening implements Listening {
  readonly host: string
  readonly port: number
  readonly #library: Library
  readonly #options: TransportOptions
  readonly #equip: (app: uws.TemplatedApp) => void
  /** All there have been; the last one accepts. The library keeps them until the process ends. */
  readonly #apps: uws.TemplatedApp[] = []
  /** The one that accepts, and until the end of the turn those it replaces. */
  readonly #listenSockets: uws.us_listen_socket[] = []
  #hasStopped = false

  static async open(
    library: Library,
    options: TransportOptions,
    equip: (app: uws.TemplatedApp) => void,
  ): Promise<UwsListening> {
    const { host, port, tls } = options
    for (let attempt = 1; ; attempt++) {
      const wanted = tls || port === 0 ? await freePort(host, port) : port
      const listening = new UwsListening(library, options, equip, wanted)
      if (listening.#begin()) return listening
      const failure = await explainListenFailure(host, wanted)
      if (port !== 0 || attempt === ATTEMPTS) throw failure
    }
  }

  private constructor(
    library: Library,
    options: TransportOptions,
    equip: (app: uws.TemplatedApp) => void,
    port: number,
  ) {
    this.host = options.host
    this.port = port
    this.#library = library
    this.#options = options
    this.#equip = equip
  }

  async renewCertificate(): Promise<void> {
    if (!this.#options.tls || this.#hasStopped) return
    if (!this.#begin()) throw await explainListenFailure(this.host, this.port)
    // Connections that the system has accepted for the old one are taken in this turn; closing it would reset them.
    this.#options.soon(() => this.#closeListenSockets(1))
  }

  stopAccepting(): void {
    this.#hasStopped = true
    this.#closeListenSockets(0)
  }

  close(): void {
    this.stopAccepting()
    for (const app of this.#apps) app.close()
  }

  /** Closes all but the newest `kept`. */
  #closeListenSockets(kept: number): void {
    const count = Math.max(0, this.#listenSockets.length - kept)
    for (const listenSocket of this.#listenSockets.splice(0, count))
      this.#library.us_listen_socket_close(listenSocket)
  }

  /** Whether a new app listens on the port; throws {@link TransportError} when there can be none. */
  #begin(): boolean {
    const app = this.#create()
    this.#equip(app)
    const listenSocket = listen(this.#library, app, this.host, this.port, this.#options.tls !== undefined)
    if (!listenSocket) {
      app.close()
      return false
    }
    this.#apps.push(app)
    this.#listenSockets.push(listenSocket)
    return true
  }

  #create(): uws.TemplatedApp {
    const { tls } = this.#options
    if (!tls) return this.#library.App()
    const { certFile, keyFile } = tls
    try {
      return this.#library.SSLApp({ cert_file_name: certFile, key_file_name: keyFile })
    } catch (cause) {
      throw new TransportError(
        'CERTIFICATE',
        `uWebSockets.js does not take the certificate in ${certFile} with the key in ${keyFile}; RSA and ECDSA P-256 are safe choices`,
        { cause },
      )
    }
  }
}

/**
 * `listen(host, port, options, callback)` is in the library but not in its types, and calls back before it returns.
 * Without the option the port is opened with SO_REUSEPORT.
 */
function listen(
  library: Library,
  app: uws.TemplatedApp,
  host: string,
  port: number,
  isShared: boolean,
): uws.us_listen_socket | false {
  type Listen = (host: string, port: number, options: number, callback: typeof done) => void
  const exclusive = (library as unknown as { LIBUS_LISTEN_EXCLUSIVE_PORT: number })
    .LIBUS_LISTEN_EXCLUSIVE_PORT
  let result: uws.us_listen_socket | false = false
  const done = (listenSocket: uws.us_listen_socket | false) => {
    result = listenSocket
  }
  ;(app.listen as unknown as Listen).call(app, host, port, isShared ? 0 : exclusive, done)
  return result
}

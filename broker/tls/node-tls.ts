/**
 * What a node does about TLS: its files when it has any, the watch over them, and what is to be said when it does
 * without although others can listen in.
 */
import type { Logger } from 'pino'
import { isLoopbackHost } from '../../client/loopback.ts'
import type { Config } from '../config/schema.ts'
import type { Clock, FilePort, Timers } from '../ports.ts'
import type { Listening, TlsFiles } from '../transport/transport.ts'
import { CertificateWatch } from './certificate-watch.ts'

export interface NodeTlsOptions {
  readonly config: Pick<Config, 'listen' | 'tls' | 'insecurePlaintext'>
  readonly files: FilePort
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

export class NodeTls {
  /** Undefined: plain text. */
  readonly files: TlsFiles | undefined
  readonly #watch: CertificateWatch | undefined
  readonly #exposure: string | undefined
  #listening: Listening | undefined

  /** Throws CertificateError when the certificate cannot be shown to clients. */
  constructor({ config, files: disk, clock, timers, logger }: NodeTlsOptions) {
    const { listen, tls, insecurePlaintext } = config
    if (tls.cert !== undefined && tls.key !== undefined) {
      this.files = { certFile: tls.cert, keyFile: tls.key }
      const renew = async () => this.#listening?.renewCertificate()
      this.#watch = new CertificateWatch({ files: this.files, disk, clock, timers, logger, renew })
    } else if (insecurePlaintext === 'on' && !isLoopbackHost(listen.host)) {
      this.#exposure = `${listen.host} is listened on in plain text (--insecure-plaintext): anybody on the way can read and change credentials and events`
      logger.warn({ reason: this.#exposure }, 'connections are not encrypted')
    }
  }

  /** What a person should look at, one sentence each. */
  get warnings(): string[] {
    return [...(this.#watch?.warnings ?? []), ...(this.#exposure === undefined ? [] : [this.#exposure])]
  }

  /** From now on the files are watched, and changes shown to who connects. */
  start(listening: Listening): void {
    this.#listening = listening
    this.#watch?.start()
  }

  /** Takes what is in the files now, or logs why not. */
  async reload(): Promise<void> {
    await this.#watch?.reload()
  }

  async stop(): Promise<void> {
    await this.#watch?.stop()
  }
}

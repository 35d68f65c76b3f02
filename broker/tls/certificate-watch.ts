/**
 * Keeps the certificate of the port current: when its files change, and when somebody says so (SIGHUP), they are read
 * and, if they are a pair that clients can accept, shown to whoever connects from then on. Otherwise the one in force
 * stays, and the reason is told in the log and to whoever asks for warnings.
 *
 * Files are followed through links, since certbot and Kubernetes replace the link. A change counts when two looks in a
 * row have seen the same, so that two files written one after the other are one change; a half-written pair that
 * stays is refused as it is.
 */
import type { Logger } from 'pino'
import type { Clock, FilePort, Timer, Timers } from '../ports.ts'
import { type TlsFiles, TransportError } from '../transport/transport.ts'
import { type Certificate, CertificateError, iso, readCertificate } from './certificate.ts'

export interface CertificateWatchOptions {
  readonly files: TlsFiles
  readonly disk: FilePort
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  /** Shows what is in the files to new connections; rejects when it cannot. */
  readonly renew: () => Promise<void>
  /** Between two looks at the files; default {@link LOOK_INTERVAL_MS}. */
  readonly intervalMs?: number
}

export const LOOK_INTERVAL_MS = 1_000
const DAY_MS = 86_400_000
/** So long before it ends it is time that somebody looks why there is no new one. */
export const EXPIRY_WARNING_MS = 14 * DAY_MS
/** Files that change while they are read are read again, so often. */
const ATTEMPTS = 5

export class CertificateWatch {
  readonly #options: CertificateWatchOptions
  #current: Certificate
  /** What the port shows; undefined while that is not certain. */
  #shownDigest: string | undefined
  /** What the files were when they were read last, and at the last look. */
  #readStamp: string
  #seenStamp: string
  #problem: string | undefined
  #timer: Timer | undefined
  #isStopped = false
  #warnedAtMs = Number.NEGATIVE_INFINITY
  /** Renewals happen one after the other. */
  #last: Promise<void> = Promise.resolve()

  /** Throws {@link CertificateError} unless the files hold what can be shown to clients now. */
  constructor(options: CertificateWatchOptions) {
    this.#options = options
    this.#readStamp = this.#stamp()
    this.#seenStamp = this.#readStamp
    this.#current = this.#read()
    this.#shownDigest = this.#current.digest
    this.#warnOfExpiry()
  }

  /** The one that is shown to new connections. */
  get certificate(): Certificate {
    return this.#current
  }

  /** What a person should look at, one sentence each. */
  get warnings(): string[] {
    const expiry = this.#expiry()
    return [
      ...(this.#problem === undefined ? [] : [this.#problem]),
      ...(expiry === undefined ? [] : [expiry]),
    ]
  }

  start(): void {
    const { timers, intervalMs = LOOK_INTERVAL_MS } = this.#options
    this.#timer = timers.after(intervalMs, () => {
      void this.#look().then(() => {
        if (!this.#isStopped) this.start()
      })
    })
  }

  stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    return this.#last
  }

  /** Takes what is in the files now, changed or not. Resolves when that is done or refused. */
  reload(): Promise<void> {
    this.#last = this.#last.then(() => (this.#isStopped ? undefined : this.#renew()))
    return this.#last
  }

  async #look(): Promise<void> {
    this.#warnOfExpiry()
    const stamp = this.#stamp()
    const isSettled = stamp === this.#seenStamp
    this.#seenStamp = stamp
    if (isSettled && stamp !== this.#readStamp) await this.reload()
  }

  async #renew(): Promise<void> {
    const { logger, files, renew } = this.#options
    try {
      const before = this.#shownDigest
      const certificate = await this.#shown(renew)
      const isNew = certificate.digest !== before
      this.#current = certificate
      this.#problem = undefined
      this.#warnedAtMs = Number.NEGATIVE_INFINITY
      const { names, notAfterMs } = certificate
      const told = { ...files, names, validUntil: iso(notAfterMs) }
      if (isNew) logger.info(told, 'a new certificate is shown to new connections')
      else logger.info(told, 'the certificate was read again and is the same')
      this.#warnOfExpiry()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#problem = `the certificate was not renewed: ${reason}. The old one stays, valid until ${iso(this.#current.notAfterMs)}`
      const isExpected = error instanceof CertificateError || error instanceof TransportError
      const told = isExpected ? { reason, ...files } : { err: error, ...files }
      logger.error(told, 'the certificate was not renewed, the old one stays')
    }
  }

  /** What was checked and what is shown are two readings: they must have met the same files. */
  async #shown(renew: () => Promise<void>): Promise<Certificate> {
    for (let attempt = 1; ; attempt++) {
      this.#readStamp = this.#stamp()
      const certificate = this.#read()
      // A renewal costs memory for ever, so that files that are only touched, every minute perhaps, must not.
      if (certificate.digest === this.#shownDigest) return certificate
      await renew()
      const isCertain = this.#stamp() === this.#readStamp
      this.#shownDigest = isCertain ? certificate.digest : undefined
      if (isCertain) return certificate
      if (attempt === ATTEMPTS) throw new CertificateError('its files do not stop changing')
    }
  }

  #read(): Certificate {
    const { files, disk, clock } = this.#options
    return readCertificate(files, (path) => disk.read(path), clock.nowMs())
  }

  #stamp(): string {
    const { files, disk } = this.#options
    return `${disk.stamp(files.certFile)} ${disk.stamp(files.keyFile)}`
  }

  #expiry(): string | undefined {
    const { notAfterMs } = this.#current
    const leftMs = notAfterMs - this.#options.clock.nowMs()
    if (leftMs > EXPIRY_WARNING_MS) return undefined
    const { certFile } = this.#options.files
    if (leftMs < 0)
      return `the certificate in ${certFile} has expired at ${iso(notAfterMs)}: no client accepts it`
    const days = Math.floor(leftMs / DAY_MS)
    const left = days === 0 ? 'in less than a day' : days === 1 ? 'in a day' : `in ${days} days`
    return `the certificate in ${certFile} expires ${left}, at ${iso(notAfterMs)}: put a new one in its place`
  }

  /** In the log once a day, so that it is seen and does not fill it. */
  #warnOfExpiry(): void {
    const reason = this.#expiry()
    const nowMs = this.#options.clock.monotonicMs()
    if (reason === undefined || nowMs - this.#warnedAtMs < DAY_MS) return
    this.#warnedAtMs = nowMs
    this.#options.logger.warn({ reason }, 'the certificate needs to be renewed')
  }
}

/**
 * Options of the client as a whole: what there is, its default, its bounds, and how a wrong one is
 * refused. Producers and consumers check theirs with the same functions.
 */
import type { BackoffLimits } from './backoff.ts'
import type { CredentialSource } from './credential.ts'
import { isExposed } from './loopback.ts'

/** How a `wss://` broker proves who it is. It always has to: there is no option that switches that off. */
export interface TlsOptions {
  /**
   * Certificates in PEM form of the issuers to trust, instead of those the system trusts: for a private CA, or the
   * broker's own certificate when it signed it itself. Node only.
   */
  readonly ca?: string | Uint8Array
}

/** What happened to the connection; for logs and displays. */
export type ConnectionEvent =
  | { readonly kind: 'connected'; readonly url: string }
  | { readonly kind: 'disconnected'; readonly url: string; readonly error: Error }
  | { readonly kind: 'waiting'; readonly url: string; readonly error: Error; readonly delayMs: number }
  /** No newer credential could be had; tried again after `delayMs`. With `isExpired` requests wait for it. */
  | {
      readonly kind: 'unrenewed'
      readonly url: string
      readonly error: Error
      readonly delayMs: number
      readonly isExpired: boolean
    }
  /** There is a newer credential, and requests that waited for it go on. */
  | { readonly kind: 'renewed'; readonly url: string }

export interface ClientOptions {
  /** `ws://` or `wss://` address of a broker. Default `ws://127.0.0.1:7654`. */
  readonly url?: string
  /** For `wss://`. Default: what the system trusts, and on Node what `NODE_EXTRA_CA_CERTS` names. */
  readonly tls?: TlsOptions
  /** How the broker's logs call this client. Default `octopus-client`. */
  readonly clientName?: string
  /**
   * Credential, or a function asked for one at each connect and, while connected, some time before the last one
   * expires. Default: none is sent.
   */
  readonly token?: string | CredentialSource
  /**
   * Show the credential also where others could read it on the way: to a `ws://` address beyond this machine, whose
   * network is safe by itself. Default false: that is refused.
   */
  readonly insecurePlaintext?: boolean
  /** Bound on one attempt to connect, greetings included. Default 10,000. */
  readonly connectTimeoutMs?: number
  /** A request without an answer for so long ends the connection, as in Kafka. Default 30,000. */
  readonly requestTimeoutMs?: number
  /** A connection that owes an answer and sends nothing for so long is taken for dead. Default 20,000. */
  readonly livenessTimeoutMs?: number
  /** Ceilings of the delays between attempts to connect again. Default 50 and 5,000. */
  readonly reconnect?: Partial<BackoffLimits>
  /** Keep trying when already the first attempt fails, instead of rejecting at once. Default false. */
  readonly retryFirstConnect?: boolean
  /** How often topics in use are asked for again, to notice new partitions. Default 30,000. */
  readonly metadataMaxAgeMs?: number
  /** Ends {@link retryFirstConnect} and any other wait for the first connection. */
  readonly signal?: AbortSignal
  /** Told about every change of the connection. An error thrown here becomes an uncaught exception. */
  readonly onConnection?: (event: ConnectionEvent) => void
}

/** The same with every default filled in and every bound checked. */
export interface ClientSettings {
  readonly url: string
  readonly tls: TlsOptions
  readonly clientName: string
  readonly token: CredentialSource | undefined
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly livenessTimeoutMs: number
  readonly reconnect: BackoffLimits
  readonly retryFirstConnect: boolean
  readonly metadataMaxAgeMs: number
  readonly signal: AbortSignal | undefined
  readonly onConnection: ((event: ConnectionEvent) => void) | undefined
}

export const DEFAULT_URL = 'ws://127.0.0.1:7654'

/** A day: longer than any sensible timeout, shorter than the 24.8 days after which timers overflow. */
export const TIMEOUT_MS_MAX = 86_400_000

export function clientSettings(options: ClientOptions): ClientSettings {
  const { token } = options
  const url = brokerUrl(options.url ?? DEFAULT_URL)
  if (token !== undefined && !options.insecurePlaintext && isExposed(url))
    throw new RangeError(
      `option url: on the way to ${url} others could read the credential; use wss://, or give insecurePlaintext: true if that ` +
        'network is safe (127.0.0.1, [::1] and localhost need neither)',
    )
  const backoffMinMs = wholeNumber(
    'reconnect.backoffMinMs',
    options.reconnect?.backoffMinMs ?? 50,
    1,
    TIMEOUT_MS_MAX,
  )
  return {
    url,
    tls: tlsOptions(options.tls ?? {}, url),
    clientName: options.clientName ?? 'octopus-client',
    token: typeof token === 'string' ? () => token : token,
    connectTimeoutMs: wholeNumber('connectTimeoutMs', options.connectTimeoutMs ?? 10_000, 1, TIMEOUT_MS_MAX),
    requestTimeoutMs: wholeNumber('requestTimeoutMs', options.requestTimeoutMs ?? 30_000, 1, TIMEOUT_MS_MAX),
    livenessTimeoutMs: wholeNumber(
      'livenessTimeoutMs',
      options.livenessTimeoutMs ?? 20_000,
      1,
      TIMEOUT_MS_MAX,
    ),
    reconnect: {
      backoffMinMs,
      backoffMaxMs: wholeNumber(
        'reconnect.backoffMaxMs',
        options.reconnect?.backoffMaxMs ?? Math.max(5_000, backoffMinMs),
        backoffMinMs,
        TIMEOUT_MS_MAX,
      ),
    },
    retryFirstConnect: options.retryFirstConnect ?? false,
    metadataMaxAgeMs: wholeNumber('metadataMaxAgeMs', options.metadataMaxAgeMs ?? 30_000, 1, TIMEOUT_MS_MAX),
    signal: options.signal,
    onConnection: options.onConnection,
  }
}

/** A whole number within bounds, both included. Throws RangeError naming the option. */
export function wholeNumber(name: string, value: number, minimum: number, maximum: number): number {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return value
  throw new RangeError(`option ${name}: expected a whole number from ${minimum} to ${maximum}, got ${value}`)
}

/** One of some words. Throws RangeError naming the option and the words. */
export function oneOf<W extends string>(name: string, value: W, words: readonly W[]): W {
  if (words.includes(value)) return value
  throw new RangeError(
    `option ${name}: expected ${words.slice(0, -1).join(', ')} or ${words.at(-1)}, got ${JSON.stringify(value)}`,
  )
}

function brokerUrl(url: string): string {
  const isAddress = URL.canParse(url) && /^wss?:$/.test(new URL(url).protocol)
  if (isAddress && holdsMore(url))
    throw new RangeError(
      'option url: an address has no user, password, query or fragment, for it stands in logs; a credential goes into the option token',
    )
  if (isAddress) return url
  throw new RangeError(`option url: expected an address such as ${DEFAULT_URL}, got ${JSON.stringify(url)}`)
}

/** What people put credentials into. */
export function holdsMore(url: string): boolean {
  const { username, password } = new URL(url)
  return username !== '' || password !== '' || /[?#]/.test(url)
}

/** An issuer that is never asked for would let somebody believe that his connection is encrypted. */
function tlsOptions(tls: TlsOptions, url: string): TlsOptions {
  const { ca } = tls
  if (ca === undefined) return tls
  if (!new URL(url).protocol.startsWith('wss'))
    throw new RangeError(
      `option tls: ${JSON.stringify(url)} is not encrypted; an address that is begins with wss://`,
    )
  const text = typeof ca === 'string' ? ca : new TextDecoder().decode(ca)
  if (/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/.test(text)) return tls
  throw new RangeError(
    'option tls.ca: expected certificates in PEM form, beginning with -----BEGIN CERTIFICATE-----',
  )
}

/**
 * Certificates for tests, made when they are needed: of a CA of the test's own, self-signed, expired, for other names.
 * `selfsigned` makes them with the cryptography of Node; openssl before 3.4 makes none that lie in the past.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generate } from 'selfsigned'

export interface Pair {
  /** PEM. */
  readonly cert: string
  readonly key: string
}

export interface PairOptions {
  readonly names?: readonly string[]
  readonly addresses?: readonly string[]
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** Who signs it; without one it signs itself. */
  readonly issuer?: Pair
  readonly isIssuer?: boolean
  readonly passphrase?: string
  readonly keyType?: 'ec' | 'rsa'
}

const DAY_MS = 86_400_000

/** By default for localhost and both loopback addresses, from a day ago for 90 days. */
export async function makePair(options: PairOptions = {}): Promise<Pair> {
  const { names = ['localhost'], addresses = ['127.0.0.1', '::1'], isIssuer = false, issuer } = options
  const nowMs = Date.now()
  const made = await generate([{ name: 'commonName', value: names[0] ?? addresses[0] ?? 'nobody' }], {
    keyType: options.keyType ?? 'ec',
    algorithm: 'sha256',
    notBeforeDate: options.notBefore ?? new Date(nowMs - DAY_MS),
    notAfterDate: options.notAfter ?? new Date(nowMs + 90 * DAY_MS),
    extensions: [
      { name: 'basicConstraints', cA: isIssuer, critical: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...names.map((value) => ({ type: 2 as const, value })),
          ...addresses.map((ip) => ({ type: 7 as const, ip })),
        ],
      },
    ],
    ...(issuer && { ca: { key: issuer.key, cert: issuer.cert } }),
    ...(options.passphrase !== undefined && { passphrase: options.passphrase }),
  })
  return { cert: `${made.cert.trimEnd()}\n`, key: `${made.private.trimEnd()}\n` }
}

/** Writes the pair to `tls.crt` and `tls.key` in the directory. */
export function writePair(directory: string, { cert, key }: Pair): { certFile: string; keyFile: string } {
  const files = { certFile: join(directory, 'tls.crt'), keyFile: join(directory, 'tls.key') }
  writeFileSync(files.certFile, cert)
  writeFileSync(files.keyFile, key, { mode: 0o600 })
  return files
}

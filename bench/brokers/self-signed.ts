/**
 * A certificate that a broker of a bench has for the time of its run, and that its load generators trust: ECDSA P-256,
 * self-signed, for the loopback addresses. Made by `selfsigned`, which uses the cryptography of Node.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generate } from 'selfsigned'

export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
  /** The certificate, PEM, for whoever is to trust it. */
  readonly ca: string
}

/** In a directory that it makes. */
export async function makeSelfSigned(directory: string): Promise<CertificateFiles> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  })
  const files = { certFile: join(directory, 'tls.crt'), keyFile: join(directory, 'tls.key') }
  await mkdir(directory, { recursive: true })
  await writeFile(files.certFile, cert)
  await writeFile(files.keyFile, key, { mode: 0o600 })
  return { ...files, ca: cert }
}

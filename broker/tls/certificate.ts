/**
 * Whether two PEM files are a certificate and its key that a client can accept today, and if not, which file is wrong
 * and how to put it right. The library that speaks TLS says only that it failed.
 *
 * Not looked at: who signed it and for which names. That is for clients to judge, and a private CA is a good answer.
 * A sentence of this file never holds a byte of the key.
 */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { TlsFiles } from '../transport/transport.ts'

/** The message is for the operator: file, what is wrong, what would be right. */
export class CertificateError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'CertificateError'
  }
}

export interface Certificate {
  /** Of both files, to tell whether they hold the same as before; for nobody's eyes. */
  readonly digest: string
  /** SHA-256 of it, in hex with colons, as browsers and openssl show it. */
  readonly fingerprint: string
  /** Names and addresses it is for: `DNS:lab.example.edu, IP Address:10.0.0.1`. Empty when it has none. */
  readonly names: string
  /** Until when clients accept it, ms since 1970. */
  readonly notAfterMs: number
}

const PEM_BLOCK = /^-----BEGIN ([A-Z0-9 ]+)-----\s*$[\s\S]*?^-----END \1-----\s*$/gm
/** As when one file is put behind another that has no line break at its end. */
const PEM_END_WITH_MORE = /-----END [A-Z0-9 ]+-----[^\S\r\n]*[^\s]/
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m

/** Throws {@link CertificateError}. `read` gives the content of a file, or throws. */
export function readCertificate(
  { certFile, keyFile }: TlsFiles,
  read: (path: string) => Uint8Array,
  nowMs: number,
): Certificate {
  const certText = textOf('certificate', certFile, read)
  const chain = certificates(certFile, certText)
  const [certificate] = chain
  const keyText = textOf('private key', keyFile, read)
  const key = privateKey(keyFile, keyText)
  if (!certificate.checkPrivateKey(key)) {
    const isBehind = chain.some((other) => other.checkPrivateKey(key))
    throw new CertificateError(
      isBehind
        ? `${certFile}: the certificate that belongs to the key in ${keyFile} must be the first in the file, before those of its issuers`
        : `${keyFile}: this private key does not belong to the certificate in ${certFile} (${subjectOf(certificate)})`,
    )
  }
  const notBeforeMs = Date.parse(certificate.validFrom)
  const notAfterMs = Date.parse(certificate.validTo)
  if (nowMs > notAfterMs)
    throw new CertificateError(
      `${certFile}: the certificate (${subjectOf(certificate)}) has expired at ${iso(notAfterMs)}; no client would accept it, get a new one`,
    )
  if (nowMs < notBeforeMs)
    throw new CertificateError(
      `${certFile}: the certificate (${subjectOf(certificate)}) is not valid before ${iso(notBeforeMs)}; is the clock of this machine right? It says ${iso(nowMs)}`,
    )
  return {
    digest: createHash('sha256').update(`${certText}\0${keyText}`).digest('base64'),
    fingerprint: certificate.fingerprint256,
    names: certificate.subjectAltName ?? '',
    notAfterMs,
  }
}

/** `2027-01-31 12:00:00 UTC` */
export function iso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

function textOf(what: string, path: string, read: (path: string) => Uint8Array): string {
  try {
    return Buffer.from(read(path)).toString('latin1')
  } catch (cause) {
    throw new CertificateError(`${path}: the ${what} cannot be read: ${(cause as Error).message}`, { cause })
  }
}

/** At least one. */
function certificates(path: string, text: string): X509Certificate[] {
  if (PEM_END_WITH_MORE.test(text))
    throw new CertificateError(`${path}: a line break is missing behind "-----END CERTIFICATE-----"`)
  const blocks = [...text.matchAll(PEM_BLOCK)].filter(([, label]) => label.endsWith('CERTIFICATE'))
  const begun = text.match(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/g)?.length ?? 0
  if (begun > blocks.length) throw new CertificateError(`${path}: ends in the middle of a certificate`)
  if (blocks.length === 0) {
    const swapped = text.includes('PRIVATE KEY-----') ? ' but a private key; are the two files swapped?' : ''
    throw new CertificateError(
      `${path}: holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----")${swapped}`,
    )
  }
  return blocks.map(([block], i) => {
    try {
      return new X509Certificate(block)
    } catch (cause) {
      throw new CertificateError(
        `${path}: certificate ${i + 1} of ${blocks.length} is damaged: ${(cause as Error).message}`,
        { cause },
      )
    }
  })
}

function privateKey(path: string, text: string): KeyObject {
  if (ENCRYPTED.test(text))
    throw new CertificateError(
      `${path}: the private key is encrypted, and the broker has no passphrase; store it without (openssl pkey -in … -out …) and let nobody else read it`,
    )
  if (!text.includes('PRIVATE KEY-----')) {
    const swapped = text.includes('CERTIFICATE-----') ? ' but a certificate; are the two files swapped?' : ''
    throw new CertificateError(
      `${path}: holds no private key in PEM form ("-----BEGIN PRIVATE KEY-----")${swapped}`,
    )
  }
  try {
    return createPrivateKey(text)
  } catch {
    // What the library says of a key that it cannot read is about its insides, and might one day quote them.
    throw new CertificateError(`${path}: the private key is damaged, or of a kind nobody knows here`)
  }
}

/** `CN=lab.example.edu`, on one line. */
function subjectOf({ subject, subjectAltName }: X509Certificate): string {
  return (subject || subjectAltName || 'without a name').replace(/\s*\n\s*/g, ', ')
}

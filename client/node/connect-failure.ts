/**
 * Why a connection could not be made, in words for people: what the system, TLS and Node call by codes. The code
 * stands behind the sentence for whoever wants to look it up.
 */

/** Keys are codes of the system, of OpenSSL's certificate checks and of Node. */
const sentences: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused; is the broker running? (octopus serve)',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name of the host cannot be resolved at the moment',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'the host does not answer',
  ECONNRESET: 'the other side hung up; does it speak TLS? Then its address begins with wss://',
  EPROTO: 'no TLS could be agreed on; perhaps the broker speaks plain text there (ws://)',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the broker speaks plain text there; its address begins with ws://',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "the broker's certificate is self-signed, so anybody could have made it; name it as one to trust (tls.ca, --ca-file) if it is the right one",
  SELF_SIGNED_CERT_IN_CHAIN:
    "the broker's certificate comes from an issuer that is not trusted here; name that issuer's certificate (tls.ca, --ca-file)",
  CERT_HAS_EXPIRED: "the broker's certificate has expired; whoever runs the broker has to renew it",
  CERT_NOT_YET_VALID: "the broker's certificate is not valid yet; is the clock of this machine right?",
  CERT_REVOKED: "the broker's certificate was revoked",
  CERT_UNTRUSTED: "the broker's certificate is not trusted here",
  CERT_SIGNATURE_FAILURE: "the broker's certificate was not signed by the issuer it names",
  INVALID_PURPOSE: "the broker's certificate is not made for servers",
}

/** Several codes for one thing: nobody who is trusted here has signed it, or the chain to him is not whole. */
const UNKNOWN_ISSUER = [
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]
const UNKNOWN_ISSUER_SENTENCE =
  "the issuer of the broker's certificate is not known here: name its certificate (tls.ca, --ca-file), or let the broker send those between (--tls-cert takes several)"

const CERTIFICATE_CODES = new Set([
  ...Object.keys(sentences).filter((code) => /CERT|PURPOSE/.test(code)),
  ...UNKNOWN_ISSUER,
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

/** Whether a code says that the other side was reached and could not prove who it is. */
export function isCertificateFailure(code: unknown): boolean {
  return typeof code === 'string' && CERTIFICATE_CODES.has(code)
}

/** One sentence, without a full stop. */
export function connectFailure(failure: Error | undefined): string {
  if (!failure) return 'the connection was closed before it was open'
  // Node tries each address of a name and then throws all the failures together, without a message.
  const first = failure instanceof AggregateError ? (failure.errors[0] as Error) : failure
  const code = codeOf(first)
  const sentence =
    code === 'ERR_TLS_CERT_ALTNAME_INVALID'
      ? wrongName(first)
      : UNKNOWN_ISSUER.includes(code)
        ? UNKNOWN_ISSUER_SENTENCE
        : sentences[code]
  return sentence ? `${sentence} (${code})` : first.message
}

function codeOf(failure: Error): string {
  return 'code' in failure && typeof failure.code === 'string' ? failure.code : ''
}

/** Node gives the host it asked for and the certificate it got. */
function wrongName(failure: Error & { readonly host?: unknown; readonly cert?: unknown }): string {
  const { host, cert } = failure
  const names = (cert as { readonly subjectaltname?: string } | undefined)?.subjectaltname
  return `the broker's certificate is not for ${host} but for ${names || 'no name at all'}; use a name it is for, or let it have this one`
}

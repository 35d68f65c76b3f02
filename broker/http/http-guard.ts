/**
 * Who may use the HTTP side of the port: whoever may see the cluster, and says who he is with
 * `Authorization: Bearer KEY-OR-TOKEN` (RFC 6750). A credential in the address is not looked at: addresses stand in logs.
 *
 * Open are only the paths that tell nothing of what is in the broker: whether it lives, and the public keys of its issuer.
 */
import { CredentialError } from '../../auth/credential-error.ts'
import type { Identify } from '../../auth/identify.ts'
import { anonymousIdentity, type Identity } from '../../auth/identity.ts'
import type { HttpRequest, HttpResponse } from '../transport/transport.ts'
import { BEARER_CHALLENGE, bearerToken, NO_BEARER } from './bearer.ts'

export const JWKS_PATH = '/.well-known/jwks.json'

const OPEN_PATHS: readonly string[] = ['/healthz', JWKS_PATH]

export interface HttpGuardDependencies {
  identify(...credential: Parameters<Identify>): ReturnType<Identify>
  mayDescribeCluster(identity: Identity): boolean
  readonly isAnonymousAllowed: boolean
}

/** Resolves with the refusal; undefined: the request may go on. */
export type HttpGuard = (request: HttpRequest) => Promise<HttpResponse | undefined>

export function httpGuard(dependencies: HttpGuardDependencies): HttpGuard {
  return async (request) => {
    if (OPEN_PATHS.includes(request.path)) return undefined
    const token = bearerToken(request.header('authorization'))
    if (token === null) return refusal(401, NO_BEARER, BEARER_CHALLENGE)
    if (token === undefined && !dependencies.isAnonymousAllowed)
      return refusal(
        401,
        'Say who you are: Authorization: Bearer, and an API key or a token.',
        BEARER_CHALLENGE,
      )
    let identity = anonymousIdentity
    try {
      if (token !== undefined) identity = await dependencies.identify(token, request.remoteAddress)
    } catch (error) {
      if (error instanceof CredentialError) return refusalOf(error)
      throw error
    }
    if (dependencies.mayDescribeCluster(identity)) return undefined
    return refusal(403, 'This takes the right to describe the cluster.')
  }
}

function refusalOf({ code, message, retryAfterMs }: CredentialError): HttpResponse {
  if (code !== 'THROTTLED' && code !== 'UNAVAILABLE') return refusal(401, message, BEARER_CHALLENGE)
  const seconds = Math.max(1, Math.ceil((retryAfterMs ?? 0) / 1000))
  return refusal(code === 'THROTTLED' ? 429 : 503, message, { 'retry-after': String(seconds) })
}

function refusal(
  status: number,
  sentence: string,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return {
    status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...headers,
    },
    body: `${sentence}\n`,
  }
}

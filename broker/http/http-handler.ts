/**
 * The HTTP side of the port: for operators and their tools, read-only. Everything else is WebSocket.
 */
import type { Logger } from 'pino'
import type { DiskWatch } from '../disk/disk-watch.ts'
import type { Readiness } from '../readiness.ts'
import type { BrowserPages } from '../server/browser-pages.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from '../transport/transport.ts'
import { SOFTWARE } from '../version.ts'
import { type HttpGuard, JWKS_PATH } from './http-guard.ts'

export interface HttpDependencies {
  readonly readiness: Readiness
  readonly disk: Pick<DiskWatch, 'state' | 'reason'>
  readonly metrics: { readonly contentType: string; text(): Promise<string> }
  readonly pages: BrowserPages
  /** The public keys of this node's issuer (RFC 7517, 5). */
  readonly jwks: () => { readonly keys: readonly unknown[] }
  readonly guard: HttpGuard
  readonly logger: Logger
}

const PLAIN = 'text/plain; charset=utf-8'

const PAGE = `${SOFTWARE}, a self-hosted event broker

Clients connect to this address over WebSocket with the sub-protocol octopus.v1.

/healthz   200 while the process runs
/readyz    200 while it serves clients, else 503 and the reason
/metrics   for Prometheus
/.well-known/jwks.json   the keys that tokens of this node are signed with
`

export function httpHandler({
  readiness,
  disk,
  metrics,
  pages,
  jwks,
  guard,
  logger,
}: HttpDependencies): HttpHandler {
  const routes = new Map<string, () => HttpResponse | Promise<HttpResponse>>([
    ['/', () => plain(200, PAGE)],
    ['/healthz', () => plain(200, 'alive\n')],
    ['/readyz', () => ready(readiness.reason(), disk)],
    ['/metrics', async () => answer(200, metrics.contentType, await metrics.text())],
    [JWKS_PATH, () => answer(200, 'application/jwk-set+json', JSON.stringify(jwks()))],
  ])
  const respond = async (request: HttpRequest): Promise<HttpResponse> => {
    const { method, path } = request
    if (method !== 'GET' && method !== 'HEAD') return wrongMethod(method)
    try {
      const refusal = await guard(request)
      if (refusal) return refusal
      const route = routes.get(path)
      if (!route) return plain(404, 'There is nothing at this address; see / for what there is.\n')
      return await route()
    } catch (error) {
      // What is asked for may be anything, also a credential.
      const known = routes.has(path) ? path : undefined
      logger.error({ err: error, path: known }, 'an HTTP request met an unexpected error')
      return plain(500, 'The server met an error it did not expect.\n')
    }
  }
  return async (request) => {
    const { method, header } = request
    const origin = header('origin')
    const refusal = pages.refusal(origin)
    if (refusal !== undefined) return plain(403, `${refusal}\n`)
    if (method === 'OPTIONS' && origin !== '' && header('access-control-request-method') !== '')
      return { status: 204, headers: pages.preflightHeaders(origin), body: '' }
    const response = await respond(request)
    return { ...response, headers: { ...response.headers, ...pages.headers(origin) } }
  }
}

/**
 * A full disk is no reason to be taken out of service: reads go on, topics can be deleted, and a restart
 * would help nobody.
 */
function ready(reason: string | undefined, disk: HttpDependencies['disk']): HttpResponse {
  if (reason !== undefined) return plain(503, `${reason}\n`)
  return plain(200, disk.state === 'read-only' ? `ready, but read-only: ${disk.reason}\n` : 'ready\n')
}

function wrongMethod(method: string): HttpResponse {
  const { status, headers, body } = plain(
    405,
    `${method.slice(0, 20)} is not possible here; GET and HEAD are.\n`,
  )
  return { status, headers: { ...headers, allow: 'GET, HEAD' }, body }
}

function plain(status: number, body: string): HttpResponse {
  return answer(status, PLAIN, body)
}

/** Nothing here may be kept: every answer is of the moment. */
function answer(status: number, contentType: string, body: string): HttpResponse {
  return {
    status,
    headers: {
      'content-type': contentType,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
    body,
  }
}

/** The header `Authorization: Bearer KEY-OR-TOKEN` (RFC 6750, 2.1), of HTTP requests and of upgrades to WebSocket. */

const BEARER = /^Bearer +(\S+) *$/i

/** The challenge of a 401 (RFC 9110, 11.6.1). */
export const BEARER_CHALLENGE = { 'www-authenticate': 'Bearer realm="octopus"' }

export const NO_BEARER = 'The header Authorization must be: Bearer, and an API key or a token.'

/** Undefined where the header is missing; null where it is none of this form. */
export function bearerToken(header: string): string | null | undefined {
  if (header === '') return undefined
  return BEARER.exec(header)?.[1] ?? null
}

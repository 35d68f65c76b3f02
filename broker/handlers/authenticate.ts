/** Authenticate: nobody needs to yet. The token is not looked at, kept or logged. */
import type { Handler } from './handlers.ts'

export function authenticateHandler(): Handler<'authenticate'> {
  return async (_request, { principal }) => ({
    required: false,
    principal: principal.name,
    expiresAtMs: null,
  })
}

/** Authenticate: who the caller is. Answers "not required" until the broker has authenticators. */
import { boolean, int53, nullable, struct, text } from '../schema.ts'

export const authenticateRequest = struct('AuthenticateRequest', {
  /** How to read the token: "token" lets the server choose by its shape. */
  mechanism: text(64),
  token: text(65_536),
})

export const authenticateResponse = struct('AuthenticateResponse', {
  required: boolean,
  principal: text(1024),
  /** When requests begin to fail unless refreshed; null: never. */
  expiresAtMs: nullable(int53),
})

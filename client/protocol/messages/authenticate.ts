/** Authenticate: who the caller is. Answers "not required" until the broker has authenticators. */
import { boolean, field, int53, nullable, struct, type TypeOf, text } from '../schema.ts'

export const authenticateRequest = struct('AuthenticateRequest', {
  mechanism: field(text(64), 'How to read the token; `token` lets the server choose by its shape.'),
  token: field(text(65_536), 'The credential. Never logged.'),
})

export const authenticateResponse = struct('AuthenticateResponse', {
  required: field(boolean, 'Whether the server checks credentials at all.'),
  principal: field(text(1024), 'Who the caller now is.'),
  expiresAtMs: field(
    nullable(int53),
    'When requests begin to fail unless authenticate is sent again, ms since 1970; null: never.',
  ),
})

export type AuthenticateRequest = TypeOf<typeof authenticateRequest>
export type AuthenticateResponse = TypeOf<typeof authenticateResponse>

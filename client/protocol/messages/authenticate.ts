/**
 * Authenticate: who the caller is. It may be sent again at any time, with a newer credential of the same principal;
 * requests under way are not disturbed.
 */
import { boolean, field, int53, nullable, struct, type TypeOf, text } from '../schema.ts'

export const authenticateRequest = struct('AuthenticateRequest', {
  mechanism: field(text(64), 'How to read the token; `token` lets the server choose by its shape.'),
  token: field(text(65_536), 'The credential. Never logged.'),
})

export const authenticateResponse = struct('AuthenticateResponse', {
  required: field(boolean, 'Whether the server asks for a credential at all.'),
  principal: field(text(1024), 'Who the caller now is: `user:ID`.'),
  expiresAtMs: field(
    nullable(int53),
    'When requests begin to fail unless authenticate is sent again, ms since 1970; null: never.',
  ),
})

export type AuthenticateRequest = TypeOf<typeof authenticateRequest>
export type AuthenticateResponse = TypeOf<typeof authenticateResponse>

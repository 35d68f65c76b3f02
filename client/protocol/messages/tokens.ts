/** Tokens of the built-in issuer: issue, revoke, and the key that signs them. */
import { boolean, field, int53, nullable, struct, type TypeOf, text, uint31 } from '../schema.ts'
import { asksFor, principalId, scope } from './access-fields.ts'

export const issueTokenRequest = struct('IssueTokenRequest', {
  principal: field(nullable(principalId), 'Who is to have it: the ID of a user; null: the caller.'),
  ...asksFor,
  lifetimeMs: field(nullable(int53), 'For how long it is good, in ms; null: as long as the server says.'),
  scope: field(scope, 'All that the token is good for; null: all that its principal may.'),
})

export const issueTokenResponse = struct('IssueTokenResponse', {
  tokenId: field(text(256), 'Id of the token, to revoke it by.'),
  token: field(text(65_536), 'The token, a JWT. The server does not keep it.'),
  principal: field(principalId, 'Who has it: the ID of a user.'),
  expiresAtMs: field(int53, 'From then on it is refused, ms since 1970.'),
})

export const revokeTokenRequest = struct('RevokeTokenRequest', {
  tokenId: field(nullable(text(256)), 'The token to revoke; null: all that the principal has been issued.'),
  principal: field(
    nullable(principalId),
    'Without a `tokenId`: whose tokens to revoke, of all that were issued until now; null: the caller’s.',
  ),
})

export const revokeTokenResponse = struct('RevokeTokenResponse', {
  revoked: field(boolean, 'True: from now on they are refused.'),
})

export const rotateIssuerKeyRequest = struct('RotateIssuerKeyRequest', {
  overlapMs: field(
    nullable(uint31),
    'For how long tokens signed before are still good, in ms: 0 ends them at once, null leaves them until they expire; there is nothing between.',
  ),
})

export const rotateIssuerKeyResponse = struct('RotateIssuerKeyResponse', {
  keyId: field(text(256), 'Id of the key that signs from now on.'),
})

export type IssueTokenRequest = TypeOf<typeof issueTokenRequest>

/** The access control list: describe, create and delete its entries; and who the caller is, and why he may. */
import { boolean, field, int53, list, nullable, struct, type TypeOf, text } from '../schema.ts'
import {
  expiresAtMs,
  memberships,
  operation,
  operations,
  principal,
  principalName,
  resource,
  resourceName,
  scope,
} from './access-fields.ts'
import { error, message } from './recurring-fields.ts'

/** Entries one request may create or delete: each is a transaction of its own. */
const ENTRIES_MAX = 1_000

const entryId = text(64)
const effect = field(text(8), 'Either `allow`, or `deny`, which wins over every `allow`.')
const note = field(nullable(text(1_024)), 'Why, for people.')

export const describeAclsRequest = struct('DescribeAclsRequest', {
  principal: field(nullable(principalName), 'Only entries about exactly this principal; null: about any.'),
  resource: field(
    nullable(resourceName),
    'Only entries about something that this is about too, so that `topic:lab.a` also finds `topic:lab.*`; null: about anything.',
  ),
})

export const describeAclsResponse = struct('DescribeAclsResponse', {
  entries: field(
    list(
      struct('AclEntry', {
        id: field(entryId, 'Id of the entry.'),
        principal,
        resource,
        operations,
        effect,
        expiresAtMs,
        grantedBy: field(principalName, 'Who wrote it.'),
        createdAtMs: field(int53, 'When it was written, ms since 1970.'),
        note,
      }),
    ),
    'The entries the caller may see: about himself, and on what he may grant. With describe on the cluster: all. At most 10,000; where there are more: POLICY_VIOLATION.',
  ),
})

export const createAclsRequest = struct('CreateAclsRequest', {
  entries: field(
    list(struct('AclToCreate', { principal, resource, operations, effect, expiresAtMs, note }), ENTRIES_MAX),
    'What to write. One that is there already, but for its expiry and note, is replaced.',
  ),
})

export const createAclsResponse = struct('CreateAclsResponse', {
  entries: field(
    list(
      struct('CreatedAcl', {
        error,
        message,
        id: field(nullable(entryId), 'Id of the entry; null: with an error.'),
      }),
    ),
    'One entry per entry of the request, in its order.',
  ),
})

export const deleteAclsRequest = struct('DeleteAclsRequest', {
  ids: field(list(entryId, ENTRIES_MAX), 'Ids of the entries to delete.'),
})

export const deleteAclsResponse = struct('DeleteAclsResponse', {
  entries: field(
    list(struct('DeletedAcl', { id: field(entryId, 'Id of the entry.'), error, message })),
    'One entry per id of the request, in its order.',
  ),
})

export const whoamiRequest = struct('WhoamiRequest', {})

export const whoamiResponse = struct('WhoamiResponse', {
  principal: field(principalName, 'Who the caller is: `user:ID` or `anonymous`.'),
  groups: field(memberships, 'Groups the caller is in.'),
  roles: field(memberships, 'Roles the caller has.'),
  isAdministrator: field(boolean, 'Whether the caller may do everything, within the scope.'),
  method: field(text(32), 'How that is known: `api-key`, `oidc`, `issuer`, `introspection` or `anonymous`.'),
  credentialId: field(nullable(text(512)), 'What can be revoked: `key:ID` or `token:ID`; null: nothing can.'),
  expiresAtMs: field(
    nullable(int53),
    'When requests begin to fail unless authenticate is sent again, ms since 1970; null: never.',
  ),
  scope: field(scope, 'All that this credential is good for; null: all that the caller may.'),
  namespaces: field(list(text(249)), 'Namespaces the caller owns.'),
})

export const explainAccessRequest = struct('ExplainAccessRequest', {
  principal: field(
    nullable(principalName),
    'Who is asked about: `user:ID` or `anonymous`; null: the caller.',
  ),
  groups: field(
    memberships,
    'Groups to take the principal for a member of; none for the caller, who has his own.',
  ),
  roles: field(memberships, 'Roles to take the principal to have; none for the caller, who has his own.'),
  operation,
  resource: field(resourceName, 'One resource, as in entries but without `*`.'),
})

export const explainAccessResponse = struct('ExplainAccessResponse', {
  allowed: field(boolean, 'Whether it is allowed.'),
  rule: field(
    text(16),
    'What decides: `administrator`, `deny`, `owner`, `allow`, `scope` (of the credential), or `none`, which denies.',
  ),
  entryId: field(nullable(entryId), 'The entry that decides; null: none does.'),
  sentence: field(text(), 'The same for people.'),
})

export type DescribeAclsResponse = TypeOf<typeof describeAclsResponse>
export type CreateAclsRequest = TypeOf<typeof createAclsRequest>
export type CreateAclsResponse = TypeOf<typeof createAclsResponse>
export type DeleteAclsResponse = TypeOf<typeof deleteAclsResponse>
export type DescribedAcl = DescribeAclsResponse['entries'][number]
export type AclToCreate = CreateAclsRequest['entries'][number]
export type WhoamiResponse = TypeOf<typeof whoamiResponse>
export type ExplainAccessRequest = TypeOf<typeof explainAccessRequest>
export type ExplainAccessResponse = TypeOf<typeof explainAccessResponse>

/** Namespaces: create, list, alter, delete. */
import { field, int32, int53, list, nullable, struct, type TypeOf, text } from '../schema.ts'
import { owners, principalName } from './access-fields.ts'
import { error, message, name } from './recurring-fields.ts'

const NAMESPACES_MAX = 1_000
const CONFIGS_MAX = 100

const namespaceName = field(name, 'Name of the namespace: letters, digits, `_` and `-`.')
const topicConfigs = field(
  list(
    struct('NamespaceConfig', {
      name: field(name, 'Name of a topic config.'),
      value: field(
        text(),
        'Its value for topics that are created in the namespace without one of their own.',
      ),
    }),
    CONFIGS_MAX,
  ),
  'Defaults for the topics created in it from now on.',
)

export const createNamespaceRequest = struct('CreateNamespaceRequest', {
  namespaces: field(
    list(
      struct('NamespaceToCreate', {
        name: namespaceName,
        owners: field(owners, 'Who owns it: `user:ID` and `group:ID`; none: the caller.'),
        topicConfigs,
      }),
      NAMESPACES_MAX,
    ),
    'What to create.',
  ),
})

export const createNamespaceResponse = struct('CreateNamespaceResponse', {
  namespaces: field(
    list(struct('NamespaceResult', { name: namespaceName, error, message })),
    'One entry per namespace of the request, in its order.',
  ),
})

export const listNamespacesRequest = struct('ListNamespacesRequest', {})

export const listNamespacesResponse = struct('ListNamespacesResponse', {
  namespaces: field(
    list(
      struct('ListedNamespace', {
        name: namespaceName,
        owners: field(owners, 'Who owns it.'),
        topicConfigs,
        createdAtMs: field(int53, 'When it was created, ms since 1970; 0: it has always been there.'),
        topics: field(int32, 'How many topics are in it that the caller may see.'),
      }),
    ),
    'Every namespace the caller may see, in order of name.',
  ),
})

export const alterNamespaceRequest = struct('AlterNamespaceRequest', {
  name: namespaceName,
  addOwners: field(owners, 'Who becomes an owner.'),
  removeOwners: field(owners, 'Who is an owner no longer.'),
  topicConfigs: field(
    list(
      struct('NamespaceConfigChange', {
        name: field(name, 'Name of a topic config.'),
        value: field(nullable(text()), 'Its new default; null: none of the namespace.'),
      }),
      CONFIGS_MAX,
    ),
    'Defaults that change; others stay.',
  ),
})

export const alterNamespaceResponse = struct('AlterNamespaceResponse', {
  owners: field(list(principalName, 1_000), 'Who owns it now.'),
})

export const deleteNamespaceRequest = struct('DeleteNamespaceRequest', { name: namespaceName })

export const deleteNamespaceResponse = struct('DeleteNamespaceResponse', {
  deletedEntries: field(int32, 'How many entries of the access control list went with it.'),
})

export type NamespaceToCreate = TypeOf<typeof createNamespaceRequest>['namespaces'][number]
export type NamespaceResult = TypeOf<typeof createNamespaceResponse>['namespaces'][number]
export type ListedNamespace = TypeOf<typeof listNamespacesResponse>['namespaces'][number]
export type AlterNamespaceRequest = TypeOf<typeof alterNamespaceRequest>

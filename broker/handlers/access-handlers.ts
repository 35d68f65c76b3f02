/** The handlers of all APIs about credentials and rights, each with the parts it needs. */
import type { MetadataStore } from '../../storage/metadata-store.ts'
import type { AccessControl } from '../access/access-control.ts'
import { OWN_CLOCK_TOLERANCE_MS } from '../access/authenticators.ts'
import type { Session } from '../access/session.ts'
import type { Config } from '../config/schema.ts'
import type { GroupService } from '../groups/group-service.ts'
import type { Timers } from '../ports.ts'
import { TOPIC_KEY_PREFIX } from '../topics/topic-record.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { alterNamespaceHandler } from './alter-namespace.ts'
import { type AuthenticateDependencies, authenticateHandler } from './authenticate.ts'
import { createAclsHandler } from './create-acls.ts'
import { createKeyHandler } from './create-key.ts'
import { createNamespaceHandler } from './create-namespace.ts'
import { deleteAclsHandler } from './delete-acls.ts'
import { deleteNamespaceHandler } from './delete-namespace.ts'
import { describeAclsHandler } from './describe-acls.ts'
import { explainAccessHandler } from './explain-access.ts'
import type { Handlers } from './handlers.ts'
import { issueTokenHandler } from './issue-token.ts'
import { listKeysHandler } from './list-keys.ts'
import { listNamespacesHandler } from './list-namespaces.ts'
import { revokeKeysHandler } from './revoke-keys.ts'
import { revokeTokenHandler } from './revoke-token.ts'
import { rotateIssuerKeyHandler } from './rotate-issuer-key.ts'
import { rotateKeyHandler } from './rotate-key.ts'
import { whoamiHandler } from './whoami.ts'

export interface AccessHandlersOptions {
  readonly access: AccessControl
  readonly topics: TopicTable
  readonly groups: Pick<GroupService, 'countOfNamespace'>
  readonly metadata: MetadataStore
  readonly settings: Config['auth']
  readonly timers: Pick<Timers, 'soon'>
  /** Told of errors nobody expected in an entry of a request. */
  readonly onProblem: (error: Error) => void
}

/** Of a token nobody said for how long. */
const TOKEN_LIFETIME_DEFAULT_MS = 3_600_000
/** How long tokens of providers live is not for this node to say; none is known that gives them for a year. */
const PROVIDER_TOKEN_REMEMBERED_MS = 366 * 86_400_000

type AccessApi =
  | 'authenticate'
  | 'whoami'
  | 'explainAccess'
  | 'describeAcls'
  | 'createAcls'
  | 'deleteAcls'
  | 'createKey'
  | 'listKeys'
  | 'revokeKeys'
  | 'rotateKey'
  | 'createNamespace'
  | 'listNamespaces'
  | 'alterNamespace'
  | 'deleteNamespace'
  | 'issueToken'
  | 'revokeToken'
  | 'rotateIssuerKey'

/** How credentials are looked at on this node, by authenticate and by hello. */
export function credentialsOf(access: AccessControl): AuthenticateDependencies {
  return {
    identify: (...credential) => access.identify(...credential),
    admit: (session, identity) => access.admit(session as Session, identity),
    isAnonymousAllowed: access.isAnonymousAllowed,
  }
}

export function accessHandlers(options: AccessHandlersOptions): Pick<Handlers, AccessApi> {
  const { access, topics, groups, metadata, settings, timers, onProblem } = options
  const { policy, acls, namespaces, keys } = access
  const { tokenIssuer, revocations } = access.authentication
  const lifetimeMaxMs = settings.tokenLifetimeMaxMs
  const hasProviders = settings.issuers.length > 0 || settings.introspection !== undefined
  const clockToleranceMs = OWN_CLOCK_TOLERANCE_MS
  const lifetimes = { keyLifetimeMaxMs: settings.keyLifetimeMaxMs, clockToleranceMs }
  return {
    authenticate: authenticateHandler(credentialsOf(access)),
    whoami: whoamiHandler(policy),
    explainAccess: explainAccessHandler(policy),
    describeAcls: describeAclsHandler(policy, timers),
    createAcls: createAclsHandler(acls, namespaces, metadata, onProblem),
    deleteAcls: deleteAclsHandler(policy, acls, onProblem),
    createKey: createKeyHandler(keys, lifetimes),
    listKeys: listKeysHandler(keys),
    revokeKeys: revokeKeysHandler(keys, onProblem),
    rotateKey: rotateKeyHandler(keys, lifetimes),
    createNamespace: createNamespaceHandler(namespaces, onProblem),
    listNamespaces: listNamespacesHandler(namespaces, topics),
    alterNamespace: alterNamespaceHandler(namespaces),
    deleteNamespace: deleteNamespaceHandler({
      namespaces,
      acls,
      countTopics: async (name) => (await metadata.list(`${TOPIC_KEY_PREFIX}${name}.`)).entries.length,
      countGroups: (name) => groups.countOfNamespace(name),
    }),
    issueToken: issueTokenHandler({
      issuer: tokenIssuer,
      lifetimeDefaultMs: Math.min(TOKEN_LIFETIME_DEFAULT_MS, lifetimeMaxMs),
      clockToleranceMs,
    }),
    revokeToken: revokeTokenHandler({
      revocations,
      rememberedMs: hasProviders ? Math.max(PROVIDER_TOKEN_REMEMBERED_MS, lifetimeMaxMs) : lifetimeMaxMs,
    }),
    rotateIssuerKey: rotateIssuerKeyHandler(tokenIssuer),
  }
}

/**
 * Who may do what on this node, put together: rules and credentials from metadata, the sessions that live by them,
 * and the ways to prove who one is. Nothing here decides anything.
 */
import { compileAccess } from '../../auth/acl/access.ts'
import { Policy } from '../../auth/acl/policy.ts'
import type { GuessReport } from '../../auth/guess-watch.ts'
import type { Identify } from '../../auth/identify.ts'
import { credentialsOf, type Identity, keyIdOf } from '../../auth/identity.ts'
import type { Fetch } from '../../auth/ports.ts'
import { namesOf } from '../../auth/principal.ts'
import type { MetadataStore } from '../../storage/metadata-store.ts'
import type { Config } from '../config/schema.ts'
import type { Clock, Random, Timers } from '../ports.ts'
import { AclStore } from './acl-store.ts'
import { MetadataApiKeyStore } from './api-key-store.ts'
import { buildAuthentication, type NodeAuthentication } from './authenticators.ts'
import { MetadataIssuerStore } from './issuer-key-store.ts'
import { NamespaceStore } from './namespace-store.ts'
import { personalNamespaceOf } from './personal-namespace.ts'
import type { Session } from './session.ts'
import { Sessions } from './sessions.ts'

const WARNED_MAX = 1_000

export interface AccessControlOptions {
  readonly store: MetadataStore
  readonly settings: Config['auth']
  /** What stands as issuer in this node's own tokens. */
  readonly ownName: string
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly fetch: Fetch
  readonly readSecretFile: (path: string) => string
  /** Somebody may do more or less than before: who waits has to look again. */
  readonly onChanged: () => void
  /** Told of errors nobody expected. */
  readonly onProblem: (error: Error) => void
  /** Told what outside does not work, without any secret. */
  readonly onTrouble: (sentence: string) => void
  /** Told of each wrong credential, and whether it was made to wait. */
  readonly onGuess: (isThrottled: boolean) => void
  /** Told now and then where wrong credentials come from or at which key they are aimed, without any secret. */
  readonly onGuessing: (report: GuessReport) => void
}

export class AccessControl {
  readonly policy: Policy
  readonly sessions: Sessions
  readonly acls: AclStore
  readonly namespaces: NamespaceStore
  readonly keys: MetadataApiKeyStore
  readonly authentication: NodeAuthentication
  readonly isAnonymousAllowed: boolean
  readonly #options: AccessControlOptions
  readonly #issuer: MetadataIssuerStore
  /** Personal namespaces of which it was said that they are somebody else's. */
  readonly #warnedOf = new Set<string>()

  private constructor(
    options: AccessControlOptions,
    parts: Pick<AccessControl, 'policy' | 'sessions' | 'acls' | 'namespaces' | 'keys'>,
    issuer: MetadataIssuerStore,
  ) {
    this.#options = options
    this.policy = parts.policy
    this.sessions = parts.sessions
    this.acls = parts.acls
    this.namespaces = parts.namespaces
    this.keys = parts.keys
    this.#issuer = issuer
    this.isAnonymousAllowed = options.settings.anonymous === 'on'
    this.authentication = buildAuthentication(options.settings, options.ownName, {
      ...options,
      apiKeys: this.keys,
      issuerKeys: issuer,
      revocations: issuer,
      report: options.onTrouble,
    })
  }

  /** Rejects where metadata cannot be understood: a node that knows half of the rules must not serve. */
  static async open(options: AccessControlOptions): Promise<AccessControl> {
    const { store, settings, clock, timers, random, onProblem, onChanged } = options
    const policy = new Policy(settings.administrators, () => sessions.changed())
    const isAnonymousAllowed = settings.anonymous === 'on'
    const sessions = new Sessions({ policy, clock, timers, isAnonymousAllowed, onChanged })
    const acls = await AclStore.open({
      store,
      policy,
      clock,
      entriesMax: settings.aclEntriesMax,
      entriesPerNamespaceMax: settings.aclEntriesPerNamespaceMax,
      onProblem,
    })
    const namespaces = await NamespaceStore.open({
      store,
      policy,
      clock,
      namespacesMax: settings.namespacesMax,
      onProblem,
    })
    const keys = await MetadataApiKeyStore.open({
      store,
      clock,
      timers,
      random,
      keysMax: settings.keysPerPrincipalMax,
      onSecrets: (id, secrets) => sessions.secretsChanged(id, secrets),
      onRevoked: (id) => sessions.revoked(`key:${id}`),
      onProblem,
    })
    const issuer = await MetadataIssuerStore.open({
      store,
      onTokenRevoked: (tokenId) => sessions.revoked(`token:${tokenId}`),
      onKeyEnded: (kid) => sessions.signingKeyEnded(kid),
      onUserRevoked: (principal) => sessions.userRevoked(principal),
      onProblem,
    })
    return new AccessControl(options, { policy, sessions, acls, namespaces, keys }, issuer)
  }

  /** Rejects with CredentialError. Who guesses waits, and is told how long. */
  identify(...credential: Parameters<Identify>): Promise<Identity> {
    return this.authentication.identify(...credential)
  }

  /** What is asked over HTTP, where there are no sessions. */
  mayDescribeCluster(identity: Identity): boolean {
    return compileAccess(this.policy, identity, this.#options.clock.nowMs()).allows('describe', 'cluster', '')
  }

  /** Makes the session that identity's, with a namespace of his own where the configuration wants it. */
  async admit(session: Session, identity: Identity): Promise<void> {
    this.sessions.authenticated(session, identity)
    // It may have been revoked while it was looked at, when there was no session to be told.
    if (credentialsOf(identity).some((id) => this.authentication.hasEnded(id))) session.revoked()
    for (const id of credentialsOf(identity)) {
      const key = this.keys.get(keyIdOf(id) ?? '')
      if (key) session.secretsChanged(key.id, key.secretHashes)
    }
    const { signingKeyId } = identity
    if (signingKeyId !== undefined && !this.authentication.tokenIssuer.hasKey(signingKeyId)) session.revoked()
    if (this.#options.settings.personalNamespaces === 'off') return
    const name = personalNamespaceOf(identity.principal.name)
    const present = this.namespaces.get(name)
    if (present) return this.#warnOfOthers(name, present.owners, identity)
    try {
      await this.namespaces.create(name, [`user:${identity.principal.name}`], {})
    } catch (error) {
      // He is who he is all the same; two connections of one newcomer both try, and one of them is too late.
      if (!this.namespaces.get(name)) this.#options.onProblem(error as Error)
    }
  }

  /** Once for each: somebody made it before he came, or it was given away. */
  #warnOfOthers(name: string, owners: readonly string[], { principal }: Identity): void {
    if (this.#warnedOf.has(name) || namesOf(principal).some((own) => owners.includes(own))) return
    if (this.#warnedOf.size >= WARNED_MAX) this.#warnedOf.clear()
    this.#warnedOf.add(name)
    this.#options.onTrouble(
      `the namespace ${name} is not owned by user:${principal.name}, for whom it is meant, but by ${owners.join(', ') || 'nobody'}`,
    )
  }

  async close(): Promise<void> {
    this.sessions.stop()
    this.acls.close()
    this.namespaces.close()
    this.#issuer.close()
    await this.keys.close()
  }
}

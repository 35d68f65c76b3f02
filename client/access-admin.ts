/**
 * Who one is and who may do what: credentials, namespaces and the access control list, as `client.admin()` offers
 * them. Principals, operations and resources are texts as the protocol has them: `user:ada`, `read`,
 * `topic:lab.*`. Every call rejects with a {@link ProtocolError}; of several entries the first that failed counts,
 * and those before and after it were carried out all the same.
 *
 * Keys and tokens are in the answer that makes them and nowhere else; nothing here keeps them.
 */
import type { BrokerLink } from './broker-link.ts'
import { succeeded } from './entry-outcome.ts'
import { apis } from './protocol/api.ts'
import type { DescribedAcl, ExplainAccessResponse, WhoamiResponse } from './protocol/messages/acls.ts'
import type { ListedKey } from './protocol/messages/keys.ts'
import type { ListedNamespace } from './protocol/messages/namespaces.ts'

export type AclEntry = DescribedAcl
export type ApiKeyListing = ListedKey
export type NamespaceListing = ListedNamespace
export type Identity = WhoamiResponse
export type AccessDecision = ExplainAccessResponse

/** What a credential is good for, when that is less than what its principal may. */
export type CredentialScope = readonly {
  readonly operations: readonly string[]
  readonly resource: string
}[]

export interface NewAclEntry {
  /** `user:ID`, `group:ID`, `role:ID`, `authenticated` or `anonymous`. */
  readonly principal: string
  /** `cluster`, or `namespace:`, `topic:`, `group:`, `producer:`, `transactional-id:` and a name; `*` at its end: a prefix. */
  readonly resource: string
  /** Of `describe`, `read`, `write`, `create`, `alter`, `delete`, `grant`. */
  readonly operations: readonly string[]
  /** Default `allow`. */
  readonly effect?: 'allow' | 'deny'
  /** From then on it is as if it were not there, ms since 1970. Default: never. */
  readonly expiresAtMs?: number
  readonly note?: string
}

export interface CredentialOptions {
  /** ID of the user who is to have it. Default: the caller. */
  readonly principal?: string
  /** For oneself all of one's own go along, which is the default; for others it is none. A scope makes it narrower. */
  readonly groups?: readonly string[]
  readonly roles?: readonly string[]
  /** Default: all that the principal may. */
  readonly scope?: CredentialScope
}

export interface KeyOptions extends CredentialOptions {
  /** What it is called, for people. */
  readonly name: string
  /** ms since 1970. Default: never; of a key for oneself, as late as the credential one came with allows. */
  readonly expiresAtMs?: number
}

export interface NewKey {
  readonly keyId: string
  /** The secret: it is shown this once. */
  readonly key: string
}

export interface CreatedKey extends NewKey {
  /** ID of the user who has it. */
  readonly principal: string
  /** ms since 1970; null: it does not end. */
  readonly expiresAtMs: number | null
}

export interface TokenOptions extends CredentialOptions {
  /** Default: as long as the broker says. */
  readonly lifetimeMs?: number
}

export interface NewToken {
  readonly tokenId: string
  /** The secret: it is shown this once. */
  readonly token: string
  /** ID of the user who has it. */
  readonly principal: string
  /** ms since 1970. */
  readonly expiresAtMs: number
}

export interface AlterNamespaceOptions {
  /** `user:ID` and `group:ID`. */
  readonly addOwners?: readonly string[]
  readonly removeOwners?: readonly string[]
  /** Defaults of topics created from now on; only the named ones change; null: none of the namespace. */
  readonly topicConfigs?: Readonly<Record<string, string | null>>
}

/** Keys of one request. */
const REVOKED_AT_ONCE_MAX = 1_000

const once = { repeatable: false } as const
const repeatable = { repeatable: true } as const

export class AccessAdmin {
  readonly #link: BrokerLink

  constructor(link: BrokerLink) {
    this.#link = link
  }

  /** Who the caller is, by what credential, for how long, and what namespaces are his. */
  whoami(): Promise<Identity> {
    return this.#link.call(apis.whoami, {}, repeatable)
  }

  /** Whether somebody may do something to one resource, and which rule decides. Without `principal`: the caller. */
  explainAccess(question: {
    readonly principal?: string
    readonly groups?: readonly string[]
    readonly roles?: readonly string[]
    readonly operation: string
    readonly resource: string
  }): Promise<AccessDecision> {
    const { principal = null, groups = [], roles = [], operation, resource } = question
    const request = { principal, groups: [...groups], roles: [...roles], operation, resource }
    return this.#link.call(apis.explainAccess, request, repeatable)
  }

  /** The entries the caller may see, of all or about one principal or what meets one resource. */
  async listAcls(
    filter: { readonly principal?: string; readonly resource?: string } = {},
  ): Promise<AclEntry[]> {
    const request = { principal: filter.principal ?? null, resource: filter.resource ?? null }
    return (await this.#link.call(apis.describeAcls, request, repeatable)).entries
  }

  /** They are in force when it resolves, with their ids in the same order. */
  async createAcls(entries: readonly NewAclEntry[]): Promise<string[]> {
    const wanted = entries.map(({ principal, resource, operations, effect, expiresAtMs, note }) => ({
      principal,
      resource,
      operations: [...operations],
      effect: effect ?? 'allow',
      expiresAtMs: expiresAtMs ?? null,
      note: note ?? null,
    }))
    // An entry that is there already is replaced by its like.
    const answer = await this.#link.call(apis.createAcls, { entries: wanted }, repeatable)
    return answer.entries.map(({ id, ...outcome }, i) => {
      succeeded(outcome, `entry about ${entries[i]?.principal} on ${entries[i]?.resource}`)
      return id as string
    })
  }

  async deleteAcls(ids: readonly string[]): Promise<void> {
    const { entries } = await this.#link.call(apis.deleteAcls, { ids: [...ids] }, once)
    for (const entry of entries) succeeded(entry, `entry ${entry.id}`)
  }

  /** An API key, good at once. */
  async createKey(options: KeyOptions): Promise<CreatedKey> {
    const request = { ...credential(options), name: options.name, expiresAtMs: options.expiresAtMs ?? null }
    return this.#link.call(apis.createKey, request, once)
  }

  /** Without their secrets: the caller's, or those of the user with this ID; with describe on the cluster of everyone. */
  async listKeys(principal?: string): Promise<ApiKeyListing[]> {
    const request = { principal: principal ?? null }
    return (await this.#link.call(apis.listKeys, request, repeatable)).keys
  }

  /** At once and for ever. */
  async revokeKeys(keyIds: readonly string[]): Promise<void> {
    const { keys } = await this.#link.call(apis.revokeKeys, { keyIds: [...keyIds] }, once)
    for (const key of keys) succeeded(key, `key ${key.keyId}`)
  }

  /**
   * All there are of the user with this ID, at once and for ever; with his own the caller ends the one he came with
   * last. Resolves with their ids. Tokens that were issued with them end with them.
   */
  async revokeKeysOf(principal: string): Promise<string[]> {
    const { credentialId } = await this.whoami()
    const revoked: string[] = []
    for (;;) {
      // Again, for one of them may have made another meanwhile.
      const ids = (await this.listKeys(principal)).map(({ keyId }) => keyId)
      const others = ids.filter((id) => `key:${id}` !== credentialId)
      const now = others.length > 0 ? others.slice(0, REVOKED_AT_ONCE_MAX) : ids
      if (now.length === 0) return revoked
      await this.revokeKeys(now)
      revoked.push(...now)
      if (others.length === 0) return revoked
    }
  }

  /** A new secret; the old one is good for `overlapMs` more. */
  rotateKey(keyId: string, overlapMs: number): Promise<NewKey> {
    return this.#link.call(apis.rotateKey, { keyId, overlapMs }, once)
  }

  /** Without owners the caller owns it. */
  async createNamespace(
    name: string,
    options: {
      readonly owners?: readonly string[]
      readonly topicConfigs?: Readonly<Record<string, string>>
    } = {},
  ): Promise<void> {
    const { owners = [], topicConfigs = {} } = options
    const namespace = { name, owners: [...owners], topicConfigs: pairsOf(topicConfigs) }
    const { namespaces } = await this.#link.call(apis.createNamespace, { namespaces: [namespace] }, once)
    for (const outcome of namespaces) succeeded(outcome, `namespace ${JSON.stringify(name)}`)
  }

  async listNamespaces(): Promise<NamespaceListing[]> {
    return (await this.#link.call(apis.listNamespaces, {}, repeatable)).namespaces
  }

  /** Resolves with the owners there are then. */
  async alterNamespace(name: string, options: AlterNamespaceOptions): Promise<string[]> {
    const { addOwners = [], removeOwners = [], topicConfigs = {} } = options
    const request = {
      name,
      addOwners: [...addOwners],
      removeOwners: [...removeOwners],
      topicConfigs: pairsOf(topicConfigs),
    }
    // The same change made twice is the same change.
    return (await this.#link.call(apis.alterNamespace, request, repeatable)).owners
  }

  /** Only an empty one goes. Resolves with how many entries of the access control list went with it. */
  async deleteNamespace(name: string): Promise<number> {
    return (await this.#link.call(apis.deleteNamespace, { name }, once)).deletedEntries
  }

  /** Of the built-in issuer. */
  issueToken(options: TokenOptions = {}): Promise<NewToken> {
    const request = { ...credential(options), lifetimeMs: options.lifetimeMs ?? null }
    return this.#link.call(apis.issueToken, request, once)
  }

  /** One token, or all that a user was issued until now; without either, the caller's. */
  async revokeTokens(
    which: { readonly tokenId: string } | { readonly principal?: string } = {},
  ): Promise<void> {
    const tokenId = 'tokenId' in which ? which.tokenId : null
    const principal = 'tokenId' in which ? null : (which.principal ?? null)
    await this.#link.call(apis.revokeToken, { tokenId, principal }, once)
  }

  /**
   * Resolves with the id of the key that signs from then on. Tokens signed before stay good until they expire; with
   * `overlapMs` 0, the only number there may be, they end at once, for everybody.
   */
  async rotateIssuerKey(options: { readonly overlapMs?: 0 } = {}): Promise<string> {
    const request = { overlapMs: options.overlapMs ?? null }
    return (await this.#link.call(apis.rotateIssuerKey, request, once)).keyId
  }
}

function credential({ principal, groups = [], roles = [], scope }: CredentialOptions) {
  return {
    principal: principal ?? null,
    groups: [...groups],
    roles: [...roles],
    scope: scope?.map(({ operations, resource }) => ({ operations: [...operations], resource })) ?? null,
  }
}

function pairsOf<V>(configs: Readonly<Record<string, V>>): { name: string; value: V }[] {
  return Object.entries(configs).map(([name, value]) => ({ name, value }))
}

/**
 * All rules in force: entries, owners of namespaces, administrators. Indexed by whom they are about, so that what one
 * principal may do is put together from its own rules only, however many there are, and a change costs the same
 * however many others there are about the same principal.
 *
 * `revision` grows with every change, and {@link Policy.revisionOf} says the last that was about one name: whoever
 * compiled something for a few names compiles again only when one of these has another.
 */
import type { AclEntry } from './entry.ts'
import { PrincipalRules } from './principal-rules.ts'
import { namespaceOfPattern } from './resource.ts'

export class Policy {
  /** Principals in text form that may do everything. */
  readonly administrators: ReadonlySet<string>
  readonly #entries = new Map<string, AclEntry>()
  readonly #entriesOf = new Map<string, Set<AclEntry>>()
  /** By the namespace they are about, or about what is in it. */
  readonly #entriesIn = new Map<string, Set<AclEntry>>()
  /** Of those who were asked about and have entries. */
  readonly #rulesOf = new Map<string, PrincipalRules>()
  readonly #owners = new Map<string, readonly string[]>()
  readonly #ownedBy = new Map<string, Set<string>>()
  /** Of every name about which there is something. */
  readonly #revisionOf = new Map<string, number>()
  readonly #onChange: () => void
  #revision = 0

  constructor(administrators: Iterable<string> = [], onChange: () => void = () => {}) {
    this.administrators = new Set(administrators)
    this.#onChange = onChange
  }

  get revision(): number {
    return this.#revision
  }

  /** Of the last change of what is written about exactly this principal; 0: nothing is. Never the same twice. */
  revisionOf(principal: string): number {
    return this.#revisionOf.get(principal) ?? 0
  }

  get entryCount(): number {
    return this.#entries.size
  }

  /** Adds the entry or takes it in place of the one with its id. */
  putEntry(entry: AclEntry): void {
    const former = this.#forget(entry.id)
    this.#entries.set(entry.id, entry)
    include(this.#entriesOf, entry.principal, entry)
    const namespace = namespaceOfPattern(entry.resource)
    if (namespace !== undefined) include(this.#entriesIn, namespace, entry)
    this.#rulesOf.get(entry.principal)?.add(entry)
    this.#changed(former ? [former.principal, entry.principal] : [entry.principal])
  }

  removeEntry(id: string): void {
    const former = this.#forget(id)
    if (former) this.#changed([former.principal])
  }

  /** @param owners in text form */
  putNamespace(name: string, owners: readonly string[]): void {
    const former = this.#disown(name)
    this.#owners.set(name, owners)
    for (const owner of owners) include(this.#ownedBy, owner, name)
    this.#changed([...former, ...owners])
  }

  removeNamespace(name: string): void {
    if (this.#owners.has(name)) this.#changed(this.#disown(name))
  }

  entry(id: string): AclEntry | undefined {
    return this.#entries.get(id)
  }

  entries(): Iterable<AclEntry> {
    return this.#entries.values()
  }

  /** What is written about exactly this principal. */
  entriesOf(principal: string): Iterable<AclEntry> {
    return this.#entriesOf.get(principal) ?? []
  }

  /** What is written about exactly this namespace or what is in it and nothing else. */
  entriesIn(namespace: string): Iterable<AclEntry> {
    return this.#entriesIn.get(namespace) ?? []
  }

  /**
   * What is written about exactly one principal put together, as it is at that time; undefined: nothing is written about it. Whoever holds it sees every
   * change, and by the revision of the name that there was one.
   */
  rulesOf(principal: string, nowMs: number): PrincipalRules | undefined {
    const known = this.#rulesOf.get(principal)
    if (known) {
      if (known.moveTo(nowMs)) this.#revised([principal])
      return known
    }
    const entries = this.#entriesOf.get(principal)
    if (!entries) return undefined
    const rules = new PrincipalRules(entries, nowMs)
    this.#rulesOf.set(principal, rules)
    return rules
  }

  /** The namespaces of which exactly this principal is an owner. */
  namespacesOf(principal: string): Iterable<string> {
    return this.#ownedBy.get(principal) ?? []
  }

  #changed(principals: readonly string[]): void {
    this.#revised(principals)
    this.#onChange()
  }

  #revised(principals: readonly string[]): void {
    this.#revision++
    for (const principal of principals) {
      const isAnything = this.#entriesOf.has(principal) || this.#ownedBy.has(principal)
      if (isAnything) this.#revisionOf.set(principal, this.#revision)
      else this.#revisionOf.delete(principal)
      if (!this.#entriesOf.has(principal)) this.#rulesOf.delete(principal)
    }
  }

  #forget(id: string): AclEntry | undefined {
    const entry = this.#entries.get(id)
    if (!entry) return undefined
    this.#entries.delete(id)
    exclude(this.#entriesOf, entry.principal, entry)
    const namespace = namespaceOfPattern(entry.resource)
    if (namespace !== undefined) exclude(this.#entriesIn, namespace, entry)
    this.#rulesOf.get(entry.principal)?.remove(entry)
    return entry
  }

  /** Who owned it. */
  #disown(name: string): readonly string[] {
    const owners = this.#owners.get(name) ?? []
    for (const owner of owners) exclude(this.#ownedBy, owner, name)
    this.#owners.delete(name)
    return owners
  }
}

function include<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const values = index.get(key)
  if (values) values.add(value)
  else index.set(key, new Set([value]))
}

function exclude<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const values = index.get(key)
  values?.delete(value)
  if (values?.size === 0) index.delete(key)
}

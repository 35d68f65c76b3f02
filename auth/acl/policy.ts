/**
 * All rules in force: entries, owners of namespaces, administrators. Indexed by whom they are about, so that what one
 * principal may do is put together from its own rules only, however many there are, and put together anew only when
 * one of these changes.
 *
 * `revision` grows with every change; whoever compiled something from an older one compiles again. The entries
 * and lists in it never change.
 */
import type { AclEntry } from './entry.ts'
import { PrincipalRules } from './principal-rules.ts'

export class Policy {
  /** Principals in text form that may do everything. */
  readonly administrators: ReadonlySet<string>
  readonly #entries = new Map<string, AclEntry>()
  readonly #entriesOf = new Map<string, Set<AclEntry>>()
  /** Of those who were asked about and have entries; forgotten when these change. */
  readonly #rulesOf = new Map<string, PrincipalRules>()
  readonly #owners = new Map<string, readonly string[]>()
  readonly #ownedBy = new Map<string, Set<string>>()
  readonly #onChange: () => void
  #revision = 0

  constructor(administrators: Iterable<string> = [], onChange: () => void = () => {}) {
    this.administrators = new Set(administrators)
    this.#onChange = onChange
  }

  get revision(): number {
    return this.#revision
  }

  get entryCount(): number {
    return this.#entries.size
  }

  /** Adds the entry or takes it in place of the one with its id. */
  putEntry(entry: AclEntry): void {
    this.#forget(entry.id)
    this.#entries.set(entry.id, entry)
    include(this.#entriesOf, entry.principal, entry)
    this.#rulesOf.delete(entry.principal)
    this.#changed()
  }

  removeEntry(id: string): void {
    if (this.#forget(id)) this.#changed()
  }

  /** @param owners in text form */
  putNamespace(name: string, owners: readonly string[]): void {
    this.#disown(name)
    this.#owners.set(name, owners)
    for (const owner of owners) include(this.#ownedBy, owner, name)
    this.#changed()
  }

  removeNamespace(name: string): void {
    if (!this.#owners.has(name)) return
    this.#disown(name)
    this.#changed()
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

  /** The same put together, without what has expired; undefined: nothing is written about it. */
  rulesOf(principal: string, nowMs: number): PrincipalRules | undefined {
    const known = this.#rulesOf.get(principal)
    if (known?.isValidAt(nowMs)) return known
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

  #changed(): void {
    this.#revision++
    this.#onChange()
  }

  #forget(id: string): boolean {
    const entry = this.#entries.get(id)
    if (!entry) return false
    this.#entries.delete(id)
    exclude(this.#entriesOf, entry.principal, entry)
    this.#rulesOf.delete(entry.principal)
    return true
  }

  #disown(name: string): void {
    for (const owner of this.#owners.get(name) ?? []) exclude(this.#ownedBy, owner, name)
    this.#owners.delete(name)
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

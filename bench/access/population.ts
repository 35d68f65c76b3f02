/**
 * The people of a large site and the rules about them: for each principal ten entries of the access control list, most
 * of them about the user, a fifth about groups, and every user in four groups. What all may use they may by a group
 * and a prefix, so that the longest way to a decision is the one that is measured.
 */
import type { Admin, NewAclEntry } from '../../client/index.ts'

/** Where all may produce and consume, by their groups. */
export const SHARED = 'bench'
/** Where nobody may do more than describe. */
export const CLOSED = 'closed'

const PRINCIPALS_PER_GROUP = 20
const ENTRIES_PER_GROUP = 40
const ENTRIES_PER_USER = 8
const GROUPS_PER_USER = 4
/** Of entries in one request. */
const AT_ONCE = 500
/** Of requests for credentials. */
const CREDENTIALS_AT_ONCE = 100

export interface Member {
  /** Without `user:`. */
  readonly principal: string
  readonly groups: readonly string[]
}

export interface KeyHolder extends Member {
  readonly keyId: string
  readonly token: string
}

const groupName = (index: number) => `group-${index}`

/** @param count a multiple of 20 */
export function membersOf(count: number): Member[] {
  const groups = count / PRINCIPALS_PER_GROUP
  return Array.from({ length: count }, (_, i) => ({
    principal: `user-${i}`,
    groups: [...new Set(Array.from({ length: GROUPS_PER_USER }, (_, k) => groupName((i + k) % groups)))],
  }))
}

/** Under which this user may produce. */
export function producerNameOf({ principal }: Member): string {
  return `${SHARED}.${principal}.producer`
}

/** Ten for each principal, none twice. */
export function entriesOf(members: readonly Member[]): NewAclEntry[] {
  const groups = members.length / PRINCIPALS_PER_GROUP
  return [
    ...members.flatMap(({ principal }) => entriesOfUser(principal)),
    ...Array.from({ length: groups }, (_, i) => entriesOfGroup(groupName(i))).flat(),
  ]
}

function entriesOfUser(name: string): NewAclEntry[] {
  const principal = `user:${name}`
  const own = `${SHARED}.${name}.`
  const entries: NewAclEntry[] = [
    { principal, resource: `topic:${own}*`, operations: ['read', 'write', 'create', 'alter', 'delete'] },
    { principal, resource: `producer:${own}*`, operations: ['write'] },
    { principal, resource: `group:${own}*`, operations: ['read'] },
    { principal, resource: `topic:${own}sealed-*`, operations: ['write'], effect: 'deny' },
  ]
  while (entries.length < ENTRIES_PER_USER)
    entries.push({
      principal,
      resource: `topic:${SHARED}.shared-with-${name}-${entries.length}`,
      operations: ['read'],
    })
  return entries
}

function entriesOfGroup(name: string): NewAclEntry[] {
  const principal = `group:${name}`
  const entries: NewAclEntry[] = [
    { principal, resource: `topic:${SHARED}.*`, operations: ['read', 'write'] },
    { principal, resource: `topic:${SHARED}.sealed.*`, operations: ['write'], effect: 'deny' },
  ]
  while (entries.length < ENTRIES_PER_GROUP) {
    const run = entries.length
    const resource = run % 2 === 0 ? `topic:${SHARED}.${name}.run-${run}.*` : `topic:${SHARED}.${name}-${run}`
    entries.push({ principal, resource, operations: ['read'] })
  }
  return entries
}

/** Tells the broker all of them. */
export async function putEntries(admin: Admin, entries: readonly NewAclEntry[]): Promise<void> {
  for (let i = 0; i < entries.length; i += AT_ONCE) await admin.createAcls(entries.slice(i, i + AT_ONCE))
}

export function makeKeys(admin: Admin, members: readonly Member[]): Promise<KeyHolder[]> {
  return eachOf(members, async (member) => {
    const { keyId, key } = await admin.createKey({ ...member, name: 'bench' })
    return { ...member, keyId, token: key }
  })
}

/** Tokens of the broker's own issuer, EdDSA. */
export function makeTokens(admin: Admin, members: readonly Member[]): Promise<string[]> {
  return eachOf(members, async (member) => (await admin.issueToken(member)).token)
}

export async function eachOf<T, R>(items: readonly T[], make: (item: T) => Promise<R>): Promise<R[]> {
  const made: R[] = []
  for (let i = 0; i < items.length; i += CREDENTIALS_AT_ONCE)
    made.push(...(await Promise.all(items.slice(i, i + CREDENTIALS_AT_ONCE).map(make))))
  return made
}

/**
 * Who somebody is: a name, and the groups and roles it comes with. And the one text form in which access
 * entries name those: `user:ID`, `group:ID`, `role:ID`, `authenticated` (everybody with a credential) and
 * `anonymous` (nobody else: a connection with a credential never matches it).
 */
import { unshowableProblem } from './showable-text.ts'

export interface Principal {
  /** The ID without its kind, such as `alice@uni.edu`; `anonymous` for who showed no credential. */
  readonly name: string
  readonly isAnonymous: boolean
  /** IDs without their kind. */
  readonly groups: readonly string[]
  readonly roles: readonly string[]
}

/** What may be named in an access entry. The ID is empty for the two kinds that need none. */
export interface PrincipalName {
  readonly kind: 'user' | 'group' | 'role' | 'authenticated' | 'anonymous'
  readonly id: string
}

/** The user that holds the key of the first start. No foreign issuer may name it. */
export const ADMINISTRATOR_NAME = 'admin'
/** Who has this role may do everything. It is given by this node's keys and tokens only. */
export const ADMINISTRATOR_ROLE = 'admin'

export const PRINCIPAL_ID_CHARACTERS_MAX = 256

export const anonymousPrincipal: Principal = {
  name: 'anonymous',
  isAnonymous: true,
  groups: [],
  roles: [],
}

/** What is wrong with an ID, to be read behind it; undefined where nothing is. */
export function principalIdProblem(id: string): string | undefined {
  if (id === '') return 'is empty'
  if (id.length > PRINCIPAL_ID_CHARACTERS_MAX)
    return `has ${id.length} characters, at most ${PRINCIPAL_ID_CHARACTERS_MAX} are allowed`
  if (id.trim() !== id) return 'begins or ends with white space'
  return unshowableProblem(id)
}

/**
 * What is wrong with an ID that stands where its kind is known, to be read behind it: of what principalIdProblem takes,
 * what people write who mean something else. It would be the name of nobody, and what is done about it would do nothing.
 */
export function bareIdProblem(id: string): string | undefined {
  const kind = kindBefore(id)
  if (kind !== undefined)
    return `begins with its kind, which stands not here: write ${id.slice(kind.length + 1)}`
  return id === '*' ? STAR : principalIdProblem(id)
}

/** The kind that stands before what looks like an ID and is a whole name. */
export function kindBefore(id: string): PrincipalName['kind'] | undefined {
  return (['user', 'group', 'role'] as const).find((kind) => id.startsWith(`${kind}:`))
}

const STAR =
  'stands for nobody: there is no pattern for principals; everybody with a credential is "authenticated"'

/** As {@link parsePrincipalName}, for what people write now: a star is nobody's ID. */
export function parseWrittenPrincipal(text: string): PrincipalName | { readonly problem: string } {
  const parsed = parsePrincipalName(text)
  return 'id' in parsed && parsed.id === '*' ? { problem: STAR } : parsed
}

/** Takes the text form apart, or says what is wrong with it, to be read behind the text. */
export function parsePrincipalName(text: string): PrincipalName | { readonly problem: string } {
  if (text === 'authenticated' || text === 'anonymous') return { kind: text, id: '' }
  const colon = text.indexOf(':')
  const kind = text.slice(0, Math.max(0, colon))
  if (kind !== 'user' && kind !== 'group' && kind !== 'role')
    return { problem: 'names nobody; write user:ID, group:ID, role:ID, authenticated or anonymous' }
  const id = text.slice(colon + 1)
  const problem = principalIdProblem(id)
  return problem === undefined ? { kind, id } : { problem: `has an ID that ${problem}` }
}

export function formatPrincipalName({ kind, id }: PrincipalName): string {
  return kind === 'authenticated' || kind === 'anonymous' ? kind : `${kind}:${id}`
}

/** Every name under which access entries find this principal, in text form. */
export function namesOf({ name, isAnonymous, groups, roles }: Principal): string[] {
  if (isAnonymous) return ['anonymous']
  return [
    `user:${name}`,
    ...groups.map((group) => `group:${group}`),
    ...roles.map((role) => `role:${role}`),
    'authenticated',
  ]
}

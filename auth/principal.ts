/**
 * Who somebody is: a name, and the groups and roles it comes with. And the one text form in which access
 * entries name those: `user:ID`, `group:ID`, `role:ID`, `authenticated` (everybody with a credential) and
 * `anonymous` (nobody else: a connection with a credential never matches it).
 */

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

/**
 * Control characters, lone surrogates, separators of lines, and marks that turn the direction of writing:
 * with them a name could look like another one, or break a line of a log.
 */
const FOREIGN_CHARACTER = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u

/** What is wrong with an ID, to be read behind it; undefined where nothing is. */
export function principalIdProblem(id: string): string | undefined {
  if (id === '') return 'is empty'
  if (id.length > PRINCIPAL_ID_CHARACTERS_MAX)
    return `has ${id.length} characters, at most ${PRINCIPAL_ID_CHARACTERS_MAX} are allowed`
  if (id.trim() !== id) return 'begins or ends with white space'
  const foreign = FOREIGN_CHARACTER.exec(id)
  if (!foreign) return undefined
  const code = (foreign[0].codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')
  return `has the character U+${code} at ${foreign.index}, which cannot be shown`
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

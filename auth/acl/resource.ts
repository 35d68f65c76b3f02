/**
 * What a right is about: one resource, or all whose names begin alike. One text form for both:
 *
 *     cluster   namespace:lab   topic:lab.readings   topic:lab.*   topic:*   group:lab.night-shift
 *     producer:lab.detector-7   transactional-id:lab.transfer
 *
 * The star stands only at the end and is no wildcard inside names: `topic:lab.*` are the topics whose names begin
 * with `lab.`. There is one cluster, so it has no name. All but cluster and namespaces have
 * qualified names (`auth/acl/qualified-name.ts`).
 */
import {
  NAME_CHARACTERS_MAX,
  namespaceOf,
  parseQualifiedName,
  problemOfNamespace,
  quoteName,
} from './qualified-name.ts'

export const resourceTypes = [
  'cluster',
  'namespace',
  'topic',
  'group',
  'producer',
  'transactional-id',
] as const
export type ResourceType = (typeof resourceTypes)[number]

export interface ResourcePattern {
  readonly type: ResourceType
  /** `prefix`: what the names begin with, '' for all of the type. Of the cluster: ''. */
  readonly name: string
  readonly match: 'literal' | 'prefix'
}

export const CLUSTER: ResourcePattern = { type: 'cluster', name: '', match: 'literal' }

/** Takes the text form, or says what is wrong with it, to be read behind the text. */
export function parseResourcePattern(text: string): ResourcePattern | { readonly problem: string } {
  if (text === 'cluster') return CLUSTER
  const colon = text.indexOf(':')
  const type = text.slice(0, colon)
  if (colon < 0 || !isNamedType(type))
    return {
      problem: `is none of: cluster, ${namedTypes.map((named) => `${named}:NAME`).join(', ')}`,
    }
  const given = text.slice(colon + 1)
  const star = given.indexOf('*')
  if (star >= 0 && star !== given.length - 1)
    return { problem: 'has a * before its end; it stands only at the end, for all names that begin so' }
  const [match, name] = star < 0 ? (['literal', given] as const) : (['prefix', given.slice(0, -1)] as const)
  const problem = match === 'literal' ? problemOfName(type, name) : problemOfPrefix(type, name)
  return problem === undefined
    ? { type, name, match }
    : { problem: `names nothing: ${quoteName(name)} ${problem}` }
}

export function formatResourcePattern({ type, name, match }: ResourcePattern): string {
  if (type === 'cluster') return type
  return `${type}:${name}${match === 'prefix' ? '*' : ''}`
}

/** Whether the pattern is about this resource. */
export function matchesName(pattern: ResourcePattern, type: ResourceType, name: string): boolean {
  if (pattern.type !== type) return false
  return pattern.match === 'prefix' ? name.startsWith(pattern.name) : name === pattern.name
}

/** Whether everything that `narrower` is about `wider` is about, too. */
export function coversPattern(wider: ResourcePattern, narrower: ResourcePattern): boolean {
  if (narrower.match === 'literal') return matchesName(wider, narrower.type, narrower.name)
  return wider.match === 'prefix' && wider.type === narrower.type && narrower.name.startsWith(wider.name)
}

/** Whether there can be something that both are about. */
export function meetsPattern(one: ResourcePattern, other: ResourcePattern): boolean {
  return coversPattern(one, other) || coversPattern(other, one)
}

/** The namespace that everything the pattern is about is in, or which it is; undefined: there may be several. */
export function namespaceOfPattern({ type, name, match }: ResourcePattern): string | undefined {
  if (type === 'cluster') return undefined
  if (type === 'namespace') return match === 'literal' ? name : undefined
  return match === 'literal' || name.includes('.') ? namespaceOf(name) : undefined
}

const namedTypes = resourceTypes.filter((type) => type !== 'cluster')

function isNamedType(text: string): text is ResourceType {
  return (namedTypes as readonly string[]).includes(text)
}

function problemOfName(type: ResourceType, name: string): string | undefined {
  if (type === 'namespace') return problemOfNamespace(name)
  const parsed = parseQualifiedName(name)
  return 'problem' in parsed ? parsed.problem : undefined
}

/** A prefix that no name can begin with is a mistake of whoever wrote it. */
function problemOfPrefix(type: ResourceType, prefix: string): string | undefined {
  if (prefix === '') return undefined
  if (prefix.length >= NAME_CHARACTERS_MAX)
    return `has ${prefix.length} characters, a name has at most ${NAME_CHARACTERS_MAX}`
  return problemOfName(type, type === 'namespace' ? prefix : `${prefix}x`)
}

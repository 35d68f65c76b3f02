/**
 * Names of what lives in a namespace, topics, groups and producers alike: `namespace.name` in Kafka's characters, 1
 * to 249 of them. A name without a dot is in the namespace `default`, and that is its only spelling, so
 * that one thing never has two names.
 */

export const DEFAULT_NAMESPACE = 'default'
export const NAME_CHARACTERS_MAX = 249

export interface QualifiedName {
  /** Up to the first dot. */
  readonly namespace: string
  /** What follows the first dot; may hold further dots. */
  readonly local: string
}

/** Takes a name apart, or says what is wrong with it, to be read behind the name. */
export function parseQualifiedName(name: string): QualifiedName | { readonly problem: string } {
  if (name === '') return { problem: 'is empty' }
  if (name.length > NAME_CHARACTERS_MAX)
    return { problem: `has ${name.length} characters, at most ${NAME_CHARACTERS_MAX} are allowed` }
  const foreign = /[^a-zA-Z0-9._-]/u.exec(name)
  if (foreign)
    return {
      problem: `has ${JSON.stringify(foreign[0])} at ${foreign.index}, allowed are a-z A-Z 0-9 . _ -`,
    }
  const dot = name.indexOf('.')
  const namespace = dot < 0 ? DEFAULT_NAMESPACE : name.slice(0, dot)
  const local = dot < 0 ? name : name.slice(dot + 1)
  if (namespace === '') return { problem: 'has nothing before its first dot, where the namespace belongs' }
  if (local === '')
    return { problem: 'has nothing after its first dot, where the name in the namespace belongs' }
  if (dot > 0 && namespace === DEFAULT_NAMESPACE)
    return { problem: `spells out the namespace ${DEFAULT_NAMESPACE}; write ${JSON.stringify(local)}` }
  return { namespace, local }
}

/**
 * The namespace of what may or may not be a name: up to its first dot, `default` without one. Total and cheap:
 * the hot path asks it of names that were checked before.
 */
export function namespaceOf(name: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? DEFAULT_NAMESPACE : name.slice(0, dot)
}

/** What the names of a broker's own topics begin with, or those of their namespace. */
export const INTERNAL_PREFIX = '__'

/** Whether a topic of that name is the broker's own. */
export function isInternalName(name: string): boolean {
  return name.startsWith(INTERNAL_PREFIX) || name.startsWith(INTERNAL_PREFIX, name.indexOf('.') + 1)
}

/** What is wrong with the name of a namespace, to be read behind it; undefined: nothing. */
export function problemOfNamespace(name: string): string | undefined {
  const parsed = parseQualifiedName(`${name}.x`)
  if (name === DEFAULT_NAMESPACE) return undefined
  if ('problem' in parsed) return name === '' ? 'is empty' : parsed.problem
  return name.includes('.') ? 'has a dot, which ends the name of a namespace' : undefined
}

/** A name as an error message shows it: quoted, and cut where it is long. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)
}

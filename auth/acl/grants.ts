/**
 * What people give each other, in one word:
 *
 * - `read`: a topic is read, a group is joined and its offsets are committed. Of topics and groups; each is given apart.
 * - `write`: events are sent to a topic, a producer's name or transactional id is used. Each is given apart.
 * - `manage`: everything, and it may be given on, except what only owners may: to deny, and to name owners.
 */
import type { Operation } from './operation.ts'
import { DEFAULT_NAMESPACE } from './qualified-name.ts'
import { formatResourcePattern, type ResourcePattern, type ResourceType } from './resource.ts'

export const presets = ['read', 'write', 'manage'] as const
export type Preset = (typeof presets)[number]

const MANAGE: readonly Operation[] = ['read', 'write', 'create', 'alter', 'delete', 'grant']

const readable: readonly ResourceType[] = ['topic', 'group']
const writable: readonly ResourceType[] = ['topic', 'producer', 'transactional-id']

/** The operations a preset stands for on resources of a type, or why it makes no sense there. */
export function operationsOfPreset(
  preset: Preset,
  type: ResourceType,
): readonly Operation[] | { readonly problem: string } {
  if (preset === 'manage') return MANAGE.filter((operation) => !isMeaningless(operation, type))
  const fitting = preset === 'read' ? readable : writable
  return fitting.includes(type)
    ? [preset]
    : { problem: `${preset} is given on: ${fitting.join(', ')}; not on a ${type}` }
}

/** Events and offsets are read and written, and nothing else is: elsewhere the two words give and deny nothing. */
function isMeaningless(operation: Operation, type: ResourceType): boolean {
  if (operation === 'read') return !readable.includes(type)
  return operation === 'write' && !writable.includes(type)
}

/** Why a rule would do nothing, and what would be meant; undefined: each of its operations means something. */
export function meaninglessProblem(
  operations: readonly Operation[],
  resource: ResourcePattern,
): string | undefined {
  const { type, name, match } = resource
  const operation = operations.find((operation) => isMeaningless(operation, type))
  if (operation === undefined) return undefined
  const fitting = operation === 'read' ? readable : writable
  const isOne = type === 'namespace' && match === 'literal' && name !== DEFAULT_NAMESPACE
  const meant = isOne ? `; all topics in it are topic:${name}.*` : ''
  return `${operation} means nothing on ${formatResourcePattern(resource)}: it is of ${fitting.join(', ')}${meant}`
}

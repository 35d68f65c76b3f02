/**
 * Topic names: `namespace.name` in Kafka's characters, 1 to 249 of them. A name without a dot is in the
 * namespace `default`, and that is its only spelling, so that one topic never has two names. What begins
 * with `__` belongs to the broker.
 */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'

const DEFAULT_NAMESPACE = 'default'
const NAME_CHARACTERS_MAX = 249
const INTERNAL_PREFIX = '__'

export interface TopicName {
  /** Up to the first dot. */
  readonly namespace: string
  /** What follows the first dot; may hold further dots. */
  readonly local: string
  readonly isInternal: boolean
}

/** Takes a name apart; throws {@link ProtocolError} INVALID_TOPIC_EXCEPTION that says what is wrong with it. */
export function parseTopicName(name: string): TopicName {
  if (name === '') refuse(name, 'is empty')
  if (name.length > NAME_CHARACTERS_MAX)
    refuse(name, `has ${name.length} characters, at most ${NAME_CHARACTERS_MAX} are allowed`)
  const foreign = /[^a-zA-Z0-9._-]/u.exec(name)
  if (foreign)
    refuse(name, `has ${JSON.stringify(foreign[0])} at ${foreign.index}, allowed are a-z A-Z 0-9 . _ -`)
  const dot = name.indexOf('.')
  const namespace = dot < 0 ? DEFAULT_NAMESPACE : name.slice(0, dot)
  const local = dot < 0 ? name : name.slice(dot + 1)
  if (namespace === '') refuse(name, 'has nothing before its first dot, where the namespace belongs')
  if (local === '') refuse(name, 'has nothing after its first dot, where the name in the namespace belongs')
  if (dot > 0 && namespace === DEFAULT_NAMESPACE)
    refuse(name, `spells out the namespace ${DEFAULT_NAMESPACE}; write ${JSON.stringify(local)}`)
  return {
    namespace,
    local,
    isInternal: namespace.startsWith(INTERNAL_PREFIX) || local.startsWith(INTERNAL_PREFIX),
  }
}

/** As {@link parseTopicName}, and refuses the names that are the broker's own. */
export function parseUserTopicName(name: string): TopicName {
  const parsed = parseTopicName(name)
  if (parsed.isInternal)
    refuse(name, `begins with ${INTERNAL_PREFIX}, which is reserved for topics of the broker itself`)
  return parsed
}

function refuse(name: string, what: string): never {
  const shown = name.length > 80 ? `${name.slice(0, 80)}…` : name
  throw new ProtocolError(ErrorCode.INVALID_TOPIC_EXCEPTION, `topic name ${JSON.stringify(shown)} ${what}`)
}

/**
 * Topic names are qualified names (`auth/acl/qualified-name.ts`). What begins with `__` belongs to the broker.
 */

import {
  INTERNAL_PREFIX,
  isInternalName,
  parseQualifiedName,
  type QualifiedName,
  quoteName,
} from '../../auth/acl/qualified-name.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'

export { INTERNAL_PREFIX }

export interface TopicName extends QualifiedName {
  readonly isInternal: boolean
}

/** Takes a name apart; throws {@link ProtocolError} INVALID_TOPIC_EXCEPTION that says what is wrong with it. */
export function parseTopicName(name: string): TopicName {
  const parsed = parseQualifiedName(name)
  if ('problem' in parsed) refuse(name, parsed.problem)
  const { namespace, local } = parsed
  return { namespace, local, isInternal: isInternalName(name) }
}

/** As {@link parseTopicName}, and refuses the names that are the broker's own. */
export function parseUserTopicName(name: string): TopicName {
  const parsed = parseTopicName(name)
  if (parsed.isInternal)
    refuse(name, `begins with ${INTERNAL_PREFIX}, which is reserved for topics of the broker itself`)
  return parsed
}

function refuse(name: string, what: string): never {
  throw new ProtocolError(ErrorCode.INVALID_TOPIC_EXCEPTION, `topic name ${quoteName(name)} ${what}`)
}

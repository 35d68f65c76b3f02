/**
 * Whose the sequences of a producer are: nobody else may go on with them.
 */
import { bitOf } from '../../auth/acl/operation.ts'
import { ErrorCode } from '../../client/protocol/errors.ts'
import { notAuthorized, notTheirs, ownerOf } from '../handlers/authorization.ts'
import type { RequestSession } from '../handlers/context.ts'
import type { PartitionError } from '../handlers/partition-error.ts'
import type { NamelessOwners } from '../producers/nameless-owners.ts'
import { hasName } from '../producers/producer-ids.ts'

const DESCRIBE = bitOf('describe')
const WRITE = bitOf('write')

export interface SequenceOwners {
  readonly producerNameOf: (producerId: number) => string | undefined
  readonly nameless: Pick<NamelessOwners, 'ownerOf'>
}

/** Why the caller may not send a batch with this producer id; undefined: he may. */
export function sequenceRefusal(
  { producerNameOf, nameless }: SequenceOwners,
  producerId: number,
  session: RequestSession,
): PartitionError | undefined {
  if (producerId < 0) return undefined
  if (!hasName(producerId)) {
    if (nameless.ownerOf(producerId) === ownerOf(session)) return undefined
    const { code, message } = notTheirs(producerId)
    return { error: code, message }
  }
  const name = producerNameOf(producerId)
  // The log knows what to say of a name that has gone.
  if (name === undefined) return undefined
  const bits = session.bitsOnProducer(name)
  if ((bits & WRITE) !== 0) return undefined
  if ((bits & DESCRIBE) === 0)
    return {
      error: ErrorCode.UNKNOWN_PRODUCER_ID,
      message: `the name of producer ${producerId} has expired`,
    }
  const { code, message } = notAuthorized(session, 'write', 'producer', name)
  return { error: code, message }
}

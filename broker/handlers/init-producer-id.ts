/**
 * Init producer id: an id and an epoch for an idempotent producer. With a name the registry keeps them; an id
 * without a name and its epochs are the producer's own to keep, and only whose it is is stored. Who has no right at
 * all may have an id: it is of no use without a topic to write to, and nobody's but his. A new epoch is for the owner
 * of the id alone, and there is none of an id that was not given out.
 */
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { InitProducerIdRequest } from '../../client/protocol/messages/init-producer-id.ts'
import { hasName, type ProducerIds } from '../producers/producer-ids.ts'
import type { GivenProducer, ProducerRegistry } from '../producers/producer-registry.ts'
import { notAuthorized, notTheirs, ownerOf } from './authorization.ts'
import type { Handler } from './handlers.ts'

export interface InitProducerIdDependencies {
  readonly registry: Pick<ProducerRegistry, 'claim' | 'renew'>
  readonly ids: ProducerIds
}

export function initProducerIdHandler(dependencies: InitProducerIdDependencies): Handler<'initProducerId'> {
  const { registry } = dependencies
  return async (request, { session }) => {
    const { producerName, producerId, producerEpoch } = request
    if (producerName === null) return nameless(request, ownerOf(session), dependencies)
    // Whether somebody has the name is not looked at: there is nothing to be learned about names of others.
    if (!session.allows('write', 'producer', producerName))
      throw notAuthorized(session, 'write', 'producer', producerName)
    if (producerId === -1 && producerEpoch === -1) return registry.claim(producerName)
    if (producerId < 0 || producerEpoch < 0)
      refuse(
        `producerId is ${producerId} and producerEpoch ${producerEpoch}; with a name both must be -1, or both what the producer has`,
      )
    return registry.claim(producerName, { producerId, producerEpoch })
  }
}

async function nameless(
  { producerId, producerEpoch }: InitProducerIdRequest,
  owner: string,
  { registry, ids }: InitProducerIdDependencies,
): Promise<GivenProducer> {
  if (producerId < -1)
    refuse(`producerId is ${producerId}; it must be an id given before, or -1 for a new one`)
  const isNew = producerId === -1
  if (isNew ? producerEpoch !== -1 : producerEpoch < 0)
    refuse(
      `producerEpoch is ${producerEpoch}; it must be ${isNew ? '-1, since a new id is asked for' : '0 or more, the epoch the producer has'}`,
    )
  if (hasName(producerId)) refuse(`producer ${producerId} has a name; its next epoch is had by that name`)
  if (isNew) return { producerId: await ids.giveNameless(owner), producerEpoch: 0 }
  if (ids.owners.ownerOf(producerId) !== owner) throw notTheirs(producerId)
  return registry.renew({ producerId, producerEpoch }, owner)
}

function refuse(sentence: string): never {
  throw new ProtocolError(ErrorCode.INVALID_REQUEST, sentence)
}

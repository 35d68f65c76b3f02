/** Init producer id: what an idempotent producer stamps into its batches; a name keeps it across restarts. */
import { field, int16, int53, nullable, struct, type TypeOf } from '../schema.ts'
import { name } from './recurring-fields.ts'

export const initProducerIdRequest = struct('InitProducerIdRequest', {
  producerName: field(
    nullable(name),
    'Name that keeps its id for ever after, in the characters of topic names: the newest who asks for it fences all before; null: no name.',
  ),
  producerId: field(
    int53,
    'The id the producer has and wants a new epoch of; -1: it has none. With a name: refused with INVALID_PRODUCER_EPOCH when another producer has claimed the name since. Without: refused with UNKNOWN_PRODUCER_ID when it is not the caller’s.',
  ),
  producerEpoch: field(int16, 'The epoch the producer has; -1: none.'),
})

export const initProducerIdResponse = struct('InitProducerIdResponse', {
  producerId: field(int53, 'Id to stamp into every batch.'),
  producerEpoch: field(
    int16,
    'Epoch to stamp into every batch. A new epoch of a producer without a name begins at sequence 0 in every partition; that of a named one goes on where the partition stands.',
  ),
})

export type InitProducerIdRequest = TypeOf<typeof initProducerIdRequest>
export type InitProducerIdResponse = TypeOf<typeof initProducerIdResponse>

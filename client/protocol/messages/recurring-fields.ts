/** Fields that mean the same in whatever message they stand. */
import { field, int32, nullable, text, topicId as topicIdType, uint31 } from '../schema.ts'

/** Names of topics, clients, configs, racks: what Kafka allows. */
export const name = text(249)

export const topicId = field(topicIdType, 'Id of the topic, given to it when it was created.')

export const partition = field(int32, 'Number of the partition within its topic, from 0.')

export const error = field(int32, 'Error code of this entry alone; 0: none.')

export const message = field(
  nullable(text()),
  'What exactly was wrong; null: nothing, or no more than the sentence of the error table.',
)

/** In a request. */
export const believedLeaderEpoch = field(
  int32,
  'Leader epoch the client believes in: an older one is answered with FENCED_LEADER_EPOCH, a newer one with UNKNOWN_LEADER_EPOCH; -1: not checked.',
)

/** In an answer. */
export const leaderEpoch = field(int32, 'Leader epoch of the partition; -1: unknown.')

export const timeoutMs = field(uint31, 'Longest time the server may work on the request, in ms.')

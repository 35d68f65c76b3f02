/**
 * What has to be done with a record batch before it is appended, decided by its codec and the configs of its topic.
 * Pure. The broker's time is not part of it: it is stamped with the offset, since it touches no record.
 *
 * | batch        | `compression.type` of the topic  | plan                                                  |
 * | ------------ | -------------------------------- | ----------------------------------------------------- |
 * | uncompressed | `producer`, `uncompressed`       | `keep`: checked where it lies, stored as it came      |
 * | compressed   | `producer`, or its own codec     | `check`: unpacked and looked into, stored as it came  |
 * | either       | any other                        | `rebuild`: looked into, stored as the topic has it    |
 *
 * As in Kafka the level of a topic is for what the broker compresses: a batch that has the codec already is not
 * compressed again because its producer chose another level.
 */
import type { CompressionName } from '../../storage/record/compression.ts'
import type { TopicConfig } from '../topics/topic-config.ts'

export type BatchPlan = 'keep' | 'check' | 'rebuild'

export function planOf(compression: CompressionName, wanted: TopicConfig['compression']): BatchPlan {
  if (wanted !== 'producer' && wanted !== compression) return 'rebuild'
  return compression === 'none' ? 'keep' : 'check'
}

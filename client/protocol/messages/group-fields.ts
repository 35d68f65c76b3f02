/** Fields that mean the same in whatever message about groups they stand. */
import { field, int32, int53, list, nullable, struct, text } from '../schema.ts'
import { name, partition, topicId } from './recurring-fields.ts'

export const groupId = field(
  name,
  'Name of the group, `namespace.name` in the characters of topic names; without a dot it is in the namespace `default`.',
)

/** Members choose their own ids, so that a join that is sent again is the same member. */
export const memberIdText = text(64)
export const memberId = field(
  memberIdText,
  'Id the member has chosen for itself, unique for ever: a random UUID.',
)

export const instanceId = field(
  nullable(name),
  'Name of a static member: whoever joins under it takes the place of the one before; null: none.',
)

const assignedTopic = struct('AssignedPartitions', {
  topicId,
  topic: field(name, 'Name of the topic.'),
  partitions: field(list(partition), 'Numbers of its partitions.'),
})
export const assignedPartitions = list(assignedTopic)

export const ownedPartitions = list(
  struct('OwnedPartitions', { topicId, partitions: field(list(partition), 'Numbers of its partitions.') }),
)

/** Characters of what a consumer may keep beside an offset. */
export const OFFSET_METADATA_CHARACTERS_MAX = 4_096

export const offset = field(int53, 'Offset of the next record to be read.')
export const offsetLeaderEpoch = field(int32, 'Leader epoch of the last record that was read; -1: unknown.')
export const offsetMetadata = field(
  text(),
  `What the consumer keeps beside the offset, up to ${OFFSET_METADATA_CHARACTERS_MAX} characters.`,
)
export const groupState = field(
  text(32),
  'One of: `empty`, no members; `assigning`, a new assignment is being made; `reconciling`, members are giving up and taking over partitions; `stable`.',
)

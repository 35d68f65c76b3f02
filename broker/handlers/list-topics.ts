/** List topics: every name, in order. */
import type { TopicTable } from '../topics/topic-table.ts'
import type { Handler } from './handlers.ts'

export function listTopicsHandler(topics: TopicTable): Handler<'listTopics'> {
  return async ({ includeInternal }) => ({
    topics: topics
      .list()
      .filter((topic) => includeInternal || !topic.isInternal)
      .map(({ name, topicId, isInternal, partitions }) => ({ name, topicId, isInternal, partitions })),
  })
}

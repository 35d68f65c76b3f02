/** List topics: every name the caller may see, in order. */
import type { TopicTable } from '../topics/topic-table.ts'
import { visibleTopics } from './authorization.ts'
import type { Handler } from './handlers.ts'

export function listTopicsHandler(topics: TopicTable): Handler<'listTopics'> {
  return async ({ includeInternal }, { session }) => ({
    topics: visibleTopics(session, topics)
      .filter((topic) => includeInternal || !topic.isInternal)
      .map(({ name, topicId, isInternal, partitions }) => ({ name, topicId, isInternal, partitions })),
  })
}

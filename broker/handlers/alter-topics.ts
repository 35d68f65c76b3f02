/** Alter topics: more partitions, other configs. Each succeeds or fails on its own. */
import type { TopicService } from '../topics/topic-service.ts'
import { topicRefusal } from './authorization.ts'
import type { Handler } from './handlers.ts'

export function alterTopicsHandler(service: TopicService): Handler<'alterTopics'> {
  return async ({ topics, validateOnly }, { session }) => ({
    topics: await service.alter(topics, validateOnly, (name) => topicRefusal(session, 'alter', name)),
  })
}

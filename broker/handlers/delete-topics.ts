/** Delete topics: answered when name and data are gone for good. Each succeeds or fails on its own. */
import type { TopicService } from '../topics/topic-service.ts'
import { topicRefusal, visibleTopic } from './authorization.ts'
import type { Handler } from './handlers.ts'

export function deleteTopicsHandler(service: TopicService): Handler<'deleteTopics'> {
  return async ({ topics }, { session }) => ({
    topics: await service.delete(topics, {
      isVisible: (topic) => visibleTopic(session, topic) !== undefined,
      refusal: (name) => topicRefusal(session, 'delete', name),
    }),
  })
}

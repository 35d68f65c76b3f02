/** Create topics: each succeeds or fails on its own, and is durable when it is answered. */
import type { TopicService } from '../topics/topic-service.ts'
import type { Handler } from './handlers.ts'

export function createTopicsHandler(service: TopicService): Handler<'createTopics'> {
  return async ({ topics, validateOnly }) => ({ topics: await service.create(topics, validateOnly) })
}

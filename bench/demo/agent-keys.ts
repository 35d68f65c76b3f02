/**
 * The credentials of the demo's agents: each is a user of its own, with an API key, that may write to the topics of
 * the demo under its own producer name, and no more.
 */
import { type Admin, connect, ErrorCode, ProtocolError } from '../../client/index.ts'
import { producerName } from './agent-messages.ts'
import { topics } from './events.ts'

/** Resolves with a key that is good at once. */
export async function agentKey(admin: Admin, agent: number): Promise<string> {
  const name = `demo-agent-${agent}`
  const writable = [...topics.map((topic) => `topic:${topic.name}`), `producer:${producerName(agent)}`]
  await admin.createAcls(
    writable.map((resource) => ({ principal: `user:${name}`, resource, operations: ['write'] })),
  )
  return (await admin.createKey({ principal: name, name: 'demo' })).key
}

/** Whether whoever has the key is told that he may not read what is stored. */
export async function isRefusedToRead(url: string, key: string): Promise<boolean> {
  const client = await connect({ url, clientName: 'demo-reader', token: key })
  try {
    const consumer = client.consumer({
      topics: topics.map(({ name }) => name),
      from: 'earliest',
      untilEnd: true,
    })
    for await (const _record of consumer) return false
    return false
  } catch (error) {
    if (error instanceof ProtocolError && error.code === ErrorCode.TOPIC_AUTHORIZATION_FAILED) return true
    throw error
  } finally {
    await client.close()
  }
}

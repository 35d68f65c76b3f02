/** Consumers of groups whose rights or credentials change while they read, against a real broker. */
import t from 'tap'
import { connect } from '../../../client/index.ts'
import { apis } from '../../../client/protocol/api.ts'
import type { ProtocolError } from '../../../client/protocol/errors.ts'
import { batchOf } from '../protocol-client.ts'
import { node } from './access-node.ts'

const { admin, url, grant, keyOf } = await node(t)
const topicId = await admin.createTopic('events', 1)

/** A consumer that has had its first event, and what comes of it from then on. */
async function reading(user: string, token: string | (() => string)) {
  const client = await connect({ url, token })
  const consumer = client.consumer({ topics: ['events'], group: `of-${user}`, from: 'earliest' })
  const events = consumer[Symbol.asyncIterator]()
  await events.next()
  const next = () =>
    events.next().then(
      ({ value }) => value?.text(),
      (error: ProtocolError) => `${error.name}: ${error.message}`,
    )
  return { client, consumer, next }
}

await admin.produce(topicId, 0, batchOf(['first']))

t.test('the right to the group is taken away: iterating throws, soon', async (t) => {
  await grant('user:ada', ['read'], 'topic:events')
  const entry = await grant('user:ada', ['read'], 'group:of-ada')
  const { client, next } = await reading('ada', (await keyOf('ada')).key)
  const waiting = next()
  const beganMs = performance.now()
  await admin.call(apis.deleteAcls, { ids: [entry] })
  t.equal(await waiting, 'GROUP_AUTHORIZATION_FAILED: group of-ada: user:ada may not read group:of-ada')
  t.ok(performance.now() - beganMs < 1_000)
  await client.close()
})

t.test('the topic is hidden: so it does', async (t) => {
  await grant('user:bob', ['read'], 'topic:events')
  await grant('user:bob', ['read'], 'group:of-bob')
  const { client, next } = await reading('bob', (await keyOf('bob')).key)
  const waiting = next()
  const beganMs = performance.now()
  await grant('user:bob', ['describe'], 'topic:events', 'deny')
  t.match(await waiting, /^UNKNOWN_TOPIC_OR_PARTITION: .*there is no topic named "events"/)
  t.ok(performance.now() - beganMs < 1_000)
  await client.close()
})

t.test('who may not see a topic, or use the group, is told when he joins', async (t) => {
  const client = await connect({ url, token: (await keyOf('eve')).key })
  const first = (group: string) =>
    client
      .consumer({ topics: ['events'], group })
      [Symbol.asyncIterator]()
      .next()
      .then(
        () => 'an event',
        (error: ProtocolError) => error.name,
      )
  t.equal(await first('of-eve'), 'GROUP_AUTHORIZATION_FAILED')
  await grant('user:eve', ['read'], 'group:of-eve')
  t.equal(await first('of-eve'), 'UNKNOWN_TOPIC_OR_PARTITION')
  t.equal(await first('nowhere.group'), 'GROUP_AUTHORIZATION_FAILED')
  t.equal(await first('no/name'), 'INVALID_GROUP_ID')
  await client.close()
})

t.test('the key is revoked, and there is another: it reads on', async (t) => {
  await grant('user:carl', ['read'], 'topic:events')
  await grant('user:carl', ['read'], 'group:of-carl')
  let { key, keyId } = await keyOf('carl')
  const { client, next } = await reading('carl', () => key)
  const waiting = next()
  const old = keyId
  ;({ key, keyId } = await keyOf('carl'))
  await admin.call(apis.revokeKeys, { keyIds: [old] })
  await admin.produce(topicId, 0, batchOf(['second']))
  t.equal(await waiting, 'second')
  const { groups } = await admin.call(apis.describeGroups, { groups: ['of-carl'] })
  t.equal(groups[0]?.members.length, 1)
  await client.close()
})

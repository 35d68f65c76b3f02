/** What is given on a topic is written while the topic is as it was, and not on one that is going. */
import t from 'tap'
import type { AclStore } from '../../../broker/access/acl-store.ts'
import { createAclsHandler } from '../../../broker/handlers/create-acls.ts'
import { encodeTopicRecord, topicKey } from '../../../broker/topics/topic-record.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import type { Compare } from '../../../storage/metadata-store.ts'
import { contextOf } from '../sessions.ts'

const live = { owners: [], topicConfigs: {}, createdAtMs: 0, state: 'live' } as const

function setUp(state: 'live' | 'deleting' | undefined, refusals = 0) {
  const written: (readonly Compare[])[] = []
  let revision = 7
  const acls = {
    put: async (_entry: unknown, compares: readonly Compare[] = []) => {
      written.push(compares)
      return written.length > refusals ? 'e1' : undefined
    },
  }
  const record = { topicId: new Uint8Array(16).fill(1), partitions: 1, configs: {}, createdAtMs: 0 }
  const metadata = {
    get: async (key: string) => {
      const modRevision = revision++
      return state && { key, value: encodeTopicRecord({ ...record, state }), createRevision: 1, modRevision }
    },
  }
  const create = createAclsHandler(acls as Pick<AclStore, 'put'>, { get: () => live }, metadata, t.fail)
  const give = async (resource: string) => {
    const rule = { principal: 'user:ada', operations: ['read'], resource, effect: 'allow' }
    const entries = [{ ...rule, expiresAtMs: null, note: null }]
    return (await create({ entries }, contextOf())).entries[0]?.error
  }
  return { give, written }
}

t.test('a topic that is there, one that is not, and several', async (t) => {
  const key = topicKey('lab.a')
  const there = setUp('live')
  t.equal(await there.give('topic:lab.a'), ErrorCode.NONE)
  t.same(there.written, [[{ key, modRevision: 7 }]])
  const missing = setUp(undefined)
  t.equal(await missing.give('topic:lab.a'), ErrorCode.NONE)
  t.same(missing.written, [[{ key, modRevision: 0 }]], 'nor may one come meanwhile')
  t.equal(await missing.give('topic:lab.*'), ErrorCode.NONE)
  t.same(missing.written[1], [])
})

t.test('a topic that is going, and one that changes meanwhile', async (t) => {
  const going = setUp('deleting')
  t.equal(await going.give('topic:lab.a'), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  t.same(going.written, [])
  const changing = setUp('live', 2)
  t.equal(await changing.give('topic:lab.a'), ErrorCode.NONE)
  t.same(
    changing.written.map(([compare]) => compare?.modRevision),
    [7, 8, 9],
    'looked at anew each time',
  )
  t.equal(await setUp('live', 100).give('topic:lab.a'), ErrorCode.REQUEST_TIMED_OUT)
})

/** Who may give or create for a while gives no longer than that, himself included. */
import t from 'tap'
import type { AclEntry } from '../../../auth/acl/entry.ts'
import type { Operation } from '../../../auth/acl/operation.ts'
import { Policy } from '../../../auth/acl/policy.ts'
import { parseResourcePattern, type ResourcePattern } from '../../../auth/acl/resource.ts'
import { AclStore, type NewAclEntry } from '../../../broker/access/acl-store.ts'
import { createAclsHandler } from '../../../broker/handlers/create-acls.ts'
import { createTopicsHandler } from '../../../broker/handlers/create-topics.ts'
import type { TopicCreator, TopicService } from '../../../broker/topics/topic-service.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { openFillable } from '../access/fillable-metadata.ts'
import { ManualTime } from '../manual-time.ts'
import { contextOf, sessionOf, userIdentity } from '../sessions.ts'

const NOW_MS = 1_000
const SOON_MS = 4_000
const LATER_MS = 9_000
const MANAGE: readonly Operation[] = ['read', 'write', 'create', 'alter', 'delete', 'grant']
const live = { owners: [], topicConfigs: {}, createdAtMs: 0, state: 'live' } as const

let ids = 0
function rule(principal: string, operations: readonly Operation[], on: string, expiresAtMs: number | null) {
  const resource = parseResourcePattern(on) as ResourcePattern
  const rest = { effect: 'allow', grantedBy: 'user:ada', createdAtMs: 0, note: null } as const
  return { id: `e${ids++}`, principal, operations, resource, expiresAtMs, ...rest }
}

function sessionBy(rules: readonly AclEntry[], nowMs = NOW_MS) {
  const policy = new Policy()
  for (const each of rules) policy.putEntry(each)
  policy.putNamespace('lab', ['user:ada'])
  return (name: string) => sessionOf(userIdentity(name), policy, { nowMs: () => nowMs })
}

/** When what he gives with `expiresAtMs` ends. */
async function endOfGiven(by: string, rules: readonly AclEntry[], on: string, expiresAtMs: number | null) {
  const written: NewAclEntry[] = []
  const acls = { put: async (entry: NewAclEntry) => `e${written.push(entry)}` }
  const create = createAclsHandler(
    acls as unknown as AclStore,
    { get: () => live },
    { get: async () => undefined },
    t.fail,
  )
  const wanted = { principal: 'user:bob', operations: ['read', 'grant'], resource: on, effect: 'allow' }
  const entries = [{ ...wanted, expiresAtMs, note: null }]
  const [result] = (await create({ entries }, contextOf(sessionBy(rules)(by), NOW_MS))).entries
  return result?.error === ErrorCode.NONE ? written[0]?.expiresAtMs : result?.error
}

t.test('what is given ends with the longest rule by which it may be given', async (t) => {
  const bob = [rule('user:bob', MANAGE, 'topic:lab.x', SOON_MS)]
  t.equal(await endOfGiven('bob', bob, 'topic:lab.x', null), SOON_MS)
  t.equal(await endOfGiven('bob', bob, 'topic:lab.x', LATER_MS), SOON_MS)
  t.equal(await endOfGiven('bob', bob, 'topic:lab.x', 2_000), 2_000, 'an earlier end is his to choose')
  const more = [...bob, rule('authenticated', ['grant'], 'topic:lab.*', LATER_MS)]
  t.equal(await endOfGiven('bob', more, 'topic:lab.x', null), LATER_MS)
  t.equal(await endOfGiven('bob', more, 'topic:lab.y.*', null), LATER_MS, 'of a narrower prefix')
  const reading = [...bob, rule('user:bob', ['read', 'write'], 'topic:lab.x', null)]
  t.equal(await endOfGiven('bob', reading, 'topic:lab.x', null), SOON_MS, 'what lasts does not give')
  const lasting = [...bob, rule('user:bob', ['grant'], 'topic:lab.*', null)]
  t.equal(await endOfGiven('bob', lasting, 'topic:lab.x', null), null)
  t.equal(await endOfGiven('ada', bob, 'topic:lab.x', null), null, 'an owner gives without end')
  const past = [rule('user:bob', MANAGE, 'topic:lab.x', NOW_MS)]
  t.equal(await endOfGiven('bob', past, 'topic:lab.x', null), ErrorCode.TOPIC_AUTHORIZATION_FAILED)
})

t.test('who may create for a while has what he created as long', async (t) => {
  const claimed = async (rules: readonly AclEntry[], exists = true) => {
    const written: NewAclEntry[] = []
    const acls = { claim: async (entry: NewAclEntry) => void written.push(entry) }
    const service = {
      create: async (_topics: unknown, _validateOnly: boolean, creator: TopicCreator) => {
        const refusal = creator.refusal('lab.c1')
        if (refusal) throw refusal
        await creator.rightsOfNew('lab.c1')
        return []
      },
    }
    const create = createTopicsHandler(
      service as unknown as TopicService,
      { get: () => (exists ? live : undefined) },
      acls as unknown as AclStore,
    )
    const context = contextOf(sessionBy(rules)('carl'), NOW_MS)
    await create({ topics: [], timeoutMs: 0, validateOnly: false }, context)
    return written.map(({ operations, expiresAtMs }) => [operations.length, expiresAtMs])
  }
  const onTopics = rule('user:carl', ['create'], 'topic:lab.c*', SOON_MS)
  t.same(await claimed([onTopics]), [[6, SOON_MS]])
  const onNamespace = rule('user:carl', ['create'], 'namespace:lab', LATER_MS)
  t.same(await claimed([onTopics, onNamespace]), [[6, LATER_MS]])
  t.same(await claimed([onTopics, rule('user:carl', ['create'], 'topic:lab.c1', null)]), [[6, null]])
  const onCluster = rule('user:carl', ['create'], 'cluster', null)
  t.same(await claimed([onTopics, onCluster]), [[6, SOON_MS]], 'that is about other namespaces')
  t.same(await claimed([onTopics, onCluster], false), [[6, null]])
  await t.rejects(claimed([rule('user:carl', ['create'], 'topic:lab.c*', NOW_MS)]), {
    code: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  })
})

t.test('the same rule stays where it lasts longer', async (t) => {
  const { store } = await openFillable(t)
  const policy = new Policy()
  const max = { entriesMax: 10, entriesPerNamespaceMax: 10 }
  const onProblem = (error: Error) => void t.error(error)
  const acls = await AclStore.open({ store, policy, clock: new ManualTime(), ...max, onProblem })
  t.teardown(() => acls.close())
  const put = async (expiresAtMs: number | null, isLongerKept: boolean) => {
    const { id: _id, createdAtMs: _at, ...entry } = rule('user:carl', ['read'], 'topic:lab.x', expiresAtMs)
    const id = await acls.put(entry, [], { isLongerKept })
    return policy.entry(id as string)?.expiresAtMs
  }
  t.equal(await put(SOON_MS, true), SOON_MS)
  t.equal(await put(LATER_MS, true), LATER_MS)
  t.equal(await put(SOON_MS, true), LATER_MS)
  t.equal(await put(SOON_MS, false), SOON_MS, 'who may say so ends it earlier')
  t.equal(await put(null, false), null)
  t.equal(await put(LATER_MS, true), null)
})

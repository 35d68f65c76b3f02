/**
 * Who may do what to consumer groups, generated: every API of groups with every kind of caller on every kind of group, against a
 * real broker. What has to come out is said by one table of rights and one rule for each question. A group that the caller
 * may not see is answered exactly as one that is not there.
 */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { apis } from '../../../client/protocol/api.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import { groupApis } from '../../../client/protocol/group-apis.ts'
import { OFFSET_EARLIEST } from '../../../client/protocol/messages/list-offsets.ts'
import { ADMIN_KEY } from '../../support/admin-key.ts'
import { batchOf, ProtocolClient } from '../protocol-client.ts'
import { named, node, refusal } from './access-node.ts'
import { GroupMember } from './group-member.ts'

type Right = 'describe' | 'read' | 'delete'
type Rights = readonly Right[]
const ALL: Rights = ['describe', 'read', 'delete']
const NONE: Rights = []

const kinds = ['owner', 'reader', 'member', 'denied', 'hidden', 'expired', 'anonymous'] as const
type Kind = (typeof kinds)[number]
const places = ['own', 'lab', 'vault'] as const
type Place = (typeof places)[number]

/** What each may do to groups of `lab`, be they there or not. */
const inLab: Readonly<Record<Kind, Rights>> = {
  owner: ALL,
  reader: ['describe', 'read'],
  member: ['describe', 'read'],
  // Given read, and denied it: what is left is to see that it is there.
  denied: ['describe'],
  hidden: NONE,
  expired: NONE,
  anonymous: NONE,
}

function rightsOf(kind: Kind, place: Place): Rights {
  if (place === 'lab') return inLab[kind]
  return place === 'own' && kind !== 'anonymous' ? ALL : NONE
}

interface Answer {
  readonly code: string
  readonly message: string
}

interface Question {
  readonly api: string
  readonly what: string
  readonly ask: (
    client: ProtocolClient,
    groupId: string,
  ) => Promise<{ error: number; message: string | null }>
  /** Undefined: not to be asked, since it would be done. */
  readonly expected: (rights: Rights, exists: boolean) => string | undefined
}

const { admin, url, grant, as } = await node(t, { 'auth.anonymous': 'on' })

for (const [name, owner] of [
  ['lab', 'user:owner'],
  ['vault', 'user:keeper'],
  ...kinds.map((kind) => [`own-${kind}`, kind === 'anonymous' ? 'user:keeper' : `user:${kind}`]),
])
  await admin.call(apis.createNamespace, {
    namespaces: [{ name: name as string, owners: [owner as string], topicConfigs: [] }],
  })
/** What every group reads: everybody may. */
const topicId = await admin.createTopic('open', 2)
for (const principal of ['authenticated', 'anonymous']) await grant(principal, ['read'], 'topic:open')
const hiddenTopicId = await admin.createTopic('vault.hidden', 1)

const nameOf = (kind: Kind, place: Place, name: string) =>
  `${place === 'own' ? `own-${kind}` : place}.${name}`
const there = ['lab.there', 'vault.there', ...kinds.map((kind) => `own-${kind}.there`)]
// Somebody is in each, so that nothing that is asked below is done.
for (const groupId of there) await new GroupMember(admin, groupId, ['open']).join()

await grant('user:reader', ['read'], 'group:lab.*')
await grant('group:readers', ['read'], 'group:lab.*')
for (const kind of ['denied', 'hidden']) await grant(`user:${kind}`, ['read'], 'group:lab.*')
await grant('user:denied', ['read'], 'group:lab.*', 'deny')
await grant('user:hidden', ['describe'], 'group:lab.*', 'deny')
const expiresAtMs = Date.now() + 300
{
  const entry = { principal: 'user:expired', operations: ['read'], resource: 'group:lab.*', effect: 'allow' }
  await admin.call(apis.createAcls, { entries: [{ ...entry, expiresAtMs, note: null }] })
}

const OK = { error: 0, message: null }
const place = { topicId, partition: 0 }
const toCommit = { ...place, offset: 1, leaderEpoch: -1, metadata: '' }
const nobody = { memberId: null, memberEpoch: -1 }

const missing = (right: Right, otherwise: string) => (rights: Rights, exists: boolean) => {
  if (!rights.includes('describe')) return 'GROUP_ID_NOT_FOUND'
  if (!rights.includes(right)) return 'GROUP_AUTHORIZATION_FAILED'
  return exists ? otherwise : 'GROUP_ID_NOT_FOUND'
}
const used = (otherwise: (exists: boolean) => string | undefined) => (rights: Rights, exists: boolean) =>
  rights.includes('read') ? otherwise(exists) : 'GROUP_AUTHORIZATION_FAILED'

const questions: readonly Question[] = [
  {
    api: 'list-groups',
    what: '',
    ask: async (client, groupId) => {
      const { groups } = await client.call(apis.listGroups, { states: null })
      const isListed = groups.some((group) => group.groupId === groupId)
      return isListed ? OK : { error: ErrorCode.GROUP_ID_NOT_FOUND, message: null }
    },
    expected: missing('describe', 'NONE'),
  },
  {
    api: 'describe-groups',
    what: '',
    ask: async (client, groupId) =>
      (await client.call(apis.describeGroups, { groups: [groupId] })).groups[0] as typeof OK,
    expected: missing('describe', 'NONE'),
  },
  {
    api: 'delete-groups',
    what: '',
    ask: async (client, groupId) =>
      (await client.call(apis.deleteGroups, { groups: [groupId] })).groups[0] as typeof OK,
    expected: missing('delete', 'NON_EMPTY_GROUP'),
  },
  ...[null, [place]].map((partitions) => ({
    api: 'offset-fetch',
    what: partitions === null ? 'of all' : 'of one',
    ask: async (client: ProtocolClient, groupId: string) => {
      await client.call(apis.offsetFetch, { groupId, ...nobody, partitions })
      return OK
    },
    // Where a group that may be seen is not, it has no offsets.
    expected: (rights: Rights) => (rights.includes('describe') ? 'NONE' : 'GROUP_ID_NOT_FOUND'),
  })),
  {
    api: 'offset-delete',
    what: '',
    ask: async (client, groupId) =>
      (await client.call(apis.offsetDelete, { groupId, partitions: [place] })).partitions[0] as typeof OK,
    expected: missing('delete', 'GROUP_SUBSCRIBED_TO_TOPIC'),
  },
  {
    api: 'offset-commit',
    what: 'as nobody',
    ask: async (client, groupId) =>
      (await client.call(apis.offsetCommit, { groupId, ...nobody, partitions: [toCommit] }))
        .partitions[0] as typeof OK,
    expected: used((exists) => (exists ? 'NON_EMPTY_GROUP' : undefined)),
  },
  {
    api: 'offset-commit',
    what: 'as a member',
    ask: async (client, groupId) => {
      const request = { groupId, memberId: 'nobody', memberEpoch: 3, partitions: [toCommit] }
      return (await client.call(apis.offsetCommit, request)).partitions[0] as typeof OK
    },
    expected: used(() => 'UNKNOWN_MEMBER_ID'),
  },
  {
    api: 'offset-commit',
    what: 'of a topic that is not his to see',
    ask: async (client, groupId) => {
      const partitions = [{ ...toCommit, topicId: hiddenTopicId }]
      return (await client.call(apis.offsetCommit, { groupId, ...nobody, partitions }))
        .partitions[0] as typeof OK
    },
    expected: used(() => 'UNKNOWN_TOPIC_ID'),
  },
  ...([5, -1] as const).map((memberEpoch) => ({
    api: 'group-heartbeat',
    what: `at epoch ${memberEpoch}`,
    ask: async (client: ProtocolClient, groupId: string) => {
      const member = new GroupMember(client, groupId, ['open'])
      member.memberEpoch = memberEpoch
      await member.heartbeat()
      return OK
    },
    expected: used(() => 'UNKNOWN_MEMBER_ID'),
  })),
  {
    api: 'group-heartbeat',
    what: 'to read what is not his to see',
    ask: async (client, groupId) => {
      await new GroupMember(client, groupId, ['open', 'vault.hidden']).heartbeat()
      return OK
    },
    expected: used(() => 'UNKNOWN_TOPIC_OR_PARTITION'),
  },
]

async function answerOf(question: Question, client: ProtocolClient, groupId: string): Promise<Answer> {
  try {
    const { error, message } = await question.ask(client, groupId)
    return { code: named(error), message: message ?? '' }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return { code: error.name, message: error.message }
  }
}

for (const kind of kinds)
  t.test(kind, async (t) => {
    const client =
      kind === 'anonymous'
        ? await ProtocolClient.connect(url, null)
        : await as(kind, kind === 'member' ? ['readers'] : [])
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, expiresAtMs - Date.now())))
    for (const question of questions)
      for (const place of places) {
        const rights = rightsOf(kind, place)
        const answers: Answer[] = []
        for (const name of ['there', 'missing']) {
          const groupId = nameOf(kind, place, name)
          const expected = question.expected(rights, name === 'there')
          if (expected === undefined) continue
          const answer = await answerOf(question, client, groupId)
          const { code, message } = answer
          t.equal(code, expected, `${question.api} ${question.what} ${place}.${name}: ${message}`)
          answers.push({ code, message: message.replaceAll(groupId, 'NAME') })
        }
        if (rights.includes('describe')) continue
        t.same(answers[0], answers[1], `${question.api} ${question.what} ${place}: as if it were not there`)
        t.equal(answers.length, 2)
      }
    t.same(
      (await client.call(apis.listGroups, { states: null })).groups.map(({ groupId }) => groupId),
      there
        .filter((groupId) =>
          places.some(
            (place) => groupId === nameOf(kind, place, 'there') && rightsOf(kind, place).length > 0,
          ),
        )
        .sort(),
      'nothing was made by asking',
    )
    await client.close()
  })

t.test('every API of groups is asked about', async (t) => {
  t.same(
    [...new Set(questions.map(({ api }) => api))].sort(),
    Object.values(groupApis)
      .map(({ name }) => name)
      .sort(),
  )
})

t.test('describing shows of topics what may be seen', async (t) => {
  const groupId = 'lab.mixed'
  const member = new GroupMember(admin, groupId, ['open', 'vault.hidden'])
  await member.join()
  const client = await as('reader')
  const { groups } = await client.call(apis.describeGroups, { groups: [groupId] })
  t.match(groups[0], { error: 0, members: [{ subscribedTopics: ['open'] }] })
  const text = JSON.stringify(groups)
  t.notMatch(text, /hidden/)
  await client.close()
})

t.test('names that are none', async (t) => {
  for (const groupId of ['no/name', '', 'default.x', '.x', 'lab.']) {
    const expected = 'INVALID_GROUP_ID'
    t.equal(named((await admin.call(apis.describeGroups, { groups: [groupId] })).groups[0]?.error), expected)
    t.equal(named((await admin.call(apis.deleteGroups, { groups: [groupId] })).groups[0]?.error), expected)
    for (const question of questions.filter(
      ({ api }) => api.startsWith('offset') || api === 'group-heartbeat',
    ))
      t.equal((await answerOf(question, admin, groupId)).code, expected, `${question.api} ${groupId}`)
  }
})

t.test('a group is in a namespace that is there, and that does not go while it is in it', async (t) => {
  const nowhere = new GroupMember(admin, 'nowhere.group', ['open'])
  t.equal(await refusal(nowhere.heartbeat()), 'INVALID_GROUP_ID')
  const commit = (groupId: string) =>
    admin.call(apis.offsetCommit, { groupId, ...nobody, partitions: [toCommit] })
  t.equal(await refusal(commit('nowhere.group')), 'INVALID_GROUP_ID')

  const create = () =>
    admin.call(apis.createNamespace, {
      namespaces: [{ name: 'passing', owners: ['user:ada'], topicConfigs: [] }],
    })
  await create()
  t.equal((await commit('passing.group')).partitions[0]?.error, 0)
  await t.rejects(admin.call(apis.deleteNamespace, { name: 'passing' }), {
    name: 'POLICY_VIOLATION',
    message: /namespace "passing" has 1 groups; delete them first/,
  })
  // It is as it was.
  t.equal((await commit('passing.group')).partitions[0]?.error, 0)
  await admin.call(apis.deleteGroups, { groups: ['passing.group'] })
  await admin.call(apis.deleteNamespace, { name: 'passing' })
  t.equal(await refusal(commit('passing.group')), 'INVALID_GROUP_ID')
  await create()
  const ada = await as('ada')
  t.same(
    (await ada.call(apis.listGroups, { states: null })).groups,
    [],
    'who has the name next finds nothing',
  )
  await ada.close()
})

t.test('a namespace that goes while groups come: either is there, never a group without', async (t) => {
  for (let round = 0; round < 20; round++) {
    const name = `race-${round}`
    await admin.call(apis.createNamespace, {
      namespaces: [{ name, owners: ['user:ada'], topicConfigs: [] }],
    })
    const groupId = `${name}.group`
    const [gone, committed] = await Promise.all([
      refusal(admin.call(apis.deleteNamespace, { name })),
      refusal(admin.call(apis.offsetCommit, { groupId, ...nobody, partitions: [toCommit] })),
    ])
    t.ok(
      (gone === 'NONE' && committed === 'INVALID_GROUP_ID') ||
        (gone === 'POLICY_VIOLATION' && committed === 'NONE'),
      `${gone} ${committed}`,
    )
    const { groups } = await admin.call(apis.listGroups, { states: null })
    t.equal(
      groups.some((group) => group.groupId === groupId),
      committed === 'NONE',
    )
  }
})

/** Two members share two partitions; what becomes of the one who may not stay, and how soon the other has all. */
async function removed(
  t: { equal(a: unknown, b: unknown, what: string): unknown; ok(a: unknown, what: string): unknown },
  what: string,
  isHeld: boolean,
  act: (guest: string) => Promise<unknown>,
): Promise<void> {
  const groupId = `lab.${randomUUID()}`
  const guest = `guest-${randomUUID()}`
  const entries = await grant(`user:${guest}`, ['read'], `group:${groupId}`)
  const client = await as(guest)
  const leaving = new GroupMember(client, groupId, ['open'])
  const staying = new GroupMember(admin, groupId, ['open'])
  await leaving.join()
  await Promise.all([staying.untilOwned(1), leaving.untilOwned(1)])
  const held = isHeld ? refusal(leaving.heartbeat(30_000)) : undefined
  // A request behind it has been answered: it is held.
  await client.call(apis.whoami, {})
  const beganMs = performance.now()
  await act(`${guest} ${entries}`)
  const [place] = leaving.ownedPartitions()
  const commit = client.call(apis.offsetCommit, {
    groupId,
    memberId: leaving.memberId,
    memberEpoch: leaving.memberEpoch,
    partitions: [{ ...toCommit, partition: place as number }],
  })
  const committed = await commit.then(
    ({ partitions }) => named(partitions[0]?.error),
    (error: ProtocolError) => error.name,
  )
  const answer = await held
  await staying.untilOwned(2)
  const tookMs = performance.now() - beganMs
  t.ok(tookMs < 1_000, `${what}: the other has all after ${Math.round(tookMs)} ms`)
  t.equal(committed, outcomes[what], `${what}: its commit is refused at once`)
  if (isHeld) t.equal(answer, outcomes[what]?.replace('UNKNOWN_TOPIC_ID', 'UNKNOWN_TOPIC_OR_PARTITION'), what)
  t.equal(
    (await admin.call(apis.describeGroups, { groups: [groupId] })).groups[0]?.members.length,
    1,
    `${what}: it is out`,
  )
  await staying.leave()
  await client.close()
}

const outcomes: Readonly<Record<string, string>> = {
  group: 'GROUP_AUTHORIZATION_FAILED',
  'group, while it does not wait': 'GROUP_AUTHORIZATION_FAILED',
  topic: 'TOPIC_AUTHORIZATION_FAILED',
  'hidden topic': 'UNKNOWN_TOPIC_ID',
  credential: 'CREDENTIAL_EXPIRED',
}

t.test('who may be a member no more is out within a second, and others read on', async (t) => {
  const entryIn = (text: string) => text.split(' ')[1] as string
  const userIn = (text: string) => `user:${text.split(' ')[0]}`
  const takeBack = (text: string) => admin.call(apis.deleteAcls, { ids: [entryIn(text)] })
  await removed(t, 'group', true, takeBack)
  await removed(t, 'group, while it does not wait', false, takeBack)
  await removed(t, 'topic', true, (text) => grant(userIn(text), ['read'], 'topic:open', 'deny'))
  await removed(t, 'hidden topic', true, (text) => grant(userIn(text), ['describe'], 'topic:open', 'deny'))
  await removed(t, 'credential', true, async (text) => {
    const { keys } = await admin.call(apis.listKeys, { principal: userIn(text).slice('user:'.length) })
    await admin.call(apis.revokeKeys, { keyIds: keys.map(({ keyId }) => keyId) })
  })
})

t.test('a change of rights that is about others, or takes nothing away, puts nobody out', async (t) => {
  const groupId = 'lab.quiet'
  await grant('user:calm', ['read'], `group:${groupId}`)
  const client = await as('calm')
  const member = new GroupMember(client, groupId, ['open'])
  await member.join()
  await member.untilOwned(2)
  let isAnswered = false
  const held = member.heartbeat(2_000).then(() => {
    isAnswered = true
  })
  await client.call(apis.whoami, {})
  await grant('user:calm', ['read'], 'group:lab.other')
  await admin.call(apis.deleteAcls, { ids: [await grant('user:other', ['read'], `group:${groupId}`)] })
  // Longer than it takes for those whom a change is about to be out.
  await new Promise((resolve) => setTimeout(resolve, 400))
  t.equal(isAnswered, false, 'it waits on')
  t.equal((await admin.call(apis.describeGroups, { groups: [groupId] })).groups[0]?.members.length, 1)
  await held
  await member.leave()
  await client.close()
})

t.test(
  'the topic in which groups are kept: administrators see and read it, and nobody does more',
  async (t) => {
    const topic = '__groups'
    const { topics } = await admin.call(apis.listTopics, { includeInternal: true })
    const internal = topics.find(({ name }) => name === topic)
    t.match(internal, { isInternal: true, partitions: 1 })
    const internalId = internal?.topicId as Uint8Array
    const plain = (await admin.call(apis.listTopics, { includeInternal: false })).topics
    t.notOk(plain.some(({ name }) => name === topic))

    // Everything there is to be had by rules: the namespace without a name, and all topics.
    await admin.call(apis.alterNamespace, {
      name: 'default',
      addOwners: ['user:prince'],
      removeOwners: [],
      topicConfigs: [],
    })
    await grant('user:prince', ['read', 'write', 'alter', 'delete', 'grant'], 'topic:*')
    const prince = await as('prince')
    const at = { topicId: internalId, partition: 0, leaderEpoch: -1 }
    const batch = batchOf(['x'])
    const asks = (client: ProtocolClient): Record<string, () => Promise<string>> => ({
      fetch: async () => {
        // What the view of the groups has leaves the log at its own time.
        const partitions = [{ ...at, timestamp: OFFSET_EARLIEST }]
        const earliest = await admin.call(apis.listOffsets, { isolationLevel: 1, partitions })
        return named((await client.fetch(internalId, 0, earliest.partitions[0].offset)).response?.error)
      },
      listOffsets: async () =>
        named(
          (await client.call(apis.listOffsets, { isolationLevel: 1, partitions: [{ ...at, timestamp: -1 }] }))
            .partitions[0]?.error,
        ),
      metadata: async () =>
        named(
          (await client.call(apis.metadata, { topics: [{ name: topic, topicId: null }] })).topics[0]?.error,
        ),
      describe: async () =>
        named((await client.call(apis.describeTopics, { names: [topic] })).topics[0]?.error),
      produce: async () => named((await client.produce(internalId, 0, batch)).error),
      alter: async () =>
        named(
          (
            await client.call(apis.alterTopics, {
              topics: [{ name: topic, partitions: 2, configs: [] }],
              validateOnly: false,
              timeoutMs: 5_000,
            })
          ).topics[0]?.error,
        ),
      delete: async () =>
        named(
          (
            await client.call(apis.deleteTopics, {
              topics: [{ name: topic, topicId: null }],
              timeoutMs: 5_000,
            })
          ).topics[0]?.error,
        ),
      'delete by id': async () =>
        named(
          (
            await client.call(apis.deleteTopics, {
              topics: [{ name: null, topicId: internalId }],
              timeoutMs: 5_000,
            })
          ).topics[0]?.error,
        ),
      create: async () =>
        named(
          (
            await client.call(apis.createTopics, {
              topics: [{ name: '__other', partitions: 1, replicationFactor: -1, configs: [] }],
              validateOnly: false,
              timeoutMs: 5_000,
            })
          ).topics[0]?.error,
        ),
      'give rights': async () => {
        const entry = { principal: 'user:prince', operations: ['read'], resource: `topic:${topic}` }
        const more = { effect: 'allow', expiresAtMs: null, note: null }
        return named(
          (await client.call(apis.createAcls, { entries: [{ ...entry, ...more }] })).entries[0]?.error,
        )
      },
      'may read': async () =>
        `${(await client.call(apis.explainAccess, { principal: null, groups: [], roles: [], operation: 'read', resource: `topic:${topic}` })).allowed}`,
      'may write': async () =>
        `${(await client.call(apis.explainAccess, { principal: null, groups: [], roles: [], operation: 'write', resource: `topic:${topic}` })).allowed}`,
    })
    const outcomesOf = async (client: ProtocolClient) => {
      const outcomes: Record<string, string> = {}
      for (const [what, ask] of Object.entries(asks(client))) outcomes[what] = await ask()
      return outcomes
    }
    t.same(await outcomesOf(prince), {
      fetch: 'UNKNOWN_TOPIC_ID',
      listOffsets: 'UNKNOWN_TOPIC_ID',
      metadata: 'UNKNOWN_TOPIC_OR_PARTITION',
      describe: 'UNKNOWN_TOPIC_OR_PARTITION',
      produce: 'UNKNOWN_TOPIC_ID',
      alter: 'INVALID_TOPIC_EXCEPTION',
      delete: 'INVALID_TOPIC_EXCEPTION',
      'delete by id': 'UNKNOWN_TOPIC_ID',
      create: 'INVALID_TOPIC_EXCEPTION',
      'give rights': 'INVALID_REQUEST',
      'may read': 'false',
      'may write': 'false',
    })
    t.same(await outcomesOf(admin), {
      fetch: 'NONE',
      listOffsets: 'NONE',
      metadata: 'NONE',
      describe: 'NONE',
      produce: 'TOPIC_AUTHORIZATION_FAILED',
      alter: 'INVALID_TOPIC_EXCEPTION',
      delete: 'INVALID_TOPIC_EXCEPTION',
      'delete by id': 'INVALID_TOPIC_EXCEPTION',
      create: 'INVALID_TOPIC_EXCEPTION',
      'give rights': 'INVALID_REQUEST',
      'may read': 'true',
      'may write': 'false',
    })
    t.notOk(
      (await prince.call(apis.listTopics, { includeInternal: true })).topics.some(
        ({ name }) => name === topic,
      ),
    )
    // And it is all there still.
    t.equal((await admin.call(apis.describeGroups, { groups: ['lab.there'] })).groups[0]?.error, 0)
    await prince.close()
  },
)

t.test('status and metrics tell of groups', async (t) => {
  const before = (await admin.call(apis.status, {})).groups
  t.equal(before.groups, (await admin.call(apis.listGroups, { states: null })).groups.length)
  const member = new GroupMember(admin, 'counted', ['open'])
  await member.join()
  await member.untilOwned(2)
  const held = member.heartbeat(60_000)
  const { memberId, memberEpoch } = member
  const partitions = [toCommit, { ...toCommit, partition: 1 }]
  await admin.call(apis.offsetCommit, { groupId: 'counted', memberId, memberEpoch, partitions })
  const { groups } = await admin.call(apis.status, {})
  t.same(groups, {
    groups: before.groups + 1,
    members: before.members + 1,
    heldHeartbeats: before.heldHeartbeats + 1,
    commits: before.commits + 1,
    committedOffsets: before.committedOffsets + 2,
    rebalances: before.rebalances + 1,
  })
  const answer = await fetch(`${url.replace('ws', 'http')}/metrics`, {
    headers: { authorization: `Bearer ${ADMIN_KEY}` },
  })
  const text = await answer.text()
  for (const [name, value] of [
    ['groups', groups.groups],
    ['group_members', groups.members],
    ['group_heartbeats_held', groups.heldHeartbeats],
    ['group_commits_total', groups.commits],
    ['group_committed_offsets_total', groups.committedOffsets],
    ['group_rebalances_total', groups.rebalances],
  ] as const)
    t.match(text, new RegExp(`^octopus_${name} ${value}$`, 'm'))
  await member.leave()
  await held
})

/** Records of groups: golden bytes, every truncation, what a newer program writes, and what they cost. */
import t from 'tap'
import {
  decodeGroupRecord,
  encodeGroupRecord,
  type GroupRecord,
} from '../../../broker/groups/group-record.ts'
import { topicIdKey, topicIdOfKey } from '../../../broker/topics/topic-id.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const groupId = 'lab.g'
const topicKey = topicIdKey(Uint8Array.from({ length: 16 }, (_, i) => i * 17))
const memberId = 'm-1'

const golden: readonly (readonly [name: string, record: GroupRecord, key: string, value: string | null])[] = [
  [
    'group',
    {
      kind: 'group',
      groupId,
      value: {
        groupKind: 'consumer',
        epoch: 7,
        assignmentEpoch: 6,
        assignor: 'uniform',
        subscriptionHash: 2 ** 52 + 1,
        emptySinceMs: null,
      },
    },
    '0191a56c61622e67',
    '0196000706a7756e69666f726dcb4330000000000001c0',
  ],
  [
    'offset',
    {
      kind: 'offset',
      groupId,
      topicKey,
      partition: 300,
      value: { offset: 2 ** 40, leaderEpoch: -1, metadata: 'run 7', commitTimeMs: 1_700_000_000_000 },
    },
    '0293a56c61622e67c41000112233445566778899aabbccddeeffcd012c',
    '0194cb4270000000000000ffa572756e2037cb4278bcfe56800000',
  ],
  [
    'member',
    {
      kind: 'member',
      groupId,
      memberId,
      value: {
        instanceId: 'hall-3',
        clientName: 'c',
        clientHost: '10.0.0.1',
        topics: ['lab.a', 'lab.b'],
        sessionTimeoutMs: 45_000,
        rebalanceTimeoutMs: 60_000,
        maxProcessingMs: 300_000,
        assignor: null,
      },
    },
    '1092a56c61622e67a36d2d31',
    '0198a668616c6c2d33a163a831302e302e302e3192a56c61622e61a56c61622e62cdafc8cdea60ce000493e0c0',
  ],
  [
    'target',
    { kind: 'target', groupId, memberId, value: new Map([[topicKey, [0, 2, 129]]]) },
    '1192a56c61622e67a36d2d31',
    '01919192c41000112233445566778899aabbccddeeff930002cc81',
  ],
  [
    'current',
    {
      kind: 'current',
      groupId,
      memberId,
      value: {
        memberEpoch: 6,
        revision: 3,
        state: 'unrevoked',
        held: new Map([
          [
            topicKey,
            new Map([
              [0, 4],
              [129, 4],
              [2, 6],
            ]),
          ],
        ]),
        revoking: new Map([[topicKey, new Map([[5, 4]])]]),
      },
    },
    '1292a56c61622e67a36d2d31',
    '01950603019293c41000112233445566778899aabbccddeeff049200cc8193c41000112233445566778899aabbccddeeff0691029193c41000112233445566778899aabbccddeeff049105',
  ],
  ['tombstone of a group', { kind: 'group', groupId, value: null }, '0191a56c61622e67', null],
  [
    'tombstone of an offset',
    { kind: 'offset', groupId, topicKey, partition: 0, value: null },
    '0293a56c61622e67c41000112233445566778899aabbccddeeff00',
    null,
  ],
  [
    'tombstone of a member',
    { kind: 'current', groupId, memberId, value: null },
    '1292a56c61622e67a36d2d31',
    null,
  ],
]

const hex = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString('hex')

t.test('golden bytes, and back', async (t) => {
  for (const [name, record, key, value] of golden) {
    const encoded = encodeGroupRecord(record)
    t.equal(hex(encoded.key), key, `${name}, key`)
    t.equal(hex(encoded.value), value, `${name}, value`)
    t.same(decodeGroupRecord(encoded.key, encoded.value), record, name)
  }
})

t.test('nothing shorter is taken, and nothing longer', async (t) => {
  const refusal = (key: Uint8Array, value: Uint8Array | null) => {
    try {
      decodeGroupRecord(key, value)
    } catch (error) {
      return (error as Error).message
    }
    return undefined
  }
  for (const [name, record] of golden) {
    const { key, value } = encodeGroupRecord(record)
    const taken: string[] = []
    for (let length = 0; length < key.length; length++)
      if (!refusal(key.subarray(0, length), value)) taken.push(`key of ${length}`)
    for (let length = 0; value && length < value.length; length++)
      if (!refusal(key, value.subarray(0, length))) taken.push(`value of ${length}`)
    if (!refusal(new Uint8Array([...key, 0]), value)) taken.push('longer key')
    if (value && !refusal(key, new Uint8Array([...value, 0]))) taken.push('longer value')
    t.same(taken, [], name)
  }
  const { key, value } = encodeGroupRecord(golden[0][1])
  t.equal(
    refusal(new Uint8Array(), value),
    'the key of a group record is empty, it should begin with its kind',
  )
  t.equal(
    refusal(Uint8Array.of(9), value),
    'group record of the unknown kind 9: was it written by a newer program?',
  )
  t.equal(
    refusal(key, new Uint8Array()),
    'broken group record of kind group: the value is empty, it should begin with its version',
  )
  t.equal(
    refusal(key, Uint8Array.of(2)),
    'broken group record of kind group: the value has version 2, known is 1',
  )
  t.match(refusal(key.subarray(0, -1), value), /^broken group record of kind group: broken header at byte/)
  t.match(
    refusal(key, encodeGroupRecord(golden[3][1]).value),
    /^broken group record of kind group: GroupValue\.groupKind: expected/,
  )
})

t.test('whatever the bytes, a record or an Error', async (t) => {
  const random = seededRandom(t)
  let decoded = 0
  const strange: unknown[] = []
  for (let round = 0; round < 20_000; round++) {
    const encoded = encodeGroupRecord(random.pick(golden)[1])
    const target = encoded.value && random.below(3) > 0 ? encoded.value : encoded.key
    for (let i = 0; i <= random.below(3); i++) target[random.below(target.length)] = random.below(256)
    try {
      decodeGroupRecord(encoded.key, encoded.value)
      decoded++
    } catch (error) {
      if (!/group record/.test((error as Error).message)) strange.push(error)
    }
  }
  t.same(strange, [])
  t.ok(decoded > 100 && decoded < 19_900, `${decoded} of 20000 still mean something`)
})

t.test('ids of topics come back from their keys', async (t) => {
  const id = Uint8Array.from({ length: 16 }, (_, i) => 255 - i)
  t.same(topicIdOfKey(topicIdKey(id)), id)
})

t.test('what a commit costs', async (t) => {
  const record = golden[1][1]
  const times = 50_000
  const cpuUs = (run: () => void) => {
    const before = process.cpuUsage()
    for (let i = 0; i < times; i++) run()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / times
  }
  const { key, value } = encodeGroupRecord(record)
  const encodeUs = cpuUs(() => encodeGroupRecord(record))
  const decodeUs = cpuUs(() => decodeGroupRecord(key, value))
  t.comment(`${encodeUs.toFixed(2)} µs of CPU to write, ${decodeUs.toFixed(2)} µs to read`)
  t.equal(key.length + value!.length, 56)
})

/** Producer ids without a name: nobody fences another's producer with one, or takes the place of its next event. */
import t from 'tap'
import { NamelessOwners } from '../../../broker/producers/nameless-owners.ts'
import { PRODUCER_BLOCK_IDS } from '../../../broker/producers/producer-record.ts'
import { apis } from '../../../client/protocol/api.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { batchOf, ProtocolClient } from '../protocol-client.ts'
import { launch, named, node, refusal } from './access-node.ts'

const init = (client: ProtocolClient, producerId = -1, producerEpoch = -1) =>
  client.call(apis.initProducerId, { producerName: null, producerId, producerEpoch })

t.test('the id is of whom it was given to', async (t) => {
  const { url, admin, grant, as, keyOf } = await node(t)
  const topic = await admin.createTopic('readings', 1)
  for (const user of ['ada', 'eve']) await grant(`user:${user}`, ['read', 'write'], 'topic:readings')
  const [ada, eve, mallory] = [await as('ada'), await as('eve'), await as('mallory')]
  const { producerId } = await init(ada)
  let text = 0
  const send = async (client: ProtocolClient, baseSequence: number, producerEpoch = 0) => {
    const batch = batchOf([`event ${text++}`], Date.now(), { producerId, producerEpoch, baseSequence })
    return named((await client.produce(topic, 0, batch)).error)
  }
  t.equal(await send(ada, 0), 'NONE')
  for (const [who, client] of Object.entries({ eve, mallory, admin })) {
    t.equal(await refusal(init(client, producerId, 0)), 'UNKNOWN_PRODUCER_ID', `${who} does not fence it`)
    t.equal(
      await send(client, 1),
      who === 'mallory' ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_PRODUCER_ID',
      `${who} does not go on with it`,
    )
    t.equal(
      await send(client, 0, 1),
      who === 'mallory' ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_PRODUCER_ID',
      `nor with another epoch`,
    )
  }
  t.equal(await send(ada, 1), 'NONE', 'its owner does')
  const again = await ProtocolClient.connect(url, (await keyOf('ada')).key)
  t.equal(await send(again, 2), 'NONE', 'by another connection and key, too')
  t.same(await init(again, producerId, 0), { producerId, producerEpoch: 1 })
  t.equal(await send(ada, 3), 'INVALID_PRODUCER_EPOCH')
  t.equal(await send(ada, 0, 1), 'NONE')
  t.same(
    (await ada.fetch(topic, 0, 0)).records.length,
    4,
    'what was stored is what was acknowledged, nothing of the others',
  )
})

t.test(
  'an id that was not given out is nobody’s: nobody keeps ids from those they are given to later',
  async (t) => {
    const { admin, grant, as } = await node(t)
    const topic = await admin.createTopic('readings', 1)
    await grant('user:ada', ['write'], 'topic:readings')
    const [ada, eve] = [await as('ada'), await as('eve')]
    const { producerId: first } = await init(eve)
    // Ids of her block, of those that come next, and of what is far away.
    for (let id = first + 2; id < first + 6_000; id += 38)
      t.equal(await refusal(init(eve, id, 0)), 'UNKNOWN_PRODUCER_ID')
    t.equal(await refusal(init(eve, 2 ** 53 - 2, 0)), 'UNKNOWN_PRODUCER_ID')
    for (let i = 0; i < 3; i++) {
      const { producerId, producerEpoch } = await init(ada)
      const batch = batchOf(['x'], Date.now(), { producerId, producerEpoch, baseSequence: 0 })
      t.equal((await ada.produce(topic, 0, batch)).error, ErrorCode.NONE)
      const future = batchOf(['x'], Date.now(), {
        producerId: producerId + 2,
        producerEpoch: 0,
        baseSequence: 0,
      })
      t.equal(
        named((await ada.produce(topic, 0, future)).error),
        'UNKNOWN_PRODUCER_ID',
        'nor his own to come',
      )
    }
  },
)

t.test('after a restart an id is whose it was, and nobody else is told where it stands', async (t) => {
  const before = await node(t)
  const topic = await before.admin.createTopic('readings', 1)
  for (const user of ['ada', 'eve']) await before.grant(`user:${user}`, ['read', 'write'], 'topic:readings')
  const [adaKey, eveKey] = [await before.keyOf('ada'), await before.keyOf('eve')]
  const young = await ProtocolClient.connect(before.url, adaKey.key)
  const { producerId } = await init(young)
  const batch = (baseSequence: number, producerEpoch = 0) =>
    batchOf([`event ${baseSequence}`], Date.now(), { producerId, producerEpoch, baseSequence })
  t.equal((await young.produce(topic, 0, batch(0))).error, ErrorCode.NONE)
  await before.stop()

  const { url } = await launch(t, false, { data: before.data })
  const [ada, eve] = [
    await ProtocolClient.connect(url, adaKey.key),
    await ProtocolClient.connect(url, eveKey.key),
  ]
  const describe = async (client: ProtocolClient) => {
    const partitions = [{ topicId: topic, partition: 0 }]
    const answer = await client.call(apis.describeProducers, { producerId, partitions })
    return answer.partitions[0]
  }
  for (const [sequence, epoch] of [
    [1, 0],
    [0, 1],
  ] as const)
    t.equal(
      named((await eve.produce(topic, 0, batch(sequence, epoch))).error),
      'UNKNOWN_PRODUCER_ID',
      'the first to write with it is not its owner',
    )
  t.equal(await refusal(init(eve, producerId, 0)), 'UNKNOWN_PRODUCER_ID')
  t.match(await describe(eve), { error: ErrorCode.UNKNOWN_PRODUCER_ID, nextSequence: -1, lastOffset: -1 })
  t.match(await describe(ada), { error: ErrorCode.NONE, nextSequence: 1, lastOffset: 0 })
  t.equal((await ada.produce(topic, 0, batch(1))).error, ErrorCode.NONE, 'its owner goes on')
  t.same(await init(ada, producerId, 0), { producerId, producerEpoch: 1 })
  t.not((await init(ada)).producerId, producerId)
  t.equal((await ada.fetch(topic, 0, 0)).records.length, 2)
})

const blockOf = (i: number) => i * PRODUCER_BLOCK_IDS

t.test('blocks are bounded, and a flood of one makes it forget nobody else', async (t) => {
  const owners = new NamelessOwners(10, 4)
  owners.learn(blockOf(0), 'bob', true)
  const bobs = owners.give('bob') as number
  const tidy = (countMax = 100) => {
    for (const first of owners.surplus(countMax)) owners.forget(first)
  }
  for (let i = 1; i < 500; i++) {
    owners.learn(blockOf(i), i % 2 === 0 ? 'ada' : `flood ${i % 6}`, true)
    tidy()
    if (owners.blockCount > 10) t.fail(`${owners.blockCount} blocks`)
  }
  t.equal(owners.ownerOf(bobs), 'bob')
  const latest = owners.give('ada') as number
  t.equal(Math.floor(latest / PRODUCER_BLOCK_IDS), 498)
  t.equal(owners.ownerOf(latest), 'ada')
  for (let i = 500; i < 520; i++) owners.learn(blockOf(i), 'ada', false)
  t.same(owners.surplus(3).length, 3, 'some at a time')
  tidy()
  t.equal(owners.blockCount, 10)
  const kept = Array.from({ length: 20 }, (_, i) => owners.ownerOf(blockOf(500 + i)) !== undefined)
  t.same(kept, [...kept].sort(), 'his oldest go first')
  t.ok(kept[19] && !kept[15])
  for (let i = 0; i < 520; i++) owners.forget(blockOf(i))
  t.equal(owners.blockCount, 0)
  t.equal(owners.give('ada'), undefined, 'nothing is given out of a block that is forgotten')
})

t.test('epochs are of their id alone, and nobody pushes another’s out', async (t) => {
  const owners = new NamelessOwners()
  owners.learn(blockOf(7), 'ada', true)
  owners.learn(blockOf(8), 'eve', true)
  const [first, second] = [owners.give('ada') as number, owners.give('ada') as number]
  owners.raise(second, 3)
  owners.raise(second, 2)
  for (let id = owners.give('eve'); id !== undefined; id = owners.give('eve')) owners.raise(id, 32_768)
  t.same(
    [first, second, second + 2, blockOf(8), blockOf(8) + 998].map((id) => owners.oldestEpochOf(id)),
    [0, 3, 0, 32_768, 32_768],
  )
  t.throws(() => owners.raise(second + 2, 1), /nobody's/)
})

t.test('an id has one owner for as long as it is known, whatever happens', async (t) => {
  const random = seededRandom(t)
  const owners = new NamelessOwners(50, 20)
  const given = new Map<number, string>()
  let blocks = 0
  for (let step = 0; step < 20_000; step++) {
    const owner = `p${random.below(6)}`
    const producerId = owners.give(owner)
    if (producerId === undefined) {
      owners.learn(blockOf(blocks++), owner, random.below(4) > 0)
      for (const first of owners.surplus(1 + random.below(3))) owners.forget(first)
    } else if (given.has(producerId)) t.fail(`step ${step}: ${producerId} is given twice`)
    else given.set(producerId, owner)
    const probe = random.below(blocks * PRODUCER_BLOCK_IDS) & ~1
    const known = owners.ownerOf(probe)
    if (given.has(probe) && known !== undefined && known !== given.get(probe))
      t.fail(`step ${step}: ${probe} is of ${known}, not of ${given.get(probe)}`)
    if (owners.blockCount > 53) t.fail(`step ${step}: ${owners.blockCount} blocks`)
  }
  t.ok(given.size > 10_000)
})

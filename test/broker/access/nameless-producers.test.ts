/** Producer ids without a name: nobody fences another's producer with one, or takes the place of its next event. */
import t from 'tap'
import { NamelessOwners } from '../../../broker/producers/nameless-owners.ts'
import { apis } from '../../../client/protocol/api.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { batchOf, ProtocolClient } from '../protocol-client.ts'
import { named, node, refusal } from './access-node.ts'

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

t.test('what nobody has becomes his who takes it, within bounds', async (t) => {
  const owners = new NamelessOwners(100, 40)
  t.equal(owners.ownerOf(2), undefined)
  t.ok(owners.take(2, 'ada'))
  t.ok(owners.take(2, 'ada'))
  t.notOk(owners.take(2, 'eve'))
  for (let i = 0; i < 40; i++) t.ok(owners.take(1_000 + 2 * i, 'ada'))
  t.equal(owners.ownerOf(2), undefined, 'his oldest is forgotten first')
  t.equal(owners.size, 40)

  owners.take(4, 'bob')
  for (let i = 0; i < 10_000; i++) owners.take(100_000 + 2 * i, `flood ${i % 2}`)
  t.ok(owners.size <= 100)
  t.equal(owners.ownerOf(4), 'bob', 'a flood does not make it forget others')
})

t.test('it never forgets whose an id is while it keeps it', async (t) => {
  const random = seededRandom(t)
  const owners = new NamelessOwners(50, 20)
  for (let i = 0; i < 20_000; i++) {
    const id = 2 * random.below(300)
    const principal = `p${random.below(6)}`
    const before = owners.ownerOf(id)
    if (owners.take(id, principal) !== (before === undefined || before === principal))
      t.fail(`step ${i}: ${principal} and what is of ${before}`)
    if (owners.size > 50) t.fail(`step ${i}: ${owners.size} ids`)
  }
  t.pass('20,000 steps')
})

/** Producer ids and names: nothing given twice, one epoch that counts, names that go when nobody wants them. */
import t, { type Test } from 'tap'
import { initProducerIdHandler } from '../../../broker/handlers/init-producer-id.ts'
import { NamelessOwners } from '../../../broker/producers/nameless-owners.ts'
import { hasName, ProducerIds } from '../../../broker/producers/producer-ids.ts'
import {
  checkProducerEntry,
  decodeIdBlock,
  decodeProducerIds,
  decodeProducerRecord,
  encodeIdBlock,
  encodeProducerIds,
  encodeProducerRecord,
  idBlockKey,
  PRODUCER_IDS_KEY,
  producerKey,
} from '../../../broker/producers/producer-record.ts'
import { ProducerRegistry } from '../../../broker/producers/producer-registry.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { NAME_EXPIRED, NAMELESS } from '../../../storage/log/sequence-check.ts'
import {
  createMemoryMetadataStore,
  MemoryMetadataDisk,
} from '../../../storage/metadata/memory-metadata-store.ts'
import type { MetadataStore } from '../../../storage/metadata-store.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { randomOf } from '../../support/seeded-random.ts'
import { ManualTime } from '../manual-time.ts'
import { contextOf } from '../sessions.ts'

const EXPIRATION_MS = 7 * 24 * 3_600_000

async function openStore(disk = new MemoryMetadataDisk()): Promise<MetadataStore> {
  const store = createMemoryMetadataStore({
    disk,
    onListenerError: (error) => {
      throw error
    },
  })
  await store.open()
  return store
}

/** A node's view of one metadata store. */
async function nodeOn(
  store: MetadataStore,
  options: { namesMax?: number; clock?: ManualTime; owners?: NamelessOwners } = {},
) {
  const ids = await ProducerIds.open(store, randomOf(1), options.owners)
  const clock = options.clock ?? new ManualTime()
  const registry = await ProducerRegistry.open({
    store,
    ids,
    clock,
    namesMax: options.namesMax ?? 100,
    expirationMs: EXPIRATION_MS,
  })
  const known = new Set<number>()
  registry.watchesOver({ placed: async () => {}, knownProducers: async () => known })
  const handler = initProducerIdHandler({ registry, ids })
  const init = (producerName: string | null, producerId = -1, producerEpoch = -1) =>
    handler({ producerName, producerId, producerEpoch }, contextOf())
  const give = (isNamed: boolean, owner = 'ada') => (isNamed ? ids.giveNamed() : ids.giveNameless(owner))
  return { give, ids, registry, clock, known, init }
}

async function refused(t: Test, attempt: Promise<unknown>, code: number, sentence: RegExp | string) {
  await t.rejects(attempt, { code, message: sentence })
}

t.test('an id is never given twice, whoever asks and whenever the node dies', async (t) => {
  const disk = new MemoryMetadataDisk()
  const given = new Set<number>()
  const take = (id: number, isNamed: boolean) => {
    t.notOk(given.has(id), `${id} is new`)
    t.equal(hasName(id), isNamed)
    given.add(id)
  }
  for (let life = 0; life < 4; life++) {
    // Never closed: a crash. Two nodes share the metadata.
    const store = await openStore(disk)
    const nodes = [await nodeOn(store), await nodeOn(store)]
    for (let i = 0; i < 1_100; i++) take(await nodes[i % 2].give(i % 3 === 0, `p${i % 7}`), i % 3 === 0)
    const atOnce = await Promise.all(
      Array.from({ length: 620 }, (_, i) => nodes[0].give(false, `q${i % 90}`)),
    )
    for (const id of atOnce) take(id, false)
  }
  t.equal(given.size, 4 * 1_720)
})

t.test('an id is given out only when its block is durable', async (t) => {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const store = await openStore(new MemoryMetadataDisk({ sync: () => released }))
  const { give } = await nodeOn(store)
  let isGiven = false
  const giving = give(false).then((id) => {
    isGiven = true
    return id
  })
  await new Promise((resolve) => setImmediate(resolve))
  t.notOk(isGiven)
  release()
  const id = await giving
  t.ok(Number.isSafeInteger(id))
})

t.test('when metadata cannot be written, the asker is told and the next may succeed', async (t) => {
  let broken: StorageError | undefined
  const disk = new MemoryMetadataDisk({
    sync: async () => {
      if (broken) throw broken
    },
  })
  const { init } = await nodeOn(await openStore(disk))
  const before = await init('lab.a')
  broken = new StorageError('NO_SPACE', 'the disk is full')
  await t.rejects(init('lab.a'), { code: 'NO_SPACE' })
  await t.rejects(init('lab.b'), { code: 'NO_SPACE' })
  broken = undefined
  t.same(await init('lab.a'), { ...before, producerEpoch: 1 })
  t.equal((await init('lab.b')).producerEpoch, 0)
})

t.test('without a name: a new id, then the next epoch of it, then a new id again', async (t) => {
  const { init, registry } = await nodeOn(await openStore())
  const first = await init(null)
  t.equal(first.producerEpoch, 0)
  t.equal(registry.standingOf(first.producerId), NAMELESS)
  t.same(await init(null, first.producerId, 0), { ...first, producerEpoch: 1 })
  t.same(await init(null, first.producerId, 32_766), { ...first, producerEpoch: 32_767 })
  const fresh = await init(null, first.producerId, 32_767)
  t.equal(fresh.producerEpoch, 0)
  t.not(fresh.producerId, first.producerId, 'no epoch is left that partitions could tell from an old one')
})

t.test('an id without a name that has a new epoch: those before are good no more', async (t) => {
  const { init, ids } = await nodeOn(await openStore())
  const { owners } = ids
  const { producerId } = await init(null)
  t.equal(owners.oldestEpochOf(producerId), 0)
  await init(null, producerId, 0)
  t.equal(owners.oldestEpochOf(producerId), 1)
  await init(null, producerId, 6)
  t.equal(owners.oldestEpochOf(producerId), 7)
  await init(null, producerId, 2)
  t.equal(owners.oldestEpochOf(producerId), 7, 'an old question takes nothing back')
  await init(null, producerId, 32_767)
  t.equal(owners.oldestEpochOf(producerId), 32_768, 'none is good any more')
})

t.test(
  'whose an id is is known to the next life; what has to go of one goes from metadata, too',
  async (t) => {
    const disk = new MemoryMetadataDisk()
    const store = await openStore(disk)
    const { give, ids } = await nodeOn(store, { owners: new NamelessOwners(100, 3) })
    const first = await give(false, 'bob')
    const nobodys = await give(false, '')
    let last = -1
    for (let i = 0; i < 6 * 500; i++) last = await give(false, 'ada')
    const { entries } = await store.list('/producer-ids/blocks/')
    t.equal(entries.length, ids.owners.blockCount)
    t.ok(entries.length <= 2 + 4, `${entries.length} blocks: the one more goes with the next transaction`)

    const reborn = await nodeOn(await openStore(disk))
    const { owners } = reborn.ids
    t.same(
      [first, nobodys, last].map((id) => owners.ownerOf(id)),
      ['bob', '', 'ada'],
    )
    const next = await reborn.give(false, 'ada')
    t.ok(next > last)
    t.equal(owners.ownerOf(next + 2), undefined, 'not given out yet')
  },
)

t.test('very many who ask at once wait for a few transactions, not for one each', async (t) => {
  let syncs = 0
  const disk = new MemoryMetadataDisk({
    sync: async () => {
      syncs++
    },
  })
  const { give, ids } = await nodeOn(await openStore(disk))
  const before = syncs
  const given = await Promise.all(Array.from({ length: 1_000 }, (_, i) => give(false, `p${i}`)))
  for (const [i, id] of given.entries())
    if (ids.owners.ownerOf(id) !== `p${i}`) t.fail(`${id} is of ${ids.owners.ownerOf(id)}`)
  t.ok(syncs - before <= 40, `${syncs - before}`)
})

t.test('ids of a data directory from before blocks had owners are nobody’s', async (t) => {
  const store = await openStore()
  await store.transact([], [{ kind: 'put', key: PRODUCER_IDS_KEY, value: encodeProducerIds(41_005) }])
  const { init, ids } = await nodeOn(store)
  await refused(t, init(null, 41_004, 0), ErrorCode.UNKNOWN_PRODUCER_ID, /nobody's; ask for a new id/)
  t.same(await init(null), { producerId: 42_000, producerEpoch: 0 })
  t.equal(ids.owners.ownerOf(42_000), 'admin')
})

t.test('what makes no sense is refused by name', async (t) => {
  const { init } = await nodeOn(await openStore())
  const { INVALID_REQUEST } = ErrorCode
  await refused(t, init(null, -2), INVALID_REQUEST, /producerId is -2/)
  await refused(t, init(null, -1, 3), INVALID_REQUEST, /producerEpoch is 3; it must be -1/)
  await refused(t, init(null, 4, -1), INVALID_REQUEST, /producerEpoch is -1; it must be 0 or more/)
  await refused(
    t,
    init('a', 4, -1),
    INVALID_REQUEST,
    /with a name both must be -1, or both what the producer has/,
  )
  await refused(t, init('a', -1, 0), INVALID_REQUEST, /with a name both must be -1/)
  const { producerId } = await init('a')
  await refused(t, init(null, producerId, 0), INVALID_REQUEST, /has a name/)
  for (const [name, why] of [
    ['', /is empty/],
    ['a b', /has " " at 1/],
    ['.a', /nothing before its first dot/],
    ['a.', /nothing after its first dot/],
    ['default.a', /spells out the namespace/],
    ['n'.repeat(250), /has 250 characters/],
  ] as const)
    await refused(t, init(name), INVALID_REQUEST, why)
})

t.test('a name has one id for good, and its newest epoch alone is good', async (t) => {
  const disk = new MemoryMetadataDisk()
  const node = await nodeOn(await openStore(disk))
  const first = await node.init('lab.detector-7')
  t.ok(hasName(first.producerId))
  t.equal(first.producerEpoch, 0)
  t.equal(node.registry.standingOf(first.producerId), 0)
  t.same(await node.init('lab.detector-7'), { ...first, producerEpoch: 1 })
  t.equal(node.registry.standingOf(first.producerId), 1)
  t.not((await node.init('lab.detector-8')).producerId, first.producerId)
  t.equal(node.registry.nameCount, 2)

  const reborn = await nodeOn(await openStore(disk))
  t.equal(reborn.registry.standingOf(first.producerId), 1, 'known before anybody asks')
  t.same(await reborn.init('lab.detector-7'), { ...first, producerEpoch: 2 })
})

t.test('a producer that has been replaced cannot take its name back', async (t) => {
  const disk = new MemoryMetadataDisk()
  const { init } = await nodeOn(await openStore(disk))
  const { producerId } = await init('lab.a')
  const second = { producerId, producerEpoch: 1 }
  t.same(await init('lab.a', producerId, 0), second, 'nobody else has asked: a new epoch of its own')
  t.same(await init('lab.a', producerId, 0), second, 'asked again because the answer was lost')
  t.same(await init('lab.a', producerId, 1), { producerId, producerEpoch: 2 })
  const { INVALID_PRODUCER_EPOCH } = ErrorCode
  await refused(
    t,
    init('lab.a', producerId, 0),
    INVALID_PRODUCER_EPOCH,
    /claimed by another producer: its epoch is 2/,
  )

  t.same(await init('lab.a'), { producerId, producerEpoch: 3 }, 'a newcomer')
  await refused(t, init('lab.a', producerId, 2), INVALID_PRODUCER_EPOCH, /its epoch is 3 .* not 2/)
  await refused(t, init('lab.a', producerId + 2, 3), INVALID_PRODUCER_EPOCH, /of producer/)
  const reborn = await nodeOn(await openStore(disk))
  await refused(t, reborn.init('lab.a', producerId, 2), INVALID_PRODUCER_EPOCH, /its epoch is 3/)
  t.same(await reborn.init('lab.a', producerId, 3), { producerId, producerEpoch: 4 })
  t.same(await reborn.init('lab.a', producerId, 3), { producerId, producerEpoch: 4 })
})

t.test('of many who ask at once everyone has an epoch of its own and the newest counts', async (t) => {
  const store = await openStore()
  const node = await nodeOn(store)
  const given = await Promise.all(Array.from({ length: 50 }, () => node.init('lab.a')))
  t.equal(new Set(given.map(({ producerId }) => producerId)).size, 1)
  const epochs = given.map(({ producerEpoch }) => producerEpoch)
  t.same(
    [...epochs].sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, i) => i),
  )
  t.equal(node.registry.standingOf(given[0].producerId), 49)

  // Another node of the same cluster: the transaction decides.
  const other = await nodeOn(store)
  const both = await Promise.all([node.init('lab.a'), other.init('lab.a'), node.init('lab.a')])
  t.same(both.map(({ producerEpoch }) => producerEpoch).sort(), [50, 51, 52])
})

t.test('after the last epoch of a name comes the first again, with the same id', async (t) => {
  const store = await openStore()
  const key = producerKey('lab.a')
  const value = encodeProducerRecord({ producerId: 41, producerEpoch: 32_767, lastUsedMs: 0 })
  await store.transact([], [{ kind: 'put', key, value }])
  const { init, registry } = await nodeOn(store)
  t.equal(registry.standingOf(41), 32_767)
  t.same(await init('lab.a'), { producerId: 41, producerEpoch: 0 })
  t.equal(registry.standingOf(41), 0, 'the last epoch is fenced like any other')
})

t.test('names are bounded', async (t) => {
  const { init } = await nodeOn(await openStore(), { namesMax: 3 })
  const attempts = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((name) => init(name)))
  t.equal(attempts.filter(({ status }) => status === 'fulfilled').length, 3)
  for (const attempt of attempts)
    if (attempt.status === 'rejected')
      t.match(attempt.reason, { code: ErrorCode.POLICY_VIOLATION, message: /producers.namesMax/ })
  const lucky = ['a', 'b', 'c', 'd', 'e'].filter((_, i) => attempts[i].status === 'fulfilled')
  t.equal((await init(lucky[0])).producerEpoch, 1, 'who has a name is not kept out')
})

t.test('an unused name of which no partition knows anything makes room', async (t) => {
  const disk = new MemoryMetadataDisk()
  const clock = new ManualTime()
  const { init, registry, known } = await nodeOn(await openStore(disk), { namesMax: 2, clock })
  const idle = await init('idle')
  const busy = await init('busy')
  known.add(busy.producerId)
  await clock.advance(EXPIRATION_MS)
  await refused(t, init('new'), ErrorCode.POLICY_VIOLATION, /no room/)
  await clock.advance(1)
  const fresh = await init('new')
  t.not(fresh.producerId, idle.producerId)
  t.equal(registry.standingOf(idle.producerId), NAME_EXPIRED)
  t.equal(registry.standingOf(busy.producerId), 0)
  await refused(t, init('newer'), ErrorCode.POLICY_VIOLATION, /no room/)
  t.equal((await init('busy')).producerEpoch, 1)

  const reborn = await nodeOn(await openStore(disk))
  t.equal(reborn.registry.nameCount, 2)
  t.equal(reborn.registry.standingOf(idle.producerId), NAME_EXPIRED)
})

t.test('a name whose producer wakes up while it is being forgotten stays', async (t) => {
  const clock = new ManualTime()
  const store = await openStore()
  const { init, registry } = await nodeOn(store, { namesMax: 1, clock })
  const { producerId } = await init('sleeper')
  const heard: number[] = []
  registry.watchesOver({
    placed: async () => {},
    // The first look finds nothing; by the second a batch that was under way has become durable.
    knownProducers: async () => {
      heard.push(registry.standingOf(producerId))
      return new Set(heard.length > 1 ? [producerId] : [])
    },
  })
  await clock.advance(EXPIRATION_MS + 1)
  await refused(t, init('new'), ErrorCode.POLICY_VIOLATION, /no room/)
  t.same(heard, [0, NAME_EXPIRED], 'its batches were refused before the look that decides')
  t.equal(registry.standingOf(producerId), 0)
  t.ok(await store.get(producerKey('sleeper')))
})

t.test('a name that is claimed while it is being forgotten is the claimer’s', async (t) => {
  const clock = new ManualTime()
  const { init, registry } = await nodeOn(await openStore(), { clock })
  const old = await init('a')
  await clock.advance(EXPIRATION_MS + 1)
  const [again, other] = await Promise.all([init('a'), init('b')])
  t.equal(registry.standingOf(again.producerId), again.producerEpoch)
  t.equal(registry.standingOf(other.producerId), 0)
  if (again.producerId !== old.producerId) t.equal(registry.standingOf(old.producerId), NAME_EXPIRED)
})

t.test('what metadata holds, and what is not believed of it', async (t) => {
  const entry = (key: string, text: string) => ({
    key,
    value: Buffer.from(text),
    createRevision: 1,
    modRevision: 1,
  })
  const record = { producerId: 41, producerEpoch: 7, lastUsedMs: 3 }
  const text = '{"producerId":41,"producerEpoch":7,"lastUsedMs":3}'
  t.equal(Buffer.from(encodeProducerRecord(record)).toString(), text)
  t.same(decodeProducerRecord(entry('/producers/a', text)), record)
  const renewed = { ...record, renewedEpoch: 6 }
  const renewedText = text.replace('}', ',"renewedEpoch":6}')
  t.equal(Buffer.from(encodeProducerRecord(renewed)).toString(), renewedText)
  t.same(decodeProducerRecord(entry('/producers/a', renewedText)), renewed)
  t.equal(Buffer.from(encodeProducerIds(42_000)).toString(), '{"nextProducerId":42000}')
  t.equal(decodeProducerIds(entry(PRODUCER_IDS_KEY, '{"nextProducerId":42000}')), 42_000)
  for (const bad of [
    'x',
    '{}',
    text.replace('7', '32768'),
    text.replace('41', '-1'),
    text.replace('}', ',"more":1}'),
    text.replace('}', ',"renewedEpoch":-1}'),
  ])
    t.throws(() => decodeProducerRecord(entry('/producers/a', bad)), /^metadata \/producers\/a is no/)
  t.throws(() => decodeProducerIds(entry(PRODUCER_IDS_KEY, '{"nextProducerId":1.5}')), /is no range/)
  const block = { first: 42_000, owner: 'ada' }
  t.equal(idBlockKey(42_000), '/producer-ids/blocks/42000')
  t.equal(Buffer.from(encodeIdBlock('ada')).toString(), '{"owner":"ada"}')
  t.same(decodeIdBlock(entry(idBlockKey(42_000), '{"owner":"ada"}')), block)
  t.throws(() => decodeIdBlock(entry(idBlockKey(42_000), '{"owner":7}')), /is no block of producer ids/)
  for (const begin of ['42001', '', '-1000', '042000', 'x'])
    t.throws(
      () => checkProducerEntry(entry(`/producer-ids/blocks/${begin}`, '{"owner":"ada"}')),
      /must end with a multiple of 1000/,
    )

  const store = await openStore()
  await store.transact([], [{ kind: 'put', key: '/producers/a', value: Buffer.from('{}') }])
  await t.rejects(nodeOn(store), /metadata \/producers\/a is no producer/)
})

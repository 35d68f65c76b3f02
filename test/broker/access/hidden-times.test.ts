/**
 * Whether the time of an answer tells what its words do not: thousands of refusals about what may not be seen, and
 * about what is not there, in random order, over a connection to a real broker. Long, so under OCTOPUS_SOAK only;
 * `test/broker/handlers/hidden.test.ts` shows always that both take the same steps.
 *
 * Measured is the share of pairs in which the one took longer (Mann and Whitney): 0.5 for two that do not differ,
 * whatever the machine does, and with its standard error known, since it knows only ranks.
 */
import t from 'tap'
import { apis } from '../../../client/protocol/api.ts'
import { BrokerProcess } from '../../support/broker-process.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { batchOf, ProtocolClient } from '../protocol-client.ts'

const ROUNDS = 4_000
const WARM_UP = 500
/** Standard errors: by chance it is exceeded once in 30,000 measurements. */
const ERRORS_MAX = 4

/** The share of all pairs in which `a` is greater, ties counted half. */
function shareGreater(a: readonly number[], b: readonly number[]): number {
  const all = [...a.map((value) => ({ value, isA: true })), ...b.map((value) => ({ value, isA: false }))]
  all.sort((x, y) => x.value - y.value)
  let ranks = 0
  for (let at = 0; at < all.length; ) {
    let end = at
    while (end < all.length && all[end].value === all[at].value) end++
    for (let i = at; i < end; i++) if (all[i].isA) ranks += (at + 1 + end) / 2
    at = end
  }
  return (ranks - (a.length * (a.length + 1)) / 2) / (a.length * b.length)
}

function standardError(a: number, b: number): number {
  return Math.sqrt((a + b + 1) / (12 * a * b))
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]

t.test('the measure finds a difference of a few percent', async (t) => {
  const random = seededRandom(t)
  // As times are: a least one, and a long tail.
  const sample = (count: number, more: number) =>
    Array.from({ length: count }, () => 100 - 8 * Math.log(1 - random.unit()) + more)
  const error = standardError(ROUNDS, ROUNDS)
  const same = Math.abs(shareGreater(sample(ROUNDS, 0), sample(ROUNDS, 0)) - 0.5)
  t.ok(same < ERRORS_MAX * error, `${same} is chance`)
  const other = Math.abs(shareGreater(sample(ROUNDS, 0), sample(ROUNDS, 1)) - 0.5)
  t.ok(other > ERRORS_MAX * error, `${other} is none`)
  t.equal(shareGreater([3, 4], [1, 2]), 1)
  t.equal(shareGreater([1, 1], [1, 1]), 0.5)
})

const skip = process.env.OCTOPUS_SOAK === '1' ? false : 'OCTOPUS_SOAK is not set'

t.test('the time of a refusal does not tell whether there is anything', { skip, timeout: 0 }, async (t) => {
  const random = seededRandom(t)
  const broker = await BrokerProcess.start([
    '--auth-throttle-burst',
    '10000',
    '--auth-throttle-refill-ms',
    '10',
  ])
  t.teardown(() => broker.destroy())
  const admin = await ProtocolClient.connect(broker.url)
  await admin.call(apis.createNamespace, {
    namespaces: [{ name: 'vault', owners: ['user:bob'], topicConfigs: [] }],
  })
  const there = await admin.createTopic('vault.there', 4)
  const missing = Uint8Array.from(there, (byte) => byte ^ 0x5a)
  const keyOf = (principal: string) =>
    admin.call(apis.createKey, {
      principal,
      name: 'x',
      groups: [],
      roles: [],
      expiresAtMs: null,
      scope: null,
    })
  const eve = await ProtocolClient.connect(broker.url, (await keyOf('eve')).key)
  const bob = (await keyOf('bob')).keyId
  const batch = batchOf(['x'])
  const nameOf = (isThere: boolean) => (isThere ? 'vault.there' : 'vault.other')
  const idOf = (isThere: boolean) => (isThere ? there : missing)
  // Made before anything is measured.
  const tokens = [bob, [...bob].reverse().join('')].map((id) =>
    Buffer.from(`oct_${id}_${'A'.repeat(43)}`).toString(),
  )
  const asks: Record<string, (isThere: boolean) => Promise<unknown>> = {
    describe: (isThere) => eve.call(apis.describeTopics, { names: [nameOf(isThere)] }),
    'metadata by id': (isThere) =>
      eve.call(apis.metadata, { topics: [{ name: null, topicId: idOf(isThere) }] }),
    fetch: (isThere) => eve.fetch(idOf(isThere), 0, 0),
    produce: (isThere) => eve.produce(idOf(isThere), 0, batch),
    delete: (isThere) =>
      eve.call(apis.deleteTopics, { topics: [{ name: nameOf(isThere), topicId: null }], timeoutMs: 1_000 }),
    'wrong secret': (isThere) =>
      eve
        .call(apis.authenticate, {
          mechanism: 'token',
          token: tokens[isThere ? 0 : 1],
        })
        // It is refused, always: that is what is measured.
        .catch((error: Error) => error),
  }
  for (const [what, ask] of Object.entries(asks)) {
    const times = { there: [] as number[], missing: [] as number[] }
    for (let round = -WARM_UP; round < ROUNDS; round++)
      for (const isThere of random.below(2) === 0 ? [true, false] : [false, true]) {
        const start = process.hrtime.bigint()
        await ask(isThere)
        const tookMs = Number(process.hrtime.bigint() - start) / 1e6
        if (round >= 0) times[isThere ? 'there' : 'missing'].push(tookMs)
      }
    const share = shareGreater(times.there, times.missing)
    const errors = Math.abs(share - 0.5) / standardError(ROUNDS, ROUNDS)
    const medians = [times.there, times.missing].map((each) => (median(each) * 1e3).toFixed(1))
    t.ok(
      errors < ERRORS_MAX,
      `${what}: hidden takes longer than missing in ${(share * 100).toFixed(2)} % of pairs, ${errors.toFixed(1)} standard errors from half; medians ${medians.join(' and ')} µs`,
    )
  }
})

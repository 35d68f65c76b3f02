/** The small structures that everything else stands on: queue, back-off, buffer pool, gate, delays, options. */
import t from 'tap'
import { backoffDelayMs } from '../../client/backoff.ts'
import { DelayGroup } from '../../client/delay-group.ts'
import { Gate } from '../../client/gate.ts'
import { tell } from '../../client/listener.ts'
import { clientSettings } from '../../client/options.ts'
import { BufferPool } from '../../client/producer/buffer-pool.ts'
import { Queue } from '../../client/queue.ts'
import { sameTopicId, topicIdText } from '../../client/topic-id.ts'
import { World } from './support/world.ts'

t.test('a queue is an array, whatever is done to it', async (t) => {
  const world = new World(11)
  const queue = new Queue<number>()
  const model: number[] = []
  for (let step = 0; step < 5_000; step++) {
    const what = world.below(100)
    if (what < 40) {
      queue.push(step)
      model.push(step)
    } else if (what < 55) {
      queue.unshift(step)
      model.unshift(step)
    } else if (queue.shift() !== model.shift()) t.fail(`another element at step ${step}`)
    if (queue.length !== model.length || queue.peek() !== model[0]) t.fail(`differs after step ${step}`)
  }
  t.ok(model.length > 20, 'the model grew beyond the first ring')
})

t.test('back-off doubles to its ceiling, with jitter over the whole range', async (t) => {
  const limits = { backoffMinMs: 50, backoffMaxMs: 1_000 }
  const ceilings = [1, 2, 3, 4, 5, 6, 7, 1_000].map((attempt) => backoffDelayMs(limits, attempt, 1))
  t.same(ceilings, [50, 100, 200, 400, 800, 1_000, 1_000, 1_000])
  t.equal(backoffDelayMs(limits, 6, 0), 0)
  t.equal(backoffDelayMs(limits, 6, 0.25), 250)
  t.equal(backoffDelayMs(limits, 6, 0.25, 3_000), 3_250, 'what the server asks for comes first')
  t.equal(backoffDelayMs(limits, 6, 0.25, 2 ** 31 - 1), 3_600_000, 'within reason')
  t.equal(backoffDelayMs(limits, 5_000, 1), 1_000, 'also after years')
})

t.test('a buffer pool gives the same buffers again and counts what is out', async (t) => {
  const pool = new BufferPool(10_000, 100)
  const small = pool.take(50)
  t.equal(small.length, 4_196)
  const large = pool.take(9_000)
  t.equal(large.length, 10_100)
  const huge = pool.take(50_000)
  t.equal(huge.length, 50_000, 'larger than a batch: made to measure')
  t.equal(pool.usedBytes, 4_196 + 10_100 + 50_000)
  pool.give(large)
  pool.give(huge)
  t.equal(pool.usedBytes, 4_196)
  t.equal(pool.take(8_293), large)
  t.not(pool.take(50_000), huge)
  pool.give(small)
  t.equal(pool.take(4_196), small)
})

t.test('a buffer pool keeps 16 MiB at most', async (t) => {
  const pool = new BufferPool(1024 * 1024, 0)
  const taken = Array.from({ length: 20 }, () => pool.take(1024 * 1024))
  for (const buffer of taken) pool.give(buffer)
  const again = new Set(Array.from({ length: 20 }, () => pool.take(1024 * 1024)))
  t.equal(taken.filter((buffer) => again.has(buffer)).length, 16)
})

t.test('a gate lets through everybody who waits, and closes behind them', async (t) => {
  const gate = new Gate()
  gate.open()
  t.equal(gate.isWaitedFor, false)
  const first = gate.wait()
  t.equal(gate.wait(), first)
  t.equal(gate.isWaitedFor, true)
  gate.open()
  await first
  t.not(gate.wait(), first)
})

t.test('delays of a group end together', async (t) => {
  const world = new World()
  const group = new DelayGroup(world.timers)
  const ran: string[] = []
  group.after(10, () => ran.push('a'))
  group.after(20, () => ran.push('b')).cancel()
  group.after(30, () => ran.push('c'))
  await world.pass(15)
  group.cancelAll()
  await world.pass(100)
  t.same(ran, ['a'])
  t.equal(world.pendingCount, 0)
})

t.test('what a listener throws does not stop us, and is seen', async (t) => {
  const soon: (() => void)[] = []
  const timers = {
    after: () => ({ cancel: () => undefined }),
    soon: (run: () => void) => void soon.push(run),
  }
  tell(timers, undefined, 1)
  tell(
    timers,
    () => {
      throw new Error('mine')
    },
    1,
  )
  t.equal(soon.length, 1)
  t.throws(soon[0], { message: 'mine' })
})

t.test('topic ids', async (t) => {
  const id = Uint8Array.from({ length: 16 }, (_, i) => i * 17)
  t.equal(topicIdText(id), '00112233445566778899aabbccddeeff')
  t.ok(sameTopicId(id, id.slice()))
  for (let i = 0; i < 16; i++) t.notOk(sameTopicId(id, id.with(i, 1)), `byte ${i}`)
})

t.test('a wrong client option is refused by name', async (t) => {
  const refused = (options: object) => {
    try {
      clientSettings(options)
    } catch (error) {
      return (error as Error).message
    }
    return 'taken'
  }
  t.equal(
    refused({ url: 'http://x' }),
    'option url: expected an address such as ws://127.0.0.1:7654, got "http://x"',
  )
  for (const url of ['ws://b:1/?token=oct_x', 'wss://oct_x@b', 'wss://u:oct_x@b/', 'ws://b#oct_x'])
    t.equal(
      refused({ url }),
      'option url: an address has no user, password, query or fragment, for it stands in logs; a credential goes into the option token',
    )
  for (const url of ['ws://lab.example:1', 'ws://0.0.0.0:1', 'ws://127.0.0.1.evil.example', 'WS://[::2]']) {
    t.equal(
      refused({ url, token: 'secret' }),
      `option url: on the way to ${url} others could read the credential; use wss://, or give insecurePlaintext: true if ` +
        'that network is safe (127.0.0.1, [::1] and localhost need neither)',
    )
    t.equal(refused({ url, token: 'secret', insecurePlaintext: true }), 'taken')
    t.equal(refused({ url }), 'taken', 'there is nothing to read')
  }
  for (const url of [
    'ws://localhost:1',
    'ws://LOCALHOST',
    'ws://[::1]:1',
    'ws://127.9.9.9',
    'wss://lab.example',
  ])
    t.equal(refused({ url, token: () => 'secret' }), 'taken', url)
  t.equal(
    refused({ requestTimeoutMs: 0 }),
    'option requestTimeoutMs: expected a whole number from 1 to 86400000, got 0',
  )
  t.equal(
    refused({ reconnect: { backoffMinMs: 100, backoffMaxMs: 50 } }),
    'option reconnect.backoffMaxMs: expected a whole number from 100 to 86400000, got 50',
  )
  t.equal(refused({ url: 'wss://broker.example:443/x' }), 'taken')
})

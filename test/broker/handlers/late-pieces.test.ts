/** Pieces that are made elsewhere, and what is known already: what is held, what is sent when it comes late, and what goes wrong. */
import t from 'tap'
import { Policy } from '../../../auth/acl/policy.ts'
import { CodecPoolError } from '../../../broker/codec-pool/codec-pool.ts'
import type { ShapedSlice, Skipped } from '../../../broker/filters/fetch-shaper.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { PlainShaper } from '../filters/plain-shaper.ts'
import { settled } from '../manual-time.ts'
import { sessionOf, userIdentity } from '../sessions.ts'
import { batch, Connection, context, request, setup, turns } from './fetch-harness.ts'

const FILTER = '{"value":[{"exists":true}]}'

/** Makes a piece when it is told to, and knows what it is told. */
class LateShaper extends PlainShaper {
  readonly making: { readonly finish: () => void; readonly fail: (error: Error) => void }[] = []
  known: Skipped | Promise<void> | undefined
  asked: number[] = []

  constructor() {
    super(() => true)
  }

  // biome-ignore lint/suspicious/noExplicitAny: what it takes is the plain one's affair
  override shape(...args: [any, any, any, any]): any {
    const made = super.shape(...args)
    return new Promise<ShapedSlice>((resolve, reject) => {
      this.making.push({ finish: () => resolve(made), fail: reject })
    })
  }

  override skip(..._args: unknown[]): undefined {
    this.asked.push(_args[2] as number)
    const { known } = this
    this.known = undefined
    return known as undefined
  }
}

async function start(batches = 3) {
  const shaper = new LateShaper()
  const parts = await setup({ shaper })
  for (let i = 0; i < batches; i++) await parts.shard.append({}, parts.logs[0], batch(50_000))
  return { ...parts, shaper }
}

const ask = (fields = {}) => request([{}], { filter: FILTER, maxWaitMs: 500, maxBytes: 60_000, ...fields })

t.test('for one connection one piece is made at a time, and it waits alone', async (t) => {
  const { shaper, fetch } = await start()
  const connection = new Connection(60_000)
  const fetching = Array.from({ length: 5 }, () => fetch(ask(), connection, context))
  await turns()
  t.equal(shaper.making.length, 1)
  // Something else has filled the connection meanwhile.
  connection.buffered = 1_000_000
  shaper.making[0].finish()
  await turns()
  t.same([connection.sent.length, shaper.making.length], [0, 1], 'the piece waits, and no other is made')
  for (let i = 0; i < 20; i++) {
    connection.drain()
    await turns()
    shaper.making.at(-1)?.finish()
    await turns()
  }
  for (const { partitions } of await Promise.all(fetching)) t.match(partitions, [{ error: 0 }])
  t.equal(connection.sent.length, 5)
})

t.test('other connections go on meanwhile', async (t) => {
  const { shaper, fetch } = await start()
  const [slow, quick] = [new Connection(60_000), new Connection(60_000)]
  const waiting = fetch(ask(), slow, context)
  const other = fetch(ask(), quick, { ...context, connection: { ...context.connection, id: 2 } })
  await turns()
  t.equal(shaper.making.length, 2)
  shaper.making[1].finish()
  await other
  t.same([slow.sent.length, quick.sent.length], [0, 1])
  shaper.making[0].finish()
  await waiting
})

t.test('what was made is not sent when the right, or the credential, is gone by then', async (t) => {
  const { shaper, fetch } = await start()
  const policy = new Policy()
  policy.putNamespace('lab', ['user:ann'])
  const session = sessionOf(userIdentity('ann'), policy)
  const connection = new Connection(60_000)
  const fetching = fetch(ask(), connection, { ...context, session })
  await turns()
  policy.removeNamespace('lab')
  shaper.making[0].finish()
  t.match((await fetching).partitions, [{ error: ErrorCode.UNKNOWN_TOPIC_ID }])

  const clock = { nowMs: () => 0 }
  const expiring = sessionOf(userIdentity('bob', { expiresAtMs: 1_000 }), new Policy(['user:bob']), clock)
  const late = fetch(ask(), connection, { ...context, session: expiring })
  await turns()
  clock.nowMs = () => 2_000
  shaper.making[1].finish()
  await t.rejects(late, { code: ErrorCode.CREDENTIAL_EXPIRED })
  t.same(connection.sent, [])
})

t.test('a connection that is gone gets nothing, and its piece frees the place of the next', async (t) => {
  const { shaper, fetch, purgatory, timers } = await start()
  const gone = new AbortController()
  const connection = new Connection(60_000)
  const fetching = fetch(ask(), connection, { ...context, signal: gone.signal })
  await turns()
  gone.abort()
  shaper.making[0].finish()
  await fetching
  t.same([connection.sent, purgatory.size, timers.length], [[], 0, 0])
  const next = fetch(ask(), connection, context)
  await turns()
  shaper.making[1].finish()
  await next
  t.equal(connection.sent.length, 1)
})

t.test('a worker that dies is told as an error that may pass, and what was sent before counts', async (t) => {
  const { shaper, fetch } = await start()
  const connection = new Connection(1_000_000)
  const fetching = fetch(
    request([{}], { filter: FILTER, maxWaitMs: 500, partitionMaxBytes: 50_100 }),
    connection,
    context,
  )
  await turns()
  shaper.making[0].fail(new CodecPoolError('worker-died', 'the worker is gone'))
  const { partitions } = await fetching
  t.match(partitions, [{ message: 'the worker is gone', bytes: 0 }])
  t.not(partitions[0].error, ErrorCode.NONE)
})

t.test('what is known is not read: it is gone over, and told at the end', async (t) => {
  const { shaper, fetch } = await start()
  shaper.known = { nextOffset: 3, examined: 3, notJson: 2 }
  const connection = new Connection(1_000_000)
  const told: number[][] = []
  const data = connection.data.bind(connection)
  connection.data = (head, ...rest) => {
    const { examined, notJson } = head as unknown as { examined: number; notJson: number }
    told.push([examined, notJson])
    data(head, ...rest)
  }
  await fetch(ask({ minBytes: 0 }), connection, context)
  t.same([shaper.making.length, connection.sent, told], [0, [[0, 61]], [[3, 2]]])
})

t.test('what somebody else is looking at is waited for, without a place of one’s own', async (t) => {
  const { shaper, fetch } = await start()
  let finish = () => {}
  shaper.known = new Promise<void>((resolve) => {
    finish = resolve
  })
  const connection = new Connection(1_000_000)
  const fetching = fetch(ask(), connection, context)
  await turns()
  t.same([shaper.making.length, shaper.asked], [0, [0]])
  const other = fetch(ask(), connection, context)
  await turns()
  t.equal(shaper.making.length, 1, 'another fetch of the connection goes on')
  shaper.making[0].finish()
  await other
  shaper.known = { nextOffset: 2, examined: 2, notJson: 0 }
  finish()
  await turns()
  await settled()
  t.same(shaper.asked.slice(-2), [0, 2], 'it asks again, and goes on behind')
  shaper.making[1].finish()
  await fetching
})

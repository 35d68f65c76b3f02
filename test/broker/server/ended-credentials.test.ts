/** Connections whose credential is good no more hold a place no longer than those that never showed one. */
import t from 'tap'
import { Policy } from '../../../auth/acl/policy.ts'
import type { Session } from '../../../broker/access/session.ts'
import { sessionOf, userIdentity } from '../sessions.ts'
import { startServer } from './harness.ts'

const TIMEOUT_MS = 5_000

async function setup(expiresAtMs?: number) {
  const sessions: Session[] = []
  const clock = { nowMs: () => 0 }
  const harness = await startServer(
    {},
    {
      limits: { authenticationTimeoutMs: TIMEOUT_MS },
      sessions: {
        open: () => {
          const session = sessionOf(userIdentity('ann', { expiresAtMs }), new Policy(), clock)
          sessions.push(session)
          return session
        },
        close: () => {},
      },
    },
  )
  clock.nowMs = () => harness.time.monotonicMs()
  const client = await harness.greeted()
  return { ...harness, client, session: sessions[0] }
}

t.test('who was revoked and shows nothing newer is closed, and makes room', async (t) => {
  const { client, session, time, tally, server } = await setup()
  await time.advance(60_000)
  t.equal(client.socket.ended, undefined, 'while it is good nobody minds')
  session.revoked()
  await time.advance(TIMEOUT_MS)
  t.equal(client.socket.ended, undefined, 'he has as long as a newcomer')
  await time.advance(1_000)
  t.same(client.socket.ended, {
    code: 1008,
    reason: 'the credential has ended and no newer one came within 5000 ms',
  })
  t.equal(server.statistics().connections, 0)
  t.equal(tally.breaches, 0, 'which breaks no rule')
})

t.test('so is who has expired, counted from the end', async (t) => {
  const { client, time } = await setup(20_000)
  await time.advance(20_000 + TIMEOUT_MS - 1)
  t.equal(client.socket.ended, undefined)
  await time.advance(1_001)
  t.equal(client.socket.ended?.code, 1008)
})

t.test('who renews in time is not touched, however often, even between two looks', async (t) => {
  const { client, session, time } = await setup()
  for (let round = 0; round < 20; round++) {
    session.revoked()
    await time.advance(TIMEOUT_MS - 1_000)
    session.authenticated(userIdentity('ann'))
    session.revoked()
    await time.advance(300)
    session.authenticated(userIdentity('ann'))
    session.revoked()
    await time.advance(700)
    session.authenticated(userIdentity('ann'))
  }
  await time.advance(60_000)
  t.equal(client.socket.ended, undefined)
})

/** Who is connected renews his token, and comes anew, while a stranger at his address sends wrong ones. */
import t from 'tap'
import { apis } from '../../../client/protocol/api.ts'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { ProtocolClient } from '../protocol-client.ts'
import { node } from './access-node.ts'

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

t.test('a renewed token is looked at', async (t) => {
  const { url, as } = await node(t, { 'auth.throttleBurst': '1', 'auth.throttleRefillMs': '3600000' })
  const vic = await as('vic')
  const fresh = async () => {
    const request = { principal: null, groups: [], roles: [], lifetimeMs: 60_000, scope: null }
    return (await vic.call(apis.issueToken, request)).token
  }
  const agent = await ProtocolClient.connect(url, await fresh())
  const [, payload] = (await fresh()).split('.')
  const { iss } = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const wrong = `${encoded({ alg: 'EdDSA', kid: 'nope', typ: 'octopus+jwt' })}.${encoded({ iss })}.AAAA`
  const stranger = await ProtocolClient.open(url)
  await stranger.call(apis.hello, { clientName: 'stranger', clientVersion: '1' })
  const guess = () => stranger.call(apis.authenticate, { mechanism: 'token', token: wrong })
  await t.rejects(guess(), { code: ErrorCode.SASL_AUTHENTICATION_FAILED })
  await t.rejects(guess(), { code: ErrorCode.AUTHENTICATION_UNAVAILABLE }, 'the address has to wait')

  const renew = async () => agent.call(apis.authenticate, { mechanism: 'token', token: await fresh() })
  t.match(await renew(), { principal: 'user:vic' })
  const anew = await ProtocolClient.connect(url, await fresh())
  t.match(await anew.call(apis.whoami, {}), { principal: 'user:vic' })
  await t.rejects(agent.call(apis.authenticate, { mechanism: 'token', token: wrong }), {
    code: ErrorCode.SASL_AUTHENTICATION_FAILED,
  })
  await t.rejects(
    agent.call(apis.authenticate, { mechanism: 'token', token: wrong }),
    { code: ErrorCode.AUTHENTICATION_UNAVAILABLE, message: /of this user/ },
    'his own mistakes make him wait',
  )
  t.match(await renew(), { principal: 'user:vic' }, 'but not for what is right')
  for (const client of [vic, agent, anew, stranger]) client.socket.terminate()
})

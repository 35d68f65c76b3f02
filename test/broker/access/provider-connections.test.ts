/** Connections to a real broker with tokens of a real OpenID provider, while its keys change and it goes away. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { apis } from '../../../client/protocol/api.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import { AUDIENCE, CLIENT_ID, newJwk, ProviderServer } from '../../auth/support/provider-server.ts'
import { BrokerProcess } from '../../support/broker-process.ts'
import { ProtocolClient } from '../protocol-client.ts'

async function setUp(t: Test) {
  const provider = await ProviderServer.start()
  const directory = await mkdtemp(join(tmpdir(), 'octopus-provider-'))
  const file = join(directory, 'octopus.yaml')
  const issuer = { issuer: provider.issuer, audience: AUDIENCE, jwksCooldownMs: 1_000, clockToleranceMs: 0 }
  await writeFile(file, JSON.stringify({ auth: { issuers: [{ ...issuer, prefix: 'lab/' }] } }))
  const broker = await BrokerProcess.start(['--config', file])
  t.teardown(async () => {
    await broker.destroy()
    await provider.stop()
    await rm(directory, { recursive: true })
  })
  return { provider, broker }
}

/** Until it is no more refused as something that passes; as clients do. */
async function connected(url: string, token: string): Promise<ProtocolClient> {
  const client = await ProtocolClient.connect(url, null)
  for (;;)
    try {
      await client.call(apis.authenticate, { mechanism: 'token', token })
      return client
    } catch (error) {
      if (!(error instanceof ProtocolError) || error.code !== ErrorCode.AUTHENTICATION_UNAVAILABLE)
        throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
}

const who = async (client: ProtocolClient) => (await client.call(apis.whoami, {})).principal

t.test(
  'a rotation disturbs nobody; a provider that is down, only whoever comes with a new key',
  async (t) => {
    const { provider, broker } = await setUp(t)
    const [first] = provider.keys
    const old = await provider.token()
    const open = await connected(broker.url, old)
    t.equal(await who(open), `user:lab/${CLIENT_ID}`)

    const second = await newJwk('second')
    provider.useKeys([second, first])
    const next = await connected(broker.url, await provider.token())
    t.same([await who(open), await who(next)], Array(2).fill(`user:lab/${CLIENT_ID}`))

    const third = await newJwk('third')
    provider.useKeys([third])
    const unknown = await provider.token()
    await provider.down()
    const late = await connected(broker.url, old)
    t.same(await Promise.all([open, next, late].map(who)), Array(3).fill(`user:lab/${CLIENT_ID}`))
    const stranger = await ProtocolClient.connect(broker.url, null)
    await t.rejects(stranger.call(apis.authenticate, { mechanism: 'token', token: unknown }), {
      code: ErrorCode.AUTHENTICATION_UNAVAILABLE,
    })
    await provider.up()
    const again = await connected(broker.url, unknown)
    t.equal(await who(again), `user:lab/${CLIENT_ID}`)
    for (const { socket } of [open, next, late, stranger, again]) socket.terminate()
    for (const token of [old, unknown]) t.notOk(broker.log.includes(token.slice(-30)), 'no token in the log')
  },
)

t.test('a key made by a user of a provider ends, and is his to end', async (t) => {
  const { provider, broker } = await setUp(t)
  const client = await connected(broker.url, await provider.token())
  const wanted = { principal: null, name: 'k', groups: [], roles: [], expiresAtMs: null, scope: null }
  const make = (expiresAtMs: number | null) => client.call(apis.createKey, { ...wanted, expiresAtMs })
  const quarter = 90 * 86_400_000
  const before = Date.now()
  const made = await make(null)
  t.ok(
    (made.expiresAtMs as number) >= before + quarter && (made.expiresAtMs as number) <= Date.now() + quarter,
  )
  await t.rejects(make(Date.now() + quarter + 60_000), { code: ErrorCode.POLICY_VIOLATION })
  t.equal((await make(before + 3_600_000)).expiresAtMs, before + 3_600_000)
  const byKey = await ProtocolClient.connect(broker.url, made.key)
  const next = await byKey.call(apis.createKey, wanted)
  t.equal(next.expiresAtMs, made.expiresAtMs, 'the next one ends with it')
  for (const { socket } of [client, byKey]) socket.terminate()
})

t.test('at its expiry a token is renewed in the open connection', async (t) => {
  const { provider, broker } = await setUp(t)
  provider.tokenLifetime = 4
  const token = await provider.token()
  const client = await connected(broker.url, token)
  t.equal(await who(client), `user:lab/${CLIENT_ID}`)
  let ended: unknown
  while (ended === undefined)
    ended = await who(client).then(
      () => undefined,
      (error) => error,
    )
  t.match(ended, { code: ErrorCode.CREDENTIAL_EXPIRED })
  await t.rejects(client.call(apis.authenticate, { mechanism: 'token', token }), {
    code: ErrorCode.SASL_AUTHENTICATION_FAILED,
    message: 'the token has expired',
  })
  provider.tokenLifetime = 600
  await client.call(apis.authenticate, { mechanism: 'token', token: await provider.token() })
  t.equal(await who(client), `user:lab/${CLIENT_ID}`, 'the same connection goes on')
  client.socket.terminate()
})

/** From a configuration file to the answer to a credential, with a real OpenID provider at the other end. */
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { mintApiKey } from '../../../auth/authenticators/api-key-token.ts'
import { buildAuthentication } from '../../../broker/access/authenticators.ts'
import { loadConfig } from '../../../broker/config/load-config.ts'
import { systemPorts } from '../../../broker/system-ports.ts'
import {
  AUDIENCE,
  CLIENT_ID,
  CLIENT_SECRET,
  newJwk,
  ProviderServer,
} from '../../auth/support/provider-server.ts'
import { outcome, refusal } from '../../auth/support/refusals.ts'
import { MemoryApiKeys, MemoryIssuerKeys, MemoryRevocations } from '../../auth/support/stores.ts'

const random = { bytes: (count: number) => new Uint8Array(randomBytes(count)) }
const OWN_NAME = 'urn:octopus:test'

function build(t: Test, file: string, secret: () => string = () => `${CLIENT_SECRET}\n`) {
  const reports: string[] = []
  const apiKeys = new MemoryApiKeys()
  const { auth } = loadConfig({ flags: { config: 'x.yaml' }, env: {}, readFile: () => file })
  const { fetch, clock, timers, random } = systemPorts()
  const authentication = buildAuthentication(auth, OWN_NAME, {
    fetch,
    clock,
    timers,
    random,
    apiKeys,
    issuerKeys: new MemoryIssuerKeys(),
    revocations: new MemoryRevocations(),
    readSecretFile: (path) => {
      t.equal(path, '/run/secrets/octopus')
      return secret()
    },
    report: (sentence) => void reports.push(sentence),
    onGuess: () => {},
    onGuessing: () => {},
  })
  const who = (token: string) => outcome(authentication.identify(token, '192.0.2.1'))
  return { ...authentication, apiKeys, reports, who }
}

t.test('a key, a token of this node, and one of each of two providers', async (t) => {
  const first = await ProviderServer.start()
  const second = await ProviderServer.start([await newJwk('ed', 'EdDSA')])
  const opaque = await ProviderServer.start()
  opaque.useKeys(opaque.keys, 'opaque')
  t.teardown(() => Promise.all([first, second, opaque].map((provider) => provider.stop())))
  const { who, apiKeys, tokenIssuer, identify } = build(
    t,
    // Longer than the test: a machine under load forgives nothing meanwhile.
    `
auth:
  throttleRefillMs: 60000
  issuers:
    - issuer: ${first.issuer}
      audience: ${AUDIENCE}
    - issuer: ${second.issuer}
      audience: [x, ${AUDIENCE}]
      algorithms: [EdDSA]
      type: at+jwt
      prefix: second/
  introspection:
    url: ${opaque.introspectionUrl}
    clientId: ${CLIENT_ID}
    clientSecretFile: /run/secrets/octopus
    audience: ${AUDIENCE}
    principalClaim: client_id
    prefix: opaque/
`,
  )
  const key = mintApiKey(random)
  t.equal(await who(key.token), 'REFUSED')
  apiKeys.records.set(key.id, {
    id: key.id,
    principal: 'ada',
    name: 'x',
    secretHashes: [{ hash: key.secretHash, expiresAtMs: null }],
    createdAtMs: 0,
    expiresAtMs: null,
    groups: [],
    roles: [],
    scope: null,
  })
  t.equal(await who(key.token), 'user:ada')
  const rights = { principal: 'bob', groups: [], roles: [], scope: undefined }
  const request = { ...rights, lifetimeMs: 60_000, issuedWith: [] }
  t.equal(await who((await tokenIssuer.issue(request)).token), 'user:bob')
  t.equal(await who(await first.token()), `user:${CLIENT_ID}`)
  t.equal(await who(await second.token()), `user:second/${CLIENT_ID}`)
  t.equal(await who(await opaque.token()), `user:opaque/${CLIENT_ID}`)
  t.equal(await who('made-up'), 'REFUSED')

  for (let i = 0; i < 20; i++) await who('made-up')
  t.equal(await who('made-up'), 'THROTTLED', 'whoever fails twenty times waits')
  t.equal(await who(key.token), 'user:ada', 'but for a key that was right from there')
  t.equal(await who(mintApiKey(random).token), 'REFUSED', 'nor do wrong tokens make keys wait')
  const late = await refusal(identify('made-up', '192.0.2.1'))
  t.match(
    late.message,
    /^there were too many wrong credentials from this address, or for this key; wait \d+ ms$/,
  )
  t.ok(late.retryAfterMs !== undefined && late.retryAfterMs <= 60_000)
  t.equal(await outcome(identify('made-up', '192.0.2.2')), 'REFUSED', 'others do not wait')
})

t.test('without providers opaque tokens have nobody to ask, and others are of no known issuer', async (t) => {
  const provider = await ProviderServer.start()
  t.teardown(() => provider.stop())
  const { who, identify } = build(t, '')
  t.equal(await who('made-up'), 'NO_METHOD')
  await t.rejects(identify('made-up', '192.0.2.1'), {
    message: 'this node takes no credentials of this form; it takes API keys, signed tokens (JWT)',
  })
  t.equal(await who(await provider.token()), 'WRONG_ISSUER')
  t.same(provider.requests, ['/token'], 'and nobody was asked')
})

t.test('the secret of the introspection client', async (t) => {
  const file =
    'auth: {introspection: {url: "https://a.example", clientId: a, clientSecretFile: /run/secrets/octopus, audience: x}}'
  const key = 'auth.introspection.clientSecretFile = "/run/secrets/octopus"'
  const cases: [secret: () => string, message: string][] = [
    [() => '', `${key}: must hold one line with the secret, of at most 4096 characters`],
    [() => 'a\nb\n', `${key}: must hold one line with the secret, of at most 4096 characters`],
    [() => 'x'.repeat(4_097), `${key}: must hold one line with the secret, of at most 4096 characters`],
    [
      () => {
        throw new Error('ENOENT: no such file')
      },
      `${key}: cannot be read: ENOENT: no such file`,
    ],
  ]
  for (const [secret, message] of cases)
    t.throws(() => build(t, file, secret), { name: 'ConfigError', message })
  build(t, file)
})

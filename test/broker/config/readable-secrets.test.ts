/** Which files with secrets are told of when the broker starts. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { loadConfig } from '../../../broker/config/load-config.ts'
import { readableSecrets } from '../../../broker/config/readable-secrets.ts'
import { startNode } from '../../../broker/node.ts'
import { systemPorts } from '../../../broker/system-ports.ts'
import { loadUwsTransport } from '../../../broker/transport/uws-transport.ts'
import { provisionAdminKey } from '../../support/admin-key.ts'

const file = (secret: string) => `
tls: { cert: /tls.crt, key: /tls.key }
auth:
  introspection:
    url: https://auth.example/introspect
    clientId: octopus
    clientSecretFile: ${secret}
    audience: octopus`
const configOf = (secret = '/secret', flags: Record<string, string> = {}) =>
  loadConfig({ flags: { config: 'octopus.yaml', ...flags }, env: {}, readFile: () => file(secret) })

t.test('what everybody may read, not what the group may', async (t) => {
  const told = (modes: Record<string, number>) => readableSecrets(configOf(), (path) => modes[path])
  t.same(told({ '/tls.key': 0o640, '/secret': 0o600, '/tls.crt': 0o644 }), [])
  t.same(told({}), [], 'what is missing is told of elsewhere')
  t.same(told({ '/tls.key': 0o644, '/secret': 0o604 }), [
    'tls.key: everybody on this machine may read /tls.key (mode 0644); chmod o-r /tls.key',
    'auth.introspection.clientSecretFile: everybody on this machine may read /secret (mode 0604); chmod o-r /secret',
  ])
})

t.test('in the log of a node', async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'octopus-readable-'))
  t.teardown(() => rm(path, { recursive: true }))
  const secret = join(path, 'secret')
  await writeFile(secret, 'a secret of the client')
  await chmod(secret, 0o644)
  const data = join(path, 'data')
  await provisionAdminKey(data)
  const { tls: _tls, ...config } = configOf(secret, {
    data,
    listen: '127.0.0.1:0',
    'storage.segmentBytes': '16MiB',
  })
  const logged: { reason?: string; msg: string }[] = []
  const logger = pino({ base: null }, { write: (line) => logged.push(JSON.parse(line)) })
  const node = await startNode({
    config: { ...config, tls: { cert: undefined, key: undefined } },
    logger,
    transport: await loadUwsTransport(),
    ...systemPorts(),
  })
  await node.stop()
  t.match(
    logged.filter(({ msg }) => msg === 'a secret is none'),
    [
      {
        level: 40,
        reason: /^auth\.introspection\.clientSecretFile: everybody .*secret \(mode 0644\); chmod o-r /,
      },
    ],
  )
  t.equal(logged.filter(({ msg }) => msg === 'a secret is none').length, 1)
})

/** The configuration: its sources, their precedence, and the exact words of every refusal. */
import t from 'tap'
import { ConfigError } from '../../../broker/config/config-error.ts'
import { webSocketUrl } from '../../../broker/config/listen-address.ts'
import { loadConfig } from '../../../broker/config/load-config.ts'
import { editDistance, nearest } from '../../../broker/config/nearest.ts'
import { settings } from '../../../broker/config/schema.ts'
import { isLoopbackHost } from '../../../client/loopback.ts'

interface Given {
  readonly flags?: Record<string, string | undefined>
  readonly env?: Record<string, string | undefined>
  readonly file?: string
}

function load({ flags = {}, env = {}, file }: Given = {}) {
  const readFile = (path: string) => {
    if (path !== 'octopus.yaml') throw new Error(`ENOENT: no such file or directory, open '${path}'`)
    return file ?? ''
  }
  return loadConfig({
    flags: file === undefined ? flags : { config: 'octopus.yaml', ...flags },
    env,
    readFile,
  })
}

function problems(given: Given): readonly string[] {
  try {
    load(given)
  } catch (error) {
    if (error instanceof ConfigError) {
      t.equal(error.message, error.problems.join('\n'))
      return error.problems
    }
    throw error
  }
  return []
}

t.test('defaults', async (t) => {
  const MIB = 1024 * 1024
  t.same(load(), {
    data: 'data',
    listen: { host: '127.0.0.1', port: 7654 },
    insecurePlaintext: 'off',
    allowedOrigins: [],
    tls: {},
    log: { level: 'info', format: 'auto' },
    topics: { partitionsDefault: 1, partitionsPerTopicMax: 10_000, partitionsMax: 20_000 },
    retention: { checkIntervalMs: 5_000 },
    groups: {
      groupsMax: 20_000,
      membersPerGroupMax: 1_000,
      offsetsRetentionMs: 604_800_000,
      sessionTimeoutMsMin: 1_000,
      sessionTimeoutMsMax: 1_800_000,
      heartbeatIntervalMs: 3_000,
    },
    storage: { segmentBytes: 256 * MIB, freeBytesMin: 64 * MIB, commitTimeoutMs: 30_000, recycle: 'on' },
    auth: {
      issuers: [],
      tokenLifetimeMaxMs: 86_400_000,
      keyLifetimeMaxMs: 7_776_000_000,
      anonymous: 'off',
      administrators: [],
      personalNamespaces: 'off',
      timeoutMs: 10_000,
      aclEntriesMax: 100_000,
      aclEntriesPerNamespaceMax: 10_000,
      keysPerPrincipalMax: 100,
      namespacesMax: 10_000,
      throttleBurst: 20,
      throttleRefillMs: 1_000,
    },
    producers: { idsMax: 100_000, namesMax: 10_000, expirationMs: 604_800_000 },
    codecs: { workers: 0, queuedBytesMax: 64 * MIB, offloadBytesMin: 16 * 1024, taskTimeoutMs: 30_000 },
    limits: {
      decompressedBytesMax: 64 * MIB,
      connectionsMax: 10_000,
      frameBytesMax: 9 * MIB,
      fetchBytesMax: 64 * MIB,
      inFlightRequestsMax: 256,
      produceWindowBytesMax: 4 * MIB,
      produceWindowBytesMin: 64 * 1024,
      produceBufferBytesMax: 256 * MIB,
      bufferedBytesMax: 4 * MIB,
      queuedBytesMax: 8 * MIB,
      helloTimeoutMs: 10_000,
      stalledTimeoutMs: 30_000,
      idleTimeoutMs: 60_000,
    },
    shutdown: { timeoutMs: 10_000 },
  })
})

t.test('flags win over variables, variables over the file, the file over defaults', async (t) => {
  const file = 'data: /file\nlog:\n  level: warn\n  format: json\nretention:\n  checkIntervalMs: 1000\n'
  const env = {
    OCTOPUS_DATA: '/env',
    OCTOPUS_LOG_LEVEL: 'error',
    OCTOPUS_LIMITS_CONNECTIONS_MAX: '17',
    HOME: '/root',
  }
  const config = load({ flags: { data: '/flag', 'log.level': undefined }, env, file })
  t.equal(config.data, '/flag')
  t.same(config.log, { level: 'error', format: 'json' })
  t.equal(config.retention.checkIntervalMs, 1000)
  t.equal(config.limits.connectionsMax, 17)
})

t.test('a file is YAML or JSON, named by flag or variable', async (t) => {
  const json = '{"listen": "localhost:0", "storage": {"segmentBytes": "64MiB"}}'
  const config = load({ file: json })
  t.same(config.listen, { host: 'localhost', port: 0 })
  t.equal(config.storage.segmentBytes, 64 * 1024 * 1024)
  t.same(load({ file: '# nothing yet\n' }), load())
  const env = { OCTOPUS_CONFIG: 'octopus.yaml' }
  const read = (path: string) => (path === 'octopus.yaml' ? 'data: here\n' : '')
  t.equal(loadConfig({ flags: {}, env, readFile: read }).data, 'here')
})

t.test('an empty variable counts as not given', async (t) => {
  t.equal(load({ env: { OCTOPUS_DATA: '', OCTOPUS_CONFIG: '' } }).data, 'data')
})

t.test('variables of other parts and of Kubernetes are nobody’s mistake', async (t) => {
  const env = {
    OCTOPUS_URL: 'ws://x',
    OCTOPUS_CA_FILE: 'ca.pem',
    OCTOPUS_SEED: '1',
    OCTOPUS_DEBUG: '1',
    OCTOPUS_SOAK: '1',
    OCTOPUS_REQUIRE_TOOLS: '1',
    OCTOPUS_SERVICE_HOST: '10.0.0.1',
    OCTOPUS_SERVICE_PORT: '7654',
    OCTOPUS_SERVICE_PORT_WS: '7654',
    OCTOPUS_PORT: 'tcp://10.0.0.1:7654',
    OCTOPUS_PORT_7654_TCP_ADDR: '10.0.0.1',
  }
  t.same(load({ env }), load())
})

t.test('listen', async (t) => {
  const listen = (address: string) => load({ flags: { listen: address } }).listen
  t.same(listen('127.0.0.1:0'), { host: '127.0.0.1', port: 0 })
  t.same(listen('127.8.9.10:65535'), { host: '127.8.9.10', port: 65_535 })
  t.same(listen('[::1]:7654'), { host: '::1', port: 7654 })
  t.equal(webSocketUrl(listen('[::1]:7654'), false), 'ws://[::1]:7654')
  t.equal(webSocketUrl(listen('localhost:1'), true), 'wss://localhost:1')
  for (const bad of ['7654', ':7654', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '::1:7654', 'a b:1', ''])
    t.same(problems({ flags: { listen: bad } }), [
      `listen = ${JSON.stringify(bad)} (--listen): must be HOST:PORT, such as 127.0.0.1:7654 or [::1]:7654`,
    ])
})

const REFUSED =
  'others could read and change credentials and events on their way to this address; give a certificate with --tls-cert and --tls-key, or say --insecure-plaintext if that network is safe; 127.0.0.1, [::1] and localhost need neither'

t.test('beyond this machine it takes TLS, or a word that it need not', async (t) => {
  const tls = { 'tls.cert': 'tls.crt', 'tls.key': 'tls.key' }
  for (const host of ['0.0.0.0', '[::]', '10.1.2.3', 'broker.example.org', '128.0.0.1', '127.0.0.256']) {
    const listen = `${host}:7654`
    const bare = host.replace(/[[\]]/g, '')
    t.same(problems({ flags: { listen } }), [`listen = "${listen}" (--listen): ${REFUSED}`])
    t.same(problems({ flags: { listen, insecurePlaintext: 'off' } }).length, 1)
    t.equal(load({ flags: { listen, ...tls } }).listen.host, bare)
    t.equal(load({ flags: { listen, insecurePlaintext: 'on' } }).listen.host, bare)
  }
  t.same(problems({ file: 'listen: 0.0.0.0:7654\n' }), [
    `listen = "0.0.0.0:7654" (octopus.yaml:1): ${REFUSED}`,
  ])
  t.same(load({ flags: tls }).tls, { cert: 'tls.crt', key: 'tls.key' }, 'also on this machine')
  t.same(load({ file: 'tls:\n  cert: a\n  key: b\n' }).tls, { cert: 'a', key: 'b' })
  t.same(problems({ flags: { listen: '0.0.0.0:1', 'tls.cert': 'a' } }), [
    'tls.cert = "a" (--tls-cert): needs tls.key beside it: TLS takes a certificate and its private key',
  ])
  t.same(problems({ env: { OCTOPUS_TLS_KEY: 'b' } }), [
    'tls.key = "b" (OCTOPUS_TLS_KEY): needs tls.cert beside it: TLS takes a certificate and its private key',
  ])
  t.same(problems({ flags: { insecurePlaintext: 'yes' } }), [
    'insecurePlaintext = "yes" (--insecure-plaintext): must be one of on, off',
  ])
})

t.test('allowed origins', async (t) => {
  const origins = (list: string) => load({ flags: { allowedOrigins: list } }).allowedOrigins
  t.same(origins('https://lab.example.edu'), ['https://lab.example.edu'])
  t.same(
    origins(
      ' HTTPS://Lab.Example.EDU:443 , http://localhost:3000,http://[0:0::1]:80,, https://lab.example.edu',
    ),
    ['https://lab.example.edu', 'http://localhost:3000', 'http://[::1]'],
    'as browsers write them, each once',
  )
  t.same(origins(''), [])
  t.same(
    load({ file: 'allowedOrigins:\n  - https://a.example\n  - https://b.example:8443\n' }).allowedOrigins,
    ['https://a.example', 'https://b.example:8443'],
  )
  t.same(load({ file: 'allowedOrigins: []\n' }).allowedOrigins, [])
  const noOrigin =
    'is no origin of a web page; one looks like https://lab.example.edu or http://localhost:3000'
  for (const [bad, sentence] of [
    ['*', /^"\*" is a pattern, and there are none: any page .* name each origin, such as https:\/\/lab/],
    ['https://*.example.edu', /^"https:\/\/\*\.example\.edu" is a pattern/],
    ['null', /^"null" is what files and sandboxed frames of anybody send; serve the page from an origin/],
    ['lab.example.edu', `"lab.example.edu" ${noOrigin}`],
    ['wss://lab.example.edu', `"wss://lab.example.edu" ${noOrigin}`],
    ['file:///home/me', `"file:///home/me" ${noOrigin}`],
    ['https:lab.example.edu', `"https:lab.example.edu" ${noOrigin}`],
    [
      'https://lab.example.edu/app',
      '"https://lab.example.edu/app" has more than an origin; write https://lab.example.edu',
    ],
    ['https://lab.example.edu:443?', /has more than an origin; write https:\/\/lab\.example\.edu$/],
    ['https://me@lab.example.edu', /has more than an origin; write https:\/\/lab\.example\.edu$/],
  ] as const) {
    const [found, ...more] = problems({ flags: { allowedOrigins: `https://fine.example,${bad}` } })
    t.equal(more.length, 0)
    const start = `allowedOrigins = "https://fine.example,${bad}" (--allowed-origins): `
    t.ok(found.startsWith(start), found)
    t.match(found.slice(start.length), sentence, bad)
  }
  t.same(problems({ file: 'allowedOrigins: 7\n' }), [
    'allowedOrigins = 7 (octopus.yaml:1): must be origins of web pages, such as https://lab.example.edu',
  ])
  t.match(problems({ file: 'allowedOrigins:\n  - [a]\n' }), [
    /^allowedOrigins = .*must be origins of web pages/,
  ])
})

t.test('every problem is told at once, each in one line', async (t) => {
  const file = [
    'data: 7',
    'log:',
    '  level: loud',
    '  colour: blue',
    'retention: 5',
    'limits:',
    '  conectionsMax: 5',
    '  idleTimeoutMs: 1.5',
    'lisen: 127.0.0.1:1',
    'something: else',
  ].join('\n')
  t.same(
    problems({
      flags: { 'log.format': 'xml' },
      env: {
        OCTOPUS_LIMITS_FRAME_BYTES_MAX: '1KiB',
        OCTOPUS_LISTN: 'x',
        OCTOPUS_RETENTION_CHECK_INTERVAL_MS: 'often',
      },
      file,
    }).toSorted(),
    [
      'OCTOPUS_LISTN: there is no such variable; did you mean OCTOPUS_LISTEN?',
      'data = 7 (octopus.yaml:1): must be the path of a directory',
      'limits.conectionsMax (octopus.yaml:7): there is no such setting; did you mean limits.connectionsMax?',
      'limits.frameBytesMax = "1KiB" (OCTOPUS_LIMITS_FRAME_BYTES_MAX): must be a number of bytes from 8454144 to 67108864, such as 1048576 or 1MiB',
      'limits.idleTimeoutMs = 1.5 (octopus.yaml:8): must be a whole number from 8000 to 960000',
      'lisen (octopus.yaml:9): there is no such setting; did you mean listen?',
      'log.colour (octopus.yaml:4): there is no such setting',
      'log.format = "xml" (--log-format): must be one of auto, pretty, json',
      'log.level = "loud" (octopus.yaml:3): must be one of trace, debug, info, warn, error, fatal, silent',
      'retention (octopus.yaml:5): is a group; write its settings below it, indented',
      'retention.checkIntervalMs = "often" (OCTOPUS_RETENTION_CHECK_INTERVAL_MS): must be a whole number from 100 to 3600000',
      'something (octopus.yaml:10): there is no such setting',
    ],
  )
})

t.test('files that are no settings', async (t) => {
  t.same(problems({ flags: { config: 'missing.yaml' } }), [
    `config = "missing.yaml" (--config): cannot be read: ENOENT: no such file or directory, open 'missing.yaml'`,
  ])
  t.same(problems({ env: { OCTOPUS_CONFIG: 'missing.yaml' } }), [
    `config = "missing.yaml" (OCTOPUS_CONFIG): cannot be read: ENOENT: no such file or directory, open 'missing.yaml'`,
  ])
  t.same(problems({ file: '- a\n- b\n' }), ['octopus.yaml: holds no settings of the form "name: value"'])
  t.match(problems({ file: 'data: x\ndata: y\n' }), [/^octopus\.yaml:2: Map keys must be unique/])
  t.match(problems({ file: 'data: "x\n' }), [/^octopus\.yaml:\d: Missing closing "quote/])
  t.same(problems({ file: 'data:\n' }), ['data = null (octopus.yaml:1): must be the path of a directory'])
  t.same(problems({ file: 'data: [a, b]\n' }), [
    'data = ["a","b"] (octopus.yaml:1): must be the path of a directory',
  ])
})

t.test('settings that are fine alone and wrong together', async (t) => {
  t.same(
    problems({
      flags: { 'storage.segmentBytes': '16777217', 'topics.partitionsPerTopicMax': '3' },
      env: { OCTOPUS_TOPICS_PARTITIONS_DEFAULT: '4', OCTOPUS_LIMITS_PRODUCE_WINDOW_BYTES_MIN: '1MiB' },
      file: 'limits:\n  produceWindowBytesMax: 65536\n  frameBytesMax: 32MiB\n  produceBufferBytesMax: 16MiB\n',
    }),
    [
      'limits.produceWindowBytesMax = 65536 (octopus.yaml:2): must be at least 1048576, because limits.produceWindowBytesMin is 1048576',
      'limits.produceBufferBytesMax = 16777216 (octopus.yaml:4): must be at least 33554432, because the largest message (limits.frameBytesMax = 33554432) must fit',
      'topics.partitionsPerTopicMax = 3 (--topics-partitions-per-topic-max): must be at least 4, because topics.partitionsDefault is 4',
      'storage.segmentBytes = "16777217" (--storage-segment-bytes): must be a multiple of 4096',
    ],
  )
})

t.test('unknown flags', async (t) => {
  t.same(problems({ flags: { dat: 'x' } }), ['dat (a flag): there is no such setting; did you mean data?'])
})

t.test('every setting has a flag, a variable and a sentence of its own', async (t) => {
  t.ok(settings.length >= 20)
  for (const { key, flag, variable, sentence, allowed } of settings) {
    t.match(flag, /^--[a-z]+(-[a-z]+)*$/, key)
    t.match(variable, /^OCTOPUS_[A-Z]+(_[A-Z]+)*$/, key)
    t.match(sentence, /^[A-Z].*\.$/, key)
    t.ok(allowed.length > 0, key)
  }
  for (const name of ['key', 'flag', 'variable'] as const)
    t.equal(new Set(settings.map((setting) => setting[name])).size, settings.length)
  t.match(
    settings.find(({ key }) => key === 'log.level'),
    { flag: '--log-level', variable: 'OCTOPUS_LOG_LEVEL' },
  )
})

t.test('what counts as this machine', async (t) => {
  for (const host of ['localhost', '::1', '127.0.0.1', '127.255.255.255']) t.ok(isLoopbackHost(host), host)
  for (const host of ['0.0.0.0', '::', '127.1', '127.0.0.1.evil.org', '127.0.0.01', 'LOCALHOST.', ''])
    t.notOk(isLoopbackHost(host), host)
})

t.test('the nearest name', async (t) => {
  t.equal(editDistance('', 'abc'), 3)
  t.equal(editDistance('kitten', 'sitting'), 3)
  t.equal(nearest('lisen', ['data', 'listen']), 'listen')
  t.equal(nearest('zzzzz', ['data', 'listen']), undefined)
})

/** Whose tokens are taken: the settings of the file, their defaults, and the exact words of every refusal. */
import t from 'tap'
import { signatureAlgorithms } from '../../../auth/authenticators/jwt.ts'
import { ConfigError } from '../../../broker/config/config-error.ts'
import { loadConfig } from '../../../broker/config/load-config.ts'
import { fileSettings, settings } from '../../../broker/config/schema.ts'

const load = (file: string, env: Record<string, string> = {}) =>
  loadConfig({ flags: { config: 'octopus.yaml' }, env, readFile: () => file }).auth

function problems(file: string, env: Record<string, string> = {}): readonly string[] {
  try {
    load(file, env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

const issuer = (...lines: string[]) =>
  ['auth:', '  issuers:', '    - issuer: https://a.example', ...lines.map((line) => `      ${line}`)].join(
    '\n',
  )
const introspection = (...lines: string[]) =>
  [
    'auth:',
    '  introspection:',
    '    url: https://auth.example/introspect',
    '    clientId: octopus',
    '    clientSecretFile: /run/secrets/octopus',
    ...lines.map((line) => `    ${line}`),
  ].join('\n')

t.test('an issuer needs its name and an audience; the rest has defaults', async (t) => {
  t.same(load(issuer('audience: octopus')).issuers, [
    {
      issuer: 'https://a.example',
      audience: ['octopus'],
      algorithms: signatureAlgorithms,
      preset: 'oidc',
      prefix: '',
      requiredScopes: [],
      clockToleranceMs: 30_000,
      jwksMaxAgeMs: 3_600_000,
      jwksCooldownMs: 10_000,
      offlineMs: 86_400_000,
      fetchTimeoutMs: 5_000,
    },
  ])
  t.same(load(introspection('requiredScopes: [octopus]')).introspection, {
    url: 'https://auth.example/introspect',
    clientId: 'octopus',
    clientSecretFile: '/run/secrets/octopus',
    audience: [],
    preset: 'oidc',
    prefix: '',
    requiredScopes: ['octopus'],
    clockToleranceMs: 30_000,
    cacheMaxMs: 60_000,
    cacheNegativeMs: 5_000,
    cacheEntriesMax: 10_000,
    sessionMaxMs: 3_600_000,
    timeoutMs: 5_000,
    cooldownMs: 1_000,
  })
  const json =
    '{"auth": {"issuers": [{"issuer": "http://127.0.0.1:8080/realms/x", "audience": ["a", "b"], "preset": "keycloak"}]}}'
  t.match(load(json).issuers, [
    { issuer: 'http://127.0.0.1:8080/realms/x', audience: ['a', 'b'], preset: 'keycloak' },
  ])
})

t.test('what would open a hole is refused, with what would be right', async (t) => {
  const at = 'auth.issuers[0]'
  const cases: [file: string, expected: string[]][] = [
    [
      'auth:\n  issuers:\n    - issuer: http://login.example\n      audience: x',
      [
        `${at}.issuer (octopus.yaml:2): must be https; http only on this machine (127.0.0.1, [::1], localhost)`,
      ],
    ],
    [
      'auth:\n  issuers:\n    - issuer: login.example\n      audience: x',
      [`${at}.issuer (octopus.yaml:2): is no URL`],
    ],
    [
      issuer('audience: x', 'algorithms: [RS256, HS256]'),
      [
        `${at}.algorithms[1] (octopus.yaml:2): HS256 is symmetric: whoever can check a token could make one; must be of ${signatureAlgorithms.join(', ')}`,
      ],
    ],
    [
      issuer('audience: x', 'algorithms: [none]'),
      [
        `${at}.algorithms[0] (octopus.yaml:2): none is no signature at all; must be of ${signatureAlgorithms.join(', ')}`,
      ],
    ],
    [
      issuer('audience: x', 'algorithms: []'),
      [`${at}.algorithms (octopus.yaml:2): must be a list of signature algorithms`],
    ],
    [
      issuer(),
      [
        `${at}.audience (octopus.yaml:2): must be what the issuer calls this node in aud: a text, or a list of texts`,
      ],
    ],
    [
      issuer('audience: []'),
      [
        `${at}.audience (octopus.yaml:2): must be what the issuer calls this node in aud: a text, or a list of texts`,
      ],
    ],
    [
      issuer('audience: x', 'audiance: y'),
      [`${at} (octopus.yaml:2): has no setting "audiance"; did you mean audience?`],
    ],
    [
      issuer('audience: x', 'preset: okta'),
      [
        `${at}.preset (octopus.yaml:2): must be one of oidc, keycloak, cilogon, entra-id, wlcg, scitokens, globus`,
      ],
    ],
    [
      issuer('audience: x', 'clockToleranceMs: 3600000'),
      [`${at}.clockToleranceMs (octopus.yaml:2): must be a whole number of ms from 0 to 300000`],
    ],
    [
      issuer('audience: x', 'jwksUri: http://keys.example/jwks'),
      [
        `${at}.jwksUri (octopus.yaml:2): must be https; http only on this machine (127.0.0.1, [::1], localhost)`,
      ],
    ],
    [
      `${issuer('audience: x')}\n    - {issuer: https://a.example, audience: y, prefix: b/}`,
      [`auth.issuers[1].issuer (octopus.yaml:2): is that of auth.issuers[0], too; name each issuer once`],
    ],
    [
      `${issuer('audience: x')}\n    - {issuer: https://b.example, audience: y}`,
      [
        `auth.issuers[1].prefix (octopus.yaml:2): is missing, as in auth.issuers[0]: both could name the same user; give all but one a prefix, such as "cern/"`,
      ],
    ],
    [
      `${issuer('audience: x')}\n${introspection('audience: y').slice('auth:\n'.length)}`,
      [
        `auth.introspection.prefix (octopus.yaml:5): is missing, as in auth.issuers[0]: both could name the same user; give all but one a prefix, such as "cern/"`,
      ],
    ],
    [
      `${issuer('audience: x', 'prefix: lab')}\n    - {issuer: https://b.example, audience: y, prefix: lab-2/}`,
      [
        `auth.issuers[0].prefix (octopus.yaml:2): "lab" is what auth.issuers[1].prefix begins with: both could name the same user; let none begin with another`,
      ],
    ],
    [
      `${issuer('audience: x', 'prefix: lab/')}\n    - {issuer: https://b.example, audience: y, prefix: lab/}`,
      [
        `auth.issuers[1].prefix (octopus.yaml:2): "lab/" is what auth.issuers[0].prefix begins with: both could name the same user; let none begin with another`,
      ],
    ],
    [
      introspection(),
      [
        'auth.introspection (octopus.yaml:2): needs audience or requiredScopes: without either, tokens given to any other service would be taken here',
      ],
    ],
    [
      introspection('audience: x', 'clientSecret: hunter2'),
      ['auth.introspection (octopus.yaml:2): has no setting "clientSecret"; did you mean clientSecretFile?'],
    ],
    [
      'auth:\n  issuers: https://a.example\n',
      ['auth.issuers (octopus.yaml:2): must be a list of issuers, each with issuer and audience'],
    ],
    [
      'auth:\n  introspection: yes\n',
      [
        'auth.introspection (octopus.yaml:2): must be settings: url, clientId, clientSecretFile, issuer, audience, preset, principalClaim, groupsClaims, rolesClaims, prefix, requiredScopes, scopePrefix, clockToleranceMs, cacheMaxMs, cacheNegativeMs, cacheEntriesMax, sessionMaxMs, timeoutMs, cooldownMs',
      ],
    ],
    [
      'auth:\n  isuers: []\n',
      ['auth.isuers (octopus.yaml:2): there is no such setting; did you mean auth.issuers?'],
    ],
  ]
  for (const [file, expected] of cases) t.same(problems(file), expected, file)
})

t.test('aliases in the file', async (t) => {
  const shared = 'auth:\n  issuers:\n    - &a {issuer: "https://a.example", audience: &x [o]}\n'
  t.match(load(`${shared}    - {issuer: "https://b.example", audience: *x, prefix: b/}\n`).issuers[1], {
    audience: ['o'],
  })
  const bomb = ['auth:', '  issuers:', '    - [&b0 x]']
  for (let i = 1; i < 12; i++)
    bomb.push(
      `    - &b${i} [${Array(10)
        .fill(`*b${i - 1}`)
        .join(', ')}]`,
    )
  t.match(problems(`${bomb.join('\n')}\n`), [/^auth\.issuers \(octopus\.yaml:2\): Excessive alias count/])
  t.match(problems('auth:\n  issuers: *nowhere\n'), [/nowhere/])
})

t.test('what stands in the file only has no flag and no variable', async (t) => {
  t.same(
    fileSettings.map(({ key }) => key),
    ['auth.issuers', 'auth.introspection'],
  )
  t.notOk(settings.some(({ key }) => fileSettings.some((other) => other.key === key)))
  t.same(problems('', { OCTOPUS_AUTH_ISSUERS: 'https://a.example' }), [
    'OCTOPUS_AUTH_ISSUERS: auth.issuers stands in the config file only',
  ])
})

t.test('administrators are named one by one', async (t) => {
  t.same(load('auth:\n  administrators: [user:ada, group:it]').administrators, ['user:ada', 'group:it'])
  for (const [name, problem] of [
    ['user:*', /"user:\*" stands for nobody: there is no pattern for principals/],
    ['authenticated', /"authenticated" would make everybody an administrator/],
    ['ada', /"ada" names nobody; write user:ID/],
  ] as const)
    t.match(problems(`auth:\n  administrators: ['${name}']`), [problem])
})

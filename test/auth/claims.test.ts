/** From claims to principals, as the issuers of science write them; and what nobody may make of them. */
import t from 'tap'
import { type Claims, type ClaimsMapping, claimAt, identifyByClaims } from '../../auth/claims.ts'
import { type ClaimsPresetName, claimsPresets } from '../../auth/claims-presets.ts'
import { CredentialError } from '../../auth/credential-error.ts'

const mapping = (preset: ClaimsPresetName, fields: Partial<ClaimsMapping> = {}): ClaimsMapping => ({
  ...claimsPresets[preset],
  prefix: '',
  foreignPrefixes: [],
  requiredScopes: [],
  scopePrefix: undefined,
  ...fields,
})

function identify(mapping: ClaimsMapping, claims: Claims): unknown {
  try {
    const { principal, scope } = identifyByClaims(mapping, claims)
    const { name, groups, roles } = principal
    return scope ? { name, groups, roles, scope } : { name, groups, roles }
  } catch (error) {
    if (error instanceof CredentialError) return `${error.code}: ${error.message}`
    throw error
  }
}

t.test('Keycloak', async (t) => {
  const claims = {
    sub: 'f:1:2',
    preferred_username: 'ada',
    realm_access: { roles: ['offline_access', 'operator', 'admin'] },
    groups: ['/lab/night', '/lab'],
  }
  t.same(
    identify(mapping('keycloak'), claims),
    {
      name: 'ada',
      groups: ['/lab/night', '/lab'],
      roles: ['offline_access', 'operator'],
    },
    'the administrator of a realm is not that of this node',
  )
  t.same(identify(mapping('keycloak', { prefix: 'lab/' }), claims), {
    name: 'lab/ada',
    groups: ['lab//lab/night', 'lab//lab'],
    roles: ['lab/offline_access', 'lab/operator', 'lab/admin'],
  })
})

t.test('CILogon, Entra ID, WLCG, SciTokens, Globus', async (t) => {
  const sub = 'http://cilogon.org/serverA/users/1234'
  t.same(identify(mapping('cilogon'), { sub, isMemberOf: ['CO:members'], email: 'x' }), {
    name: sub,
    groups: ['CO:members'],
    roles: [],
  })
  t.same(identify(mapping('cilogon'), { sub, isMemberOf: 'one' }), { name: sub, groups: ['one'], roles: [] })
  t.same(
    identify(mapping('entra-id'), {
      oid: '0-1',
      preferred_username: 'a@b',
      groups: ['g1'],
      roles: ['Writer'],
    }),
    {
      name: '0-1',
      groups: ['g1'],
      roles: ['Writer'],
    },
  )
  t.same(
    identify(mapping('wlcg'), {
      sub: 'u1',
      'wlcg.groups': ['/atlas', '/atlas/production'],
      wlcg: { groups: ['not these'] },
      scope: 'storage.read:/ compute.create',
    }),
    { name: 'u1', groups: ['/atlas', '/atlas/production'], roles: [] },
  )
  t.same(identify(mapping('scitokens'), { sub: 'u2', scope: 'read:/x' }), {
    name: 'u2',
    groups: [],
    roles: [],
  })
  t.same(identify(mapping('globus'), { sub: 'u3', username: 'a@globus.org' }), {
    name: 'u3',
    groups: [],
    roles: [],
  })
})

t.test('where a claim is', async (t) => {
  const claims = { a: { b: { c: 1 } }, 'a.b': 2, list: ['x'], text: 'x' }
  t.equal(claimAt(claims, 'a.b'), 2, 'the very name comes first')
  t.equal(claimAt(claims, 'a.b.c'), 1)
  for (const path of [
    '',
    'x',
    'a.x',
    'a.b.c.d',
    'text.length',
    'list.length.x',
    '__proto__',
    'constructor.name',
    'a.toString',
  ])
    t.equal(claimAt(claims, path), undefined, path)
  t.equal(claimAt(JSON.parse('{"__proto__": {"sub": "root"}}'), 'sub'), undefined)
})

t.test('no issuer speaks for another, nor for this node', async (t) => {
  const bare = mapping('oidc', { foreignPrefixes: ['cern/', 'x/'], roles: ['roles'] })
  t.same(
    identify(bare, { sub: 'ada', groups: ['cern/atlas', 'x/', 'lab'], roles: ['cern/r', 'admin', 'r'] }),
    {
      name: 'ada',
      groups: ['lab'],
      roles: ['r'],
    },
  )
  t.match(
    identify(bare, { sub: 'cern/ada' }),
    /^REFUSED: the name of the user begins with the prefix of another issuer$/,
  )
  t.match(
    identify(bare, { sub: 'admin' }),
    /^REFUSED: the user admin is this node's own; give its issuer a prefix$/,
  )
  t.match(
    identify(bare, { sub: 'user:ada' }),
    /^REFUSED: the name of the user begins with user:, which names begin with here; give its issuer a prefix$/,
  )
  const cern = mapping('oidc', { prefix: 'cern/', foreignPrefixes: ['x/'] })
  t.match(identify(cern, { sub: 'admin' }), { name: 'cern/admin' })
  t.match(identify(cern, { sub: 'x/ada' }), { name: 'cern/x/ada' })
})

t.test('who has no name', async (t) => {
  const oidc = mapping('oidc')
  for (const [claims, expected] of [
    [{}, /^MALFORMED: the token does not say who it is for: it has no text as sub$/],
    [{ sub: 7 }, /^MALFORMED: .* no text as sub$/],
    [{ sub: ['a'] }, /^MALFORMED: .* no text as sub$/],
    [{ sub: '' }, /^MALFORMED: .* is empty$/],
    [{ sub: 'a\u0000' }, /^MALFORMED: .* has the character U\+0000 at 1, which cannot be shown$/],
    [{ sub: 'x'.repeat(257) }, /^MALFORMED: .* has 257 characters, at most 256 are allowed$/],
  ] as const)
    t.match(identify(oidc, claims), expected)
  t.match(
    identify(mapping('oidc', { prefix: 'p/' }), { sub: '' }),
    /is empty$/,
    'also where there is a prefix',
  )
})

t.test('an e-mail address counts when the issuer has verified it', async (t) => {
  const byMail = mapping('oidc', { principal: 'email' })
  t.match(identify(byMail, { email: 'a@b', email_verified: true }), { name: 'a@b' })
  for (const email_verified of [false, undefined, 'true', 1])
    t.match(identify(byMail, { email: 'a@b', email_verified }), /^REFUSED: .* verified the e-mail address$/)
})

t.test('groups: none is left out in silence that could be denied something', async (t) => {
  const oidc = mapping('oidc')
  t.match(identify(oidc, { sub: 'a', groups: ['x', 7, null, '', ' y', ['z'], 'x', 'v'] }), {
    groups: ['x', 'v'],
  })
  t.match(identify(oidc, { sub: 'a', groups: { x: true } }), { groups: [] })
  const many = (count: number) => Array.from({ length: count }, (_, i) => `g${i}`)
  t.match(identify(oidc, { sub: 'a', groups: many(1_000) }), { groups: many(1_000) })
  t.match(identify(oidc, { sub: 'a', groups: many(1_001) }), /^REFUSED: the token has more than 1000 groups$/)
  t.match(
    identify(mapping('entra-id'), { oid: 'a', _claim_names: { groups: 'src1' }, _claim_sources: {} }),
    /^REFUSED: the token does not hold all groups of the user, they are too many/,
  )
})

t.test('scopes a token must have, and those that narrow it', async (t) => {
  const needs = mapping('oidc', { requiredScopes: ['octopus', 'all'] })
  t.match(identify(needs, { sub: 'a', scope: 'all x octopus' }), { name: 'a' })
  t.match(identify(needs, { sub: 'a', scp: ['octopus', 'all'] }), { name: 'a' })
  t.match(
    identify(needs, { sub: 'a', scope: 'octopus-all' }),
    /^REFUSED: the token lacks the scope octopus all, which/,
  )
  t.match(identify(needs, { sub: 'a', scope: 7 }), /^REFUSED/)

  const narrowed = mapping('oidc', { scopePrefix: 'octopus.' })
  const scope = 'openid octopus.read:topic:lab.* octopus.write:producer:lab.x'
  t.same(identify(narrowed, { sub: 'a', scope }), {
    name: 'a',
    groups: [],
    roles: [],
    scope: [
      { operations: ['read'], resource: { type: 'topic', name: 'lab.', match: 'prefix' } },
      { operations: ['write'], resource: { type: 'producer', name: 'lab.x', match: 'literal' } },
    ],
  })
  t.same(identify(narrowed, { sub: 'a', scope: 'openid' }), { name: 'a', groups: [], roles: [] })
  t.same(
    identify(mapping('oidc'), { sub: 'a', scope }),
    { name: 'a', groups: [], roles: [] },
    'where it is not asked for',
  )
  for (const word of [
    'octopus.',
    'octopus.read',
    'octopus.fly:topic:x',
    'octopus.read:topic:',
    'octopus.read:topic:*x',
  ])
    t.match(
      identify(narrowed, { sub: 'a', scope: word }),
      /^MALFORMED: a scope of the token that begins with octopus\. is not/,
    )
})

/** What an identity may do: the rules one by one, and the compiled evaluator against the obvious one. */
import t from 'tap'
import { compileAccess } from '../../../auth/acl/access.ts'
import type { AclEntry } from '../../../auth/acl/entry.ts'
import { type Operation, operations, operationsIn } from '../../../auth/acl/operation.ts'
import { Policy } from '../../../auth/acl/policy.ts'
import {
  coversPattern,
  formatResourcePattern,
  matchesName,
  parseResourcePattern,
  type ResourcePattern,
  type ResourceType,
} from '../../../auth/acl/resource.ts'
import { isWithinScope } from '../../../auth/acl/scope.ts'
import { type Identity, anonymousIdentity as nobody, type Scope } from '../../../auth/identity.ts'
import { namesOf } from '../../../auth/principal.ts'
import { randomOf, type SeededRandom, seededRandom } from '../../support/seeded-random.ts'
import { allHeMay, isAdministrator, mayDo, mayDoOnAll, type NaivePolicy } from './naive.ts'

function resource(text: string): ResourcePattern {
  const parsed = parseResourcePattern(text)
  if ('problem' in parsed) throw new Error(`${text} ${parsed.problem}`)
  return parsed
}

let entries = 0
function entry(
  principal: string,
  effect: AclEntry['effect'],
  words: string,
  on: string,
  expiresAtMs: number | null = null,
): AclEntry {
  const id = `e${++entries}`
  const operations = words.split(' ') as Operation[]
  const common = { grantedBy: 'user:root', createdAtMs: entries, note: null }
  return { id, principal, effect, operations, resource: resource(on), expiresAtMs, ...common }
}

function user(
  name: string,
  changes: { groups?: string[]; roles?: string[] } & Partial<Identity> = {},
): Identity {
  const { groups = [], roles = [], ...rest } = changes
  return {
    principal: { name, isAnonymous: false, groups, roles },
    method: 'api-key',
    expiresAtMs: undefined,
    credentialId: undefined,
    scope: undefined,
    ...rest,
  }
}

function scope(...parts: [string, string][]): Scope {
  return parts.map(([words, on]) => ({ operations: words.split(' ') as Operation[], resource: resource(on) }))
}

function policyOf(
  rules: readonly AclEntry[],
  owners: Record<string, string[]> = {},
  administrators: string[] = [],
) {
  const policy = new Policy(administrators)
  for (const rule of rules) policy.putEntry(rule)
  for (const [namespace, names] of Object.entries(owners)) policy.putNamespace(namespace, names)
  return policy
}

/** `read write`: what he may do to it. */
function may(policy: Policy, identity: Identity, on: string, nowMs = 0): string {
  const { type, name } = resource(on)
  return operationsIn(compileAccess(policy, identity, nowMs).bitsOn(type, name)).join(' ')
}

const EVERYTHING = operations.join(' ')

t.test('nothing is allowed that no rule allows', async (t) => {
  const policy = policyOf([entry('user:ann', 'allow', 'read', 'topic:lab.a')])
  t.equal(may(policy, user('ann'), 'topic:lab.a'), 'describe read', 'who may read may see')
  for (const on of ['topic:lab.b', 'topic:lab.aa', 'group:lab.a', 'namespace:lab', 'cluster'])
    t.equal(may(policy, user('ann'), on), '', on)
  t.equal(may(policy, user('bob'), 'topic:lab.a'), '')
  t.equal(may(policy, nobody, 'topic:lab.a'), '')
})

t.test('a denial wins, whoever it is for and whatever allows', async (t) => {
  const allows = entry('user:ann', 'allow', 'read write', 'topic:lab.a')
  const ann = user('ann', { groups: ['lab'] })
  const denying = (rule: AclEntry) => may(policyOf([allows, rule]), ann, 'topic:lab.a')
  t.equal(denying(entry('user:ann', 'deny', 'write', 'topic:lab.a')), 'describe read')
  t.equal(denying(entry('group:lab', 'deny', 'write', 'topic:lab.*')), 'describe read')
  t.equal(denying(entry('authenticated', 'deny', 'read write', 'topic:*')), 'describe')
  t.equal(
    denying(entry('group:lab', 'deny', 'describe', 'topic:la*')),
    '',
    'what may not be seen may not be used',
  )
  t.equal(denying(entry('anonymous', 'deny', 'write', 'topic:lab.a')), 'describe read write')
  const owner = policyOf([entry('user:ann', 'deny', 'delete', 'topic:lab.*')], { lab: ['user:ann'] })
  t.equal(may(owner, ann, 'topic:lab.a'), 'describe read write create alter grant', 'also over ownership')
})

t.test('prefixes are of names, and several of different lengths count together', async (t) => {
  const policy = policyOf([
    entry('user:ann', 'allow', 'read', 'topic:lab.*'),
    entry('user:ann', 'allow', 'write', 'topic:lab.raw-*'),
    entry('user:ann', 'allow', 'describe', 'topic:*'),
    entry('user:ann', 'allow', 'alter', 'topic:lab.raw-1'),
  ])
  t.equal(may(policy, user('ann'), 'topic:lab.raw-1'), 'describe read write alter')
  t.equal(may(policy, user('ann'), 'topic:lab.raw-2'), 'describe read write')
  t.equal(may(policy, user('ann'), 'topic:lab.raw'), 'describe read')
  t.equal(may(policy, user('ann'), 'topic:labs.raw'), 'describe')
  t.equal(may(policy, user('ann'), 'topic:lab'), 'describe', 'of the namespace default')
})

t.test('owners have their namespace and what is in it, and nothing else', async (t) => {
  const policy = policyOf([], { lab: ['user:ann', 'group:staff'], default: ['user:dan'] })
  for (const owner of [user('ann'), user('sue', { groups: ['staff'] })])
    for (const on of [
      'namespace:lab',
      'topic:lab.a',
      'topic:lab.a.b',
      'group:lab.g',
      'producer:lab.p',
      'transactional-id:lab.t',
    ])
      t.equal(may(policy, owner, on), EVERYTHING, on)
  for (const on of [
    'cluster',
    'topic:labs.a',
    'topic:lab',
    'topic:other.lab.a',
    'namespace:labs',
    'namespace:default',
  ])
    t.equal(may(policy, user('ann'), on), '', on)
  t.equal(may(policy, user('staff'), 'topic:lab.a'), '', 'a user with the name of a group is not the group')
  t.equal(may(policy, user('dan'), 'topic:a'), EVERYTHING)
  t.equal(may(policy, user('dan'), 'topic:lab.a'), '')
  const access = compileAccess(policy, user('dan'), 0)
  t.equal(access.allows('read', 'topic', 'default.a'), false, 'which is the name of nothing')
})

t.test('administrators may everything: by configuration, or by a role this broker gave', async (t) => {
  const policy = policyOf(
    [entry('authenticated', 'deny', 'describe', 'topic:*'), entry('role:admin', 'allow', 'read', 'group:*')],
    {},
    ['user:root', 'role:boss'],
  )
  for (const admin of [
    user('root'),
    user('eve', { roles: ['boss'], method: 'oidc' }),
    user('admin', { roles: ['admin'] }),
    user('admin', { roles: ['admin'], method: 'issuer' }),
  ])
    for (const on of ['cluster', 'topic:lab.a', 'namespace:x']) t.equal(may(policy, admin, on), EVERYTHING)
  for (const method of ['oidc', 'introspection'] as const) {
    const foreign = user('eve', { roles: ['admin'], method })
    t.equal(may(policy, foreign, 'cluster'), '', `what ${method} calls admin is a role like any other`)
    t.equal(may(policy, foreign, 'group:lab.g'), 'describe read')
  }
  t.equal(may(policyOf([], {}, ['anonymous', 'user:anonymous']), nobody, 'cluster'), '', 'nobody is none')
})

t.test('anonymous is who has no credential, authenticated who has one', async (t) => {
  const policy = policyOf([
    entry('anonymous', 'allow', 'read', 'topic:open'),
    entry('authenticated', 'allow', 'write', 'topic:open'),
    entry('user:anonymous', 'allow', 'alter', 'topic:open'),
  ])
  t.equal(may(policy, nobody, 'topic:open'), 'describe read')
  t.equal(may(policy, user('ann'), 'topic:open'), 'describe write')
  t.equal(
    may(policy, user('anonymous'), 'topic:open'),
    'describe write alter',
    'a user of that name is a user',
  )
  t.same(namesOf(nobody.principal), ['anonymous'])
  t.same(namesOf(user('ann', { groups: ['g'], roles: ['r'] }).principal), [
    'user:ann',
    'group:g',
    'role:r',
    'authenticated',
  ])
})

t.test('a rule ends exactly when it expires, and the next expiry is told', async (t) => {
  const policy = policyOf([
    entry('user:ann', 'allow', 'read', 'topic:a', 100),
    entry('user:ann', 'deny', 'read', 'topic:a', 50),
    entry('user:ann', 'allow', 'write', 'topic:a', 10),
  ])
  t.equal(may(policy, user('ann'), 'topic:a', 9), 'describe write')
  t.equal(may(policy, user('ann'), 'topic:a', 10), 'describe')
  t.equal(may(policy, user('ann'), 'topic:a', 50), 'describe read')
  t.equal(may(policy, user('ann'), 'topic:a', 100), '')
  const until = (nowMs: number) => compileAccess(policy, user('ann'), nowMs).validUntilMs
  t.same([0, 10, 49, 50, 100].map(until), [10, 50, 50, 100, Number.POSITIVE_INFINITY])
})

t.test('rules about a principal are put together once, for all it is about, and follow time', async (t) => {
  const rule = (name: string, words: string, untilMs: number | null = null) => ({
    ...entry(`group:${name}`, 'allow', words, 'topic:a', untilMs),
    id: name,
  })
  const policy = policyOf([rule('staff', 'read', 50), rule('guests', 'read')])
  const staff = user('ann', { groups: ['staff'] })
  const first = policy.rulesOf('group:staff', 10)
  t.equal(policy.rulesOf('group:staff', 49), first)
  t.equal(policy.rulesOf('group:nobody', 10), undefined)
  t.equal(may(policy, staff, 'topic:a', 49), 'describe read')
  t.equal(may(policy, staff, 'topic:a', 50), '', 'when it has expired')
  t.equal(may(policy, staff, 'topic:a', 49), 'describe read', 'and when the clock was set back')
  policy.putEntry(rule('staff', 'write'))
  t.equal(may(policy, staff, 'topic:a', 49), 'describe write', 'and at a change')
  t.equal(policy.rulesOf('group:staff', 49), first, 'which does not put them together anew')
  policy.removeEntry('staff')
  t.equal(policy.rulesOf('group:staff', 49), undefined)
})

t.test(
  'what was compiled is out of date when a rule about one of its names has changed, and only then',
  async (t) => {
    const ann = user('ann', { groups: ['lab'], roles: ['r'] })
    const about = ['user:ann', 'group:lab', 'role:r', 'authenticated']
    const policy = policyOf([entry('group:lab', 'allow', 'read', 'topic:a', 100)], { own: ['user:ann'] })
    const others = ['user:bob', 'group:ann', 'role:lab', 'anonymous']
    const isCurrentAfter = (change: () => void, nowMs = 0) => {
      const access = compileAccess(policy, ann, nowMs)
      const first = access.isCurrent()
      change()
      return first && access.isCurrent()
    }
    for (const [names, expected] of [
      [about, false],
      [others, true],
    ] as const)
      for (const name of names) {
        const rule = entry(name, 'allow', 'read', 'topic:b')
        const put = () => policy.putEntry(rule)
        t.equal(isCurrentAfter(put), expected, `an entry about ${name}`)
        t.equal(isCurrentAfter(put), expected, 'the same again')
        t.equal(
          isCurrentAfter(() => policy.removeEntry(rule.id)),
          expected,
          'gone',
        )
        const own = () => policy.putNamespace('x', [name])
        if (name !== 'anonymous') t.equal(isCurrentAfter(own), expected, `a namespace of ${name}`)
        t.equal(
          isCurrentAfter(() => policy.removeNamespace('x')),
          name === 'anonymous' || expected,
        )
      }
    const there = entry('user:ann', 'allow', 'read', 'topic:b')
    const moved = isCurrentAfter(() => {
      policy.putEntry(there)
      policy.putEntry({ ...there, principal: 'user:bob' })
    })
    t.equal(moved, false, 'an entry that came and went')
    t.equal(
      isCurrentAfter(() => void compileAccess(policy, user('x', { groups: ['lab'] }), 100)),
      false,
      'expired',
    )
  },
)

t.test('a change costs as much with ten thousand others about the same principal', async (t) => {
  let reads = 0
  const counted = (rule: AclEntry): AclEntry => {
    const { operations } = rule
    return Object.defineProperty({ ...rule }, 'operations', {
      get: () => {
        reads++
        return operations
      },
    })
  }
  const rule = (i: number, effect: AclEntry['effect'] = 'allow') =>
    counted(
      entry('authenticated', effect, 'read', `topic:lab.${i}-${i % 2 ? '*' : ''}`, i % 3 ? null : 100 + i),
    )
  const policy = new Policy()
  const ann = user('ann')
  const rules = Array.from({ length: 10_000 }, (_, i) => rule(i, i % 5 ? 'allow' : 'deny'))
  for (const each of rules) policy.putEntry(each)
  t.equal(reads, 0, 'nobody has asked')
  t.equal(may(policy, ann, 'topic:lab.2-'), 'describe read')
  t.equal(reads, 10_000, 'put together once')
  reads = 0
  for (let i = 10_001; i < 10_101; i += 2) {
    const more = rule(i)
    policy.putEntry(more)
    t.equal(may(policy, ann, `topic:lab.${i}-`), 'describe read')
    policy.removeEntry(more.id)
    t.equal(may(policy, ann, `topic:lab.${i}-`), '')
  }
  const changes = reads
  t.ok(changes <= 200, `${changes} looks at entries for 100 changes`)
  reads = 0
  t.equal(may(policy, ann, 'topic:lab.6-', 99), 'describe read')
  t.equal(may(policy, ann, 'topic:lab.6-', 106), '', 'expired')
  t.equal(may(policy, ann, 'topic:lab.6-', 99), 'describe read', 'the clock was set back')
  const expiries = reads
  t.ok(expiries <= 20, `${expiries} looks for 3 expiries there and back`)
  reads = 0
  const access = compileAccess(policy, ann, 99)
  for (const { resource } of rules) access.allowsPattern('grant', resource)
  t.equal(reads, 0, 'nor does a look at a whole pattern')
})

t.test('a scope takes away and never gives', async (t) => {
  const policy = policyOf([entry('user:ann', 'allow', 'read write', 'topic:lab.*')], { own: ['user:ann'] })
  const narrow = user('ann', { scope: scope(['write', 'topic:lab.*'], ['grant', 'topic:own.a']) })
  t.equal(may(policy, narrow, 'topic:lab.a'), 'describe write')
  t.equal(may(policy, narrow, 'topic:own.a'), 'describe grant')
  t.equal(may(policy, narrow, 'topic:own.b'), '')
  t.equal(may(policy, user('bob', { scope: scope(['write', 'topic:lab.*']) }), 'topic:lab.a'), '')
  const admin = user('root', { roles: ['admin'], scope: scope(['read', 'topic:a']) })
  t.equal(may(policy, admin, 'topic:a'), 'describe read', 'an administrator’s too')
  t.equal(may(policy, admin, 'topic:b'), '')
  t.equal(may(policy, user('ann', { scope: [] }), 'topic:lab.a'), '')

  t.equal(isWithinScope(undefined, undefined), true)
  t.equal(isWithinScope(undefined, []), false)
  t.equal(isWithinScope([], []), true)
  const outer = scope(['read', 'topic:lab.*'], ['write', 'topic:lab.x*'])
  t.equal(isWithinScope(scope(['read write', 'topic:lab.xy']), outer), true)
  t.equal(isWithinScope(scope(['read write', 'topic:lab.y']), outer), false)
  t.equal(isWithinScope(scope(['describe', 'topic:lab.y*']), outer), true)
  t.equal(isWithinScope(scope(['read', 'topic:la*']), outer), false)
})

t.test('rights on a whole pattern: nothing in it may be beyond him', async (t) => {
  const policy = policyOf(
    [
      entry('user:ann', 'allow', 'grant', 'topic:lab.raw-*'),
      entry('user:bob', 'allow', 'grant', 'topic:*'),
      entry('user:bob', 'deny', 'grant', 'topic:lab.secret'),
      entry('user:own', 'deny', 'describe', 'topic:lab.q*'),
    ],
    { lab: ['user:own'], default: ['user:own'] },
  )
  const gives = (name: string, on: string) =>
    compileAccess(policy, user(name), 0).allowsPattern('grant', resource(on))
  const given = (name: string, ...patterns: string[]) => patterns.filter((on) => gives(name, on))
  t.same(
    given(
      'ann',
      'topic:lab.raw-*',
      'topic:lab.raw-1',
      'topic:lab.raw-1*',
      'topic:lab.*',
      'topic:lab.raw',
      'group:lab.raw-1',
    ),
    ['topic:lab.raw-*', 'topic:lab.raw-1', 'topic:lab.raw-1*'],
  )
  t.same(
    given(
      'bob',
      'topic:*',
      'topic:la*',
      'topic:lab.secret',
      'topic:lab.secret*',
      'topic:lab.secrets',
      'topic:x.*',
    ),
    ['topic:lab.secrets', 'topic:x.*'],
  )
  t.same(
    given(
      'own',
      'topic:lab.*',
      'topic:lab.a*',
      'topic:lab*',
      'topic:lab',
      'topic:lab.qq',
      'group:lab.*',
      'namespace:lab',
      'namespace:lab*',
      'namespace:*',
      'topic:*',
      'topic:d*',
      'cluster',
    ),
    ['topic:lab.a*', 'topic:lab', 'group:lab.*', 'namespace:lab'],
  )
  const owned = (on: string) => compileAccess(policy, user('own'), 0).ownsPattern(resource(on))
  t.equal(owned('topic:lab.*'), true, 'what is denied to an owner is still his')
  t.equal(owned('topic:lab*'), false)
  const narrow = compileAccess(policy, user('own', { scope: scope(['read', 'topic:lab.*']) }), 0)
  t.equal(narrow.ownsPattern(resource('topic:lab.*')), false, 'not with a credential that may only read')
  t.equal(narrow.allowsPattern('read', resource('topic:lab.a*')), true)
})

t.test('the rule that decides is named', async (t) => {
  const policy = policyOf(
    [
      entry('group:lab', 'allow', 'read', 'topic:lab.*'),
      entry('user:ann', 'allow', 'read', 'topic:lab.a'),
      entry('user:bob', 'deny', 'describe', 'topic:lab.*'),
    ],
    { own: ['group:lab'] },
    ['user:root'],
  )
  const why = (identity: Identity, operation: Operation, on: string) => {
    const { type, name } = resource(on)
    const { allowed, rule, sentence } = compileAccess(policy, identity, 0).explain(operation, type, name)
    return `${allowed ? '+' : '-'} ${rule}: ${sentence.replace(/entry e\d+/, 'entry')}`
  }
  const ann = user('ann', { groups: ['lab'] })
  t.equal(
    why(ann, 'read', 'topic:lab.a'),
    '+ allow: user:ann may read topic:lab.a: entry by user:root allows user:ann read on topic:lab.a.',
  )
  t.equal(
    why(ann, 'describe', 'topic:lab.b'),
    '+ allow: user:ann may describe topic:lab.b: entry by user:root allows group:lab read on topic:lab.*.',
  )
  t.equal(why(ann, 'write', 'topic:lab.b'), '- none: user:ann may not write topic:lab.b: no rule allows it.')
  t.equal(
    why(ann, 'write', 'topic:own.b'),
    '+ owner: user:ann may write topic:own.b: group:lab owns namespace:own.',
  )
  t.equal(
    why(user('bob', { groups: ['lab'] }), 'read', 'topic:lab.a'),
    '- deny: user:bob may not read topic:lab.a: entry by user:root denies user:bob describe on topic:lab.*.',
  )
  t.equal(
    why(user('root'), 'alter', 'cluster'),
    '+ administrator: user:root may alter cluster: the configuration names user:root an administrator.',
  )
  t.equal(
    why({ ...ann, scope: scope(['read', 'topic:lab.b']) }, 'read', 'topic:lab.a'),
    '- scope: user:ann may not read topic:lab.a: the scope of the credential does not contain it.',
  )
  t.equal(why(nobody, 'read', 'topic:x'), '- none: anonymous may not read topic:x: no rule allows it.')
})

t.test('a policy knows of each change, and only of changes', async (t) => {
  const policy = new Policy()
  const first = entry('user:ann', 'allow', 'read', 'topic:a')
  t.equal(policy.revision, 0)
  policy.putEntry(first)
  policy.putEntry({ ...first, principal: 'user:bob' })
  t.equal(policy.revision, 2)
  t.equal(may(policy, user('ann'), 'topic:a'), '', 'the other took its place')
  t.equal(may(policy, user('bob'), 'topic:a'), 'describe read')
  policy.removeEntry('unknown')
  policy.removeNamespace('unknown')
  t.equal(policy.revision, 2)
  policy.removeEntry(first.id)
  policy.putNamespace('lab', ['user:ann'])
  policy.putNamespace('lab', ['user:bob'])
  t.equal(may(policy, user('ann'), 'topic:lab.a'), '')
  t.equal(may(policy, user('bob'), 'topic:lab.a'), EVERYTHING)
  policy.removeNamespace('lab')
  t.equal(policy.revision, 6)
  t.same([policy.entryCount, [...policy.entries()], [...policy.namespacesOf('user:bob')]], [0, [], []])
})

const principals = [
  'user:ann',
  'user:bob',
  'user:admin',
  'group:lab',
  'group:ann',
  'role:admin',
  'role:r',
  'authenticated',
  'anonymous',
]
const namespaces = ['lab', 'la', 'labs', 'default', 'u-1']
const names = ['a', 'ab', 'b', 'lab', 'lab.a', 'lab.ab', 'lab.a.b', 'la.a', 'labs.a', 'u-1.x', 'default.a']
const prefixes = ['', 'a', 'l', 'lab', 'lab.', 'lab.a', 'lab.a.', 'la', 'la.', 'u-1.', 'labs.a']
const types: ResourceType[] = ['namespace', 'topic', 'group', 'producer', 'transactional-id']

function randomPattern(random: SeededRandom): ResourcePattern {
  if (random.below(10) === 0) return { type: 'cluster', name: '', match: 'literal' }
  const type = random.pick(types)
  const match = random.pick(['literal', 'prefix'] as const)
  if (match === 'prefix') return { type, name: random.pick(prefixes), match }
  return { type, name: random.pick(type === 'namespace' ? namespaces : names), match }
}

function some<T>(random: SeededRandom, items: readonly T[], share: number): T[] {
  return items.filter(() => random.unit() < share)
}

function randomOperations(random: SeededRandom): Operation[] {
  return [random.pick(operations), ...some(random, operations, 0.15)].filter(
    (o, i, all) => all.indexOf(o) === i,
  )
}

function randomIdentity(random: SeededRandom): Identity {
  if (random.below(6) === 0) return nobody
  const roles = random.below(6) === 0 ? ['admin'] : some(random, ['r'], 0.4)
  const part = () => ({ operations: randomOperations(random), resource: randomPattern(random) })
  return user(random.pick(['ann', 'bob', 'anonymous']), {
    groups: some(random, ['lab', 'ann'], 0.4),
    roles,
    method: random.pick(['api-key', 'oidc', 'issuer', 'introspection']),
    scope: random.below(3) === 0 ? Array.from({ length: random.below(4) }, part) : undefined,
  })
}

t.test('random policies: the compiled evaluator says what the obvious one says', async (t) => {
  const { seed } = seededRandom(t)
  const rounds = process.env.OCTOPUS_SOAK === '1' ? 5_000 : 150
  const met = { allowed: 0, denied: 0, 'by pattern': 0, owned: 0 }
  const fail = (roundSeed: number, what: string) => {
    throw new Error(`seed ${roundSeed} (OCTOPUS_SEED): ${what}`)
  }
  for (let round = 0; round < rounds; round++) {
    const roundSeed = seed + round
    const random = randomOf(roundSeed)
    const administrators = some(random, principals, 0.04)
    const policy = new Policy(administrators)
    const model: { entries: Map<string, AclEntry>; owners: Map<string, string[]> } = {
      entries: new Map(),
      owners: new Map(),
    }
    let last = 0
    // What comes and goes must leave no trace.
    for (let step = 0; step < 30; step++) {
      const choice = random.below(10)
      if (choice < 6) {
        const id = `e${random.below(16)}`
        const rule: AclEntry = {
          id,
          principal: random.pick(principals),
          effect: random.below(4) === 0 ? 'deny' : 'allow',
          operations: randomOperations(random),
          resource: randomPattern(random),
          expiresAtMs: random.below(3) === 0 ? random.below(100) : null,
          grantedBy: 'user:root',
          createdAtMs: step,
          note: null,
        }
        model.entries.set(id, rule)
        policy.putEntry(rule)
      } else if (choice < 7) {
        const id = `e${random.below(16)}`
        model.entries.delete(id)
        policy.removeEntry(id)
      } else if (choice < 9) {
        const namespace = random.pick(namespaces)
        const owners = some(random, principals, 0.15)
        model.owners.set(namespace, owners)
        policy.putNamespace(namespace, owners)
      } else {
        const namespace = random.pick(namespaces)
        model.owners.delete(namespace)
        policy.removeNamespace(namespace)
      }
      // What was put together for somebody must be forgotten with the next change.
      if (random.below(2) === 0) compileAccess(policy, randomIdentity(random), random.below(100))
      if (policy.revision < last) fail(roundSeed, 'the revision went back')
      last = policy.revision
    }
    const naive: NaivePolicy = { administrators, entries: [...model.entries.values()], owners: model.owners }

    for (let i = 0; i < 8; i++) {
      const identity = randomIdentity(random)
      const nowMs = random.below(100)
      const access = compileAccess(policy, identity, nowMs)
      if (access.isAdministrator !== isAdministrator(naive, identity)) fail(roundSeed, 'administrator or not')
      for (const type of ['cluster', ...types] as const)
        for (const name of type === 'cluster' ? [''] : type === 'namespace' ? namespaces : names) {
          const right = allHeMay(naive, identity, nowMs, type, name)
          const bits = operationsIn(access.bitsOn(type, name))
          const asked = `${type}:${name} by ${JSON.stringify(identity)} at ${nowMs}`
          if (bits.join() !== right.join()) fail(roundSeed, `${bits} for ${right} on ${asked}`)
          for (const operation of operations) {
            const decision = access.explain(operation, type, name)
            if (decision.allowed !== right.includes(operation))
              fail(roundSeed, `${decision.sentence} ${asked}`)
            met[decision.allowed ? 'allowed' : 'denied']++
          }
        }
      // Until it says, nothing changes by time alone.
      if (access.validUntilMs <= nowMs) fail(roundSeed, 'out of date at once')
      const lastMs = Math.min(access.validUntilMs - 1, 200)
      const name = random.pick(names)
      if (
        allHeMay(naive, identity, lastMs, 'topic', name).join() !==
        operationsIn(access.bitsOn('topic', name)).join()
      )
        fail(roundSeed, `not the same until ${lastMs}`)
      // Whoever may something on a pattern may it on every name in it.
      for (let k = 0; k < 20; k++) {
        const pattern = randomPattern(random)
        const operation = random.pick(operations)
        const inside =
          pattern.type === 'cluster'
            ? ['']
            : (pattern.type === 'namespace'
                ? namespaces
                : [...names, ...prefixes.map((p) => `${p}zz`)]
              ).filter((n) => matchesName(pattern, pattern.type, n))
        const isAllowed = access.allowsPattern(operation, pattern)
        if (isAllowed !== mayDoOnAll(naive, identity, nowMs, operation, pattern))
          fail(roundSeed, `${operation} on all of ${formatResourcePattern(pattern)} is ${isAllowed}`)
        if (isAllowed) met['by pattern']++
        for (const name of inside) {
          if (isAllowed && !mayDo(naive, identity, nowMs, operation, pattern.type, name))
            fail(roundSeed, `${operation} on all of ${formatResourcePattern(pattern)}, but not on ${name}`)
        }
        if (pattern.match === 'literal' && !identity.scope) {
          const right = mayDo(naive, identity, nowMs, operation, pattern.type, pattern.name)
          if (isAllowed !== right) fail(roundSeed, `a pattern of one name is that name: ${pattern.name}`)
        }
        if (access.ownsPattern(pattern)) met.owned++
      }
    }
  }
  t.comment(JSON.stringify(met))
  for (const [what, times] of Object.entries(met)) t.ok(times > 100, `${what} came up`)
})

t.test('random patterns: covering is what it says, name by name', async (t) => {
  const random = seededRandom(t)
  const some = [...names, ...namespaces, ...prefixes.map((prefix) => `${prefix}zz`), '']
  let covered = 0
  for (let i = 0; i < 5_000; i++) {
    const [wide, narrow] = [randomPattern(random), randomPattern(random)]
    const isCovered = coversPattern(wide, narrow)
    if (isCovered) covered++
    const inNarrow = types.flatMap((type) =>
      some.filter((name) => matchesName(narrow, type, name)).map((name) => [type, name] as const),
    )
    const isEach = inNarrow.every(([type, name]) => matchesName(wide, type, name))
    if (isCovered && !isEach)
      t.fail(`${formatResourcePattern(wide)} does not cover ${formatResourcePattern(narrow)}`)
  }
  t.ok(covered > 50)
})

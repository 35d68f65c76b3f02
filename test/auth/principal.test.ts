/** Names of principals: what is one, what is not, and which entries of an access list find whom. */
import t from 'tap'
import {
  anonymousPrincipal,
  bareIdProblem,
  formatPrincipalName,
  namesOf,
  parsePrincipalName,
  parseWrittenPrincipal,
  principalIdProblem,
} from '../../auth/principal.ts'

t.test('the text form, there and back', async (t) => {
  for (const [text, kind, id] of [
    ['user:alice@uni.edu', 'user', 'alice@uni.edu'],
    ['user:http://cilogon.org/serverA/users/1234', 'user', 'http://cilogon.org/serverA/users/1234'],
    ['user:admin:of:it', 'user', 'admin:of:it'],
    ['group:/atlas/production', 'group', '/atlas/production'],
    ['group:night shift', 'group', 'night shift'],
    ['role:Ω-操作員', 'role', 'Ω-操作員'],
    ['authenticated', 'authenticated', ''],
    ['anonymous', 'anonymous', ''],
  ] as const) {
    t.same(parsePrincipalName(text), { kind, id })
    t.equal(formatPrincipalName({ kind, id }), text)
  }
})

t.test('what names nobody says why', async (t) => {
  const nobody = { problem: 'names nobody; write user:ID, group:ID, role:ID, authenticated or anonymous' }
  for (const text of ['', 'alice', 'User:alice', ':alice', 'users:alice', 'authenticated:', '*', 'user'])
    t.same(parsePrincipalName(text), nobody, text)
  for (const [text, problem] of [
    ['user:', 'has an ID that is empty'],
    ['user: alice', 'has an ID that begins or ends with white space'],
    ['group:x\u00a0', 'has an ID that begins or ends with white space'],
    ['user:a\nb', 'has an ID that has the character U+000A at 1, which cannot be shown'],
    ['user:a\u0000', 'has an ID that has the character U+0000 at 1, which cannot be shown'],
    ['user:\ud800x', 'has an ID that has the character U+D800 at 0, which cannot be shown'],
    ['user:ab\u202ecba', 'has an ID that has the character U+202E at 2, which cannot be shown'],
    ['user:bob\u200b', 'has an ID that has the character U+200B at 3, which cannot be shown'],
    ['user:a\u2028b', 'has an ID that has the character U+2028 at 1, which cannot be shown'],
    [`role:${'x'.repeat(257)}`, 'has an ID that has 257 characters, at most 256 are allowed'],
  ])
    t.same(parsePrincipalName(text), { problem })
  t.equal(principalIdProblem('x'.repeat(256)), undefined)
})

t.test('anonymous matches only who showed nothing', async (t) => {
  t.same(namesOf(anonymousPrincipal), ['anonymous'])
  const posing = { name: 'anonymous', isAnonymous: false, groups: ['a'], roles: ['r'] }
  t.same(namesOf(posing), ['user:anonymous', 'group:a', 'role:r', 'authenticated'])
})

t.test('what people write who mean something else', async (t) => {
  const star =
    'stands for nobody: there is no pattern for principals; everybody with a credential is "authenticated"'
  t.same(parseWrittenPrincipal('user:*'), { problem: star })
  t.same(parseWrittenPrincipal('group:a*'), { kind: 'group', id: 'a*' })
  t.match(parseWrittenPrincipal('bob'), { problem: /^names nobody/ })
  t.equal(bareIdProblem('*'), star)
  t.equal(bareIdProblem('user:bob'), 'begins with its kind, which stands not here: write bob')
  t.equal(bareIdProblem('urn:bob'), undefined)
  t.equal(bareIdProblem(''), 'is empty')
})

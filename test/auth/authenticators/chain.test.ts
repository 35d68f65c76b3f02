/** Several ways to prove who one is, one of which is asked. */
import t from 'tap'
import { Authenticators } from '../../../auth/authenticators/chain.ts'
import { CredentialError } from '../../../auth/credential-error.ts'
import { outcome } from '../support/refusals.ts'

t.test('the chain asks one, by shape', async (t) => {
  const asked: string[] = []
  const named = (name: string, matches: (token: string) => boolean) => ({
    name,
    matches,
    authenticate: async () => {
      asked.push(name)
      throw new CredentialError('REFUSED', 'not here')
    },
  })
  const chain = new Authenticators([
    named('first', (token) => token.startsWith('a')),
    named('second', (token) => token.length < 5),
  ])
  const of = async (token: string) => [await outcome(chain.authenticate(token)), asked.splice(0).join()]
  t.same(await of('ab'), ['REFUSED', 'first'], 'refused by one, shown to no other')
  t.same(await of('xy'), ['REFUSED', 'second'])
  t.same(await of('unknown'), ['NO_METHOD', ''])
  t.same(await of(''), ['MALFORMED', ''])
  t.same(await of('a b'), ['MALFORMED', ''])
  t.same(await of('a\n'), ['MALFORMED', ''])
  t.same(await of('ä'), ['MALFORMED', ''])
  t.same(await of('a'.repeat(16 * 1024)), ['REFUSED', 'first'])
  t.same(await of('a'.repeat(16 * 1024 + 1)), ['TOO_LARGE', ''])
  await t.rejects(chain.authenticate('unknown'), {
    message: 'this node takes no credentials of this form; it takes first, second',
  })
  await t.rejects(new Authenticators([]).authenticate('x'), { message: /it takes none at all$/ })
})

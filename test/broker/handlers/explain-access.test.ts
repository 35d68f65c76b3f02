/** Whom the configuration names an administrator is not learned by asking what others may do. */
import t from 'tap'
import { Policy } from '../../../auth/acl/policy.ts'
import { explainAccessHandler } from '../../../broker/handlers/explain-access.ts'
import { administrator, contextOf, sessionOf, userIdentity } from '../sessions.ts'

t.test('an owner is told what the rules say of others, and no more', async (t) => {
  const policy = new Policy(['user:root', 'group:ops'])
  policy.putNamespace('lab', ['user:ada'])
  const explain = async (
    by: string,
    principal: string | null,
    groups: string[] = [],
    roles: string[] = [],
  ) => {
    const identity = by === 'admin' ? administrator : userIdentity(by)
    const request = { principal, groups, roles, operation: 'read', resource: 'topic:lab.x' }
    const { rule, sentence } = await explainAccessHandler(policy)(
      request,
      contextOf(sessionOf(identity, policy)),
    )
    return `${rule}: ${sentence}`
  }
  const told = (name: string) =>
    `none: user:${name} may not read topic:lab.x: no rule allows it. Whom the configuration names an administrator is not told.`
  t.equal(await explain('ada', 'user:root'), told('root'))
  t.equal(await explain('ada', 'user:bob'), told('bob'), 'as of anybody')
  t.equal(await explain('ada', 'user:bob', ['ops']), told('bob'))
  t.match(
    await explain('ada', 'user:bob', [], ['admin']),
    /^administrator: .*role:admin/,
    'which is no secret',
  )
  t.match(await explain('admin', 'user:root'), /^administrator: .*names user:root an administrator\.$/)
  t.match(await explain('root', null), /^administrator: .*names user:root an administrator\.$/, 'of himself')
  t.equal(await explain('ada', null), 'owner: user:ada may read topic:lab.x: user:ada owns namespace:lab.')
})

/** The text forms of resources, principals and operations: what is taken, and what is said about the rest. */
import t from 'tap'
import { problemOfOperations } from '../../../auth/acl/entry.ts'
import { operationsOfPreset } from '../../../auth/acl/grants.ts'
import { allowedBy, bitOf, bitsOf, deniedBy, operations, operationsIn } from '../../../auth/acl/operation.ts'
import { namespaceOf, problemOfNamespace } from '../../../auth/acl/qualified-name.ts'
import { formatResourcePattern, parseResourcePattern } from '../../../auth/acl/resource.ts'

t.test('resources come back as they were written', async (t) => {
  for (const text of [
    'cluster',
    'namespace:lab',
    'namespace:*',
    'namespace:la*',
    'namespace:default',
    'topic:readings',
    'topic:lab.readings',
    'topic:lab.a.b',
    'topic:lab.*',
    'topic:lab*',
    'topic:*',
    'group:lab.g',
    'producer:lab.det-7',
    'transactional-id:lab.x',
  ]) {
    const parsed = parseResourcePattern(text)
    if ('problem' in parsed) t.fail(`${text} ${parsed.problem}`)
    else t.equal(formatResourcePattern(parsed), text)
  }
  t.same(parseResourcePattern('topic:lab.*'), { type: 'topic', name: 'lab.', match: 'prefix' })
  t.same(parseResourcePattern('cluster'), { type: 'cluster', name: '', match: 'literal' })
})

t.test('what names no resource is told what is wrong with it', async (t) => {
  const problem = (text: string) => {
    const parsed = parseResourcePattern(text)
    return 'problem' in parsed ? parsed.problem : 'none'
  }
  const kinds =
    'is none of: cluster, namespace:NAME, topic:NAME, group:NAME, producer:NAME, transactional-id:NAME'
  for (const text of ['', 'topic', 'lab.x', ':x', 'Topic:x', 'cluster:', 'cluster:x', 'topics:x'])
    t.equal(problem(text), kinds, text)
  t.equal(
    problem('topic:a*b'),
    'has a * before its end; it stands only at the end, for all names that begin so',
  )
  t.match(problem('topic:**'), /before its end/)
  t.equal(problem('topic:'), 'names nothing: "" is empty')
  t.equal(
    problem('topic:default.x'),
    'names nothing: "default.x" spells out the namespace default; write "x"',
  )
  t.match(problem('topic:default.*'), /spells out the namespace default/, 'a prefix of no name')
  t.match(problem('topic:.x'), /nothing before its first dot/)
  t.match(problem('topic:a b'), /has " " at 1/)
  t.match(problem('namespace:a.b'), /has a dot/)
  t.match(problem('namespace:a.*'), /has a dot/)
  t.match(problem('namespace:'), /is empty/)
  t.match(problem(`topic:${'x'.repeat(250)}`), /has 250 characters/)
  t.match(problem(`topic:${'x'.repeat(249)}*`), /has 249 characters, a name has at most 249/)
  t.equal(problem(`topic:${'x'.repeat(248)}*`), 'none')
})

t.test('namespaces of names', async (t) => {
  t.same(['a', 'lab.a', 'lab.a.b', '', '.a'].map(namespaceOf), ['default', 'lab', 'lab', 'default', ''])
  t.same(['lab', 'default', 'u-1_X'].map(problemOfNamespace), [undefined, undefined, undefined])
  t.equal(problemOfNamespace(''), 'is empty')
  t.match(problemOfNamespace('é'), /allowed are a-z/)
})

t.test('operations are bits, and bring others along', async (t) => {
  t.same(
    operations.map(bitOf),
    operations.map((_, i) => 2 ** i),
  )
  t.same(operationsIn(bitsOf(['grant', 'read'])), ['read', 'grant'])
  for (const operation of operations) {
    const allowed = operationsIn(allowedBy(bitOf(operation)))
    t.same(allowed, operation === 'describe' ? ['describe'] : ['describe', operation])
    const denied = operationsIn(deniedBy(bitOf(operation)))
    t.same(denied, operation === 'describe' ? operations : [operation])
  }
  t.equal(allowedBy(0), 0)
  t.equal(deniedBy(0), 0)
  t.equal(problemOfOperations(['read', 'grant']), undefined)
  t.equal(problemOfOperations([]), 'are none; there must be at least one')
  t.equal(problemOfOperations(['read', 'fly']), 'have "fly", which is none')
  t.equal(problemOfOperations(['read', 'read']), 'name read twice')
})

t.test('presets', async (t) => {
  t.same(operationsOfPreset('read', 'topic'), ['read'])
  t.same(operationsOfPreset('read', 'group'), ['read'])
  t.same(operationsOfPreset('write', 'producer'), ['write'])
  t.same(operationsOfPreset('manage', 'topic'), ['read', 'write', 'create', 'alter', 'delete', 'grant'])
  t.same(operationsOfPreset('manage', 'group'), ['read', 'create', 'alter', 'delete', 'grant'])
  t.same(operationsOfPreset('manage', 'namespace'), ['create', 'alter', 'delete', 'grant'])
  t.same(operationsOfPreset('write', 'group'), {
    problem: 'write is given on: topic, producer, transactional-id; not on a group',
  })
  t.match(operationsOfPreset('read', 'producer'), { problem: /not on a producer/ })
})

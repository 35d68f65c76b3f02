/** Rules written out as text are those they were read from. */
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { parseRecordPattern } from '../../../broker/filters/parse-pattern.ts'
import type { FieldsPattern, LeafPattern } from '../../../broker/filters/pattern.ts'
import { leafText } from '../../../broker/filters/rule-text.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { fieldsFor, randomObject } from './support/random-filters.ts'

function leafOf(text: string): LeafPattern {
  const [{ value }] = parseRecordPattern(`{"value":{"a":${text}}}`).alternatives
  return (value as FieldsPattern).fields.get('a') as LeafPattern
}

t.test('as one writes them', async (t) => {
  const lists = [
    ['x', 5, true, null, -2.5e-7],
    [{ prefix: 'a' }, { suffix: { 'equals-ignore-case': 'b' } }, { wildcard: 'a*\\*' }],
    [{ 'anything-but': 'x' }, { 'anything-but': [1, 2] }, { 'anything-but': { prefix: ['a', 'b'] } }],
    [{ 'anything-but': { suffix: { 'equals-ignore-case': 'a' } } }, { 'anything-but': { wildcard: '*' } }],
    [{ numeric: ['=', 5] }, { numeric: ['<=', 5] }, { numeric: ['>', 5] }, { numeric: ['>=', 1, '<', 2] }],
    [
      { exists: false },
      { cidr: '10.0.0.0/8' },
      { cidr: '2001:db8::/32' },
      { cidr: '::/0' },
      { cidr: '::1/128' },
    ],
    [{ cidr: '1:0:0:2::3/96' }, { cidr: '1:2:3:4:5:6:7:8/1' }, { cidr: 'fe80::/10' }, { cidr: '0:1::/16' }],
  ]
  for (const list of lists) t.equal(leafText(leafOf(JSON.stringify(list))), JSON.stringify(list))
})

t.test('random ones', async (t) => {
  const random = seededRandom(t)
  const leaves = ({ fields, or }: FieldsPattern): LeafPattern[] => [
    ...[...fields.values()].flatMap((node) => (node.kind === 'leaf' ? [node] : leaves(node))),
    ...or.flatMap(leaves),
  ]
  for (let round = 0; round < 500; round++) {
    const filter = { value: fieldsFor(random, randomObject(random, 2), 2) }
    const [{ value }] = parseRecordPattern(JSON.stringify(filter)).alternatives
    for (const leaf of leaves(value as FieldsPattern)) {
      const text = leafText(leaf)
      if (!isDeepStrictEqual(leafOf(text), leaf)) t.fail(JSON.stringify({ text, filter }))
    }
  }
})

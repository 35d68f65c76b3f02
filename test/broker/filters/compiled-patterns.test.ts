/** One pattern for one text, as long as it is used. */
import t from 'tap'
import { CompiledPatterns } from '../../../broker/filters/compiled-patterns.ts'

const textOf = (kind: string) => `{"value":{"kind":["${kind}"]}}`

t.test('the same text has the same pattern', async (t) => {
  const patterns = new CompiledPatterns()
  t.equal(patterns.of(textOf('a')), patterns.of(textOf('a')))
  t.not(patterns.of(textOf('a')), patterns.of(textOf('b')))
  t.throws(() => patterns.of('{"value":7}'), { name: 'PatternError' })
  t.equal(patterns.size, 2, 'what is wrong is not kept')
})

t.test('those used least lately are forgotten', async (t) => {
  const patterns = new CompiledPatterns(textOf('a').length * 3)
  const [a, b] = [patterns.of(textOf('a')), patterns.of(textOf('b'))]
  patterns.of(textOf('c'))
  t.equal(patterns.of(textOf('a')), a)
  patterns.of(textOf('d'))
  t.equal(patterns.size, 3)
  t.equal(patterns.of(textOf('a')), a)
  t.not(patterns.of(textOf('b')), b)
})

t.test('one that is larger than all that may be kept is kept alone', async (t) => {
  const patterns = new CompiledPatterns(10)
  const a = patterns.of(textOf('a'))
  t.equal(patterns.of(textOf('a')), a)
  patterns.of(textOf('b'))
  t.equal(patterns.size, 1)
})

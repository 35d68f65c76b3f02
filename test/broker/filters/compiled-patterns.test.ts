/** One pattern for one text, as long as it is used. */
import t from 'tap'
import { CompiledPatterns } from '../../../broker/filters/compiled-patterns.ts'

const textOf = (kind: string) => `{"value":{"kind":["${kind}"]}}`

t.test('the same text has the same pattern', async (t) => {
  const patterns = new CompiledPatterns()
  t.equal(patterns.of(textOf('a')), patterns.of(textOf('a')))
  t.not(patterns.of(textOf('a')), patterns.of(textOf('b')))
  t.equal(patterns.size, 2)
})

t.test('what is wrong with a text is found out once', async (t) => {
  const patterns = new CompiledPatterns()
  const refusalOf = (text: string) => {
    try {
      return patterns.of(text)
    } catch (error) {
      return error
    }
  }
  t.notOk(patterns.has('{"value":7}'))
  const refusal = refusalOf('{"value":7}')
  t.match(refusal, { name: 'PatternError' })
  t.ok(patterns.has('{"value":7}'))
  t.equal(refusalOf('{"value":7}'), refusal)
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

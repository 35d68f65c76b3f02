/** Names of personal namespaces: two principals never share one, and nobody can choose to be called as another's. */
import t from 'tap'
import { personalNamespaceOf } from '../../../broker/access/personal-namespace.ts'

t.test('plain IDs are spelled as they are, others with a part of their hash', async (t) => {
  t.equal(personalNamespaceOf('ada'), 'u-ada')
  t.equal(personalNamespaceOf('det-7_b'), 'u-det-7_b')
  t.match(personalNamespaceOf('alice@uni.edu'), /^u-alice-uni-edu-[0-9a-f]{20}$/)
  t.not(personalNamespaceOf('alice@uni.edu'), personalNamespaceOf('alice-uni-edu'))
  t.not(personalNamespaceOf('alice@uni.edu'), personalNamespaceOf('alice@uni-edu'))
  t.match(personalNamespaceOf('x'.repeat(250)), /^u-x{60}-[0-9a-f]{20}$/)
})

t.test('who is called like what another one was given is given something else', async (t) => {
  const alices = personalNamespaceOf('alice@uni.edu')
  const taken = personalNamespaceOf(alices.slice('u-'.length))
  t.not(taken, alices)
  t.match(taken, /^u-alice-uni-edu-[0-9a-f]{20}-[0-9a-f]{20}$/)
})

/** What runs at the end of a turn: together, in order, and each whatever the others do. */
import t from 'tap'
import { soonTogether } from '../../../client/node/soon.ts'

/** Immediates that run when they are told to. */
function world() {
  const immediates: (() => void)[] = []
  const ran: string[] = []
  const soon = soonTogether((run) => immediates.push(run))
  return { immediates, ran, soon, say: (word: string) => soon(() => ran.push(word)) }
}

t.test('all of one turn share an immediate and run in the order of asking', async (t) => {
  const { immediates, ran, say } = world()
  for (const word of ['a', 'b', 'c']) say(word)
  t.equal(immediates.length, 1)
  immediates.shift()?.()
  t.same(ran, ['a', 'b', 'c'])
  t.equal(immediates.length, 0)
  say('d')
  immediates.shift()?.()
  t.same(ran, ['a', 'b', 'c', 'd'])
})

t.test('what is asked for meanwhile runs after the next turn', async (t) => {
  const { immediates, ran, soon, say } = world()
  soon(() => say('later'))
  say('now')
  immediates.shift()?.()
  t.same(ran, ['now'])
  immediates.shift()?.()
  t.same(ran, ['now', 'later'])
})

t.test('one that throws is seen, and keeps none of the others from running', async (t) => {
  const { immediates, ran, soon, say } = world()
  soon(() => {
    say('asked by who throws')
    throw new Error('a mistake')
  })
  say('behind')
  soon(() => {
    throw new Error('another')
  })
  say('last')
  t.throws(() => immediates.shift()?.(), { message: 'a mistake' })
  t.throws(() => immediates.shift()?.(), { message: 'another' })
  immediates.shift()?.()
  t.same(ran, ['behind', 'last', 'asked by who throws'])
  t.equal(immediates.length, 0)
})

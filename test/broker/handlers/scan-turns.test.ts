/** Turns of those who look through what is stored: by the clock, by connection, and no more at once than may be held. */
import t from 'tap'
import { ScanTurns } from '../../../broker/handlers/scan-turns.ts'

function setup() {
  const soon: (() => void)[] = []
  const now = { ms: 0 }
  const turns = new ScanTurns({ soon: (run) => soon.push(run) }, { monotonicMs: () => now.ms })
  const heard: string[] = []
  return {
    turns,
    now,
    heard,
    /** A piece that takes so long. */
    piece: (connection: number, name: string, ms = 1) =>
      turns.run(connection, () => {
        now.ms += ms
        heard.push(name)
        return undefined
      }),
    /** One that is done elsewhere. */
    pending: (connection: number, name: string) => {
      let finish = () => {}
      const done = turns.run(connection, () => {
        heard.push(name)
        return new Promise<void>((resolve) => {
          finish = resolve
        })
      })
      return { done, finish: () => finish() }
    },
    /** One turn of the event loop; what was looked at in it. */
    turn: async () => {
      const from = heard.length
      for (const run of soon.splice(0)) run()
      await new Promise<void>((resolve) => setImmediate(resolve))
      return heard.slice(from).join(' ')
    },
    waiting: () => soon.length,
  }
}

t.test('connections take turns, and a turn of the event loop has its time', async (t) => {
  const { piece, turn, waiting } = setup()
  for (const name of ['a1', 'a2', 'a3']) void piece(1, name)
  void piece(2, 'b1')
  void piece(3, 'c1', 10)
  t.equal(waiting(), 1)
  t.equal(await turn(), 'a1 b1', 'two of a millisecond')
  t.equal(await turn(), 'c1', 'one that takes too long is finished')
  t.equal(await turn(), 'a2 a3')
  t.equal(waiting(), 0)
})

t.test('of a connection one is looked at at a time, of all a few', async (t) => {
  const { pending, turn, waiting } = setup()
  const first = pending(1, 'a1')
  const second = pending(1, 'a2')
  const others = Array.from({ length: 9 }, (_, i) => pending(2 + i, `${i}`))
  t.equal(await turn(), 'a1 0 1 2 3 4 5 6')
  t.equal(waiting(), 0, 'nobody asks until one is done')
  first.finish()
  t.equal(await turn(), '', 'it is not known yet')
  t.equal(await turn(), '7', 'whoever waited longest')
  others[0].finish()
  await turn()
  t.equal(await turn(), '8')
  for (const { finish } of others) finish()
  await turn()
  t.equal(await turn(), 'a2')
  second.finish()
  await Promise.all([second.done, ...others.map(({ done }) => done)])
})

t.test('what goes wrong is told to whoever asked, and the others go on', async (t) => {
  const { turns, piece, turn } = setup()
  const thrown = turns.run(1, () => {
    throw new Error('thrown')
  })
  const rejected = turns.run(1, () => Promise.reject(new Error('rejected')))
  const fine = piece(1, 'fine')
  const both = Promise.all([
    t.rejects(thrown, { message: 'thrown' }),
    t.rejects(rejected, { message: 'rejected' }),
  ])
  await turn()
  await turn()
  await turn()
  await both
  await fine
})

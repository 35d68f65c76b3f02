/**
 * The checker of group histories, tested: an innocent history has no fault, and each fault planted in it is found, as what it is.
 * The lines of a history are short here: who, when, what.
 */
import t from 'tap'
import { checkHistory, type FaultKind } from './group-checker.ts'
import type { HistoryEntry } from './group-history.ts'

const P = 'aa/0'

/** What one life notes, in order. */
class Life {
  readonly entries: HistoryEntry[] = []
  readonly #life: string
  #serial = 0

  constructor(life: string) {
    this.#life = life
  }

  has(
    atMs: number,
    memberEpoch: number,
    places: readonly string[] = [P],
    memberId = `${this.#life}-id`,
  ): this {
    return this.#note({ kind: 'assigned', life: this.#life, atMs, memberEpoch, memberId, places })
  }

  handed(atMs: number, first: number, last = first): this {
    return this.#note({ kind: 'handed', life: this.#life, atMs, place: P, first, last })
  }

  done(atMs: number, first: number, last = first): this {
    return this.#note({ kind: 'done', life: this.#life, atMs, place: P, first, last })
  }

  /** `answer`: an error code; undefined: it never came. */
  commits(atMs: number, offset: number, answer?: number, memberId = `${this.#life}-id`): this {
    const serial = ++this.#serial
    this.#note({ kind: 'commit', life: this.#life, atMs, serial, memberId, offsets: [[P, offset]] })
    if (answer === undefined) return this
    return this.#note({ kind: 'committed', life: this.#life, atMs: atMs + 1, serial, errors: [answer] })
  }

  loses(atMs: number): this {
    return this.#note({ kind: 'told', life: this.#life, atMs, added: 0, removed: 1, isLost: true })
  }

  stalls(fromMs: number, atMs: number): this {
    return this.#note({ kind: 'stalled', life: this.#life, fromMs, atMs })
  }

  resets(atMs: number, offset: number): this {
    return this.#note({ kind: 'reset', life: this.#life, atMs, offsets: [[P, offset]] })
  }

  ends(endOffset: number, committedOffset: number): this {
    return this.#note({ kind: 'end', life: this.#life, atMs: 10_000, place: P, endOffset, committedOffset })
  }

  #note(entry: HistoryEntry): this {
    this.entries.push(entry)
    return this
  }
}

function faultsOf(...lives: readonly Life[]): FaultKind[] {
  return checkHistory(lives.flatMap(({ entries }) => entries)).faults.map(({ kind }) => kind)
}

/** Reads 0 to 2, commits 2, is killed while it is at 2. */
const first = () =>
  new Life('a').has(0, 1).handed(1, 0).done(2, 0).handed(3, 1).done(4, 1).commits(5, 2, 0).handed(6, 2)
/** Goes on from there. */
const second = () => new Life('b').has(1_000, 2).handed(1_001, 2).done(1_002, 2).commits(1_003, 3, 0)
const end = (endOffset = 3, committedOffset = 3) => new Life('test').ends(endOffset, committedOffset)

t.test('an innocent history has no fault', async (t) => {
  const lives = [first(), second(), end()]
  const { faults, figures } = checkHistory(lives.flatMap(({ entries }) => entries))
  t.same(faults, [])
  t.same(figures, {
    handed: 4,
    again: 1,
    tenures: 2,
    commitsAccepted: 2,
    commitsRefused: 0,
    commitsUnknown: 0,
    losses: 0,
  })
})

t.test('what was committed and never processed is found', async (t) => {
  t.same(
    faultsOf(new Life('a').has(0, 1).handed(1, 0).commits(2, 1, 0).done(3, 0)),
    ['lost'],
    'committed before',
  )
  t.same(faultsOf(new Life('a').has(0, 1).handed(1, 0).commits(2, 1).done(3, 0)), ['lost'], 'also unanswered')
  t.same(faultsOf(first(), second(), end(4, 4)), ['lost'], 'committed at the end by nobody who was seen')
})

t.test('skipped and repeated offsets are found', async (t) => {
  const begun = () => new Life('a').has(0, 1).handed(1, 0).done(2, 0)
  t.same(faultsOf(begun().handed(3, 2).done(4, 2)), ['skipped'])
  t.same(faultsOf(begun().handed(3, 0).done(4, 0)), ['non-monotonic'])
  t.same(
    faultsOf(begun().handed(3, 1, 4).done(4, 1, 4).handed(5, 4).done(6, 4)),
    ['non-monotonic'],
    'in a batch',
  )
  t.same(faultsOf(new Life('a').has(0, 1).handed(1, 1)), ['skipped'], 'the first of all')
})

t.test('a tenure that begins elsewhere than the last commit is found', async (t) => {
  const begins = (offset: number) => new Life('b').has(1_000, 2).handed(1_001, offset)
  t.same(faultsOf(first(), begins(1)), ['duplicated'])
  t.same(faultsOf(first(), begins(3)), ['skipped'])
  t.same(faultsOf(first(), begins(2)), [])
  const unanswered = first().done(7, 2).commits(8, 3)
  t.same(faultsOf(unanswered, begins(2)), [], 'a commit without an answer may be durable')
  t.same(faultsOf(unanswered, begins(3)), [], 'or not')
  t.same(faultsOf(unanswered, begins(1)), ['duplicated'], 'but nothing else')
  t.same(faultsOf(first().commits(8, 1, 22), begins(1)), ['duplicated'], 'one that was refused is none')
  t.same(faultsOf(first(), new Life('test').resets(500, 0), begins(0)), [], 'a reset is a commit')
  t.same(faultsOf(first(), new Life('test').resets(500, 0), begins(2)), ['skipped'])
})

t.test('two owners at a time are found', async (t) => {
  const other = () => new Life('b').has(100, 2)
  t.same(
    faultsOf(new Life('a').has(0, 1).handed(101, 0).done(102, 0), other()),
    ['two owners'],
    'handed out after',
  )
  t.same(
    faultsOf(new Life('a').has(0, 1).handed(50, 0).done(150, 0), other()),
    ['two owners'],
    'at work meanwhile',
  )
  t.same(
    faultsOf(new Life('a').has(0, 1).handed(50, 0).loses(90).done(150, 0), other()),
    [],
    'it had stopped by itself',
  )
  const stopped = () => new Life('a').has(0, 1).stalls(40, 200).handed(210, 0)
  t.same(faultsOf(stopped().done(211, 0), other()), [], 'it was stopped and has not looked at its clock')
  t.same(faultsOf(stopped().done(211, 0).handed(400, 1), other()), ['two owners'], 'and then it has')
  t.same(faultsOf(new Life('a').handed(1, 0)), ['two owners'], 'it never had it')
  t.same(faultsOf(new Life('a').has(0, 1).has(10, 1, []).handed(11, 0)), ['two owners'], 'it has it no more')
  t.same(faultsOf(new Life('a').has(0, 1).loses(10).handed(11, 0)), ['two owners'], 'it has said so itself')
})

t.test('a commit that is taken from who is not the owner is found', async (t) => {
  const other = () => new Life('b').has(100, 2)
  const zombie = (answer?: number) => new Life('a').has(0, 1).handed(1, 0).done(2, 0).commits(200, 1, answer)
  t.same(faultsOf(zombie(0), other()), ['zombie commit'])
  t.same(faultsOf(zombie(22), other()), [], 'refused')
  t.same(faultsOf(zombie(), other()), [], 'unanswered')
  t.same(faultsOf(new Life('a').has(0, 1, ['aa/1']).commits(10, 0, 0)), ['zombie commit'], 'never assigned')
  const back = () =>
    new Life('a').has(0, 1).handed(1, 0).done(2, 0).has(50, 1, []).has(300, 3).handed(301, 0).done(302, 0)
  t.same(faultsOf(back().commits(310, 1, 0), other()), [], 'it went and came back')
  t.same(
    faultsOf(
      new Life('a').has(0, 1).handed(1, 0).done(2, 0).commits(150, 1, 0),
      new Life('a2').has(100, 1, [P], 'a2-id'),
    ),
    ['zombie commit'],
    'a name that another process has taken over, at the same epoch',
  )
})

t.test('what is left at the end is found', async (t) => {
  t.same(faultsOf(first(), second(), end(3, 2)), ['lag'])
  t.same(faultsOf(first(), end(3, 2)), ['lag', 'lost'], 'and never processed')
})

/**
 * Consumer groups under mischief: real processes, members that are killed, stopped, cut off, silenced, started twice under one name and
 * told to leave; a broker that is killed; topics that grow, go and come again. Then a checker reads what every process noted:
 * each event is processed at least once, by one owner at a time, and in the end nothing is left (groups/group-checker.ts).
 *
 * OCTOPUS_SEED repeats the schedule; OCTOPUS_SOAK makes it long. Two planted mistakes show that the checker would see them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { ProtocolClient } from '../broker/protocol-client.ts'
import { roundsOf } from '../support/rounds.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { checkHistory } from './groups/group-checker.ts'
import { GroupRun, type GroupRunOptions, type Slot } from './groups/group-run.ts'

const steps = process.env.OCTOPUS_SOAK ? 600 : 16
const resets = process.env.OCTOPUS_SOAK ? 40 : 3
const GROUP = 'lab.readers'
const SESSION_MS = 1_500
const DRAIN_MS_MAX = 40_000

async function startRun(t: Test, random: SeededRandom, options: Partial<GroupRunOptions> = {}) {
  const run = await GroupRun.start(random, {
    groupId: GROUP,
    sessionTimeoutMs: SESSION_MS,
    rate: 600,
    ...options,
  })
  t.teardown(() => run.destroy())
  return run
}

async function check(t: Test, run: GroupRun) {
  const checked = checkHistory(await run.history())
  t.comment(JSON.stringify(checked.figures))
  return checked
}

/** One thing that happens to a group. */
class Mischief {
  readonly #run: GroupRun
  readonly #random: SeededRandom
  readonly #t: Test
  /** What goes on beside the next steps. */
  readonly #going = new Set<Promise<void>>()
  readonly #busy = new Set<Slot>()

  constructor(t: Test, run: GroupRun, random: SeededRandom) {
    this.#t = t
    this.#run = run
    this.#random = random
  }

  async step(number: number): Promise<void> {
    const random = this.#random
    const slot = await this.#readingSlot()
    const [steady, fleeting] = this.#run.topics
    const beyondMs = SESSION_MS + 700 + random.below(1_000)
    const belowMs = 100 + random.below(SESSION_MS / 2)
    const kinds: Record<string, (() => Promise<void>) | undefined> = {
      'broker killed': () => this.#run.killBroker(),
      'broker killed while one joins': slot && (() => this.#killBrokerInJoin(slot)),
      'topic grown': steady.partitions < 12 ? () => this.#run.grow(steady, steady.partitions + 1) : undefined,
      'topic re-created': () => this.#run.recreate(fleeting, random.below(300)),
      ...(slot && {
        killed: () => this.#beside(slot, () => this.#replace(slot, 'kill')),
        'killed again': () => this.#beside(slot, () => this.#replace(slot, 'kill')),
        left: () => this.#beside(slot, () => this.#replace(slot, 'leave')),
        'paused beyond its session': () => this.#beside(slot, () => slot.member!.pause(beyondMs)),
        paused: () => this.#beside(slot, () => slot.member!.pause(belowMs)),
        cut: async () => slot.proxy.cut(),
        'cut off beyond its session': () =>
          this.#beside(slot, async () => {
            slot.proxy.cut({ bar: true })
            await sleep(beyondMs)
            slot.proxy.open()
          }),
        silenced: () =>
          this.#beside(slot, async () => {
            slot.proxy.silence()
            await sleep(random.below(2) === 0 ? belowMs : beyondMs)
            slot.proxy.open()
          }),
        'started twice':
          slot.instanceId === null ? undefined : () => this.#beside(slot, () => this.#twice(slot)),
      }),
    }
    const possible = Object.entries(kinds).filter(([, run]) => run !== undefined)
    const [name, act] = random.pick(possible)
    this.#t.comment(`${number}: ${name}${slot && !/broker|topic/.test(name) ? ` (${slot.name})` : ''}`)
    await act!()
    await sleep(random.below(350))
  }

  /** Resolves when nothing goes on any more. */
  async over(): Promise<void> {
    await Promise.all(this.#going)
  }

  async #beside(slot: Slot, act: () => Promise<void>): Promise<void> {
    this.#busy.add(slot)
    const going = act().finally(() => {
      this.#busy.delete(slot)
      this.#going.delete(going)
    })
    this.#going.add(going)
  }

  /** One that reads and to whom nothing is being done, or undefined when for a while there is none. */
  async #readingSlot(): Promise<Slot | undefined> {
    const deadlineMs = performance.now() + 2_000
    for (;;) {
      const ready = this.#run.slots.filter((slot) => !this.#busy.has(slot) && slot.member?.isReading)
      if (ready.length > 0) return this.#random.pick(ready)
      if (performance.now() > deadlineMs) return undefined
      await sleep(10)
    }
  }

  async #killBrokerInJoin(slot: Slot): Promise<void> {
    await slot.member!.kill()
    this.#run.startMember(slot)
    await sleep(150 + this.#random.below(400))
    await this.#run.killBroker()
  }

  async #replace(slot: Slot, how: 'kill' | 'leave'): Promise<void> {
    if (how === 'kill') await slot.member!.kill()
    else await slot.member!.leave()
    await sleep(this.#random.below(600))
    this.#run.startMember(slot)
  }

  /** Both claim the same name; one of them is killed. */
  async #twice(slot: Slot): Promise<void> {
    const former = slot.member!
    const latter = this.#run.startMember(slot)
    await sleep(this.#random.below(1_000))
    if (this.#random.below(2) === 0) await former.kill()
    else {
      await latter.kill()
      slot.member = former
    }
  }
}

async function leave(run: GroupRun): Promise<void> {
  await Promise.all(run.slots.map(({ member }) => member!.leave()))
}

/** Of a group that nobody is in: back to somewhere, while the broker is killed. All of it happens, or nothing. */
async function resetAndKill(t: Test, run: GroupRun, random: SeededRandom): Promise<void> {
  await run.empty()
  const before = await run.committed()
  const after = new Map(
    [...before].filter(([, offset]) => offset > 0).map(([place, offset]) => [place, random.below(offset)]),
  )
  const client = await ProtocolClient.connect(run.broker.url)
  const answer = run.reset(client, after).catch((error: Error) => error)
  await sleep(random.below(12))
  await run.broker.end('SIGKILL')
  const answered = await answer
  await run.broker.restart()
  const now = await run.committed()
  const isDone = [...after].every(([place, offset]) => now.get(place) === offset)
  const isUndone = [...before].every(([place, offset]) => now.get(place) === offset)
  t.ok(isDone || isUndone, 'a reset is there altogether or not at all')
  if (answered === 0) t.ok(isDone, 'an answered reset is there')
  else t.type(answered, Error, 'it was refused by nobody')
  if (isDone) run.noteReset(after)
}

t.test(`${steps} steps of mischief`, { timeout: 120_000 + steps * 5_000 }, async (t) => {
  const random = seededRandom(t)
  const run = await startRun(t, random)
  await run.addTopic('lab.steady', 6)
  await run.addTopic('lab.fleeting', 3)
  for (const name of ['ada', 'bert', 'cora', 'dan']) await run.addSlot(name)
  for (const name of ['static-1', 'static-2']) await run.addSlot(name, name)
  for (const slot of run.slots) run.startMember(slot)

  const mischief = new Mischief(t, run, random)
  await Promise.race(run.slots.map(({ member }) => member!.reading))
  for (const step of roundsOf(t, steps)) await mischief.step(step)
  await mischief.over()
  await leave(run)
  for (let left = resets; left > 0; left--) await resetAndKill(t, run, random)
  for (const slot of run.slots) run.startMember(slot)
  await run.drain(DRAIN_MS_MAX)
  await leave(run)

  const { faults, figures } = await check(t, run)
  t.same(faults.slice(0, 10), [], 'every event is processed, by one owner at a time, and nothing is left')
  t.ok(figures.handed > steps * 50, `${figures.handed} events were handed out`)
  t.ok(figures.tenures > 20, 'partitions went from one to another')
  t.equal(await run.broker.end('SIGTERM'), 0, 'and the broker ends in order')
})

t.test('a member that commits what it is still at is found', async (t) => {
  const run = await startRun(t, seededRandom(t), {
    member: {
      mistake: 'commits-before-processing',
      reading: 'events',
      autoCommitIntervalMs: 10,
      slowEvery: 1,
      slowMsMax: 100,
    },
  })
  await run.addTopic('lab.steady', 2)
  const member = run.startMember(await run.addSlot('hasty'))
  await member.reading
  await sleep(500)
  await member.leave()
  const { faults } = await check(t, run)
  t.ok(
    faults.some(({ kind }) => kind === 'lost'),
    `${faults.length} faults`,
  )
})

t.test('a broker that takes commits from who was put out is found', async (t) => {
  const run = await startRun(t, seededRandom(t), {
    main: fileURLToPath(new URL('./groups/unfenced-broker.js', import.meta.url)),
    member: { reading: 'batches', autoCommitIntervalMs: 300, slowEvery: 1_000, instanceId: null },
  })
  await run.addTopic('lab.steady', 4)
  const members = [run.startMember(await run.addSlot('ada')), run.startMember(await run.addSlot('bert'))]
  await Promise.all(members.map(({ reading }) => reading))
  let faults: Awaited<ReturnType<typeof check>>['faults'] = []
  // What it has done since its last commit is committed when it goes on; there may have been nothing.
  for (let left = 5; left > 0 && !faults.some(({ kind }) => kind === 'zombie commit'); left--) {
    await members[0].pause(2 * SESSION_MS)
    await sleep(200)
    faults = (await check(t, run)).faults
  }
  t.ok(
    faults.some(({ kind }) => kind === 'zombie commit'),
    `${faults.length} faults`,
  )
})

/** The assignors on random groups: everything assigned once to a subscriber, balance, stickiness; exact small cases; speed. */
import t from 'tap'
import { type AssignmentMember, assignors } from '../../../broker/groups/assignors/assignor.ts'
import { assignRange } from '../../../broker/groups/assignors/range.ts'
import { assignUniform } from '../../../broker/groups/assignors/uniform.ts'
import { countOf, NO_PARTITIONS, type Partitions } from '../../../broker/groups/partitions.ts'
import { type SeededRandom, seededRandom } from '../../support/seeded-random.ts'

function member(
  memberId: string,
  topics: readonly string[],
  previous: Partitions = NO_PARTITIONS,
): AssignmentMember {
  return { memberId, instanceId: null, topics, previous }
}

const plain = (assigned: Map<string, Partitions>) =>
  Object.fromEntries([...assigned].map(([id, partitions]) => [id, Object.fromEntries(partitions)]))

t.test('range: neighbours, cut at the same places in every topic', async (t) => {
  const members = [member('b', ['x', 'y']), member('a', ['x', 'y', 'z']), member('c', ['x', 'y', 'none'])]
  const topics = new Map([
    ['x', 7],
    ['y', 7],
    ['z', 2],
  ])
  t.same(plain(assignRange(members, topics)), {
    a: { x: [0, 1, 2], y: [0, 1, 2], z: [0, 1] },
    b: { x: [3, 4], y: [3, 4] },
    c: { x: [5, 6], y: [5, 6] },
  })
  t.same(plain(assignRange([member('a', ['x']), member('b', ['x'])], new Map([['x', 1]]))), {
    a: { x: [0] },
    b: {},
  })
  t.same(plain(assignRange([], topics)), {})
})

t.test('static members keep their place when their process is replaced', async (t) => {
  const topics = new Map([['x', 4]])
  const of = (memberId: string, instanceId: string) => ({ ...member(memberId, ['x']), instanceId })
  const before = assignRange([of('m1', 'a'), of('m2', 'b')], topics)
  const after = assignRange([of('m9', 'a'), of('m2', 'b')], topics)
  t.same(after.get('m9'), before.get('m1'))
})

t.test('uniform: exact cases', async (t) => {
  const topics = new Map([
    ['x', 4],
    ['y', 3],
  ])
  const first = assignUniform([member('a', ['x', 'y']), member('b', ['x', 'y'])], topics)
  t.same(plain(first), { a: { x: [0, 2], y: [0, 2] }, b: { x: [1, 3], y: [1] } }, 'each topic is spread')
  const again = ['a', 'b', 'c'].map((id) => member(id, ['x', 'y'], first.get(id)))
  t.same(
    plain(assignUniform([...again].reverse(), topics)),
    { a: { x: [0, 2], y: [0] }, b: { x: [1, 3] }, c: { y: [1, 2] } },
    'each gives away what is too much, in whatever order members stand',
  )
  const differing = [member('a', ['x', 'y']), member('b', ['x']), member('c', ['y'])]
  const loads = [...assignUniform(differing, topics).values()].map(countOf).sort()
  t.same(loads, [2, 2, 3])
})

interface Case {
  members: AssignmentMember[]
  topics: Map<string, number>
}

function randomCase(random: SeededRandom, isEqual: boolean): Case {
  const topics = new Map(
    Array.from({ length: 1 + random.below(6) }, (_, i) => [`t${i}`, 1 + random.below(12)] as const),
  )
  const keys = [...topics.keys()]
  const subscribe = () => keys.filter(() => random.below(3) > 0)
  const shared = keys.filter((_, i) => i === 0 || random.below(3) > 0)
  const members = Array.from({ length: 1 + random.below(9) }, (_, i) =>
    member(`m${i}`, isEqual ? shared : subscribe()),
  )
  return { members, topics }
}

let newcomers = 0

/** Some leave, some come, topics grow and go. */
function disturb(random: SeededRandom, { members, topics }: Case, assigned: Map<string, Partitions>): Case {
  const kept = members.filter(() => random.below(5) > 0)
  const topicsNow = new Map(topics)
  for (const [key, size] of topics) {
    if (random.below(6) === 0) topicsNow.set(key, size + 1 + random.below(3))
    if (random.below(12) === 0) topicsNow.delete(key)
  }
  const model = members[0].topics
  const come = Array.from({ length: random.below(3) }, () => member(`n${newcomers++}`, model))
  const next = [...kept.map((m) => ({ ...m, previous: assigned.get(m.memberId)! })), ...come]
  const present = next.map((m) => ({ ...m, topics: m.topics.filter((key) => topicsNow.has(key)) }))
  return { members: present, topics: topicsNow }
}

function problems({ members, topics }: Case, assigned: Map<string, Partitions>): string[] {
  const found: string[] = []
  const owners = new Map<string, string>()
  for (const { memberId, topics: mine } of members) {
    const partitions = assigned.get(memberId)
    if (!partitions) found.push(`${memberId} is left out`)
    for (const [key, list] of partitions ?? []) {
      if (!mine.includes(key)) found.push(`${memberId} gets ${key} without subscribing`)
      if (list.length === 0) found.push(`${memberId} has an empty list of ${key}`)
      list.forEach((partition, i) => {
        if (i > 0 && list[i - 1] >= partition) found.push(`${memberId} ${key} is not ascending`)
        if (partition >= topics.get(key)!) found.push(`${key} ${partition} does not exist`)
        if (owners.has(`${key} ${partition}`)) found.push(`${key} ${partition} is assigned twice`)
        owners.set(`${key} ${partition}`, memberId)
      })
    }
  }
  if (assigned.size !== members.length) found.push('somebody else is in it')
  const wanted = new Set(members.flatMap(({ topics }) => topics))
  let count = 0
  for (const key of wanted) count += topics.get(key)!
  if (owners.size !== count) found.push(`${owners.size} of ${count} partitions are assigned`)
  return found
}

function keptOf({ members }: Case, assigned: Map<string, Partitions>): number {
  let kept = 0
  for (const { memberId, previous } of members)
    for (const [key, list] of previous)
      for (const partition of list) if (assigned.get(memberId)?.get(key)?.includes(partition)) kept++
  return kept
}

/** How many of the previous partitions can stay at best while loads are even. Equal subscriptions only. */
function keepableOf({ members, topics }: Case): number {
  const still = ({ previous, topics: mine }: AssignmentMember) => {
    let count = 0
    for (const [key, list] of previous)
      if (mine.includes(key)) for (const partition of list) if (partition < topics.get(key)!) count++
    return count
  }
  let total = 0
  for (const key of members[0].topics) total += topics.get(key)!
  const least = Math.floor(total / members.length)
  const had = members.map(still)
  const over = had.filter((count) => count > least).length
  return had.reduce((sum, count) => sum + Math.min(count, least), 0) + Math.min(over, total % members.length)
}

t.test('random groups', async (t) => {
  const random = seededRandom(t)
  const faults: string[] = []
  for (let round = 0; round < 1_500 && faults.length === 0; round++) {
    const isEqual = round % 2 === 0
    let group = randomCase(random, isEqual)
    let assigned = assignUniform(group.members, group.topics)
    for (let step = 0; step < 4; step++) {
      if (step > 0) {
        group = disturb(random, group, assigned)
        if (group.members.length === 0) break
        assigned = assignUniform(group.members, group.topics)
        if (isEqual && keptOf(group, assigned) !== keepableOf(group))
          faults.push(`round ${round}: kept ${keptOf(group, assigned)}, could have kept ${keepableOf(group)}`)
      }
      faults.push(...problems(group, assigned).map((problem) => `round ${round} uniform: ${problem}`))
      faults.push(
        ...problems(group, assignRange(group.members, group.topics)).map(
          (problem) => `round ${round} range: ${problem}`,
        ),
      )
      faults.push(...unevenness(group, assigned).map((problem) => `round ${round}: ${problem}`))
      const settled = group.members.map((m) => ({ ...m, previous: assigned.get(m.memberId)! }))
      const again = assignUniform([...settled].reverse(), group.topics)
      const isSame = group.members.every(
        ({ memberId }) =>
          JSON.stringify([...again.get(memberId)!]) === JSON.stringify([...assigned.get(memberId)!]),
      )
      if (!isSame) faults.push(`round ${round}: a second time, in another order, gives something else`)
    }
  }
  t.same(faults, [])
})

function unevenness({ members }: Case, assigned: Map<string, Partitions>): string[] {
  const loads = new Map<string, number[]>()
  for (const { memberId, topics } of members) {
    const key = [...topics].sort().join()
    loads.set(key, [...(loads.get(key) ?? []), countOf(assigned.get(memberId)!)])
  }
  return [...loads]
    .filter(([, counts]) => Math.max(...counts) - Math.min(...counts) > 1)
    .map(([key, counts]) => `members that subscribe to ${key} have ${counts}`)
}

t.test('a thousand members, ten thousand partitions', async (t) => {
  const topics = new Map(Array.from({ length: 100 }, (_, i) => [`t${i}`, 100] as const))
  const keys = [...topics.keys()]
  const cpuMs = (run: () => void) => {
    const before = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1_000
  }
  for (const [name, assign] of assignors)
    for (const isEqual of [true, false]) {
      let members = Array.from({ length: 1_000 }, (_, i) =>
        member(`m${i}`, isEqual ? keys : keys.filter((_, k) => (k * 7 + i) % 5 > 0)),
      )
      let assigned = new Map<string, Partitions>()
      const firstMs = cpuMs(() => {
        assigned = assign(members, topics)
      })
      t.same(problems({ members, topics }, assigned), [])
      members = members.slice(1).map((m) => ({ ...m, previous: assigned.get(m.memberId)! }))
      const nextMs = cpuMs(() => {
        assigned = assign(members, topics)
      })
      t.same(problems({ members, topics }, assigned), [])
      t.comment(
        `${name}, ${isEqual ? 'equal' : 'differing'} subscriptions: ${firstMs.toFixed(0)} ms, then ${nextMs.toFixed(0)} ms of CPU`,
      )
      t.ok(Math.min(firstMs, nextMs) < 1_000, 'not of another order than it should be')
    }
})

/**
 * The service of groups on a disk that is held up, refuses, fails and loses power: nobody is told what is not durable, and
 * after every accident the groups are what the log says.
 */
import t from 'tap'
import { ErrorCode } from '../../../client/protocol/errors.ts'
import { LogError } from '../../../storage/log/log-error.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { plain } from './support/driver.ts'
import {
  NodeDisk,
  restart,
  ServiceMember,
  type ServiceNode,
  startNode,
  watch,
} from './support/service-node.ts'

/** A gate that syncs wait at. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, wait: () => opened }
}

async function withTopic(partitions = 4) {
  const disk = new NodeDisk()
  disk.topic('x', partitions)
  return startNode(disk)
}

const full = new StorageError('NO_SPACE', 'the disk is full')

t.test('nothing is told before it is durable, also not to others', async (t) => {
  const node = await withTopic()
  const held = gate()
  node.sync = held.wait
  const [a, b] = [new ServiceMember(node, 'a'), new ServiceMember(node, 'b')]
  const answers = [
    watch(a.beat()),
    watch(b.beat()),
    watch(node.service.list()),
    watch(node.service.describe('g')),
    watch(node.service.fetchOffsets({ groupId: 'g', memberId: null, memberEpoch: -1, partitions: null })),
  ]
  await node.turn()
  t.same(
    answers.map(({ outcome }) => outcome),
    answers.map(() => 'waits'),
  )
  held.open()
  await node.turn()
  t.same(
    answers.map(({ outcome }) => outcome),
    answers.map(() => 'done'),
  )
  t.same(node.problems, [])
})

t.test(
  'appends that are refused, and then not: everybody is told, members go on where they were',
  async (t) => {
    for (const refusal of [
      full,
      new LogError('QUEUE_FULL', 'too much waits'),
      new StorageError('WRITE_FAILED', 'the disk is on fire'),
    ]) {
      const node = await withTopic()
      const [a, b] = [new ServiceMember(node, 'a'), new ServiceMember(node, 'b')]
      await a.beat()
      await a.commit(0, 5)
      const before = node.state()
      let refusals = 0
      node.refuseAppend = () => {
        refusals++
        return refusal
      }
      const waiting = watch(a.beat(3_000))
      await node.turn()
      const told = [watch(b.beat()), watch(a.commit(0, 9)), watch(node.service.list()), watch(a.beat())]
      await node.turn()
      for (const { outcome } of told) t.equal(outcome, refusal)
      t.not(waiting.outcome, 'waits', 'nobody is held back by what has failed')
      t.equal(refusals, 1, 'what was decided after it was not even tried')
      t.same(node.state(), before, 'as the log has it')
      t.same(node.problems, [refusal])

      node.refuseAppend = undefined
      t.match(await a.beat(), { error: 0 }, 'a goes on')
      t.match(await a.commit(1, 2), { offsets: [{ error: 0 }] })
      t.match(await b.beat(), { error: 0 })
      const now = node.state()
      t.same((await restart(node)).state(), now)
    }
  },
)

t.test(
  'what was decided after a failed append is not in the log, though it could have been written',
  async (t) => {
    const node = await withTopic()
    const a = new ServiceMember(node, 'a')
    await a.beat()
    const held = gate()
    node.sync = held.wait
    const first = watch(a.commit(0, 1))
    await node.turn()
    node.refuseAppend = () => {
      node.refuseAppend = undefined
      return new LogError('QUEUE_FULL', 'for a moment')
    }
    const second = watch(a.commit(0, 2))
    await node.turn()
    const third = watch(a.commit(0, 3))
    await node.turn()
    t.equal(first.outcome, 'waits')
    held.open()
    await node.turn()
    t.equal(first.outcome, 'done')
    t.match(second.outcome, { code: 'QUEUE_FULL' })
    t.match(third.outcome, { code: 'QUEUE_FULL' })
    t.equal(node.service.state.group('g')?.offsets.size, 1)
    const committed = (each: ServiceNode) =>
      [...(each.service.state.group('g')?.offsets.values() ?? [])].map((topic) => topic.get(0)?.offset)
    t.same(committed(node), [1])
    t.same(committed(await restart(node)), [1])
  },
)

t.test(
  'while the groups are read again callers are told to come again, and nothing is decided',
  async (t) => {
    const node = await withTopic()
    const a = new ServiceMember(node, 'a', { sessionTimeoutMs: 1_000 })
    await a.beat()
    const held = gate()
    node.sync = held.wait
    const first = watch(a.commit(0, 1))
    await node.turn()
    let viewLoads = 0
    const load = node.disk.view.load.bind(node.disk.view)
    node.disk.view.load = async () => {
      if (viewLoads++ === 0) throw new StorageError('INACCESSIBLE', 'not now')
      return load()
    }
    node.refuseAppend = () => full
    const second = watch(a.commit(0, 2))
    await node.turn()
    held.open()
    await node.turn()
    t.equal(first.outcome, 'done')
    t.equal(second.outcome, full)
    await t.rejects(a.beat(), { code: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS })
    await t.rejects(node.service.list(), { code: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS })
    node.refuseAppend = undefined
    node.service.topicsChanged()
    t.match(
      node.problems.map((problem) => problem.message),
      ['the disk is full', 'not now'],
    )
    await node.disk.time.advance(999)
    await t.rejects(a.beat(), { code: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS })
    await node.disk.time.advance(1)
    await node.turn()
    t.match(await a.beat(), { error: 0 }, 'its session began anew')
    t.equal(viewLoads, 2)
  },
)

t.test('a full disk: what needs no record goes on, all else is told, ticks try again', async (t) => {
  const node = await withTopic()
  const { time } = node.disk
  const a = new ServiceMember(node, 'a', { sessionTimeoutMs: 4_000 })
  const b = new ServiceMember(node, 'b', { sessionTimeoutMs: 60_000 })
  await a.beat()
  await b.beat()
  await a.beat()
  await a.beat()
  await b.beat()
  const before = node.state()
  node.refusal = full
  t.match(await b.beat(), { error: 0 })
  await t.rejects(b.commit(2, 1), full)
  await t.rejects(new ServiceMember(node, 'c').beat(), full)
  await t.rejects(new ServiceMember(node, 'd', { groupId: 'h' }).beat(), full)
  await t.rejects(a.beat(0, { memberEpoch: -1 }), full)
  await time.advance(6_000)
  t.same(node.state(), before, 'a is out of time, and still there')
  node.refusal = undefined
  await time.advance(1_000)
  await node.turn()
  t.notOk(node.service.state.group('g')?.members.has('a'))
  await b.beat()
  t.same(plain(b.owned), { x: [0, 1, 2, 3] })
  t.same(node.problems, [])
})

t.test('a topic that went while the disk was full is noticed when it is free', async (t) => {
  const disk = new NodeDisk()
  disk.topic('x', 2)
  disk.topic('y', 1)
  const node = await startNode(disk)
  const a = new ServiceMember(node, 'a', { topics: ['x', 'y'] })
  await a.beat()
  t.same(plain(a.owned), { x: [0, 1], y: [0] })
  node.refusal = full
  disk.topic('y', 0)
  node.service.topicsChanged()
  await disk.time.advance(50)
  await t.rejects(a.beat(), full)
  await t.rejects(a.beat(), full)
  node.refusal = undefined
  const { owned } = a
  await a.beat()
  await a.beat(0, { owned: new Map([...owned].filter(([key]) => key.startsWith('x'))) })
  t.same(plain(a.owned), { x: [0, 1] })
})

t.test('held heartbeats', async (t) => {
  t.test('news of others ends the wait at once, a deadline without news too', async (t) => {
    const node = await withTopic()
    const [a, b] = [new ServiceMember(node, 'a'), new ServiceMember(node, 'b')]
    await a.beat()
    const waiting = watch(a.beat(60_000))
    await node.turn()
    t.equal(node.service.heldCount, 1)
    await b.beat()
    await node.turn()
    t.match(waiting, { outcome: 'done', value: { giveBackWithinMs: Number } })
    t.equal(node.service.heldCount, 0)

    const again = watch(b.beat(60_000))
    await node.disk.time.advance(2_999)
    t.equal(again.outcome, 'waits')
    await node.disk.time.advance(1)
    await node.turn()
    t.match(again, { outcome: 'done', value: { error: 0 } }, 'not longer than the interval of heartbeats')
  })

  t.test('a later heartbeat, an ended connection and the end of the service end it', async (t) => {
    const node = await withTopic()
    const a = new ServiceMember(node, 'a')
    await a.beat()
    const first = watch(a.beat(60_000))
    await node.turn()
    const second = watch(a.beat(60_000))
    await node.turn()
    t.same([first.outcome, second.outcome, node.service.heldCount], ['done', 'waits', 1])
    a.aborted.abort()
    await node.turn()
    t.same([second.outcome, node.service.heldCount], ['done', 0])
    const b = new ServiceMember(node, 'b', { groupId: 'h' })
    await b.beat()
    const third = watch(b.beat(60_000))
    await node.turn()
    node.service.close()
    await node.turn()
    t.same([third.outcome, node.service.heldCount, node.service.plannedCount], ['done', 0, 0])
    await t.rejects(b.beat(), { code: ErrorCode.SHUTTING_DOWN })
    t.equal(node.disk.time.timerCount, 1, 'that of the view')
    await node.log.close()
    t.equal(node.disk.time.timerCount, 0)
  })

  t.test('two hundred who wait hear of one who leaves, and each topic that comes, grows, goes', async (t) => {
    const disk = new NodeDisk()
    disk.topic('x', 400)
    const node = await startNode(disk)
    const members = Array.from({ length: 200 }, (_, i) => new ServiceMember(node, `m${i}`))
    // Until nobody hears anything new.
    const settle = async () => {
      for (let quiet = 0; quiet < 2; ) {
        const before = node.state().join()
        for (const member of members) await member.beat()
        quiet = before === node.state().join() ? quiet + 1 : 0
      }
    }
    const counts = () =>
      members.map(({ owned }) => [...owned.values()].reduce((sum, list) => sum + list.length, 0))
    await settle()
    t.same(
      counts(),
      members.map(() => 2),
    )
    for (const change of [
      () => disk.topic('x', 600),
      () => disk.topic('x', 0),
      () => disk.topic('x', 200, 'x again'),
    ]) {
      const waiting = members.map((member) => watch(member.beat(60_000)))
      await node.turn()
      t.equal(node.service.heldCount, 200)
      change()
      node.service.topicsChanged()
      await disk.time.advance(50)
      await node.turn()
      t.ok(
        waiting.every(({ outcome }) => outcome === 'done'),
        'all have heard of it',
      )
      // Of a topic that is gone they give back at once what they had.
      for (const member of members)
        member.owned = new Map([...member.owned].filter(([key]) => disk.byKey(key)))
      await settle()
    }
    t.same(
      counts(),
      members.map(() => 1),
    )
    const left = members.pop()
    const waiting = members.map((member) => watch(member.beat(60_000)))
    await left?.beat(0, { memberEpoch: -1 })
    await node.turn()
    t.equal(waiting.filter(({ outcome }) => outcome === 'done').length, 199)
  })
})

t.test('a commit asks nobody again who waits for news', async (t) => {
  const node = await withTopic(2)
  const member = new ServiceMember(node, 'a')
  await member.beat()
  await member.beat()
  const waiting = watch(member.beat(60_000))
  await node.turn()
  const { revision } = node.disk
  let asked = 0
  // Every decision about a heartbeat looks at it.
  Object.defineProperty(node.disk, 'revision', {
    get: () => {
      asked++
      return revision
    },
  })
  for (let offset = 1; offset <= 5; offset++) await member.commit(0, offset)
  await node.turn()
  t.equal(asked, 0)
  t.equal(waiting.outcome, 'waits')
  await new ServiceMember(node, 'b').beat()
  await node.turn()
  t.ok(asked > 1, 'a newcomer does')
})

t.test('the nearest deadline counts, whichever decision named it', async (t) => {
  const node = await withTopic()
  const { time } = node.disk
  const long = new ServiceMember(node, 'long', { sessionTimeoutMs: 60_000 })
  const short = new ServiceMember(node, 'short', { sessionTimeoutMs: 2_000 })
  await long.beat()
  await short.beat()
  await long.beat()
  await time.advance(1_999)
  t.ok(node.service.state.group('g')?.members.has('short'))
  await time.advance(1)
  t.notOk(node.service.state.group('g')?.members.has('short'))
  t.equal(node.service.plannedCount, 1)
  await time.advance(58_000)
  await node.turn()
  t.equal(node.service.state.group('g')?.members.size, 0)
})

t.test('ten thousand groups come and go, and nothing is left of them', async (t) => {
  const disk = new NodeDisk()
  disk.topic('x', 1)
  const node = await startNode(disk, {}, 4 * 1024 * 1024)
  const { time } = disk
  const count = 10_000
  const members = Array.from(
    { length: count },
    (_, i) => new ServiceMember(node, `m${i}`, { groupId: `lab.g${i}` }),
  )
  await Promise.all(members.map((member) => member.beat()))
  t.equal(node.service.groupCount, count)
  // A third commit and stay so long, a third leave, a third are silent.
  await Promise.all(members.filter((_, i) => i % 3 === 0).map((member) => member.commit(0, 1)))
  await Promise.all(
    members.filter((_, i) => i % 3 === 1).map((member) => member.beat(0, { memberEpoch: -1 })),
  )
  await time.advance(75_000)
  await node.turn()
  t.equal(node.service.groupCount, Math.ceil(count / 3), 'those with offsets')
  const deleted = members.filter((_, i) => i % 9 === 0)
  await Promise.all(deleted.map(({ groupId }) => node.service.deleteGroup(groupId)))
  await time.advance(8 * 86_400_000)
  await node.turn()
  t.equal(node.service.groupCount, 0)
  t.equal(node.service.plannedCount, 0)
  t.equal(node.service.heldCount, 0)
  t.same((await node.disk.view.load()).entries, [], 'the view has forgotten them, too')
  const again = await restart(node)
  t.same([again.service.groupCount, again.service.plannedCount], [0, 0])
})

t.test('a group that is deleted leaves nothing planned', async (t) => {
  const node = await withTopic(1)
  const offsets = [{ topicKey: 'x...............', partition: 0, offset: 1, leaderEpoch: -1, metadata: '' }]
  await node.service.commitOffsets({ groupId: 'g', memberId: null, memberEpoch: -1, offsets })
  t.equal(node.service.plannedCount, 1)
  await node.service.deleteGroup('g')
  t.equal(node.service.plannedCount, 0)
})

t.test(
  'the first group in the life of a directory: its view is kept, and the log gets shorter',
  async (t) => {
    const node = await withTopic(1)
    const a = new ServiceMember(node, 'a')
    await a.beat()
    for (let i = 0; i < 600; i++) await a.commit(0, i)
    await node.disk.time.advance(5_000)
    await node.turn()
    t.ok((await node.disk.view.load()).entries.length >= 5)
    await node.retain()
    t.ok((node.log.partition?.logStartOffset ?? 0) > 500)
    const before = node.state()
    const again = await restart(node)
    t.same(again.state(), before)
  },
)

t.test('a view that is not of the same time as the log is refused, not believed', async (t) => {
  const node = await withTopic(1)
  const a = new ServiceMember(node, 'a')
  await a.beat()
  await node.disk.time.advance(5_000)
  await node.retain()
  const { view } = node.disk
  node.disk.view = new (view.constructor as new () => typeof view)()
  await t.rejects(restart(node), { code: 'DAMAGED', message: /they are not of the same time/ })
})

t.test('random requests, accidents, crashes: what comes back is what the durable log says', async (t) => {
  const random = seededRandom(t)
  for (const round of roundsOf(t, process.env.OCTOPUS_SOAK ? 400 : 25)) {
    const disk = new NodeDisk()
    disk.topic('x', 4)
    disk.topic('y', 3)
    const limits = { offsetsRetentionMs: 60_000, emptyGroupRetentionMs: 5_000 }
    let node = await startNode(disk, limits)
    let memberCount = 0
    const newMember = () =>
      new ServiceMember(node, `m${memberCount++}`, {
        groupId: `g${random.below(3)}`,
        topics: random.below(2) === 0 ? ['x'] : ['x', 'y'],
        sessionTimeoutMs: 1_000 + random.below(8_000),
      })
    let members = [newMember(), newMember(), newMember()]
    /** What somebody was told is committed: offsets only go up in this test. */
    const told = new Map<string, number>()
    let offset = 0
    /** Refusals are part of it; who asked a node that died is never told. */
    const ignore = (promise: Promise<unknown>) => void promise.catch(() => undefined)
    for (let step = 0; step < 120; step++) {
      const what = random.below(100)
      const member = random.pick(members)
      if (what < 40) ignore(member.beat(random.below(2) * 3_000))
      else if (what < 65 && member.owned.size > 0) {
        const [key, list] = random.pick([...member.owned])
        const place = `${member.groupId} ${key} ${list[0]}`
        const committed = ++offset
        const { service } = node
        ignore(
          member.commit(list[0], committed, key.replace(/\.+$/, '')).then(({ offsets }) => {
            if (offsets[0].error !== 0) return
            told.set(place, Math.max(told.get(place) ?? 0, committed))
            t.equal(service, node.service, `round ${round}, step ${step}: told by one that is dead`)
          }),
        )
      } else if (what < 70) members.push(newMember())
      else if (what < 74) ignore(member.beat(0, { memberEpoch: -1 }))
      else if (what < 80) await disk.time.advance(random.below(5) === 0 ? 70_000 : random.below(6_000))
      else if (what < 84) {
        let left = 1 + random.below(2)
        node.refuseAppend = () => {
          if (left-- > 0) return new LogError('QUEUE_FULL', 'for a moment')
          return undefined
        }
      } else if (what < 87) node.refusal = node.refusal ? undefined : full
      else if (what < 90) {
        disk.topic('y', random.below(3), `y${random.below(2)}`)
        node.service.topicsChanged()
      } else if (what < 93) await node.retain()
      else if (what < 96) {
        disk.viewSync = async () => {
          disk.viewSync = async () => {}
          if (random.below(2) === 0) throw new StorageError('NO_SPACE', 'no room for the view')
        }
      } else if (what < 98) await node.turn()
      else {
        node.sync = () => new Promise(() => {})
        ignore(member.beat())
        await node.turn()
        node = await restart(node, () => random.unit(), limits)
        for (const each of members) each.node = node
        members = members.slice(-6)
      }
      if (random.below(3) === 0) await node.turn()
    }
    node.refusal = undefined
    node.refuseAppend = undefined
    await disk.time.advance(4_000)
    await node.turn()
    const before = node.state()
    const again = await restart(node, undefined, limits)
    t.same(again.state(), before, `round ${round}: a restart changes nothing`)
    for (const [place, committed] of told) {
      const [groupId, key, partition] = place.split(' ')
      const kept = again.service.state.group(groupId)?.offsets.get(key)?.get(Number(partition))
      // It may have expired with its group, or with its topic; it never goes back.
      if (kept) t.ok(kept.offset >= committed, `round ${round}: ${place} went back from ${committed}`)
    }
  }
})

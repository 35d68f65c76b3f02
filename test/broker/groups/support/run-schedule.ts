/** One random schedule of a group: troubles first, then quiet, then the books are checked. */

import { type GroupBug, GroupWorld, LIMITS } from './group-world.ts'
import type { ModelMember as Member } from './model-member.ts'
import { ModelMember } from './model-member.ts'

const GROUP = 'lab.readers'

export interface ScheduleResult {
  readonly faults: readonly string[]
  readonly decisions: number
}

export function runSchedule(seed: number, bug?: GroupBug): ScheduleResult {
  const world = new GroupWorld(seed, bug)
  const { random } = world
  const members: Member[] = []
  const names = ['a', 'b', 'c'].slice(0, 1 + random.below(3))
  for (const name of names) world.createTopic(name, 1 + random.below(8))
  const subscription = () => {
    const some = names.filter(() => world.chance(700))
    return some.length > 0 ? some : [names[0]]
  }
  const shared = world.chance(500) ? subscription() : undefined
  const come = () => {
    const instanceId = world.chance(300) ? `i${random.below(3)}` : null
    members.push(new ModelMember(world, GROUP, shared ?? subscription(), instanceId))
  }
  for (let i = 0; i < 1 + random.below(4); i++) come()
  const alive = () => members.filter(({ isAlive }) => isAlive)
  const steps: (() => void)[] = [
    () => alive().length < 7 && come(),
    () => alive().length > 1 && random.pick(alive()).die(),
    () => alive().length > 1 && random.pick(alive()).leave(world.chance(500)),
    () => {
      if (alive().length > 0) random.pick(alive()).pausedUntilMs = world.monotonicMs + random.below(20_000)
    },
    () => world.growTopic(random.pick(names), 1 + random.below(3)),
    () => {
      const name = random.pick(names)
      world.deleteTopic(name)
      if (world.chance(700)) world.createTopic(name, 1 + random.below(8))
    },
    () => world.crash(),
    () => world.crash(),
    () => world.truncate(),
    () => {
      if (!shared && alive().length > 0) random.pick(alive()).topics = subscription()
    },
    () => {
      world.wallOffsetMs += random.below(20_000) - 10_000
    },
  ]
  const step = () => {
    if (!world.isTroubled) return
    random.pick(steps)()
    world.after(random.below(3_000), step)
  }
  const flush = () => {
    if (!world.isTroubled) return
    world.flush(1 + random.below(6))
    world.after(random.below(200), flush)
  }
  const commits = () => {
    for (const member of members) {
      if (world.chance(150)) member.commit()
      if (world.chance(100)) member.commitEnded()
    }
    if (alive().length > 0) world.after(random.below(500), commits)
  }
  step()
  flush()
  commits()
  const check = () => checkOwners(world, members)
  world.runUntil(world.monotonicMs + 20_000 + random.below(60_000), check)
  if (world.faults.length > 0) return { faults: world.faults, decisions: world.decisions }

  world.isTroubled = false
  for (const member of members) member.pausedUntilMs = 0
  world.flush()
  world.runUntil(world.monotonicMs + 45_000, check)
  checkQuiet(world, alive())
  world.crash()
  world.runUntil(world.monotonicMs + 5_000, check)
  checkQuiet(world, alive())
  for (const member of alive()) member.leave(false)
  world.runUntil(world.monotonicMs + LIMITS.offsetsRetentionMs + 60_000, check)
  if (world.faults.length === 0 && world.coordinator.state.groupCount > 0)
    world.faults.push(`an empty group was not forgotten:\n${world.dump(world.coordinator)}`)
  return { faults: world.faults, decisions: world.decisions }
}

/** Two can only have begun to overlap when somebody got a partition or went on after a pause. */
function checkOwners(world: GroupWorld, members: readonly Member[]): void {
  if (!world.mayOverlap) return
  world.mayOverlap = false
  const owners = new Map<string, string>()
  for (const member of members) {
    if (!member.isOn) continue
    for (const key of member.places()) {
      const other = owners.get(key)
      if (other !== undefined)
        world.faults.push(
          `${JSON.stringify(key)} is with ${other} and ${member.memberId} at ${world.monotonicMs}`,
        )
      owners.set(key, member.memberId)
    }
  }
}

function checkQuiet(world: GroupWorld, alive: readonly Member[]): void {
  if (world.faults.length > 0) return
  const group = world.coordinator.state.group(GROUP)
  const fault = (sentence: string) =>
    world.faults.push(`after the troubles: ${sentence}\n${world.dump(world.coordinator)}`)
  const seated = alive.filter(({ memberEpoch }) => memberEpoch > 0)
  const instances = new Set(alive.map(({ instanceId, memberId }) => instanceId ?? memberId))
  if (seated.length !== instances.size) fault(`${seated.length} of ${instances.size} have joined`)
  if ((group?.members.size ?? 0) !== seated.length)
    fault(`${group?.members.size} members, ${seated.length} are there`)
  const taken = new Map<string, number>()
  for (const member of seated) {
    const target = group?.targets.get(member.memberId) ?? new Map<string, readonly number[]>()
    let wanted = 0
    for (const [topicKey, partitions] of target)
      for (const partition of partitions) {
        wanted++
        if (!member.has(topicKey, partition)) fault(`${member.memberId} lacks ${partition}`)
      }
    if (member.tenures().length !== wanted) fault(`${member.memberId} has more than its target`)
    for (const { topicKey } of member.tenures()) taken.set(topicKey, (taken.get(topicKey) ?? 0) + 1)
  }
  for (const name of new Set(seated.flatMap(({ topics }) => topics))) {
    const topic = world.byName(name)
    if (topic && taken.get(topic.topicKey) !== topic.partitions)
      fault(`${taken.get(topic.topicKey) ?? 0} of ${topic.partitions} partitions of ${name} are read`)
  }
}

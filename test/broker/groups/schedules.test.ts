/**
 * Consumer groups under thousands of random schedules, by seed: members that are slow, paused, killed, replaced,
 * cut off and come as zombies; topics that grow and go; a coordinator that crashes and forgets what was not durable.
 *
 * `OCTOPUS_SEED=7 node …/schedules.test.js` runs one seed.
 */
import t from 'tap'
import { seededRandom } from '../../support/seeded-random.ts'
import type { GroupBug } from './support/group-world.ts'
import { runSchedule } from './support/run-schedule.ts'

const count = process.env.OCTOPUS_SEED ? 1 : process.env.OCTOPUS_SOAK ? 50_000 : 250

t.test('no schedule breaks a promise', async (t) => {
  const { seed: first } = seededRandom(t)
  let decisions = 0
  const broken: string[] = []
  for (let seed = first; seed < first + count; seed++) {
    const result = runSchedule(seed)
    decisions += result.decisions
    if (result.faults.length > 0) broken.push(`OCTOPUS_SEED=${seed}: ${result.faults.join('\n')}`)
    if (broken.length >= 3) break
  }
  t.same(broken, [])
  t.comment(`${count} schedules, ${decisions} decisions`)
})

const bugs: GroupBug[] = [
  'answers before durable',
  'believes any revision',
  'forgets the epoch of commits',
  'expires too early',
  'loses tombstones',
  'never ticks',
]

t.test('planted bugs are found', async (t) => {
  for (const bug of bugs) {
    let found: string | undefined
    for (let seed = 1; seed <= 2_000 && !found; seed++) {
      const { faults } = runSchedule(seed, bug)
      if (faults.length > 0) found = `seed ${seed}: ${faults[0].split('\n')[0]}`
    }
    t.ok(found, bug)
    t.comment(`${bug}: ${found}`)
  }
})

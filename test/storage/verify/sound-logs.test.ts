/** Whatever a log does, verify finds nothing wrong with what it stored: random operations, restarts, and a look after each. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { batch, load, openShard, topics, verifyLoaded } from './planted-data.ts'

const ROUNDS = process.env.OCTOPUS_SOAK === '1' ? 40 : 2
const STEPS = 120

const directory = await mkdtemp(join(tmpdir(), 'octopus-sound-'))
t.teardown(() => rm(directory, { recursive: true, force: true }))

t.test('random operations on a log', async (t) => {
  const random = seededRandom(t)
  for (const round of roundsOf(t, ROUNDS)) {
    const path = join(directory, `${round}`)
    let { store, shard } = await openShard(join(path, 'shard-0'))
    const done: string[] = []
    let dropped = false
    const anyLog = (): PartitionLog => {
      const { topicId, partitions } = random.pick(
        Object.entries(topics).filter(([name]) => name !== 'gone' || !dropped),
      )[1]
      return shard.createPartition(topicId, random.below(partitions))
    }
    for (let step = 0; step < STEPS; step++) {
      const log = anyLog()
      const { logStartOffset, logEndOffset } = log
      const somewhere = logStartOffset + random.below(logEndOffset - logStartOffset + 1)
      const kind = random.pick([
        'append',
        'append',
        'append',
        'append',
        'append',
        'append',
        'start',
        'cut',
        'epoch',
        'retain',
        'drop',
        'restart',
      ])
      if (kind === 'append') {
        const appends = Array.from({ length: 1 + random.below(5) }, () =>
          shard.append(
            {},
            anyLog(),
            batch(random, 1 + random.below(4), random.pick([20, 300, 3_000, 50_000])),
          ),
        )
        await Promise.all(appends)
      } else if (kind === 'start') await shard.moveLogStart(log, somewhere)
      else if (kind === 'cut' && random.below(3) === 0) await shard.truncateTo(log, somewhere)
      else if (kind === 'epoch') await shard.beginLeaderEpoch(log, log.leaderEpoch + random.below(2))
      else if (kind === 'retain') {
        const retentionBytes = random.pick([50_000, 200_000])
        await shard.enforceRetention(10_000, () => ({ retentionMs: -1, retentionBytes }))
      } else if (kind === 'drop' && step > STEPS / 2 && !dropped) {
        dropped = true
        await shard.dropTopic(topics.gone.topicId)
      } else if (kind === 'restart') {
        await shard.close()
        await store.close()
        ;({ store, shard } = await openShard(join(path, 'shard-0')))
      } else continue
      done.push(kind)
    }
    await shard.close()
    await store.close()
    const segments = await load(path)
    const { findings } = await verifyLoaded(segments)
    const damages = findings.filter(({ severity }) => severity === 'damage')
    t.same(damages, [], `${done.length} operations, ${segments.manifest.length} segments`)
    await rm(path, { recursive: true })
  }
})

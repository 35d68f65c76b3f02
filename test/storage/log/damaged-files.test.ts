/**
 * Bits flipped anywhere in the segment files of a log on LMDB: a process that opens it serves what was written and
 * tells the rest, or refuses by name a file in which nothing can be found any more.
 */
import { spawn } from 'node:child_process'
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { roundsOf } from '../../support/rounds.ts'
import { type SeededRandom, seededRandom } from '../../support/seeded-random.ts'
import { emptyDirectory } from '../segment-store/lmdb-stores.ts'
import { openShard } from '../verify/planted-data.ts'
import { PARTITIONS, type ReadLog } from './damaged-log-process.ts'
import { batch, topicId } from './log-fixture.ts'
import { compare, readAll } from './served-or-told.ts'

const ROUNDS = process.env.OCTOPUS_SOAK === '1' ? 150 : 3

/** Everything a process of its own can read of the log. */
function readElsewhere(directory: string): Promise<ReadLog> {
  const script = fileURLToPath(new URL('damaged-log-process.js', import.meta.url))
  const child = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(Buffer.concat(chunks).toString()))
      else reject(new Error(`the process ended with ${signal ?? code}`))
    })
  })
}

async function flipBits(random: SeededRandom, directory: string, count: number): Promise<void> {
  const names = (await readdir(directory)).filter((name) => /^segment-\d+\.lmdb$/.test(name))
  for (let i = 0; i < count; i++) {
    const path = join(directory, random.pick(names))
    const bytes = await readFile(path)
    bytes[random.below(bytes.length)] ^= 1 << random.below(8)
    await writeFile(path, bytes)
  }
}

t.test('flipped bits in segment files: served as written, told, or refused by name', async (t) => {
  const random = seededRandom(t)
  const directory = await emptyDirectory(t)
  const sound = join(directory, 'sound')
  const { store, shard } = await openShard(sound)
  const logs = Array.from({ length: PARTITIONS }, (_, partition) => shard.createPartition(topicId, partition))
  while (store.segments().length < 4)
    await Promise.all(
      logs.map((log) =>
        shard.append(
          log,
          log,
          batch(1 + random.below(4), random.below(random.below(8) === 0 ? 20_000 : 900)),
        ),
      ),
    )
  for (const log of logs) await shard.append(log, log, batch(3))
  const written = logs.map((log) => readAll(shard, log).served)
  await shard.close()
  await store.close()

  let told = 0
  let refused = 0
  for (const round of roundsOf(t, ROUNDS)) {
    const damaged = join(directory, 'damaged')
    await cp(sound, damaged, { recursive: true })
    await flipBits(random, damaged, 1 + random.below(60))
    const { partitions, refusal } = await readElsewhere(damaged)
    await rm(damaged, { recursive: true })
    if (refusal !== undefined) {
      refused++
      if (!/segment-\d+\.lmdb/.test(refusal)) t.fail(`round ${round}: refused without a name: ${refusal}`)
      continue
    }
    partitions?.forEach(({ served, damaged: ranges, endOffset }, at) => {
      const bytes = served.map((stored) => ({ ...stored, bytes: Buffer.from(stored.bytes, 'hex') }))
      told += compare({ served: bytes, damaged: ranges }, written[at], `round ${round}, partition ${at}`)
      if (endOffset < logs[at].logEndOffset) t.fail(`round ${round}: partition ${at} ends at ${endOffset}`)
    })
  }
  t.comment(`${told} batches were told to be damaged, ${refused} of ${ROUNDS} starts were refused`)
  t.ok(refused < ROUNDS, 'most starts succeed')
})

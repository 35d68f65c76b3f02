/**
 * The segment store on LMDB on a disk that others fill to the last byte: refused by name and never aborted, data can be let
 * go, every directory opens again, and nothing acknowledged is lost.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { SmallDisk } from '../../support/small-disk.ts'
import { requireTool } from '../../support/tools.ts'
import { bytesOf, equalBytes, MIB, storageError } from './contract.ts'
import { FULL_SEGMENT_BYTES, indexOf, valueAt } from './lmdb-process.ts'
import { lmdbProcess, openIn, untilPrepared, wordsOf } from './lmdb-stores.ts'

const ROUNDS = process.env.OCTOPUS_SOAK === '1' ? 200 : 8
const skip = requireTool('tmpfs')

async function smallDisk(t: Test, bytes: number): Promise<SmallDisk> {
  const disk = await SmallDisk.mount(bytes)
  t.teardown(() => disk.unmount())
  return disk
}

t.test(
  'appends go on where blocks are reserved, and are refused below what is to stay free',
  { skip },
  async (t) => {
    const disk = await smallDisk(t, 24 * MIB)
    const directory = join(disk.path, 'shard-0')
    const segmentBytes = 8 * MIB
    const values = Array.from({ length: 100 }, (_, index) => bytesOf(index, 65_500))

    const bold = await openIn(t, directory, { segmentBytes, freeBytesMin: 0 })
    await untilPrepared(directory, 2)
    await disk.fill()
    t.equal(bold.freeBytes(), 0)
    await bold.append(0, values.slice(0, 50))
    await bold.append(50, values.slice(50))
    t.ok(
      values.every((value, sequence) => equalBytes(bold.read(1, sequence), value)),
      'its blocks were reserved',
    )
    await bold.close()

    const careful = await openIn(t, directory, { segmentBytes, freeBytesMin: 100 * MIB })
    await disk.fill()
    await t.rejects(
      careful.append(100, [values[0]]),
      storageError('NO_SPACE', /has 0 bytes free, too few for an append/),
    )
    await t.rejects(careful.roll(bytesOf(1, 1000)), storageError('NO_SPACE', /too few for a new segment/))
    t.equal(careful.failure, undefined)
    await careful.close()
    await disk.empty()
    const store = await openIn(t, directory, { segmentBytes, freeBytesMin: MIB })
    await store.append(100, [values[0]])
    t.equal(await store.roll(bytesOf(1, 1000)), 2, 'as soon as there is room it goes on')
    t.equal(store.valueCount(1), 101)
    t.ok(equalBytes(await store.readIndex(1), bytesOf(1, 1000)))
  },
)

t.test('with no byte left a store opens, and data can be let go', { skip }, async (t) => {
  const disk = await smallDisk(t, 24 * MIB)
  const directory = join(disk.path, 'shard-0')
  const options = { segmentBytes: 2 * MIB, freeBytesMin: MIB }
  const first = await openIn(t, directory, options)
  for (let id = 1; id <= 4; id++) {
    await first.append(0, [bytesOf(id, 100_000)])
    await first.roll(bytesOf(id, 100))
  }
  await first.close()
  // The first time there is a segment prepared ahead to be deleted; then there is not even that.
  for (let round = 0; round < 2; round++) {
    await disk.fill()
    const store = await openIn(t, directory, { ...options, freeBytesMin: 100 * MIB })
    await disk.fill()
    t.equal(store.freeBytes(), 0)
    for (const { id, sealed } of store.segments())
      if (sealed) t.ok(equalBytes(store.read(id, 0), bytesOf(id, 100_000)))
    const count = store.valueCount(5)
    await t.rejects(store.append(count, [bytesOf(1, 10)]), storageError('NO_SPACE', /too few for an append/))
    await store.append(count, [bytesOf(9, 10)], { isUrgent: true })
    await store.remove(round + 1)
    await store.close()
  }
  await disk.fill()
  const store = await openIn(t, directory, options)
  t.strictSame(
    store.segments().map(({ id }) => id),
    [3, 4, 5],
  )
  await store.append(2, [bytesOf(9, 10)], { isUrgent: true })
})

t.test('filled again and again while it is written: nothing acknowledged is lost', { skip }, async (t) => {
  const random = seededRandom(t)
  const disk = await smallDisk(t, 20 * MIB)
  const directory = join(disk.path, 'shard-0')
  const options = { segmentBytes: FULL_SEGMENT_BYTES, freeBytesMin: MIB }
  const certain = new Map<number, number>()
  const possible = new Map<number, number>()
  const removing = new Set<number>()
  const removed = new Set<number>()
  let refusals = 0
  for (const _round of roundsOf(t, ROUNDS)) {
    const child = spawn(process.execPath, [lmdbProcess, 'full', directory, String(random.below(2 ** 31))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exit = once(child, 'exit')
    const fillAfter = random.below(60)
    const isToRecover = random.below(2) === 0
    let appends = 0
    let phase: 'writing' | 'full' | 'recovering' = 'writing'
    let filling: Promise<void> | undefined
    for await (const [what, ...rest] of wordsOf(child) as AsyncGenerator<[string, ...unknown[]]>) {
      const [code, id, count] = rest as [string, number, number]
      if (what === 'begin') possible.set(Number(rest[0]), Number(rest[1]))
      if (what === 'removing') removing.add(Number(rest[0]))
      if (code === 'NO_SPACE') refusals++
      if (what === 'removed' && code === 'done') removed.add(id)
      if (what === 'appended' && code === 'done') {
        certain.set(id, count)
        appends++
      }
      if (phase === 'writing' && appends >= fillAfter) {
        phase = 'full'
        filling = disk.fill()
      } else if (phase === 'full' && code === 'NO_SPACE') {
        phase = 'recovering'
        await filling
        if (isToRecover) await disk.empty()
        else child.kill('SIGKILL')
        appends = 0
      } else if (phase === 'recovering' && appends >= 3) child.kill('SIGKILL')
    }
    t.strictSame(await exit, [null, 'SIGKILL'], 'never by itself')
    if (random.below(2) === 0) await disk.fill()

    const store = await openIn(t, directory, options)
    const live = store.segments().map(({ id }) => id)
    for (const [id, count] of certain)
      if (live.includes(id)) t.ok(store.valueCount(id) >= count, `segment ${id} has its ${count} values`)
      else t.ok(removing.has(id), `segment ${id} was removed`)
    t.notOk(
      live.some((id) => removed.has(id)),
      'nothing removed came back',
    )
    for (const { id, sealed } of store.segments()) {
      const count = store.valueCount(id)
      t.ok([certain.get(id) ?? 0, possible.get(id) ?? 0].includes(count), `segment ${id}: whole appends only`)
      for (let sequence = 0; sequence < count; sequence++)
        if (!equalBytes(store.read(id, sequence), valueAt(id, sequence)))
          t.fail(`value ${sequence} of segment ${id}`)
      if (sealed) t.ok(equalBytes(await store.readIndex(id), indexOf(id)), `index of segment ${id}`)
      certain.set(id, count)
    }
    await store.close()
    await disk.empty()
  }
  t.ok(refusals >= ROUNDS, `${refusals} refusals`)
})

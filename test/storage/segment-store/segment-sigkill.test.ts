/** Processes that write to a segment store on LMDB and are killed at any moment. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import t from 'tap'
import { roundsOf } from '../../support/rounds.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { equalBytes } from './contract.ts'
import { APPEND_SEGMENT_BYTES, indexOf, valueAt } from './lmdb-process.ts'
import { emptyDirectory, lmdbProcess, openIn, wordsOf } from './lmdb-stores.ts'

const CRASHES = process.env.OCTOPUS_SOAK === '1' ? 300 : 6

t.test('SIGKILL: what was acknowledged is there, nothing is there by half', async (t) => {
  const random = seededRandom(t)
  const directory = await emptyDirectory(t)
  /** Values per segment: durable for certain, and durable if the last append was finished. */
  const certain = new Map<number, number>()
  const possible = new Map<number, number>()
  const removing = new Set<number>()
  const removed = new Set<number>()
  /** Numbers of segments begun aside and, of those that were to be published, what they were to replace. */
  const asides = new Set<number>()
  const replacedBy = new Map<number, readonly number[]>()
  let rolls = 0
  let publications = 0
  let recycled = 0
  for (const _cycle of roundsOf(t, CRASHES)) {
    const arguments_ = [lmdbProcess, 'append', directory, String(random.below(2 ** 31))]
    const child = spawn(process.execPath, arguments_, { stdio: ['ignore', 'pipe', 'inherit'] })
    const exit = once(child, 'exit')
    let lines = 10 + random.below(300)
    const words = wordsOf(child) as AsyncGenerator<[string, number, number, readonly number[]]>
    for await (const [what, segment, count, replaced] of words) {
      if (what === 'append') possible.set(segment, count)
      if (what === 'appended') certain.set(segment, count)
      if (what === 'rolled') rolls++
      if (what === 'recycled') recycled++
      if (what === 'remove') removing.add(segment)
      if (what === 'removed') removed.add(segment)
      if (what === 'aside') {
        asides.add(segment)
        certain.delete(segment)
      }
      if (what === 'publish') {
        possible.set(segment, count)
        replacedBy.set(segment, replaced)
        for (const id of replaced) removing.add(id)
      }
      if (what === 'published') {
        publications++
        certain.set(segment, count)
        for (const id of replaced) removed.add(id)
      }
      if (--lines === 0) child.kill('SIGKILL')
    }
    t.strictSame(await exit, [null, 'SIGKILL'])

    const store = await openIn(t, directory, { segmentBytes: APPEND_SEGMENT_BYTES })
    const live = store.segments().map(({ id }) => id)
    t.strictSame(
      live.filter((id) => removed.has(id)),
      [],
      'nothing removed came back',
    )
    for (const [id, count] of certain) {
      if (live.includes(id))
        t.ok(store.valueCount(id) >= count, `segment ${id} has the ${count} values it acknowledged`)
      else t.ok(removing.has(id), `segment ${id} was removed`)
    }
    const files = (await readdir(directory)).filter((name) => /^segment-\d+\.lmdb$/.test(name))
    const others = files.filter((name) => !live.includes(Number(name.slice(8, 18))))
    t.ok(others.length <= 1, `of segments that are not live only the next is there: ${others}`)
    const isGone = (id: number) => !live.includes(id)
    for (const id of asides) {
      const replaced = replacedBy.get(id) ?? []
      if (live.includes(id)) {
        t.equal(live[0], id, 'it stands where those stood that it replaced')
        t.ok(replaced.length === 2 && replaced.every(isGone), 'all of them are gone')
      } else if (!certain.has(id)) {
        t.ok(
          replaced.every((id) => live.includes(id)),
          'they are there where the new one is not',
        )
        // Never live: after a restart another segment may get the number.
        asides.delete(id)
        replacedBy.delete(id)
        for (const id of replaced) removing.delete(id)
      }
    }
    for (const { id, sealed } of store.segments()) {
      const count = store.valueCount(id)
      t.ok([certain.get(id) ?? 0, possible.get(id) ?? 0].includes(count), `segment ${id}: whole appends only`)
      for (let sequence = 0; sequence < count; sequence++) {
        if (!equalBytes(store.read(id, sequence), valueAt(id, sequence)))
          t.fail(`value ${sequence} of segment ${id} differs`)
      }
      if (sealed) t.ok(equalBytes(await store.readIndex(id), indexOf(id)))
      certain.set(id, count)
    }
    await store.close()
  }
  t.comment(
    `${rolls} rolls, ${recycled} of them recycled, ${publications} publications, ${removed.size} removals`,
  )
  t.ok(recycled > 0, 'segments were recycled')
})

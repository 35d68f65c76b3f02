/** What every SegmentStore must do with segments that are written aside and take the place of others. */
import type { Test } from 'tap'
import type { AsideSegment, SegmentStore } from '../../../storage/segment-store.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { bytesOf, equalBytes, type MakeDisk, MIB, storageError } from './contract.ts'

const STEPS = process.env.OCTOPUS_SOAK === '1' ? 3000 : 120
const SEGMENT_BYTES = 4 * MIB

export function testAsideContract(t: Test, makeDisk: MakeDisk): void {
  const openOn = async (t: Test, make: () => SegmentStore): Promise<SegmentStore> => {
    const store = make()
    t.teardown(() => store.close())
    await store.open()
    return store
  }
  const idsOf = (store: SegmentStore) => store.segments().map(({ id }) => id)
  /** Segments 1 … `count`, each with one value and an index, and an empty active one. */
  const diskOf = async (t: Test, count: number): Promise<[SegmentStore, () => SegmentStore]> => {
    const make = await makeDisk(t, { segmentBytes: SEGMENT_BYTES })
    const store = await openOn(t, make)
    for (let id = 1; id <= count; id++) {
      await store.append(0, [bytesOf(id, 1000)])
      await store.roll(bytesOf(id + 100, 500))
    }
    return [store, make]
  }

  t.test('it takes the place of neighbours, in journal order', async (t) => {
    const [store, make] = await diskOf(t, 4)
    const before = store.segments()
    const aside = await store.beginAside(300_000)
    t.ok(aside.roomBytes() >= 300_000, `room for ${aside.roomBytes()}`)
    t.strictSame(store.segments(), before, 'not live yet')
    t.throws(() => store.read(aside.id, 0), storageError('MISUSE', /is not live/))
    const values = Array.from({ length: 5 }, (_, sequence) => bytesOf(sequence + 50, 50_000))
    await aside.append(0, values.slice(0, 2))
    await aside.append(2, values.slice(2))
    const index = bytesOf(77, 30_000)
    await aside.publish(index, [2, 3])
    const check = async (store: SegmentStore) => {
      t.strictSame(idsOf(store), [1, aside.id, 4, 5])
      t.ok(aside.id > 5)
      t.strictSame(
        store.segments().map(({ sealed }) => sealed),
        [true, true, true, false],
      )
      t.equal(store.valueCount(aside.id), 5)
      for (const [sequence, value] of values.entries())
        t.ok(equalBytes(store.read(aside.id, sequence), value))
      t.equal(store.read(aside.id, 5), undefined)
      t.equal(store.indexBytes(aside.id), 30_000)
      t.ok(equalBytes(await store.readIndex(aside.id), index))
      t.ok(equalBytes(store.read(1, 0), bytesOf(1, 1000)))
      t.ok(equalBytes(store.read(4, 0), bytesOf(4, 1000)))
      for (const id of [2, 3]) t.throws(() => store.read(id, 0), storageError('MISUSE', /is not live/))
    }
    await check(store)
    await aside.discard()
    await check(store)
    await store.close()
    const again = await openOn(t, make)
    await check(again)

    const second = await again.beginAside(1)
    t.ok(second.id > aside.id, 'its number is not used again')
    await second.publish(new Uint8Array(), [1, aside.id, 4])
    t.strictSame(idsOf(again), [second.id, 5])
    t.equal(again.valueCount(second.id), 0)
    await again.append(0, [bytesOf(9, 9)])
    const next = await again.roll(new Uint8Array())
    t.notOk([1, 2, 3, 4, 5, aside.id, second.id].includes(next))
    await again.remove(second.id)
    t.strictSame(idsOf(again), [5, next])
  })

  t.test('what was not published is gone', async (t) => {
    const [store, make] = await diskOf(t, 2)
    const free = store.freeBytes()
    const discarded = await store.beginAside(1_000_000)
    await discarded.append(0, [bytesOf(1, 1000)])
    await Promise.all([discarded.discard(), discarded.discard()])
    await discarded.discard()
    if (store.kind === 'memory') t.equal(store.freeBytes(), free)
    for (const refused of [discarded.append(1, [bytesOf(2, 10)]), discarded.publish(new Uint8Array(), [1])])
      await t.rejects(refused, storageError('MISUSE', /cannot be written: it (is|was) discarded/))
    const left = await store.beginAside(100_000)
    t.ok(left.id > discarded.id)
    await left.append(0, [bytesOf(1, 1000)])
    await store.close()
    await left.discard()
    await t.rejects(left.append(1, []), storageError('MISUSE', /closed/))
    const again = await openOn(t, make)
    t.strictSame(idsOf(again), [1, 2, 3])
    t.ok((await again.roll(new Uint8Array())) > 3)
  })

  t.test('only sealed neighbours can be replaced, and whatever is refused changes nothing', async (t) => {
    const [store] = await diskOf(t, 4)
    const index = new Uint8Array(10)
    const refusals: [number[], RegExp][] = [
      [[], /there is no segment to replace/],
      [[5], /segment 5 is active/],
      [[4, 5], /segment 5 is active/],
      [[9], /segment 9 is not live/],
      [[1, 9], /segment 9 is not live/],
      [[1, 3], /segment 3 does not stand behind/],
      [[2, 1], /segment 1 does not stand behind/],
      [[2, 2], /segment 2 does not stand behind/],
    ]
    const aside = await store.beginAside(100_000)
    for (const [replaced, message] of refusals)
      await t.rejects(aside.publish(index, replaced), storageError('MISUSE', message), `${replaced}`)
    await t.rejects(aside.append(1, []), storageError('MISUSE', /next sequence of segment \d+ is 0, not 1/))
    await t.rejects(
      aside.append(0, [new Uint8Array(3 * MIB)]),
      storageError('MISUSE', /do not fit: segment \d+ has room for/),
    )
    await t.rejects(
      aside.publish(new Uint8Array(3 * MIB), [1]),
      storageError('MISUSE', /index of 3145728 bytes does not fit/),
    )
    const [first, second] = await Promise.allSettled([
      aside.append(0, [bytesOf(1, 10)]),
      aside.publish(index, [1]),
    ])
    t.equal(first.status, 'fulfilled')
    t.match(second, { reason: storageError('MISUSE', /a write to it is still in flight/) })
    t.strictSame(idsOf(store), [1, 2, 3, 4, 5])
    for (const bytes of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])
      await t.rejects(store.beginAside(bytes), storageError('MISUSE', /must be a positive integer/))

    await aside.publish(index, [1, 2])
    for (const refused of [aside.append(1, []), aside.publish(index, [3])])
      await t.rejects(refused, storageError('MISUSE', /cannot be written: it (is|was) published/))
    t.equal(store.failure, undefined)
    t.strictSame(idsOf(store), [aside.id, 3, 4, 5])
  })

  t.test('of two who want the same segment one gets it', async (t) => {
    const [store] = await diskOf(t, 3)
    const asides = await Promise.all([1, 2].map(() => store.beginAside(1000)))
    const results = await Promise.allSettled([
      asides[0].publish(new Uint8Array(), [1, 2]),
      asides[1].publish(new Uint8Array(), [2, 3]),
      store.remove(2),
    ])
    const isDone = results.map(({ status }) => status === 'fulfilled')
    t.equal(isDone.filter(Boolean).length, 1, 'one')
    for (const result of results)
      if (result.status === 'rejected') t.match(result.reason, storageError('MISUSE', /segment \d/))
    const [one, two] = asides.map(({ id }) => id)
    t.strictSame(
      idsOf(store),
      [
        [one, 3, 4],
        [1, two, 4],
        [1, 3, 4],
      ][isDone.indexOf(true)],
    )
    for (const aside of asides) await aside.discard()
    t.equal(store.failure, undefined)
  })

  t.test('it is filled by many appends, beside appends to the active segment', async (t) => {
    const random = seededRandom(t)
    const [store] = await diskOf(t, 2)
    for (const wanted of [500_000, 2 * MIB, 5 * MIB]) {
      const aside = await store.beginAside(wanted)
      const active = store.segments()[store.segments().length - 1].id
      let cost = 0
      let count = 0
      for (let appends = 0; appends < 50; appends++) {
        const values = Array.from({ length: 1 + random.below(4) }, (_, at) =>
          bytesOf(count + at, random.below(random.pick([100, 5000, 65_500]))),
        )
        const costs = values.reduce((sum, { length }) => sum + store.costBytes(length), 0)
        if (cost + costs > wanted) break
        cost += costs
        if (costs > aside.roomBytes())
          t.fail(`after ${cost} of ${wanted} there is room for ${aside.roomBytes()}`)
        const sequence = store.valueCount(active)
        await Promise.all([aside.append(count, values), store.append(sequence, [bytesOf(sequence, 100)])])
        count += values.length
      }
      const [replaced] = idsOf(store)
      await aside.publish(bytesOf(1, Math.floor(wanted * 0.08)), [replaced])
      t.equal(store.valueCount(aside.id), count)
    }
  })

  t.test('random operations agree with a model', async (t) => {
    const random = seededRandom(t)
    const [first, make] = await diskOf(t, 0)
    let store = first
    interface Model {
      readonly id: number
      readonly values: Uint8Array[]
      index: Uint8Array | undefined
    }
    const model: Model[] = [{ id: 1, values: [], index: undefined }]
    let aside: { readonly segment: AsideSegment; readonly values: Uint8Array[] } | undefined
    const used = new Set([1])
    const takeNew = (id: number) => {
      if (used.has(id)) t.fail(`number ${id} was used before`)
      used.add(id)
    }
    const some = () =>
      Array.from({ length: 1 + random.below(5) }, () =>
        bytesOf(random.below(1e6), random.below(random.pick([50, 5000, 60_000]))),
      )
    const costOf = (values: Uint8Array[]) =>
      values.reduce((sum, { length }) => sum + store.costBytes(length), 0)
    const steps: (() => Promise<void>)[] = [
      async () => {
        const active = model[model.length - 1]
        const values = some()
        if (costOf(values) > store.roomBytes()) return
        await store.append(active.values.length, values)
        active.values.push(...values)
      },
      async () => {
        const index = bytesOf(random.below(1e6), random.below(50_000))
        model[model.length - 1].index = index
        const id = await store.roll(index)
        takeNew(id)
        model.push({ id, values: [], index: undefined })
      },
      async () => {
        aside ??= { segment: await store.beginAside(200_000 + random.below(800_000)), values: [] }
        const values = some()
        if (costOf(values) > aside.segment.roomBytes()) return
        await aside.segment.append(aside.values.length, values)
        aside.values.push(...values)
      },
      async () => {
        if (aside === undefined || model.length < 2) return
        const start = random.below(model.length - 1)
        const count = 1 + random.below(Math.min(3, model.length - 1 - start))
        const index = bytesOf(random.below(1e6), random.below(20_000))
        const replaced = model.slice(start, start + count).map(({ id }) => id)
        await aside.segment.publish(index, replaced)
        takeNew(aside.segment.id)
        model.splice(start, count, { id: aside.segment.id, values: aside.values, index })
        aside = undefined
      },
      async () => {
        if (aside === undefined || random.below(3) > 0) return
        await aside.segment.discard()
        aside = undefined
      },
      async () => {
        if (model.length < 4) return
        const [{ id }] = model.splice(random.below(model.length - 1), 1)
        await store.remove(id)
      },
      async () => {
        if (random.below(4) > 0) return
        await store.close()
        aside = undefined
        store = await openOn(t, make)
      },
      async () => {
        const { id, values, index } = random.pick(model)
        if (store.valueCount(id) !== values.length)
          t.fail(`segment ${id} holds ${store.valueCount(id)} values`)
        const sequence = random.below(values.length + 1)
        const read = store.read(id, sequence)
        const value = values[sequence]
        if (value === undefined ? read !== undefined : !equalBytes(read, value))
          t.fail(`value ${sequence} of segment ${id} differs`)
        const stored = await store.readIndex(id)
        if (index === undefined ? stored !== undefined : !equalBytes(stored, index))
          t.fail(`index of segment ${id} differs`)
      },
    ]
    for (let step = 0; step < STEPS; step++) {
      await random.pick(steps)()
      const expected = model.map(({ id, index }) => [id, index !== undefined])
      const actual = store.segments().map(({ id, sealed }) => [id, sealed])
      if (JSON.stringify(actual) !== JSON.stringify(expected)) t.strictSame(actual, expected)
    }
    t.equal(store.failure, undefined)
  })
}

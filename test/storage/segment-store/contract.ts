/**
 * What every SegmentStore must do. Each test gets an empty disk and opens as many stores on it, one after the
 * other, as it likes.
 */
import type { Test } from 'tap'
import type { SegmentStore, StorageErrorCode } from '../../../storage/segment-store.ts'
import { type SeededRandom, seededRandom } from '../../support/seeded-random.ts'

export const MIB = 1024 * 1024
const STEPS = process.env.OCTOPUS_SOAK === '1' ? 5000 : 150

/** An empty disk; the function it resolves with makes another store on it. */
export type MakeDisk = (t: Test, options: { readonly segmentBytes: number }) => Promise<() => SegmentStore>

/** Bytes that differ everywhere and for each `key`. */
export function bytesOf(key: number, length: number): Uint8Array {
  const value = new Uint8Array(length)
  let state = Math.imul(key + 1, 0x9e3779b1)
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    value[at] = state >>> 24
  }
  return value
}

/** What a misuse or an accident must look like, for `t.rejects` and `t.throws`. */
export function storageError(code: StorageErrorCode, message: RegExp) {
  return { name: 'StorageError', code, message }
}

/** `undefined` or a copy, because the bytes of a read are good only until the next call. */
export function readCopy(store: SegmentStore, segment: number, sequence: number): Uint8Array | undefined {
  return store.read(segment, sequence)?.slice()
}

export function equalBytes(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0
}

/** Appends commits of values until the active segment takes no more of them; what was appended. */
export async function fill(
  store: SegmentStore,
  random: SeededRandom,
  sizes: (random: SeededRandom) => number,
): Promise<Uint8Array[]> {
  const appended: Uint8Array[] = []
  for (let isFull = false; !isFull; ) {
    const batch: Uint8Array[] = []
    const costMax = random.pick([1, 20_000, 200_000, store.roomBytes()])
    for (let cost = 0; cost < costMax; ) {
      const length = sizes(random)
      cost += store.costBytes(length)
      isFull = cost > store.roomBytes()
      if (isFull) break
      batch.push(bytesOf(appended.length + batch.length, length))
    }
    if (batch.length > 0) await store.append(appended.length, batch)
    appended.push(...batch)
  }
  return appended
}

export function testContract(t: Test, makeDisk: MakeDisk): void {
  const openOn = async (t: Test, make: () => SegmentStore): Promise<SegmentStore> => {
    const store = make()
    t.teardown(() => store.close())
    await store.open()
    return store
  }
  const open = async (t: Test, segmentBytes = 4 * MIB): Promise<SegmentStore> =>
    openOn(t, await makeDisk(t, { segmentBytes }))

  t.test('an empty store has one active segment', async (t) => {
    const store = await open(t)
    t.strictSame(store.segments(), [{ id: 1, sealed: false, bytes: 4 * MIB }])
    t.equal(store.valueCount(1), 0)
    t.equal(store.read(1, 0), undefined)
    t.equal(await store.readIndex(1), undefined)
    t.equal(store.failure, undefined)
    t.ok(store.roomBytes() > 3 * MIB)
    t.ok(store.freeBytes() > 0)
    t.match(store.kind, /^(lmdb|memory)$/)
  })

  t.test('values of every size come back byte for byte, also from another store', async (t) => {
    const make = await makeDisk(t, { segmentBytes: 32 * MIB })
    const sizes = [0, 1, 2, 100, 2021, 2022, 2023, 4071, 4072, 4073, 8168, 8169, 65_500, 65_536, MIB, 8 * MIB]
    const values = sizes.map((size, index) => bytesOf(index, size))
    const store = await openOn(t, make)
    await store.append(0, values.slice(0, 5))
    t.equal(store.valueCount(1), 5)
    await store.append(5, values.slice(5))
    const check = (store: SegmentStore) => {
      t.equal(store.valueCount(1), sizes.length)
      values.forEach((value, index) => {
        t.ok(equalBytes(store.read(1, index), value), `${value.length} bytes`)
      })
      t.equal(store.read(1, sizes.length), undefined)
      for (const sequence of [-1, 2 ** 31, 2 ** 32 - 1, 2 ** 32]) t.equal(store.read(1, sequence), undefined)
    }
    check(store)
    await store.close()
    check(await openOn(t, make))
  })

  t.test('bytes are private: overwriting what was read or appended changes nothing', async (t) => {
    const store = await open(t)
    const value = bytesOf(1, 5000)
    await store.append(0, [value])
    value.fill(0)
    const read = store.read(1, 0)
    t.ok(equalBytes(read, bytesOf(1, 5000)))
    read?.fill(0)
    t.ok(equalBytes(store.read(1, 0), bytesOf(1, 5000)))
  })

  t.test('a roll seals with an index and opens the next segment', async (t) => {
    const make = await makeDisk(t, { segmentBytes: 8 * MIB })
    const store = await openOn(t, make)
    const sizes = [0, 1, 2022, 4072, 262_120, 262_121, 600_000, 5 * MIB]
    for (const [round, size] of sizes.entries()) {
      const id = round + 1
      await store.append(0, [bytesOf(round, 100), bytesOf(round + 1, 70_000)])
      t.equal(await store.roll(bytesOf(size, size)), id + 1)
      t.equal(store.valueCount(id + 1), 0, 'the new one is empty')
      t.throws(() => store.read(id + 2, 0), storageError('MISUSE', /segment \d+ is not live/))
    }
    const check = async (store: SegmentStore) => {
      const expected = [...sizes.keys(), sizes.length].map((round) => ({
        id: round + 1,
        sealed: round < sizes.length,
        bytes: 8 * MIB,
      }))
      t.strictSame(store.segments(), expected)
      for (const [round, size] of sizes.entries()) {
        t.equal(store.valueCount(round + 1), 2)
        t.ok(equalBytes(store.read(round + 1, 0), bytesOf(round, 100)))
        t.ok(equalBytes(store.read(round + 1, 1), bytesOf(round + 1, 70_000)))
        t.equal(store.read(round + 1, 2), undefined, 'the index is no value')
        const index = await store.readIndex(round + 1)
        t.ok(equalBytes(index, bytesOf(size, size)), `an index of ${size} bytes`)
        index?.fill(0)
        t.ok(equalBytes(await store.readIndex(round + 1), bytesOf(size, size)), 'the copy is ours')
      }
      t.equal(await store.readIndex(sizes.length + 1), undefined)
    }
    await check(store)
    await store.close()
    await check(await openOn(t, make))
  })

  t.test('a removed segment is gone for good, and its id is not used again', async (t) => {
    const make = await makeDisk(t, { segmentBytes: 4 * MIB })
    const store = await openOn(t, make)
    for (const id of [1, 2, 3]) {
      await store.append(0, [bytesOf(id, 1000)])
      await store.roll(bytesOf(id, 10))
    }
    store.read(2, 0)
    await Promise.all([store.remove(2), store.remove(3)])
    t.strictSame(
      store.segments().map(({ id }) => id),
      [1, 4],
    )
    for (const id of [2, 3]) {
      t.throws(() => store.read(id, 0), storageError('MISUSE', /segment \d is not live/))
      t.throws(() => store.valueCount(id), storageError('MISUSE', /segment \d is not live/))
      await t.rejects(store.readIndex(id), storageError('MISUSE', /segment \d is not live/))
      await t.rejects(store.remove(id), storageError('MISUSE', /segment \d/))
    }
    await t.rejects(store.remove(4), storageError('MISUSE', /segment 4 is active/))
    await store.close()

    const again = await openOn(t, make)
    t.strictSame(
      again.segments().map(({ id }) => id),
      [1, 4],
    )
    t.ok(equalBytes(again.read(1, 0), bytesOf(1, 1000)))
    t.equal(await again.roll(new Uint8Array()), 5)
    await again.remove(4)
    t.equal(await again.roll(new Uint8Array()), 6)
  })

  t.test('an index is read in parts, now and later', async (t) => {
    const random = seededRandom(t)
    const make = await makeDisk(t, { segmentBytes: 8 * MIB })
    const store = await openOn(t, make)
    const index = bytesOf(7, 600_000)
    await store.append(0, [bytesOf(1, 100)])
    t.equal(store.indexBytes(1), undefined)
    t.equal(await store.readIndex(1, 0, 10), undefined)
    t.equal(store.readIndexNow(1, 0, 10), undefined)
    await store.roll(index)
    await store.roll(new Uint8Array())
    const ranges = [
      [0, 0],
      [0, 1],
      [0, 600_000],
      [600_000, 600_000],
      [599_999, 600_000],
      [262_119, 262_121],
      [262_120, 524_240],
      [100, 524_241],
      ...Array.from({ length: 30 }, () => {
        const start = random.below(600_001)
        return [start, start + random.below(600_001 - start)]
      }),
    ]
    const check = async (store: SegmentStore) => {
      t.equal(store.indexBytes(2), 0)
      t.equal(store.indexBytes(3), undefined)
      t.strictSame(await store.readIndex(2, 0, 0), new Uint8Array())
      for (const [start, end] of ranges) {
        const expected = index.subarray(start, end)
        const now = store.readIndexNow(1, start, end)
        if (!equalBytes(now, expected)) t.fail(`bytes ${start} to ${end}, now`)
        now?.fill(0)
        const later = await store.readIndex(1, start, end)
        if (!equalBytes(later, expected)) t.fail(`bytes ${start} to ${end}`)
        later?.fill(0)
      }
      t.ok(equalBytes(await store.readIndex(1, 5), index.subarray(5)))
      t.equal(store.indexBytes(1), 600_000)
      for (const [start, end] of [
        [0, 600_001],
        [-1, 5],
        [6, 5],
        [0.5, 2],
        [600_001, 600_001],
        [Number.NaN, 1],
      ]) {
        const refusal = storageError('MISUSE', /do not lie within the index of segment 1: it has 600000/)
        await t.rejects(store.readIndex(1, start, end), refusal)
        t.throws(() => store.readIndexNow(1, start, end), refusal)
      }
      for (const read of [() => store.indexBytes(9), () => store.readIndexNow(9, 0, 0)])
        t.throws(read, storageError('MISUSE', /segment 9 is not live/))
    }
    await check(store)
    await store.close()
    await check(await openOn(t, make))
  })

  t.test('an empty active segment is rolled, and stays empty', async (t) => {
    const make = await makeDisk(t, { segmentBytes: 4 * MIB })
    const store = await openOn(t, make)
    await store.roll(new Uint8Array())
    await store.close()
    const again = await openOn(t, make)
    t.equal(again.valueCount(1), 0)
    t.equal(again.read(1, 0), undefined)
    t.strictSame(await again.readIndex(1), new Uint8Array())
  })

  t.test('misuse is refused by name and changes nothing', async (t) => {
    const make = await makeDisk(t, { segmentBytes: 4 * MIB })
    const unopened = make()
    t.throws(() => unopened.segments(), storageError('MISUSE', /not open/))
    await unopened.close()
    await t.rejects(unopened.open(), storageError('MISUSE', /opened only once/))

    const store = await openOn(t, make)
    await t.rejects(store.open(), storageError('MISUSE', /opened only once/))
    const one = [bytesOf(0, 10)]
    await t.rejects(store.append(1, one), storageError('MISUSE', /next sequence of segment 1 is 0, not 1/))
    await t.rejects(store.append(-1, one), storageError('MISUSE', /next sequence/))
    await store.append(0, one)
    await t.rejects(store.append(0, one), storageError('MISUSE', /next sequence of segment 1 is 1, not 0/))
    const tooLarge = [new Uint8Array(12 * MIB + 1)]
    await t.rejects(
      store.append(1, tooLarge),
      storageError('MISUSE', /12582913 bytes is too large: at most 12582912/),
    )
    const tooMuch = Array.from({ length: 5 }, () => new Uint8Array(MIB))
    await t.rejects(
      store.append(1, tooMuch),
      storageError('MISUSE', /do not fit: segment 1 has room for \d+; roll/),
    )
    await t.rejects(
      store.roll(new Uint8Array(5 * MIB)),
      storageError('MISUSE', /index of 5242880 bytes does not fit/),
    )
    const [first, second, third] = await Promise.allSettled([
      store.append(1, one),
      store.append(2, one),
      store.roll(new Uint8Array()),
    ])
    t.equal(first.status, 'fulfilled')
    for (const refused of [second, third]) {
      t.match(refused, { status: 'rejected', reason: storageError('MISUSE', /still in flight/) })
    }
    t.equal(store.failure, undefined)
    t.equal(store.valueCount(1), 2)
    await store.append(2, one)

    await store.close()
    t.throws(() => store.read(1, 0), storageError('MISUSE', /closed/))
    t.throws(() => store.segments(), storageError('MISUSE', /closed/))
    t.throws(() => store.roomBytes(), storageError('MISUSE', /closed/))
    await t.rejects(store.append(3, one), storageError('MISUSE', /closed/))
    await t.rejects(store.roll(new Uint8Array()), storageError('MISUSE', /closed/))
    await t.rejects(store.prefetch(1, 0), storageError('MISUSE', /closed/))
    await t.rejects(store.remove(1), storageError('MISUSE', /closed/))
  })

  t.test('close finishes what is in flight, and may be called twice', async (t) => {
    const make = await makeDisk(t, { segmentBytes: 4 * MIB })
    const store = await openOn(t, make)
    await store.append(0, [bytesOf(0, 10)])
    const roll = store.roll(bytesOf(1, 10))
    await Promise.all([store.close(), store.close()])
    t.equal(await roll, 2)

    const next = await openOn(t, make)
    const append = next.append(0, [bytesOf(2, 10)])
    await next.close()
    await append

    const last = await openOn(t, make)
    const remove = last.remove(1)
    await last.close()
    await remove

    const check = await openOn(t, make)
    t.strictSame(
      check.segments().map(({ id }) => id),
      [2],
    )
    t.ok(equalBytes(check.read(2, 0), bytesOf(2, 10)))
  })

  t.test('prefetch is a hint', async (t) => {
    const store = await open(t)
    await store.append(0, [bytesOf(0, 100_000), bytesOf(1, 10)])
    await store.roll(new Uint8Array(10))
    await store.append(0, [bytesOf(2, 100_000)])
    await Promise.all([
      ...Array.from({ length: 100 }, () => store.prefetch(1, 0)),
      store.prefetch(1, 1),
      store.prefetch(2, 0),
      store.prefetch(1, 7),
      store.prefetch(2, -1),
      store.prefetch(9, 0),
      store.prefetch(1, 0, 2),
      store.prefetch(1, -5, 1_000_000_000),
      store.prefetch(2, 2 ** 31 - 1, 10),
      store.prefetch(1, 0, 0),
    ])
    t.ok(equalBytes(store.read(1, 0), bytesOf(0, 100_000)))
    t.ok(equalBytes(store.read(2, 0), bytesOf(2, 100_000)))
    const prefetch = store.prefetch(1, 0)
    await store.remove(1)
    await prefetch
  })

  t.test('whatever fits by roomBytes is taken, and then the index still fits', async (t) => {
    const random = seededRandom(t)
    const make = await makeDisk(t, { segmentBytes: 4 * MIB })
    const store = await openOn(t, make)
    const kinds: ((random: SeededRandom) => number)[] = [
      () => 65_500,
      (random) => random.below(200),
      (random) => random.pick([1, 2022, 2023, 4073]),
      (random) => random.below(random.pick([10, 3000, 70_000, 400_000])),
      (random) => 1500 + random.below(523),
    ]
    const indexBytes = Math.floor(4 * MIB * 0.08)
    const filled: Uint8Array[][] = []
    for (const [round, sizes] of kinds.entries()) {
      filled.push(await fill(store, random, sizes))
      const bytes = filled[round].reduce((sum, value) => sum + value.length, 0)
      if (round === 0) t.ok(bytes > 3 * MIB, 'most of the segment is for values')
      await store.roll(bytesOf(round, indexBytes))
    }
    for (const [round, values] of filled.entries()) {
      t.equal(store.valueCount(round + 1), values.length)
      t.ok(values.every((value, sequence) => equalBytes(store.read(round + 1, sequence), value)))
      t.ok(equalBytes(await store.readIndex(round + 1), bytesOf(round, indexBytes)))
    }
  })

  t.test('random operations agree with a model', async (t) => {
    const random = seededRandom(t)
    const make = await makeDisk(t, { segmentBytes: 2 * MIB })
    let store = await openOn(t, make)
    const model = new Map<number, { values: Uint8Array[]; index: Uint8Array | undefined }>()
    model.set(1, { values: [], index: undefined })
    let active = 1
    const segment = () => model.get(active) as { values: Uint8Array[]; index: Uint8Array | undefined }
    const steps: (() => Promise<void>)[] = [
      async () => {
        const { values } = segment()
        const batch = Array.from({ length: 1 + random.below(8) }, () =>
          bytesOf(random.below(1e6), random.below(random.pick([50, 5000, 80_000]))),
        )
        const cost = batch.reduce((sum, value) => sum + store.costBytes(value.length), 0)
        if (cost > store.roomBytes()) return
        await store.append(values.length, batch)
        values.push(...batch)
      },
      async () => {
        if (random.below(4) > 0) return
        const index = bytesOf(random.below(1e6), random.below(100_000))
        segment().index = index
        active = await store.roll(index)
        model.set(active, { values: [], index: undefined })
      },
      async () => {
        const id = random.pick([...model.keys()])
        if (id === active || random.below(3) > 0) return
        await store.remove(id)
        model.delete(id)
      },
      async () => {
        if (random.below(8) > 0) return
        await store.close()
        store = await openOn(t, make)
      },
      async () => {
        const id = random.pick([...model.keys()])
        const { values, index } = model.get(id) as { values: Uint8Array[]; index: Uint8Array | undefined }
        t.equal(store.valueCount(id), values.length)
        for (let probe = 0; probe < 3; probe++) {
          const sequence = random.below(values.length + 1)
          const expected = values[sequence]
          const read = store.read(id, sequence)
          if (expected === undefined ? read !== undefined : !equalBytes(read, expected)) {
            t.fail(`value ${sequence} of segment ${id} differs`)
          }
        }
        const stored = await store.readIndex(id)
        if (index === undefined ? stored !== undefined : !equalBytes(stored, index))
          t.fail(`index of segment ${id} differs`)
      },
    ]
    for (let step = 0; step < STEPS; step++) {
      await random.pick(steps)()
      const expected = [...model.keys()].map((id) => ({ id, sealed: id !== active, bytes: 2 * MIB }))
      if (JSON.stringify(store.segments()) !== JSON.stringify(expected))
        t.strictSame(store.segments(), expected)
    }
    t.equal(store.failure, undefined)
  })
}

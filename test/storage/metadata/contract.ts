/**
 * What every MetadataStore must do. Each test gets a disk of its own and opens as many stores on it, one after
 * the other, as it likes.
 */
import type { Test } from 'tap'
import type { HistoryLimits } from '../../../storage/metadata/watch-history.ts'
import {
  type MetadataStore,
  metadataLimits,
  type Operation,
  type WatchEvent,
} from '../../../storage/metadata-store.ts'

export interface StoreOptions {
  readonly onListenerError: (error: unknown) => void
  readonly history?: HistoryLimits
}

/** An empty disk; the function it resolves with makes another store on it. */
export type MakeDisk = (t: Test) => Promise<(options: StoreOptions) => MetadataStore>

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const put = (key: string, value: string | Uint8Array): Operation => ({
  kind: 'put',
  key,
  value: typeof value === 'string' ? bytes(value) : value,
})
export const remove = (key: string): Operation => ({ kind: 'delete', key })

/** Events as they come, and a promise for when there are enough. */
export class Listener {
  readonly calls: (readonly WatchEvent[])[] = []
  readonly #waiting: { count: number; resolve: () => void }[] = []

  readonly listen = (events: readonly WatchEvent[]): void => {
    this.calls.push(events)
    for (const { count, resolve } of this.#waiting) if (this.calls.length >= count) resolve()
  }

  /** The first `count` calls, in short form, as soon as they are there. */
  async told(count: number): Promise<string[]> {
    if (this.calls.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }))
    }
    return this.calls.map((events) => events.map(short).join(' '))
  }
}

/** `put /a=1@2` or `delete /a@3` or `compacted@4`. */
function short(event: WatchEvent): string {
  if (event.kind === 'compacted') return `compacted@${event.revision}`
  if (event.kind === 'delete') return `delete ${event.key}@${event.revision}`
  const { key, value, modRevision } = event.entry
  return `put ${key}=${new TextDecoder().decode(value)}@${modRevision === event.revision ? '' : '?'}${event.revision}`
}

const noListenerErrors = (error: unknown): void => {
  throw error
}

export function testContract(t: Test, makeDisk: MakeDisk): void {
  const open = async (t: Test, options: Partial<StoreOptions> = {}): Promise<MetadataStore> => {
    const store = (await makeDisk(t))({ onListenerError: noListenerErrors, ...options })
    await store.open()
    t.teardown(() => store.close())
    return store
  }
  const keysOf = async (store: MetadataStore, prefix: string): Promise<string[]> =>
    (await store.list(prefix)).entries.map(({ key }) => key)

  t.test('a new store is empty at revision 0', async (t) => {
    const store = await open(t)
    t.equal(store.revision(), 0)
    t.equal(await store.get('/a'), undefined)
    t.strictSame(await store.list(''), { revision: 0, entries: [] })
    t.equal(store.failure, undefined)
  })

  t.test('revisions of a key: created, written, deleted, created again', async (t) => {
    const store = await open(t)
    t.strictSame(await store.transact([], [put('/a', 'one')]), { committed: true, revision: 1 })
    t.strictSame(await store.transact([], [put('/b', 'x')]), { committed: true, revision: 2 })
    t.strictSame(await store.get('/a'), { key: '/a', value: bytes('one'), createRevision: 1, modRevision: 1 })
    t.strictSame(await store.transact([], [put('/a', 'two')]), { committed: true, revision: 3 })
    t.strictSame(await store.get('/a'), { key: '/a', value: bytes('two'), createRevision: 1, modRevision: 3 })
    t.strictSame(
      await store.transact([], [put('/a', 'two')]),
      { committed: true, revision: 4 },
      'the same value again',
    )
    t.strictSame(await store.transact([], [remove('/a')]), { committed: true, revision: 5 })
    t.equal(await store.get('/a'), undefined)
    await store.transact([], [put('/a', '')])
    t.strictSame(await store.get('/a'), { key: '/a', value: bytes(''), createRevision: 6, modRevision: 6 })
    t.equal(store.revision(), 6)
  })

  t.test('compares: all must hold, or nothing is written', async (t) => {
    const store = await open(t)
    const createOnly = [{ key: '/a', modRevision: 0 }]
    t.strictSame(await store.transact(createOnly, [put('/a', '1')]), { committed: true, revision: 1 })
    t.strictSame(await store.transact(createOnly, [put('/a', '2')]), { committed: false, revision: 1 })
    t.strictSame((await store.get('/a'))?.value, bytes('1'))
    t.strictSame(await store.transact([{ key: '/a', modRevision: 1 }], [put('/a', '3'), put('/b', '1')]), {
      committed: true,
      revision: 2,
    })
    const half = [
      { key: '/a', modRevision: 2 },
      { key: '/b', modRevision: 1 },
    ]
    t.strictSame(await store.transact(half, [put('/a', '4'), remove('/b')]), {
      committed: false,
      revision: 2,
    })
    const both = [
      { key: '/a', modRevision: 2 },
      { key: '/b', modRevision: 2 },
      { key: '/other', modRevision: 0 },
    ]
    t.strictSame(await store.transact(both, [put('/c', ''), remove('/b')]), { committed: true, revision: 3 })
    t.strictSame(await keysOf(store, ''), ['/a', '/c'])
    const contradiction = [
      { key: '/a', modRevision: 2 },
      { key: '/a', modRevision: 0 },
    ]
    t.strictSame(await store.transact(contradiction, [put('/a', '5')]), { committed: false, revision: 3 })
    t.strictSame(await store.transact([{ key: '/b', modRevision: 2 }], [put('/b', '')]), {
      committed: false,
      revision: 3,
    })
  })

  t.test('what changes nothing keeps the revision', async (t) => {
    const store = await open(t)
    await store.transact([], [put('/a', '')])
    const same = { committed: true, revision: 1 }
    t.strictSame(await store.transact([], []), same)
    t.strictSame(await store.transact([{ key: '/a', modRevision: 1 }], []), same)
    t.strictSame(await store.transact([{ key: '/a', modRevision: 7 }], []), { committed: false, revision: 1 })
    t.strictSame(await store.transact([], [remove('/b'), remove('/c')]), same)
    t.strictSame(await store.transact([], [remove('/b'), remove('/a')]), { committed: true, revision: 2 })
  })

  t.test('transactions called at once take effect in the order of the calls', async (t) => {
    const store = await open(t)
    const created = await Promise.all(
      ['first', 'second', 'third'].map((value) =>
        store.transact([{ key: '/a', modRevision: 0 }], [put('/a', value)]),
      ),
    )
    t.strictSame(created, [
      { committed: true, revision: 1 },
      { committed: false, revision: 1 },
      { committed: false, revision: 1 },
    ])
    t.strictSame((await store.get('/a'))?.value, bytes('first'))
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, index) => store.transact([], [put('/b', String(index))])),
    )
    t.strictSame(
      results.map(({ revision }) => revision),
      Array.from({ length: 30 }, (_, index) => index + 2),
    )
    t.strictSame((await store.get('/b'))?.value, bytes('29'))
  })

  t.test('limits', async (t) => {
    const store = await open(t)
    const refusal = (
      operations: readonly Operation[],
      message: string,
      compares = [] as { key: string; modRevision: number }[],
    ) => t.rejects(store.transact(compares, operations), { code: 'MISUSE', message })
    const many = (count: number) => Array.from({ length: count }, (_, index) => put(`/many/${index}`, ''))
    const compares = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ key: `/none/${index}`, modRevision: 0 }))

    await refusal(many(129), 'The transaction has 129 operations: at most 128 are allowed')
    await refusal([], 'The transaction has 129 compares: at most 128 are allowed', compares(129))
    await refusal([put('', '')], 'A metadata key is empty: it must have at least 1 byte')
    await refusal(
      [remove(`${'é'.repeat(256)}x`)],
      `The metadata key "${'é'.repeat(64)}…" has 513 bytes of UTF-8: at most 512 are allowed`,
    )
    await refusal(
      [put('/\ud800', '')],
      'The metadata key "/\\ud800" is not text: it holds half of a surrogate pair',
    )
    await refusal(
      [put('/a', ''), remove('/a')],
      'The key "/a" is in two operations of one transaction: one is allowed',
    )
    await refusal(
      [put('/a', new Uint8Array(1_048_577))],
      'The value of "/a" has 1048577 bytes: at most 1048576 are allowed',
    )
    await refusal([], 'The compare of "/a" names revision -1: it must be an integer from 0 on', [
      { key: '/a', modRevision: -1 },
    ])
    await refusal([], 'A metadata key is empty: it must have at least 1 byte', [{ key: '', modRevision: 0 }])
    // One compare and two operations: 3 × 64, keys of 2 + 2 + 2, values.
    const halfValue = 512 * 1024
    const exact = [put('/a', new Uint8Array(1024 * 1024 - 198)), put('/b', new Uint8Array(halfValue))]
    const over = [put('/a', new Uint8Array(1024 * 1024 - 197)), put('/b', new Uint8Array(halfValue))]
    await refusal(
      over,
      'The transaction has 1572865 bytes (keys, values, and 64 for each compare and operation): ' +
        'at most 1572864 are allowed',
      [{ key: '/c', modRevision: 0 }],
    )
    t.strictSame(await store.list(''), { revision: 0, entries: [] }, 'nothing of all that was written')

    t.strictSame(await store.transact([{ key: '/c', modRevision: 0 }], exact), {
      committed: true,
      revision: 1,
    })
    t.strictSame(await store.transact(compares(128), many(128)), { committed: true, revision: 2 })
    const longest = 'é'.repeat(256)
    const largest = new Uint8Array(metadataLimits.valueBytesMax).fill(7)
    t.strictSame(await store.transact([], [put(longest, largest)]), { committed: true, revision: 3 })
    const stored = await store.get(longest)
    t.match(stored, { key: longest, createRevision: 3, modRevision: 3 })
    // Not compared by tap, which takes a second for a mebibyte.
    t.equal(Buffer.compare(stored?.value ?? new Uint8Array(), largest), 0)
    t.equal((await store.list('/many/')).entries.length, 128)
    await t.rejects(store.get(''), { code: 'MISUSE' })
    await t.rejects(store.get('\udc00'), { code: 'MISUSE' })
  })

  t.test('keys are ordered by their bytes and none is special', async (t) => {
    const store = await open(t)
    const keys = [
      '\u0000',
      '\u0000\u0000',
      '\u0001revision',
      '\u0002/a',
      '/',
      '/a',
      '/a\u0000',
      '/a/b',
      '/b',
      '__proto__',
      'revision',
      '\u007f',
      'é',
      '\ufeff',
      '\uffff',
      '\u{10000}',
      '\u{10ffff}',
    ]
    for (const key of [...keys].reverse()) await store.transact([], [put(key, key)])
    const { entries } = await store.list('')
    t.strictSame(
      entries.map(({ key }) => key),
      keys,
    )
    t.strictSame(
      entries.map(({ value }) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(value)),
      keys,
    )
    t.strictSame((await store.get('__proto__'))?.value, bytes('__proto__'))
    t.equal(await store.get('constructor'), undefined)
  })

  t.test('prefixes', async (t) => {
    const store = await open(t)
    await store.transact(
      [],
      ['/', '/a', '/a/1', '/a/2', '/ab', '/b/1', '/\u{1f419}', '/\u{1f41a}'].map((key) => put(key, '')),
    )
    t.strictSame(await keysOf(store, '/a'), ['/a', '/a/1', '/a/2', '/ab'])
    t.strictSame(await keysOf(store, '/a/'), ['/a/1', '/a/2'])
    t.strictSame(await keysOf(store, '/a/1'), ['/a/1'])
    t.strictSame(await keysOf(store, '/a/11'), [])
    t.strictSame(await keysOf(store, 'a'), [])
    t.strictSame(await keysOf(store, '/\u{1f419}'), ['/\u{1f419}'])
    t.equal((await keysOf(store, '')).length, 8)
    t.strictSame(await keysOf(store, 'x'.repeat(1000)), [], 'longer than any key')
    // The octopus and the shell share their first UTF-16 unit, which is no character and no prefix.
    await t.rejects(store.list('/\ud83d'), {
      code: 'MISUSE',
      message: 'The metadata prefix "/\\ud83d" is not text: it holds half of a surrogate pair',
    })
    t.throws(() => store.watch('/\ud83d', 1, () => {}), { code: 'MISUSE' })
  })

  t.test('bytes handed in and out stay what they were', async (t) => {
    const store = await open(t)
    const given = Buffer.from('given')
    const operations = [put('/a', given)]
    const listener = new Listener()
    const second = new Listener()
    store.watch('/', 1, (events) => {
      for (const event of events) if (event.kind === 'put') event.entry.value.fill(0)
      listener.listen(events)
    })
    store.watch('/', 1, second.listen)
    const pending = store.transact([], operations)
    given.fill(0)
    operations.push(put('/b', ''))
    await pending
    await listener.told(1)
    ;(await store.get('/a'))?.value.fill(0)
    ;(await store.list('/')).entries[0].value.fill(0)
    t.strictSame(await store.get('/a'), {
      key: '/a',
      value: bytes('given'),
      createRevision: 1,
      modRevision: 1,
    })
    t.strictSame(await second.told(1), ['put /a=given@1'])
    t.equal(await store.get('/b'), undefined)
  })

  t.test('a watch tells changes in order, a transaction at a time', async (t) => {
    const store = await open(t)
    const all = new Listener()
    const some = new Listener()
    await store.transact([], [put('/a/1', 'one')])
    store.watch('', 2, all.listen)
    store.watch('/a/', 2, some.listen)
    await store.transact([], [put('/a/1', 'two'), put('/b', 'x'), put('/a/2', 'y')])
    await store.transact([], [remove('/b')])
    await store.transact([], [remove('/a/2'), remove('/none'), put('/a/3', 'z')])
    await store.transact([{ key: '/b', modRevision: 9 }], [put('/a/4', '')])
    t.strictSame(await all.told(3), [
      'put /a/1=two@2 put /b=x@2 put /a/2=y@2',
      'delete /b@3',
      'delete /a/2@4 put /a/3=z@4',
    ])
    t.strictSame(await some.told(2), ['put /a/1=two@2 put /a/2=y@2', 'delete /a/2@4 put /a/3=z@4'])
    const [event] = all.calls[0]
    t.strictSame(event, {
      kind: 'put',
      entry: { key: '/a/1', value: bytes('two'), createRevision: 1, modRevision: 2 },
      revision: 2,
    })
  })

  t.test('a watch may begin in the past or in the future', async (t) => {
    const store = await open(t)
    for (const value of ['1', '2', '3', '4']) await store.transact([], [put('/a', value)])
    const first = new Listener()
    const past = new Listener()
    const future = new Listener()
    store.watch('/', 1, first.listen)
    store.watch('/', 3, past.listen)
    store.watch('/', 6, future.listen)
    t.strictSame(await first.told(4), ['put /a=1@1', 'put /a=2@2', 'put /a=3@3', 'put /a=4@4'])
    for (const value of ['5', '6', '7']) await store.transact([], [put('/a', value)])
    t.strictSame(await past.told(5), ['put /a=3@3', 'put /a=4@4', 'put /a=5@5', 'put /a=6@6', 'put /a=7@7'])
    t.strictSame(await future.told(2), ['put /a=6@6', 'put /a=7@7'])
    for (const revision of [0, -1, 1.5, Number.NaN]) {
      t.throws(() => store.watch('/', revision, () => {}), {
        code: 'MISUSE',
        message: `A watch begins at revision ${revision}: it must be an integer from 1 on`,
      })
    }
  })

  t.test('a list and a watch from behind it see every change once', async (t) => {
    const store = await open(t)
    const writes = Array.from({ length: 20 }, (_, index) => store.transact([], [put('/a', String(index))]))
    await writes[5]
    const { revision, entries } = await store.list('/')
    const listener = new Listener()
    store.watch('/', revision + 1, listener.listen)
    t.strictSame(entries[0].value, bytes(String(revision - 1)))
    const told = await listener.told(20 - revision)
    t.strictSame(
      told,
      Array.from(
        { length: 20 - revision },
        (_, index) => `put /a=${revision + index}@${revision + index + 1}`,
      ),
    )
  })

  t.test('a listener is never called from within transact or watch', async (t) => {
    const store = await open(t)
    await store.transact([], [put('/a', '1')])
    let isInside = false
    let insideCalls = 0
    const listener = new Listener()
    const inside = <T>(call: () => T): T => {
      isInside = true
      const result = call()
      isInside = false
      return result
    }
    inside(() =>
      store.watch('', 1, (events) => {
        if (isInside) insideCalls++
        listener.listen(events)
      }),
    )
    await inside(() => store.transact([], [put('/a', '2')]))
    await listener.told(2)
    t.equal(insideCalls, 0)
  })

  t.test('what a listener is told can be read already', async (t) => {
    const store = await open(t)
    const read = new Promise((resolve) => {
      store.watch('', 1, () => resolve([store.revision(), store.get('/a')]))
    })
    await store.transact([], [put('/a', '1')])
    const [revision, entry] = (await read) as [number, Promise<{ value: Uint8Array }>]
    t.equal(revision, 1)
    t.strictSame((await entry).value, bytes('1'))
  })

  t.test('an ended watch is told nothing more, even from within a listener', async (t) => {
    const store = await open(t)
    const ended = new Listener()
    const other = new Listener()
    const endFirst = store.watch('', 1, ended.listen)
    endFirst()
    endFirst()
    const itself = new Listener()
    const endItself = store.watch('', 1, (events) => {
      itself.listen(events)
      endItself()
      endVictim()
    })
    const victim = new Listener()
    const endVictim = store.watch('', 1, victim.listen)
    store.watch('', 1, other.listen)
    await store.transact([], [put('/a', '1')])
    await store.transact([], [put('/a', '2')])
    t.strictSame(await other.told(2), ['put /a=1@1', 'put /a=2@2'])
    t.strictSame(ended.calls, [])
    t.strictSame(await itself.told(1), ['put /a=1@1'])
    t.strictSame(victim.calls, [])
  })

  t.test('a watch may be begun, and a transaction called, from within a listener', async (t) => {
    const store = await open(t)
    const inner = new Listener()
    let isFirst = true
    store.watch('/a', 1, () => {
      if (!isFirst) return
      isFirst = false
      store.watch('', 1, inner.listen)
      store.transact([], [put('/b', 'from inside')]).catch(t.fail)
    })
    await store.transact([], [put('/a', '1')])
    t.strictSame(await inner.told(2), ['put /a=1@1', 'put /b=from inside@2'])
  })

  t.test('a listener that throws harms nobody', async (t) => {
    const errors: unknown[] = []
    const store = await open(t, { onListenerError: (error) => errors.push(error) })
    const before = new Listener()
    const after = new Listener()
    let calls = 0
    store.watch('', 1, before.listen)
    store.watch('', 1, () => {
      calls++
      throw new Error(`call ${calls}`)
    })
    store.watch('', 1, after.listen)
    t.strictSame(await store.transact([], [put('/a', '1')]), { committed: true, revision: 1 })
    t.strictSame(await store.transact([], [put('/a', '2')]), { committed: true, revision: 2 })
    t.strictSame(await before.told(2), ['put /a=1@1', 'put /a=2@2'])
    t.strictSame(await after.told(2), ['put /a=1@1', 'put /a=2@2'])
    t.strictSame(
      errors.map((error) => (error as Error).message),
      ['call 1', 'call 2'],
    )
  })

  t.test('a watch from before the history ends with "compacted"', async (t) => {
    const store = await open(t, { history: { changesMax: 3, bytesMax: 1000 } })
    for (let revision = 1; revision <= 5; revision++) await store.transact([], [put('/a', String(revision))])
    const late = new Listener()
    const known = new Listener()
    const past = new Listener()
    const endLate = store.watch('/other', 1, late.listen)
    store.watch('/', 2, past.listen)
    store.watch('/', 3, known.listen)
    t.strictSame(await late.told(1), ['compacted@2'], 'whatever the prefix')
    t.strictSame(await past.told(1), ['compacted@2'])
    t.strictSame(await known.told(3), ['put /a=3@3', 'put /a=4@4', 'put /a=5@5'])
    await store.transact([], [put('/a', '6')])
    await known.told(4)
    t.equal(late.calls.length + past.calls.length, 2, 'it has ended')
    endLate()

    const snapshot = await store.list('/')
    const again = new Listener()
    store.watch('/', snapshot.revision + 1, again.listen)
    await store.transact([], [put('/a', '7')])
    t.strictSame(await again.told(1), ['put /a=7@7'], 'list again, watch from there')

    await store.transact([], [put('/large', 'x'.repeat(2000))])
    await again.told(2)
    const large = new Listener()
    const beforeLarge = new Listener()
    store.watch('/', 8, large.listen)
    store.watch('/', 7, beforeLarge.listen)
    t.equal((await large.told(1)).length, 1, 'the newest change is there however large')
    t.strictSame(await beforeLarge.told(1), ['compacted@7'])
  })

  t.test('a store opened again is where it was', async (t) => {
    const disk = await makeDisk(t)
    const options = { onListenerError: noListenerErrors }
    const first = disk(options)
    await first.open()
    await first.transact([], [put('/a', '1'), put('/b', '2')])
    await first.transact([], [put('/a', '3')])
    await first.transact([], [remove('/b')])
    const before = await first.list('')
    await first.close()

    const second = disk(options)
    await second.open()
    t.strictSame(await second.list(''), before)
    t.strictSame(before, {
      revision: 3,
      entries: [{ key: '/a', value: bytes('3'), createRevision: 1, modRevision: 2 }],
    })
    const compacted = new Listener()
    const live = new Listener()
    second.watch('', 3, compacted.listen)
    second.watch('', 4, live.listen)
    t.strictSame(await compacted.told(1), ['compacted@3'])
    t.strictSame(await second.transact([{ key: '/a', modRevision: 2 }], [put('/c', '')]), {
      committed: true,
      revision: 4,
    })
    t.strictSame(await live.told(1), ['put /c=@4'])
    await second.close()

    const third = disk(options)
    await third.open()
    t.equal(third.revision(), 4)
    await third.close()
  })

  t.test('closing finishes what was called, ends watches and refuses the rest', async (t) => {
    const disk = await makeDisk(t)
    const options = { onListenerError: noListenerErrors }
    const store = disk(options)
    const notOpen = { code: 'MISUSE', message: 'The metadata store has not been opened' }
    await t.rejects(store.get('/a'), notOpen)
    await t.rejects(store.transact([], []), notOpen)
    t.throws(() => store.revision(), notOpen)
    await store.open()
    await t.rejects(store.open(), { code: 'MISUSE', message: 'A metadata store is opened once' })
    const listener = new Listener()
    store.watch('', 1, listener.listen)
    const last = Promise.all([store.transact([], [put('/a', '1')]), store.transact([], [put('/b', '1')])])
    await Promise.all([store.close(), store.close()])
    t.strictSame(await last, [
      { committed: true, revision: 1 },
      { committed: true, revision: 2 },
    ])
    const closed = { code: 'MISUSE', message: 'The metadata store is closed' }
    await t.rejects(store.get('/a'), closed)
    await t.rejects(store.list(''), closed)
    await t.rejects(store.transact([], [put('/c', '')]), closed)
    await t.rejects(store.open(), { code: 'MISUSE' })
    t.throws(() => store.watch('', 1, () => {}), closed)
    t.throws(() => store.revision(), closed)

    const neverOpened = disk(options)
    await neverOpened.close()
    const again = disk(options)
    await again.open()
    t.equal(again.revision(), 2)
    await again.close()
  })

  t.test('a caller that does not wait is refused before memory runs out', async (t) => {
    const store = await open(t)
    const value = new Uint8Array(1024 * 1024)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 65 }, () => store.transact([{ key: '/a', modRevision: 0 }], [put('/a', value)])),
    )
    const rejected = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
    t.strictSame(
      rejected.map(({ reason }) => `${reason.code}: ${reason.message}`),
      Array(2).fill(
        'MISUSE: More than 67108864 bytes of metadata transactions wait: await some before sending more',
      ),
    )
    t.strictSame(await store.transact([], [remove('/a')]), { committed: true, revision: 2 })
  })
}

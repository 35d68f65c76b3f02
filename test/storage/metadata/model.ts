/**
 * A store against a plain map: random transactions, reads, watches and restarts, and after each step the same
 * answer from both. One seed is one run.
 */
import assert from 'node:assert/strict'
import type {
  Compare,
  MetadataEntry,
  MetadataStore,
  Operation,
  WatchEvent,
} from '../../../storage/metadata-store.ts'
import type { StoreOptions } from './contract.ts'

const KEYS = ['/', '/a', '/a/1', '/a/2', '/ab', '/\u{1f419}', '/\uffff', 'b', '\u0000', '\u0001revision']
const PREFIXES = ['', '/', '/a', '/a/', '/\u{1f419}', 'b', '/none']
const HISTORY = { changesMax: 12, bytesMax: 4000 }

interface Watch {
  readonly prefix: string
  readonly from: number
  readonly events: WatchEvent[]
  readonly end: () => void
  /** How much it had been told when it ended. */
  toldAtEnd: number | undefined
}

/** Resolves with the number of transactions that committed. */
export async function runModel(
  disk: (options: StoreOptions) => MetadataStore,
  random: () => number,
  steps: number,
): Promise<number> {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]
  const entries = new Map<string, MetadataEntry>()
  const log: WatchEvent[] = []
  let revision = 0
  let watches: Watch[] = []
  const openStore = async (): Promise<MetadataStore> => {
    const store = disk({ onListenerError: assert.ifError, history: HISTORY })
    await store.open()
    return store
  }
  let store = await openStore()

  /** What has been told is the beginning of what is due, in order; an ended watch is told nothing more. */
  const checkWatches = (): void => {
    for (const watch of watches) {
      assert.equal(watch.events.length, watch.toldAtEnd ?? watch.events.length)
      if (isCompacted(watch)) assert.ok(watch.from <= compactedAt(watch) && compactedAt(watch) <= revision)
      else assert.deepEqual(watch.events, dueTo(watch).slice(0, watch.events.length))
    }
  }

  /** Everything that is due has been told. A watch that is never told ends this test by its timeout. */
  const settleWatches = async (): Promise<void> => {
    const isBehind = (watch: Watch) =>
      watch.toldAtEnd === undefined && !isCompacted(watch) && watch.events.length < dueTo(watch).length
    while (watches.some(isBehind)) await new Promise((resolve) => setImmediate(resolve))
    checkWatches()
  }

  const dueTo = ({ from, prefix }: Watch): WatchEvent[] =>
    log.filter((event) => event.revision >= from && keyOf(event).startsWith(prefix))

  const transact = async (): Promise<void> => {
    const compares: Compare[] = []
    while (random() < 0.4) {
      const key = pick(KEYS)
      const known = entries.get(key)?.modRevision ?? 0
      compares.push({ key, modRevision: random() < 0.8 ? known : Math.floor(random() * (revision + 2)) })
    }
    const operations: Operation[] = []
    for (const key of KEYS) {
      if (random() > 0.2) continue
      const value = new Uint8Array(Math.floor(random() * 200)).fill(random() * 256)
      operations.push(random() < 0.7 ? { kind: 'put', key, value } : { kind: 'delete', key })
    }
    const holds = compares.every(
      ({ key, modRevision }) => (entries.get(key)?.modRevision ?? 0) === modRevision,
    )
    const changing = operations.filter(({ kind, key }) => kind === 'put' || entries.has(key))
    if (holds && changing.length > 0) {
      revision++
      for (const operation of changing) {
        const { key } = operation
        if (operation.kind === 'delete') {
          entries.delete(key)
          log.push({ kind: 'delete', key, revision })
          continue
        }
        const createRevision = entries.get(key)?.createRevision ?? revision
        const entry = { key, value: operation.value, createRevision, modRevision: revision }
        entries.set(key, entry)
        log.push({ kind: 'put', entry, revision })
      }
    }
    assert.deepEqual(await store.transact(compares, operations), { committed: holds, revision })
  }

  const read = async (): Promise<void> => {
    const key = pick(KEYS)
    assert.deepEqual(await store.get(key), entries.get(key))
    const prefix = pick(PREFIXES)
    const listed = [...entries.values()]
      .filter((entry) => entry.key.startsWith(prefix))
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))
    assert.deepEqual(await store.list(prefix), { revision, entries: listed })
    assert.equal(store.revision(), revision)
  }

  const changeWatches = (): void => {
    const running = watches.filter(({ toldAtEnd }) => toldAtEnd === undefined)
    if (running.length > 5 || (running.length > 0 && random() < 0.3)) {
      const watch = pick(running)
      watch.end()
      watch.toldAtEnd = watch.events.length
      return
    }
    const events: WatchEvent[] = []
    const from = Math.max(1, revision + 4 - Math.floor(random() * 20))
    const prefix = pick(PREFIXES)
    const end = store.watch(prefix, from, (told) => events.push(...told))
    watches.push({ prefix, from, events, end, toldAtEnd: undefined })
  }

  const restart = async (): Promise<void> => {
    await settleWatches()
    await store.close()
    watches = []
    store = await openStore()
  }

  for (let step = 0; step < steps; step++) {
    const dice = random()
    if (dice < 0.6) await transact()
    else if (dice < 0.8) await read()
    else if (dice < 0.98) changeWatches()
    else await restart()
    if (step % 10 === 0) checkWatches()
  }
  await settleWatches()
  await store.close()
  return revision
}

function isCompacted({ events }: Watch): boolean {
  return events.length === 1 && events[0].kind === 'compacted'
}

function compactedAt({ events }: Watch): number {
  return events[0].revision
}

function keyOf(event: WatchEvent): string {
  if (event.kind === 'put') return event.entry.key
  return event.kind === 'delete' ? event.key : ''
}

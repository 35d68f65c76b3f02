/**
 * Repair: after it verify finds nothing, every batch that was whole is there byte for byte at its offset, what is lost is
 * marked as lost, and the log opens and serves.
 */
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import t, { type Test } from 'tap'
import { readManifest } from '../../../storage/lmdb/manifest.ts'
import { segmentPath } from '../../../storage/lmdb/segment-files.ts'
import { ENTRY_BYTES, EntryKind, readDirectory, VALUE_HEADER_BYTES } from '../../../storage/log/value.ts'
import { baseOffsetAt, lastOffsetAt, nextBatchEnd } from '../../../storage/record/batch-header.ts'
import { isLostRangeAt } from '../../../storage/record/lost-range.ts'
import { producersOf, readIndex } from '../../../storage/verify/compare-index.ts'
import { type Finding, hex } from '../../../storage/verify/finding.ts'
import { PlanDraft } from '../../../storage/verify/repair-plan.ts'
import { type RewrittenSegment, repairShard } from '../../../storage/verify/repair-shard.ts'
import { roundsOf } from '../../support/rounds.ts'
import { randomOf, seededRandom } from '../../support/seeded-random.ts'
import {
  batchesOf,
  knownTopics,
  load,
  openShard,
  placeOf,
  plant,
  type Segments,
  scanOf,
  topics,
  verifyLoaded,
} from './planted-data.ts'

const ROUNDS = process.env.OCTOPUS_SOAK === '1' ? 300 : 10

const directory = await mkdtemp(join(tmpdir(), 'octopus-repair-'))
t.teardown(() => rm(directory, { recursive: true, force: true }))
await plant(join(directory, 'data'), randomOf(21))
const pristine = await load(join(directory, 'data'))

/** Whole, in all that a checksum covers, wherever its stamps went. */
interface StoredBatch {
  readonly segment: number
  readonly at: number
  readonly length: number
  /** Place and length of the directory of its value. */
  readonly directoryAt: number
  readonly directoryBytes: number
}

function placesOfBatches(segments: Segments): Map<string, StoredBatch> {
  const places = new Map<string, StoredBatch>()
  for (const { id } of segments.manifest) {
    const scan = scanOf(segments, id)
    for (let sequence = 0; sequence < scan.valueCount; sequence++) {
      const value = scan.value(sequence)
      const directory = value && readDirectory(value, id, sequence, crc32c)
      if (value === undefined || directory === undefined || 'problem' in directory) continue
      const directoryAt = placeOf(segments, id, sequence)
      const directoryBytes = VALUE_HEADER_BYTES + directory.entries.length * ENTRY_BYTES
      for (const { kind, topicId, partition, position, length } of directory.entries) {
        const end = position + length
        for (let at = position; kind === EntryKind.run && at < end; at = nextBatchEnd(value, at, end))
          places.set(`${hex(topicId)}/${partition}/${baseOffsetAt(value, at)}`, {
            segment: id,
            at: directoryAt + at,
            length: nextBatchEnd(value, at, end) - at,
            directoryAt,
            directoryBytes,
          })
      }
    }
  }
  return places
}

const places = placesOfBatches(pristine)
const batches = batchesOf(pristine)
/** No offset below these may be given again. */
const ends = new Map<string, number>()
for (const { topicId, partition, logEnd } of (await verifyLoaded(pristine)).verdict.journal.partitions())
  ends.set(`${hex(topicId)}/${partition}`, logEnd)

interface Repaired {
  readonly path: string
  readonly before: readonly Finding[]
  readonly after: readonly Finding[]
  readonly rewritten: readonly RewrittenSegment[]
  readonly segments: Segments
}

/** Copies the shard, damages it, repairs it. */
async function repaired(name: string, damage: (shardPath: string) => Promise<void>): Promise<Repaired> {
  const path = join(directory, name)
  await cp(join(directory, 'data', 'shard-0'), join(path, 'shard-0'), { recursive: true })
  await damage(join(path, 'shard-0'))
  const { before, rewritten } = await repairAt(path)
  const segments = await load(path)
  const after = (await verifyLoaded(segments)).findings
  return { path, before, after, rewritten, segments }
}

async function repairAt(path: string): Promise<{ before: Finding[]; rewritten: RewrittenSegment[] }> {
  const shard = join(path, 'shard-0')
  const damaged = await load(path)
  const { findings: before, verdict } = await verifyLoaded(damaged)
  const manifest = await readManifest(shard)
  if (manifest === undefined) throw new Error('no manifest')
  const rewritten = await repairShard(
    { directory: shard, manifest, verdict },
    { crc32c, topics: knownTopics, nowMs: 9_000, onProgress: async () => {} },
  )
  return { before, rewritten }
}

const damagesOf = (findings: readonly Finding[]) => findings.filter(({ severity }) => severity === 'damage')

/** Reads every partition through the log: offsets hang together from start to end, and appends go on. */
async function checkServes(t: Test, path: string): Promise<void> {
  const { store, shard } = await openShard(join(path, 'shard-0'))
  for (const log of shard.partitions()) {
    log.invariants()
    const end = ends.get(`${hex(log.topicId)}/${log.partition}`) ?? 0
    if (log.logEndOffset < end)
      t.fail(`partition ${log.partition} ends at ${log.logEndOffset}, it ended at ${end}`)
    let next = log.logStartOffset
    while (next < log.highWatermark) {
      const slice = shard.read(log, next, log.highWatermark, 100_000)
      if (slice === undefined) {
        t.fail(`nothing at ${next} of partition ${log.partition}, which ends at ${log.highWatermark}`)
        break
      }
      for (let at = slice.start; at < slice.end; at = nextBatchEnd(slice.value, at, slice.end)) {
        if (baseOffsetAt(slice.value, at) > next) t.fail(`a gap at ${next}`)
        next = lastOffsetAt(slice.value, at) + 1
      }
    }
  }
  const log = shard.createPartition(topics.frames.topicId, 0)
  const end = log.logEndOffset
  const { baseOffset } = await shard.append(
    {},
    log,
    Buffer.from(batches.values().next().value ?? '', 'latin1'),
  )
  t.equal(baseOffset, end, 'an append goes on where the log ends')
  await shard.close()
  await store.close()
}

/** Every batch that the damage left whole is there; those that are not are told of. */
function checkKept(
  t: Test,
  { segments, before }: Repaired,
  isWhole: (place: StoredBatch, key: string) => boolean,
): void {
  const kept = batchesOf(segments)
  let missing = 0
  for (const [key, bytes] of batches) {
    const place = places.get(key)
    // Of the dropped topic nobody misses anything.
    if (key.startsWith(hex(topics.gone.topicId))) continue
    if (place !== undefined && isWhole(place, key)) {
      if (kept.get(key) !== bytes)
        t.fail(`batch ${key} was whole and is ${kept.has(key) ? 'changed' : 'gone'}`, { before })
    } else if (!kept.has(key)) missing++
  }
  for (const [key, bytes] of kept) if (batches.get(key) !== bytes) t.fail(`batch ${key} was never written`)
  t.comment(`${kept.size} batches kept, ${missing} lost`)
}

t.test('bits flipped at random', async (t) => {
  const random = seededRandom(t)
  for (const round of roundsOf(t, ROUNDS)) {
    const flips: { segment: number; at: number }[] = []
    const wanted = 1 + random.below(8)
    for (let flip = 0; flip < wanted; flip++) {
      const { id } = random.pick(pristine.manifest)
      const file = pristine.files.get(id) ?? Buffer.alloc(0)
      const at = random.below(3) === 0 ? random.below(4096 * 12) : random.below(file.length)
      flips.push({ segment: id, at })
    }
    const name = `flips-${round}`
    const result = await repaired(name, async (shard) => {
      for (const { id } of pristine.manifest) {
        const bytes = Buffer.from(pristine.files.get(id) ?? [])
        for (const { segment, at } of flips) if (segment === id) bytes[at] ^= 1 << (at % 8)
        await writeFile(segmentPath(shard, id), bytes)
      }
    })
    t.same(damagesOf(result.after), [], 'a second verify is clean')
    checkKept(t, result, ({ segment, at, length, directoryAt, directoryBytes }) => {
      const here = flips.filter((flip) => flip.segment === segment)
      const within = (start: number, end: number) =>
        here.filter((flip) => flip.at >= start && flip.at < end).length
      // Two flips in a directory may be more than can be known, in the active segment.
      return within(at + 17, at + length) === 0 && within(directoryAt, directoryAt + directoryBytes) < 2
    })
    const damaged = new Set(damagesOf(result.before).map(({ segment }) => segment))
    t.same(
      result.rewritten.map(({ id }) => id),
      pristine.manifest.map(({ id }) => id).filter((id) => damaged.has(id)),
      'only damaged segments are written anew',
    )
    await checkServes(t, result.path)
    await rm(result.path, { recursive: true })
  }
})

t.test('a lost batch becomes a mark that readers pass', async (t) => {
  const [key, place] =
    [...places].find(([key, { segment }]) => key.startsWith(hex(topics.readings.topicId)) && segment === 3) ??
    []
  if (key === undefined || place === undefined) throw new Error('no batch')
  const result = await repaired('lost', async (shard) => {
    const bytes = Buffer.from(pristine.files.get(place.segment) ?? [])
    bytes[place.at + 70] ^= 1
    await writeFile(segmentPath(shard, place.segment), bytes)
  })
  const [finding] = result.before
  t.match(finding, { code: 'batch-damaged', remedy: 'fence' })
  t.match(
    result.after,
    [
      {
        code: 'range-lost',
        severity: 'note',
        firstOffset: finding.firstOffset,
        lastOffset: finding.lastOffset,
        topic: 'readings',
      },
    ],
    'verify goes on telling of it',
  )
  t.match(result.rewritten, [{ id: 3, newId: 5, keptAs: /damaged-0000000003\.lmdb$/ }])
  t.same(
    result.segments.manifest.map(({ id, sealed }) => [id, sealed]),
    [
      [1, true],
      [2, true],
      [5, true],
      [4, false],
    ],
    'it stands where the old one stood',
  )
  t.ok((await readdir(join(result.path, 'shard-0'))).includes('damaged-0000000003.lmdb'))
  const { store, shard } = await openShard(join(result.path, 'shard-0'))
  const log = shard.partition(topics.readings.topicId, finding.partition ?? -1)
  if (log === undefined) throw new Error('no partition')
  const slice = shard.read(log, finding.firstOffset ?? -1, log.highWatermark, 1)
  if (slice === undefined) throw new Error('nothing to read')
  t.ok(isLostRangeAt(slice.value, slice.start))
  t.equal(slice.nextOffset, (finding.lastOffset ?? -1) + 1)
  await shard.close()
  await store.close()
})

t.test('a segment file that is gone', async (t) => {
  for (const { id } of pristine.manifest) {
    const result = await repaired(`gone-${id}`, (shard) => rm(segmentPath(shard, id)))
    t.match(result.before[0], { code: 'file-missing', segment: id })
    t.same(damagesOf(result.after), [], `without segment ${id} a second verify is clean`)
    checkKept(t, result, ({ segment }) => segment !== id)
    const lost = result.after.filter(({ code }) => code === 'range-lost')
    t.ok(lost.length > 0, 'what was, or may have been, in it is marked as lost')
    await checkServes(t, result.path)
  }
})

t.test('an index that is gone is made anew, and nothing else changes', async (t) => {
  const index = scanOf(pristine, 1).index()
  if (typeof index === 'string') throw new Error(index)
  const result = await repaired('index', async (shard) => {
    const bytes = Buffer.from(pristine.files.get(1) ?? [])
    const at = bytes.indexOf(index)
    bytes.fill(0, at, at + index.length)
    await writeFile(segmentPath(shard, 1), bytes)
  })
  t.match(result.before, [{ code: 'index-damaged', remedy: 'mend' }])
  t.same(result.after, [])
  checkKept(t, result, () => true)
  await checkServes(t, result.path)
})

t.test('the producers a lost index knew are found again', async (t) => {
  const producersIn = (segments: Segments, segment: number): Uint8Array => {
    const index = readIndex(scanOf(segments, segment).index(), segment, crc32c)
    const producers = index.problem === undefined ? producersOf(index) : undefined
    if (producers === undefined) throw new Error(`segment ${segment} has no producers`)
    return producers
  }
  // With an older snapshot to begin with, and without one.
  for (const lost of [[3], [1, 2, 3]]) {
    const result = await repaired(`producers-${lost.length}`, async (shard) => {
      for (const id of lost) {
        const bytes = Buffer.from(pristine.files.get(id) ?? [])
        const index = scanOf(pristine, id).index()
        if (typeof index === 'string') throw new Error(index)
        bytes[bytes.indexOf(index) + index.length - 1] ^= 1
        await writeFile(segmentPath(shard, id), bytes)
      }
    })
    t.same(
      result.before.map(({ code, segment }) => [code, segment]),
      lost.map((segment) => ['index-damaged', segment]),
    )
    t.same(result.after, [])
    const newest = result.rewritten.find(({ id }) => id === 3)?.newId ?? -1
    t.same(producersIn(result.segments, newest), producersIn(pristine, 3))
  }
})

t.test('directories that are gone, in a sealed segment and in the active one', async (t) => {
  for (const { id } of [pristine.manifest[1], pristine.manifest[3]]) {
    const place = [...places.values()].find(({ segment }) => segment === id)
    if (place === undefined) throw new Error('no batch')
    const result = await repaired(`directory-${id}`, async (shard) => {
      const bytes = Buffer.from(pristine.files.get(id) ?? [])
      // The header and the start of the first entry: of what follows each entry agrees with its batches.
      bytes.fill(0xff, place.directoryAt, place.directoryAt + 40)
      await writeFile(segmentPath(shard, id), bytes)
    })
    t.match(result.before[0], { code: 'value-damaged', segment: id })
    t.same(damagesOf(result.after), [])
    const isActive = id === pristine.manifest[3].id
    checkKept(t, result, ({ segment, directoryAt, at, directoryBytes }) => {
      const isFirstRun = at === directoryAt + directoryBytes
      return !(isActive && segment === id && directoryAt === place.directoryAt && isFirstRun)
    })
    await checkServes(t, result.path)
  }
})

t.test('a plan gathers what is lost by partition', async (t) => {
  const draft = new PlanDraft()
  const of = { severity: 'damage', sentence: '', topic: 'b', topicId: 'bb', partition: 1 } as const
  draft.add({ ...of, code: 'batch-damaged', remedy: 'fence', firstOffset: 10, lastOffset: 19, bytes: 100 })
  draft.add({ ...of, code: 'batch-damaged', remedy: 'fence', firstOffset: 20, lastOffset: 20, bytes: 5 })
  draft.add({
    ...of,
    code: 'batch-damaged',
    remedy: 'fence',
    firstOffset: 2,
    lastOffset: 3,
    bytes: 1,
    topic: 'a',
    topicId: 'aa',
  })
  draft.add({ ...of, code: 'batch-damaged', remedy: 'fence', firstOffset: 0, lastOffset: 3, bytes: 7 })
  draft.add({ ...of, code: 'batch-header-damaged', remedy: 'mend', firstOffset: 30, lastOffset: 39 })
  draft.add({
    code: 'value-damaged',
    severity: 'damage',
    sentence: '',
    remedy: 'fence',
    segment: 1,
    value: 2,
  })
  const left: Finding = { code: 'manifest-damaged', severity: 'damage', sentence: '', remedy: 'none' }
  draft.add(left)
  draft.add({
    ...of,
    code: 'range-lost',
    severity: 'note',
    remedy: 'nothing-to-do',
    firstOffset: 50,
    lastOffset: 59,
  })
  t.same(draft.finish([]), {
    segments: [],
    losses: [
      {
        topic: 'a',
        topicId: 'aa',
        partition: 1,
        ranges: [{ offset: 2, endOffset: 4 }],
        offsets: 2,
        bytes: 1,
      },
      {
        topic: 'b',
        topicId: 'bb',
        partition: 1,
        ranges: [
          { offset: 0, endOffset: 4 },
          { offset: 10, endOffset: 21 },
        ],
        offsets: 15,
        bytes: 112,
      },
    ],
    unknownValues: 1,
    mended: 1,
    left: [left],
  })
})

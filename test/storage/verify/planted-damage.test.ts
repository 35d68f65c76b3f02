/** One damage of each kind, planted, and the finding it must give: code, place, and what can be done. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import t from 'tap'
import { type Entry, EntryKind, readDirectory } from '../../../storage/log/value.ts'
import { baseOffsetAt, lastOffsetAt, nextBatchEnd } from '../../../storage/record/batch-header.ts'
import { type Finding, hex } from '../../../storage/verify/finding.ts'
import { randomOf } from '../../support/seeded-random.ts'
import {
  knownTopics,
  load,
  placeOf,
  plant,
  type Segments,
  scanOf,
  topics,
  verifyLoaded,
} from './planted-data.ts'

const directory = await mkdtemp(join(tmpdir(), 'octopus-verify-'))
t.teardown(() => rm(directory, { recursive: true, force: true }))
await plant(join(directory, 'data'), randomOf(1))
const pristine = await load(join(directory, 'data'))
const SEALED = pristine.manifest[1].id

interface Target {
  readonly segment: number
  readonly sequence: number
  /** Place of the value in the file. */
  readonly at: number
  readonly length: number
  readonly entries: readonly Entry[]
}

/** The first value of a segment that is as asked. */
function target(segment: number, wanted: (entries: readonly Entry[], length: number) => boolean): Target {
  const scan = scanOf(pristine, segment)
  for (let sequence = 0; sequence < scan.valueCount; sequence++) {
    const value = scan.value(sequence)
    if (value === undefined) continue
    const directory = readDirectory(value, segment, sequence, crc32c)
    if ('problem' in directory || !wanted(directory.entries, value.length)) continue
    const at = placeOf(pristine, segment, sequence)
    return { segment, sequence, at, length: value.length, entries: directory.entries }
  }
  throw new Error('no value is as asked')
}

/** Findings after a change of a copy of the files. */
async function findingsAfter(
  change: (files: Map<number, Buffer>) => void,
  of: Segments = pristine,
): Promise<Finding[]> {
  const files = new Map([...of.files].map(([id, bytes]) => [id, Buffer.from(bytes)]))
  change(files)
  return (await verifyLoaded({ ...of, files })).findings
}

function change(segment: number, at: number, with_: (bytes: Buffer, at: number) => void) {
  return (files: Map<number, Buffer>) => {
    const bytes = files.get(segment)
    if (bytes === undefined) throw new Error(`no segment ${segment}`)
    with_(bytes, at)
  }
}

const flip = (bit: number) => (bytes: Buffer, at: number) => {
  bytes[at] ^= 1 << bit
}

const isReadings = ({ topicId, kind }: Entry) =>
  kind === EntryKind.run && hex(topicId) === hex(topics.readings.topicId)
const large = target(SEALED, (entries) =>
  entries.some((entry) => isReadings(entry) && entry.batchCount >= 1 && entry.length > 3_000),
)
const run = large.entries.findIndex((entry) => isReadings(entry) && entry.length > 3_000)
const entry = large.entries[run]
const batchAt = large.at + entry.position
const file = pristine.files.get(SEALED) ?? Buffer.alloc(0)
const firstBatch = {
  firstOffset: baseOffsetAt(file, batchAt),
  lastOffset: lastOffsetAt(file, batchAt),
  bytes: nextBatchEnd(file, batchAt, batchAt + entry.length) - batchAt,
}
const place = {
  severity: 'damage',
  segment: SEALED,
  value: large.sequence,
  topic: 'readings',
  topicId: hex(topics.readings.topicId),
  partition: entry.partition,
  ...firstBatch,
}

t.test('the records of a batch', async (t) => {
  t.match(await findingsAfter(change(SEALED, batchAt + 61 + 100, flip(3))), [
    { ...place, code: 'batch-damaged', remedy: 'fence', sentence: /^the checksum in the header is 0x/ },
  ])
})

t.test('fields outside the checksum of a batch have one right value', async (t) => {
  for (const [field, at] of Object.entries({ base: 7, length: 11, epoch: 15, magic: 16 })) {
    const findings = await findingsAfter(change(SEALED, batchAt + at, flip(2)))
    t.match(findings, [{ ...place, code: 'batch-header-damaged', remedy: 'mend' }], field)
  }
})

t.test('a bit of a directory, of whatever field', async (t) => {
  for (let at = 0; at < 96; at++) {
    const findings = await findingsAfter(change(SEALED, large.at + at, flip(at % 8)))
    t.match(
      findings,
      [{ code: 'value-damaged', remedy: 'mend', segment: SEALED, value: large.sequence }],
      `byte ${at}`,
    )
    t.equal(findings.length, 1)
  }
})

t.test('a directory of which nothing is left: the index knows what it was', async (t) => {
  const findings = await findingsAfter(change(SEALED, large.at, (bytes, at) => bytes.fill(0, at, at + 96)))
  t.match(findings, [
    { code: 'value-damaged', segment: SEALED, value: large.sequence, sentence: /the index of the segment/ },
  ])
  t.equal(findings.length, 1, 'its batches are whole, so none of them is reported')
})

t.test('a whole value of rubbish', async (t) => {
  const findings = await findingsAfter(
    change(SEALED, large.at, (bytes, at) => bytes.fill(0xa5, at, at + large.length)),
  )
  t.match(findings[0], { code: 'value-damaged', remedy: 'fence' })
  const lost = findings.filter(({ code }) => code === 'batch-damaged')
  t.same(
    lost.map(({ partition, firstOffset, lastOffset }) => [partition, firstOffset, lastOffset]),
    large.entries
      .filter(({ kind }) => kind === EntryKind.run)
      .map(({ partition, offset, endOffset }) => [partition, offset, endOffset - 1]),
    'all its runs are lost, and named',
  )
})

t.test('an index', async (t) => {
  const index = scanOf(pristine, SEALED).index()
  if (typeof index === 'string') throw new Error(index)
  const at = file.indexOf(index)
  for (const offset of [0, 40, index.length - 1])
    t.match(await findingsAfter(change(SEALED, at + offset, flip(0))), [
      { code: 'index-damaged', segment: SEALED, remedy: 'mend', sentence: /checksum/ },
    ])
})

t.test('the pages of the tree: what it no longer leads to is found all the same', async (t) => {
  const pages = Array.from({ length: file.length / 4096 }, (_, page) => page).slice(2)
  let told = 0
  for (const leaf of pages.filter((page) => file.readUInt16LE(page * 4096 + 18) === 2)) {
    const findings = await findingsAfter(change(SEALED, leaf * 4096 + 18, flip(4)))
    // Of the leaves that were copied by a later commit nothing is used any more.
    if (findings.length === 0) continue
    told++
    t.match(findings[0], {
      code: 'page-damaged',
      segment: SEALED,
      remedy: 'mend',
      sentence: new RegExp(`^page ${leaf}: `),
    })
    t.same(
      findings.filter(({ code }) => /^value|^batch|^offsets/.test(code)),
      [],
      'no value is missing',
    )
  }
  t.ok(told > 0)
})

t.test('the length the tree gives a value', async (t) => {
  // In the leaf: size of the data, flags, size of the key, key.
  const node = Buffer.alloc(12)
  node.writeUInt32LE(large.length, 0)
  node.writeUInt16LE(1, 4)
  node.writeUInt16LE(4, 6)
  node.writeUInt32LE(large.sequence + 1, 8)
  for (let at = file.indexOf(node); at >= 0; at = file.indexOf(node, at + 1)) {
    const findings = await findingsAfter(change(SEALED, at, flip(0)))
    if (findings.length > 0)
      t.match(findings, [{ code: 'page-damaged', remedy: 'mend', segment: SEALED, value: large.sequence }])
  }
})

t.test('meta pages that do not follow each other', async (t) => {
  const findings = await findingsAfter(change(SEALED, 152 + 1, flip(5)))
  t.match(findings[0], { code: 'page-damaged', sentence: /do not follow each other/ })
  t.same(
    findings.filter(({ code }) => code.startsWith('batch') || code === 'value-missing'),
    [],
  )
})

t.test('a file that is shorter than it was made', async (t) => {
  const findings = await findingsAfter((files) => files.set(SEALED, file.subarray(0, 300 * 1024)))
  t.match(findings[0], { code: 'file-short', segment: SEALED, remedy: 'fence' })
  t.ok(
    findings.some(({ code }) => code === 'offsets-missing'),
    'what is missing is named by offset',
  )
})

t.test('topics and partitions metadata does not know', async (t) => {
  const findings: Finding[] = []
  const { verdict } = await verifyLoaded(pristine, new Map(), (finding) => findings.push(finding))
  t.equal(
    verdict.segments.some(({ isDamaged }) => isDamaged),
    false,
  )
  t.same(findings.map(({ code, topicId, severity }) => [code, severity, topicId]).sort(), [
    ['topic-unknown', 'note', hex(topics.readings.topicId)],
    ['topic-unknown', 'note', hex(topics.frames.topicId)],
  ])
  const narrow = new Map([...knownTopics].map(([id, topic]) => [id, { ...topic, partitions: 1 }]))
  findings.length = 0
  await verifyLoaded(pristine, narrow, (finding) => findings.push(finding))
  t.same(findings.map(({ code, topic, partition }) => [code, topic, partition]).sort(), [
    ['partition-unknown', 'readings', 1],
    ['partition-unknown', 'readings', 2],
  ])
})

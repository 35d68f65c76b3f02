/** The parts of the segment store on LMDB that only compute: layouts, page arithmetic, names, sentences. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { errorName, storageError as translated } from '../../../storage/lmdb/accidents.ts'
import { isLmdbCommitNoise } from '../../../storage/lmdb/environment.ts'
import { decodeManifest, encodeManifest } from '../../../storage/lmdb/manifest.ts'
import { metaPagesProblem } from '../../../storage/lmdb/meta-pages.ts'
import {
  INDEX_CHUNK_BYTES,
  INDEX_SHARE,
  indexRoomBytes,
  PAGE_BYTES,
  valueCostBytes,
  valueRoomBytes,
} from '../../../storage/lmdb/page-budget.ts'
import { emptyEnvironmentPages } from '../../../storage/lmdb/prepare-segment.ts'
import { leftoverFiles, segmentOfFile, segmentPath } from '../../../storage/lmdb/segment-files.ts'
import {
  decodeHeader,
  decodeTrailer,
  encodeHeader,
  encodeTrailer,
  indexKeys,
  SEQUENCE_MAX,
  valueKey,
} from '../../../storage/lmdb/segment-layout.ts'
import { StorageError } from '../../../storage/segment-store.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { MIB } from './contract.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

t.test('header and trailer, byte for byte', async (t) => {
  const header = encodeHeader(258)
  t.equal(hex(header), '4f5345470000000100000102')
  t.strictSame(decodeHeader(header), { version: 1, segment: 258 })
  t.strictSame(
    decodeHeader(new Uint8Array([...header, 9])),
    { version: 1, segment: 258 },
    'a later one may be longer',
  )
  for (let length = 0; length < header.length; length++)
    t.equal(decodeHeader(header.subarray(0, length)), undefined)
  t.equal(decodeHeader(header.map((byte, at) => (at === 3 ? byte ^ 1 : byte))), undefined)

  const trailer = {
    segment: 2,
    valueCount: 3,
    indexBytes: 300_000,
    indexChunkBytes: 262_120,
    indexCrc: 0xfedcba98,
  }
  const encoded = encodeTrailer(trailer)
  t.equal(hex(encoded), '4f5345540000000200000003000493e00003ffe8fedcba98')
  t.strictSame(decodeTrailer(encoded), trailer)
  for (let length = 0; length < encoded.length; length++)
    t.equal(decodeTrailer(encoded.subarray(0, length)), undefined)
  t.equal(decodeTrailer(header), undefined)
  t.equal(decodeTrailer(encodeTrailer({ ...trailer, indexChunkBytes: 0 })), undefined)
})

t.test('keys of values, index and trailer do not meet', async (t) => {
  t.strictSame([valueKey(0), valueKey(SEQUENCE_MAX)], [1, 0x8000_0000])
  t.strictSame(indexKeys(0, 10), [])
  t.strictSame(indexKeys(21, 10), [0xffff_0000, 0xffff_0001, 0xffff_0002])
})

t.test('the manifest, byte for byte', async (t) => {
  const manifest = {
    nextId: 8,
    segments: [
      { id: 3, bytes: 4096, sealed: true },
      { id: 7, bytes: 8192, sealed: false },
    ],
  }
  const text =
    '{"format":"octopus-segments","version":1,"nextId":8,"segments":[{"id":3,"bytes":4096,"sealed":true},{"id":7,"bytes":8192,"sealed":false}]}\n'
  t.equal(encodeManifest(manifest), text)
  t.strictSame(decodeManifest(text, 'M'), manifest)
  for (let length = 0; length < text.length - 1; length++) {
    t.throws(() => decodeManifest(text.slice(0, length), 'M'), {
      code: 'DAMAGED',
      path: 'M',
      message: /M is damaged/,
    })
  }
})

t.test('meta pages of a real environment, and what can be wrong with them', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'octopus-segments-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const pages = Buffer.from(await emptyEnvironmentPages(directory))
  t.equal(pages.length, 8192)
  t.equal(metaPagesProblem(pages, 8192), undefined)
  t.equal(metaPagesProblem(pages, MIB), undefined)
  t.match(
    metaPagesProblem(pages, 8191),
    /it has 8191 bytes but its meta page 0 says 8192 are in use: its end is missing/,
  )
  t.match(metaPagesProblem(pages.subarray(0, 8191), 8191), /it has 8191 bytes, too few for an LMDB file/)
  for (const page of [0, 1]) {
    const changed = (at: number, value: number) => {
      const copy = Buffer.from(pages)
      copy.writeUInt32LE(value, page * 4096 + at)
      return metaPagesProblem(copy, 8192)
    }
    t.match(changed(16, 0), `its page ${page} is not an LMDB meta page`)
    t.match(changed(24, 0xbeefc0df), `its page ${page} is not an LMDB meta page`)
    t.match(changed(28, 1), /it has LMDB format 1; this program reads format 2/)
    t.match(changed(48, 16384), /it has pages of 16384 bytes; this program reads 4096/)
    t.match(changed(144, 2), new RegExp(`meta page ${page} says 12288 are in use`))
    t.match(changed(148, 1), /says 17592186052608 are in use/)
  }
})

t.test('what values cost', async (t) => {
  const leafOfOverflow = 118
  t.strictSame(
    [0, 1, 2022, 2023, 4072, 4073, 65_500, 65_513].map((bytes) => valueCostBytes(bytes)),
    [44, 50, 6312, 4096, 4096, 8192, 65_536, 69_632].map((bytes, at) =>
      at < 3 ? bytes : bytes + leafOfOverflow,
    ),
  )
  t.equal(valueCostBytes(INDEX_CHUNK_BYTES), 64 * PAGE_BYTES + leafOfOverflow)
})

t.test('after any commit that fits, an index of the promised share fits', async (t) => {
  const random = seededRandom(t)
  /** Pages a commit takes at most. */
  const pagesOf = (costBytes: number) => Math.floor(costBytes / PAGE_BYTES) + 32
  for (let round = 0; round < 2000; round++) {
    const segmentBytes = random.pick([1, 2, 3, 8, 256]) * MIB + random.below(100) * PAGE_BYTES
    const lastPage = 2 + random.below(segmentBytes / PAGE_BYTES)
    const room = valueRoomBytes(segmentBytes, lastPage)
    if (room === 0) continue
    const lastAfter = lastPage + pagesOf(room)
    const indexRoom = indexRoomBytes(segmentBytes, lastAfter)
    if (indexRoom < Math.floor(segmentBytes * INDEX_SHARE))
      t.fail(`${indexRoom} of ${segmentBytes} for the index`)
    const index = random.below(indexRoom + 1)
    const rest = index % INDEX_CHUNK_BYTES
    const indexCost =
      Math.floor(index / INDEX_CHUNK_BYTES) * valueCostBytes(INDEX_CHUNK_BYTES) + valueCostBytes(rest)
    const lastAtEnd = lastAfter + pagesOf(indexCost)
    if (lastAtEnd > segmentBytes / PAGE_BYTES - 2)
      t.fail(`last page ${lastAtEnd} of ${segmentBytes / PAGE_BYTES}`)
  }
  t.equal(valueRoomBytes(MIB, 255), 0)
  t.equal(indexRoomBytes(MIB, 255), 0)
})

t.test('names of files', async (t) => {
  t.equal(segmentPath('d', 12), join('d', 'segment-0000000012.lmdb'))
  t.equal(segmentOfFile('segment-0000000012.lmdb'), 12)
  t.equal(segmentOfFile('segment-0000000012.lmdb-lock'), 12)
  for (const name of [
    'segment-12.lmdb',
    'segment-0000000012.lmdb.gz',
    'a-segment-0000000012.lmdb',
    'MANIFEST',
  ]) {
    t.equal(segmentOfFile(name), undefined, name)
  }
  const names = [
    'MANIFEST',
    'MANIFEST.new',
    'segment-0000000001.lmdb',
    'segment-0000000002.lmdb',
    'preparing-0000000003.lmdb',
    'free-0000000004.lmdb',
    'damaged-0000000005.lmdb',
    'x',
  ]
  t.strictSame(
    leftoverFiles(names, (id) => id === 2),
    ['segment-0000000001.lmdb', 'preparing-0000000003.lmdb', 'free-0000000004.lmdb'],
  )
})

t.test('accidents in sentences', async (t) => {
  const systemError = (code: string | number) => Object.assign(new Error('as the system says'), { code })
  const cases: [string | number, string, RegExp][] = [
    [
      'EACCES',
      'INACCESSIBLE',
      /^\/d\/f is not readable and writable by this user: change its owner or its mode \(EACCES\)$/,
    ],
    [13, 'INACCESSIBLE', /is not readable and writable by this user.*\(EACCES\)$/],
    ['EPERM', 'INACCESSIBLE', /may not be changed by this user/],
    ['EROFS', 'INACCESSIBLE', /read-only file system/],
    ['EMFILE', 'INACCESSIBLE', /raise `ulimit -n` \(EMFILE\)$/],
    ['ENOSPC', 'NO_SPACE', /no space left on the disk/],
    [28, 'NO_SPACE', /no space left on the disk/],
    ['EDQUOT', 'NO_SPACE', /quota/],
    ['ENOENT', 'DAMAGED', /^\/d\/f is missing \(ENOENT\)$/],
    ['EIO', 'WRITE_FAILED', /^\/d\/f: as the system says$/],
    [-30796, 'WRITE_FAILED', /^\/d\/f: as the system says$/],
  ]
  for (const [code, expected, message] of cases) {
    const cause = systemError(code)
    t.match(translated(cause, '/d/f', 'WRITE_FAILED'), {
      name: 'StorageError',
      code: expected,
      message,
      path: '/d/f',
      cause,
    })
  }
  const own = new StorageError('LOCKED', 'x')
  t.equal(translated(own, '/d/f', 'DAMAGED'), own)
  t.match(translated('text', '/d/f', 'DAMAGED'), { code: 'DAMAGED', message: '/d/f: text' })
  t.equal(errorName(new Error('x')), undefined)
  t.equal(errorName('EACCES'), undefined)
})

t.test('only what lmdb-js repeats of a failed commit is noise', async (t) => {
  const commit = Object.assign(new Error('Commit failed (see commitError for details)'), {
    commitError: Promise.resolve(),
  })
  const details = Object.assign(new Error('No space left on device'), { code: 28 })
  t.equal(isLmdbCommitNoise(commit), true)
  t.equal(isLmdbCommitNoise(details), false, 'not from lmdb-js')
  details.stack =
    'Error: No space left on device\n    at Function.<anonymous> (file:///app/node_modules/lmdb/write.js:516:7)'
  t.equal(isLmdbCommitNoise(details), true)
  t.equal(isLmdbCommitNoise(Object.assign(new Error('x'), { code: 'ENOSPC', stack: details.stack })), false)
  t.equal(isLmdbCommitNoise(Object.assign(new Error('other'), { commitError: 1 })), false)
  t.equal(isLmdbCommitNoise(new Error('Commit failed (see commitError for details)')), false)
  t.equal(isLmdbCommitNoise('Commit failed'), false)
})

/** Pages of stored indexes: the bytes asked for and no others, whatever is kept, within the bound. */
import t from 'tap'
import { BroughtIn } from '../../../storage/log/brought-in.ts'
import { INDEX_PAGE_BYTES, IndexPages } from '../../../storage/log/index-pages.ts'
import { seededRandom } from '../../support/seeded-random.ts'

/** An index whose bytes tell where they are from, and how often it was read. */
class Stored {
  readonly bytes: Uint8Array
  readonly reads: [from: number, to: number][] = []

  constructor(segment: number, length: number) {
    this.bytes = Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 8) + segment) & 0xff)
  }

  readonly readNow = (start: number, end: number): Uint8Array => {
    this.reads.push([start, end])
    return this.bytes.slice(start, end)
  }

  readonly read = async (start: number, end: number): Promise<Uint8Array> => this.readNow(start, end)
}

t.test('a page is read once for all that lies in it', async (t) => {
  const pages = new IndexPages(4 * INDEX_PAGE_BYTES)
  const stored = new Stored(1, 2.5 * INDEX_PAGE_BYTES)
  const { length } = stored.bytes
  const want = (start: number, end: number) => stored.bytes.slice(start, end)
  const got = (bytes: Uint8Array | undefined) => bytes && new Uint8Array(bytes)
  t.equal(pages.get(1, 0, 10), undefined)
  t.strictSame(got(pages.readNow(1, 100, 212, length, stored.readNow)), want(100, 212))
  t.strictSame(got(pages.get(1, 0, INDEX_PAGE_BYTES)), want(0, INDEX_PAGE_BYTES))
  t.equal(pages.get(1, INDEX_PAGE_BYTES - 1, INDEX_PAGE_BYTES + 1), undefined, 'the second half is not here')
  const over = [INDEX_PAGE_BYTES - 50, 2 * INDEX_PAGE_BYTES + 50] as const
  t.strictSame(got(await pages.read(1, ...over, length, stored.read)), want(...over), 'over three pages')
  t.strictSame(
    got(pages.get(1, length - 8, length)),
    want(length - 8, length),
    'the last page is a short one',
  )
  t.strictSame(stored.reads, [
    [0, INDEX_PAGE_BYTES],
    [0, length],
  ])
  t.equal(pages.bytes, length)
  t.equal(pages.get(2, 0, 1), undefined, 'another segment')
  t.equal(
    pages.readNow(3, 0, 1, length, () => undefined),
    undefined,
    'no index',
  )
})

t.test('with less room than a page only what is asked for is read, and nothing kept', async (t) => {
  const pages = new IndexPages(INDEX_PAGE_BYTES - 1)
  const stored = new Stored(1, 3 * INDEX_PAGE_BYTES)
  const { length } = stored.bytes
  const bytes = pages.readNow(1, 1_000, 1_112, length, stored.readNow)
  t.strictSame(bytes && new Uint8Array(bytes), stored.bytes.slice(1_000, 1_112))
  t.strictSame(stored.reads, [[1_000, 1_112]])
  t.equal(pages.bytes, 0)
  const first = new Stored(2, 100)
  pages.readNow(2, 0, 100, 100, first.readNow)
  t.equal(pages.bytes, 100, 'a small index has room')
})

t.test('random reads get the bytes of the index, and the bound holds', async (t) => {
  const random = seededRandom(t)
  const bytesMax = 6 * INDEX_PAGE_BYTES
  const pages = new IndexPages(bytesMax)
  const indexes = Array.from({ length: 4 }, (_, at) => new Stored(at, 1 + random.below(5 * INDEX_PAGE_BYTES)))
  let fullest = 0
  let known = 0
  for (let step = 0; step < 3_000; step++) {
    const segment = random.below(indexes.length)
    const stored = indexes[segment]
    const start = random.below(stored.bytes.length)
    const end = Math.min(
      stored.bytes.length,
      start + 1 + random.below(random.below(20) === 0 ? 200_000 : 500),
    )
    const reads = stored.reads.length
    const bytes =
      random.below(2) === 0
        ? pages.readNow(segment, start, end, stored.bytes.length, stored.readNow)
        : await pages.read(segment, start, end, stored.bytes.length, stored.read)
    if (stored.reads.length === reads) known++
    if (!bytes || Buffer.compare(bytes, stored.bytes.subarray(start, end)) !== 0)
      t.fail(`step ${step}: bytes ${start} to ${end} of segment ${segment} are others`)
    fullest = Math.max(fullest, pages.bytes)
    if (pages.bytes > bytesMax) t.fail(`step ${step}: ${pages.bytes} bytes are kept`)
  }
  t.ok(fullest > bytesMax / 2 && known > 500, `${known} of 3,000 reads found all here`)
})

t.test('what was brought in is trusted for a while, and only the latest of it', async (t) => {
  const values = new BroughtIn(3, 10)
  values.add(1, 5, 2, 100)
  t.strictSame(
    [4, 5, 6, 7].map((sequence) => values.has(1, sequence, 110)),
    [false, true, true, false],
  )
  t.equal(values.has(1, 5, 111), false, 'too long ago')
  t.equal(values.has(2, 5, 100), false, 'another segment')
  values.add(1, 5, 1, 105)
  values.add(2, 0, 2, 105)
  t.strictSame([values.has(1, 5, 110), values.has(1, 6, 110), values.has(2, 1, 110)], [true, false, true])
})

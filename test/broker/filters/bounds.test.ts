/** What the shaper's parts keep is bounded: compiled sets, shared texts, filters that linger, scans. */
import { crc32c } from '@node-rs/crc32'
import t from 'tap'
import { CompiledSets } from '../../../broker/filters/compiled-sets.ts'
import { LingeringFilters } from '../../../broker/filters/lingering-filters.ts'
import { FilterGroup, LiveFilter } from '../../../broker/filters/live-filters.ts'
import { performMatch } from '../../../broker/filters/match-task.ts'
import { Scan, Stretch } from '../../../broker/filters/scan.ts'
import { PartitionScans, ScanCache } from '../../../broker/filters/scan-cache.ts'
import { SharedPatternsMaker, textsOf } from '../../../broker/filters/shared-patterns.ts'
import { SpareBuffers } from '../../../broker/filters/spare-buffers.ts'
import { stampBatch } from '../../../storage/record/batch-header.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'
import { encode, plain } from '../../storage/record/batches.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { numbered } from './support/stored-batches.ts'

const tools = { crc32c, codecs: nodeCodecs }
const limits = { decompressedBytesMax: 2 ** 24, recordBytesEnough: 2 ** 24 }

t.test('the same patterns are the same set, as long as it is remembered', async (t) => {
  const maker = new SharedPatternsMaker(100)
  const texts = ['{"key":["ä"]}', '{"key":["b"]}']
  const set = maker.of(texts)
  t.same(textsOf(set), texts)
  t.equal(set.size, 2)
  t.ok(set.texts.buffer instanceof SharedArrayBuffer)
  t.equal(maker.of([...texts]), set)
  t.not(maker.of(texts.slice(1)).id, set.id)
  maker.of(['x'.repeat(80)])
  const again = maker.of(texts)
  t.not(again, set, 'forgotten for another one')
  t.same(textsOf(again), texts)
})

t.test('sets are compiled once, known by their texts, and forgotten when there are too many', async (t) => {
  const sets = new CompiledSets(500)
  const maker = new SharedPatternsMaker()
  const of = (n: number) => maker.of([numbered(n).text])
  const first = sets.of(of(1))
  t.equal(sets.of(of(1)), first)
  t.ok(sets.has(of(1)))
  const stranger = new SharedPatternsMaker().of([numbered(2).text])
  t.equal(stranger.id, of(1).id)
  t.notOk(sets.has(stranger), 'the same number is not enough')
  t.not(sets.of(stranger), first)
  for (let n = 10; n < 100; n++) {
    sets.of(of(n))
    sets.of(of(10))
    t.ok(sets.size < 12)
  }
  t.ok(sets.has(of(10)), 'who is asked for often stays')
  t.notOk(sets.has(of(11)))
  const large = maker.of([numbered(1), numbered(2)].map(({ text }) => text.padEnd(1000)))
  t.equal(sets.of(large).size, 2, 'one is kept, however large it is')
  t.equal(sets.size, 1)
})

t.test('filters linger for a while, and not too many of them', async (t) => {
  const ended: [string, string][] = []
  const lingering = new LingeringFilters<string>((partition, { pattern }) =>
    ended.push([partition, pattern.text]),
  )
  const [one, two] = [1, 2].map((n) => new LiveFilter(numbered(n), 0))
  lingering.add('p', one, 0)
  lingering.add('q', two, 4_000)
  lingering.add('p', one, 5_000)
  lingering.expire(13_999)
  t.same(ended, [])
  lingering.expire(14_000)
  t.same(ended, [['q', two.pattern.text]])
  lingering.remove(one)
  lingering.expire(1e9)
  t.equal(ended.length, 1, 'who has come back does not end')
  for (let n = 0; n < 200; n++) {
    const pattern = { text: `${n}`.padEnd(60_000), alternatives: [] }
    lingering.add('p', new LiveFilter(pattern, 0), 0)
  }
  t.equal(lingering.size, 69, 'of 60,000 characters each')
  t.equal(ended[1][1].trim(), '0')
})

t.test('buffers are used again, and few are kept', async (t) => {
  const spares = new SpareBuffers()
  const first = spares.copyOf(new Uint8Array(20_000).fill(7))
  t.equal(first.length, 32_768)
  t.equal(first.buffer.byteLength, first.length)
  t.not(spares.copyOf(new Uint8Array(20_000)), first, 'not while somebody has it')
  spares.giveBack(first)
  t.equal(spares.keptBytes, 32_768)
  const again = spares.copyOf(new Uint8Array(30_000).fill(8))
  t.equal(again, first)
  t.same([again[0], again[29_999]], [8, 8])
  t.equal(spares.keptBytes, 0)
  t.equal(spares.copyOf(new Uint8Array(1)).length, 16_384)
  t.equal(spares.copyOf(new Uint8Array(600_000)).length, 600_000, 'large ones as they are')
  for (let n = 0; n < 1000; n++) spares.giveBack(new Uint8Array(65_536))
  spares.giveBack(new Uint8Array(600_000))
  t.equal(spares.keptBytes, 4 * 1024 * 1024)
})

t.test('scans against a model', async (t) => {
  const random = seededRandom(t)
  const maker = new SharedPatternsMaker()
  for (let round = 0; round < 20; round++) {
    const cache = new ScanCache(random.pick([1, 5_000, 50_000]))
    const partitions = [new PartitionScans(), new PartitionScans()]
    const filters = Array.from({ length: 12 }, (_, n) => new LiveFilter(numbered(n), 0))
    const groups = [0, 1, 2, 3].map((n) => new FilterGroup(filters.slice(3 * n, 3 * n + 3), maker))
    let made: { scan: Scan; from: PartitionScans }[] = []
    for (let step = 0; step < 100; step++) {
      const from = random.pick(partitions)
      if (random.below(30) === 0) {
        cache.forget(from)
        partitions[partitions.indexOf(from)] = new PartitionScans()
        made = made.filter((each) => each.from !== from)
        continue
      }
      const group = random.pick(groups)
      const batches = Array.from({ length: 1 + random.below(3) }, (_, n) => {
        const batch = encode([plain(0, null, '{"n":1,"kind":"a"}')])
        stampBatch(batch, 0, 10 * step + n, 0)
        return batch
      })
      const bytes = new Uint8Array(Buffer.concat(batches))
      const scan = new Scan(new Stretch(bytes, 0, bytes.length, () => true), group)
      from.add(scan)
      scan.finish(
        performMatch({ kind: 'match', bytes, end: bytes.length, patterns: group.patterns, limits }, tools),
        1e9,
      )
      cache.keep(scan, from)
      made.push({ scan, from })
      if (cache.bytes > cache.bytesMax) t.fail(`${cache.bytes} bytes are kept`)

      // What is kept is what was made last; all else cannot be found.
      const kept = made.slice(made.length - cache.size)
      const found = ({ scan, from }: (typeof made)[number]) =>
        [...scan.group.filters].every((filter) =>
          scan.stretch.endOffsets.every((_, n) => {
            const known = from.find(scan.stretch.baseOffset(n), filter)
            return known?.scan === scan && known.batch === n
          }),
        )
      if (!kept.every(found)) t.fail('a scan that is kept is not found')
      if (made.slice(0, made.length - cache.size).some(found)) t.fail('a scan that is not kept is found')
    }
    for (const partition of partitions) cache.forget(partition)
    t.equal(cache.bytes, 0)
    t.equal(cache.size, 0)
  }
})

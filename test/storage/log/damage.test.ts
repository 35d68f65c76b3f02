/** Damage: what is served is what was written, what is not served is told, and everything else goes on. */
import t from 'tap'
import { correctBit } from '../../../storage/log/directory-repair.ts'
import type { DamageError } from '../../../storage/log/log-error.ts'
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import { decodeIndexHead, RUN_BYTES } from '../../../storage/log/segment-index.ts'
import type { ShardLog } from '../../../storage/log/shard-log.ts'
import { ENTRY_BYTES, VALUE_HEADER_BYTES } from '../../../storage/log/value.ts'
import { MemoryDisk } from '../../../storage/memory/memory-disk.ts'
import { BatchEncoder } from '../../../storage/record/batch-encoder.ts'
import { crc32cTable } from '../../../storage/record/crc32c.ts'
import { roundsOf } from '../../support/rounds.ts'
import { type SeededRandom, seededRandom } from '../../support/seeded-random.ts'
import { batch, offsetsOf, openLog, topicId } from './log-fixture.ts'
import { isServedOrTold, readAll } from './served-or-told.ts'

async function fill(random: SeededRandom, disk: MemoryDisk) {
  const { shard } = await openLog(disk)
  const logs = [0, 1, 2, 3].map((partition) => shard.createPartition(topicId, partition))
  const sources = logs.map(() => ({}))
  for (let round = 0; round < 25; round++)
    await Promise.all(
      Array.from({ length: 1 + random.below(8) }, () => {
        const at = random.below(logs.length)
        const bytes = batch(
          1 + random.below(5),
          random.below(random.below(10) === 0 ? 8_000 : 300),
          1_000 + round,
        )
        return shard.append(sources[at], logs[at], bytes)
      }),
    )
  return { shard, logs, written: logs.map((log) => readAll(shard, log).served) }
}

type Harm = (random: SeededRandom, disk: MemoryDisk) => void

/** Bits flipped anywhere in values and indexes. */
const flipBits: Harm = (random, disk) => {
  const places = disk.segments.flatMap(({ values, index }) => (index ? [...values, index] : values))
  const bytes = places.reduce((sum, place) => sum + place.length, 0)
  for (let i = 1 + random.below(12); i > 0; i--) {
    let at = random.below(bytes)
    const place = places.find((candidate) => {
      if (at < candidate.length) return true
      at -= candidate.length
      return false
    })
    if (place) place[at] ^= 1 << random.below(8)
  }
}

/** Bits flipped in the directories of the values, where a few bytes decide over many. */
const flipDirectories: Harm = (random, disk) => {
  for (let i = 1 + random.below(4); i > 0; i--) {
    const value = random.pick(random.pick(disk.segments).values)
    if (!value) continue
    for (let bit = 1 + random.below(3); bit > 0; bit--)
      value[random.below(VALUE_HEADER_BYTES + ENTRY_BYTES)] ^= 1 << random.below(8)
  }
}

/** Pages that are zeros, or something else altogether. */
const losePages: Harm = (random, disk) => {
  for (let i = 1 + random.below(3); i > 0; i--) {
    const { values, index } = random.pick(disk.segments)
    const place = random.below(4) === 0 && index ? index : random.pick(values)
    if (!place) continue
    const start = random.below(place.length)
    const page = random.below(2) === 0 ? new Uint8Array(4096) : random.bytes(4096)
    place.set(page.subarray(0, place.length - start), start)
  }
}

const rounds = process.env.OCTOPUS_SOAK ? 2_000 : 20
for (const [name, harm] of Object.entries({ flipBits, flipDirectories, losePages }))
  t.test(
    `${name}: what is served is what was written, the rest is told, and no offset is given twice`,
    async (t) => {
      const random = seededRandom(t)
      let told = 0
      for (const round of roundsOf(t, rounds)) {
        const disk = new MemoryDisk()
        const before = await fill(random, disk)
        await before.shard.close()
        const running = await openLog(disk, { indexCacheBytesMax: 1_000 })
        const runningLogs = before.logs.map(({ partition }) =>
          running.shard.createPartition(topicId, partition),
        )
        harm(random, disk)
        const bytesMax = random.below(2) === 0 ? 1 : 100_000
        const check = (shard: ShardLog, logs: readonly PartitionLog[]) =>
          logs.forEach((log, at) => {
            log.invariants()
            told += isServedOrTold(shard, log, before.written[at], bytesMax)
          })
        try {
          check(running.shard, runningLogs)
          for (let restart = 0; restart < 2; restart++) {
            const { shard } = await openLog(disk)
            const logs = before.logs.map(({ partition }) => shard.createPartition(topicId, partition))
            check(shard, logs)
            for (const [at, log] of logs.entries()) {
              const endBefore = before.written[at].reduce(
                (end, { lastOffset }) => Math.max(end, lastOffset + 1),
                0,
              )
              const bytes = batch(2, 100)
              const { baseOffset } = await shard.append({}, log, bytes)
              if (baseOffset < endBefore)
                throw new Error(`offset ${baseOffset} was given twice, the end was ${endBefore}`)
              const last = readAll(shard, log).served.at(-1)
              if (last?.baseOffset !== baseOffset)
                throw new Error(`${baseOffset} cannot be read, only ${last?.baseOffset}`)
              before.written[at].push(last)
            }
            await shard.close()
          }
        } catch (error) {
          t.fail(`round ${round}: ${error}`, { error })
          return
        }
      }
      t.ok(told > 0, `${told} batches were told to be damaged`)
    },
  )

t.test(
  'a damaged batch is told by partition, offsets and place; what stands beside it is served',
  async (t) => {
    const met: DamageError[] = []
    const { disk, shard, log } = await openLog(new MemoryDisk(), {
      observer: { damaged: (error) => met.push(error) },
    })
    const other = shard.createPartition(topicId, 1)
    const three = Buffer.concat([batch(3), batch(2), batch(4)])
    await Promise.all([shard.append({}, log, three), shard.append({}, other, batch(5))])
    const [value] = disk.segments[0].values
    const second = Buffer.from(value).indexOf(batch(2).subarray(16))
    value[second + 60] ^= 4
    const { served, damaged } = readAll(shard, log)
    t.strictSame(
      served.map(({ baseOffset, lastOffset }) => [baseOffset, lastOffset]),
      [
        [0, 2],
        [5, 8],
      ],
    )
    t.strictSame(damaged, [[3, 4]])
    t.strictSame(offsetsOf(shard, other), [[0, 4]])
    readAll(shard, log)
    t.equal(met.length, 1, 'reported once')
    t.equal(shard.stats().damagedPlaces, 1)
    t.match(met[0], {
      code: 'DAMAGED',
      message:
        /^partition 0 of topic (07){16}, offsets 3 to 4 are damaged: segment 1, value 0: the batch at byte \d+ does not have the checksum it says$/,
      damage: { partition: 0, firstOffset: 3, lastOffset: 4, segment: 1, sequence: 0 },
    })
  },
)

t.test('a value that says it is another one is refused as a whole, and its neighbours go on', async (t) => {
  const { disk, shard, log } = await openLog()
  for (let i = 0; i < 3; i++) await shard.append({}, log, batch(3))
  disk.segments[0].values[1][8 + 3] ^= 7
  const { served, damaged } = readAll(shard, log)
  t.strictSame([served.length, damaged], [2, [[3, 5]]])
  t.throws(() => shard.read(log, 4, 9, 1_000), {
    message: /offsets 3 to 5 are damaged: segment 1, value 1: .* a stale page/,
  })
})

t.test('what only looks like a batch inside of a damaged one is not served', async (t) => {
  const { disk, shard, log } = await openLog()
  const forged = batch(1)
  new DataView(forged.buffer).setBigInt64(0, 1n)
  const encoder = new BatchEncoder({ crc32c: crc32cTable, bytesMax: 10_000 })
  encoder.append(1_000, null, forged)
  encoder.append(1_001, null, forged)
  await shard.append({}, log, Buffer.concat([encoder.finish(), batch(2)]))
  const [value] = disk.segments[0].values
  const at = VALUE_HEADER_BYTES + ENTRY_BYTES
  value[at + 61] ^= 1
  t.strictSame(readAll(shard, log).damaged, [[0, 1]])
  value[at + 11] ^= 1
  t.strictSame(readAll(shard, log).damaged, [[0, 1]], 'also where its length is damaged')
  t.strictSame(
    readAll(shard, log).served.map(({ baseOffset }) => baseOffset),
    [2],
  )
})

t.test('retention passes damage by what the index knows of it, and moves into it', async (t) => {
  const { disk, shard, log } = await openLog()
  for (let i = 0; i < 6; i++) await shard.append({}, log, batch(3, 10, 1_000 * (i + 1)))
  const bytes = log.bytes / 6
  const { values } = disk.segments[0]
  values[0][8 + 3] ^= 1
  values[3][VALUE_HEADER_BYTES + ENTRY_BYTES + 70] ^= 1
  const retain = (nowMs: number, retentionMs: number, retentionBytes: number) =>
    shard.enforceRetention(nowMs, () => ({ retentionMs, retentionBytes }))
  t.strictSame((await retain(10_000, 9_500, -1)).failures, [])
  t.equal(log.logStartOffset, 0, 'too young still')
  await retain(10_000, 8_500, -1)
  t.equal(log.logStartOffset, 3)
  await retain(10_000, -1, 3 * bytes)
  t.equal(log.logStartOffset, 9, 'the damaged one counts with its bytes')
  await shard.moveLogStart(log, 10)
  t.equal(log.logStartOffset, 10)
  t.strictSame(readAll(shard, log).damaged, [[10, 11]])
  await retain(10_000, 5_000, -1)
  t.strictSame([log.logStartOffset, log.bytes], [12, 2 * bytes])
})

t.test(
  'a look-up by time is answered with the damaged batch that may hold it: earlier, never later',
  async (t) => {
    const { disk, shard, log } = await openLog()
    for (let i = 0; i < 4; i++) await shard.append({}, log, batch(3, 10, 1_000 * (i + 1)))
    disk.segments[0].values[1][8 + 3] ^= 1
    const find = (timestampMs: number) => shard.findTimestamp(log, timestampMs, log.highWatermark)?.offset
    t.strictSame(
      [find(1_001), find(1_500), find(2_002), find(2_500), find(4_002), find(9_000)],
      [1, 3, 3, 6, 11, undefined],
    )
  },
)

t.test('a start with a value that cannot be read: what it held is lost, the rest comes up', async (t) => {
  const disk = new MemoryDisk()
  const { shard, log } = await openLog(disk)
  const other = shard.createPartition(topicId, 1)
  await shard.append({}, log, batch(3))
  await shard.append({}, other, batch(2))
  await shard.append({}, log, batch(4))
  await shard.append({}, other, batch(2))
  await shard.append({}, log, batch(1))
  await shard.close()
  const ruin = (value: Uint8Array) => value.fill(0xaa, VALUE_HEADER_BYTES, VALUE_HEADER_BYTES + 40)
  ruin(disk.segments[0].values[2])
  ruin(disk.segments[0].values[3])
  const warnings: string[] = []
  const again = await openLog(disk, { observer: { warning: (sentence) => warnings.push(sentence) } })
  t.strictSame(
    warnings.map((sentence) => sentence.replace(/0x[0-9a-f]+/g, '0x')),
    [2, 3].map(
      (value) =>
        `segment 1, value ${value} is damaged: directory checksum is 0x, should be 0x: what it held is lost`,
    ),
  )
  const second = again.shard.createPartition(topicId, 1)
  t.strictSame(readAll(again.shard, again.log).damaged, [[3, 6]], 'known from the run behind it')
  t.strictSame(readAll(again.shard, second).damaged, [[2, 3]], 'known from the batches that may be its own')
  t.equal(second.logEndOffset, 4)
  t.equal((await again.shard.append({}, second, batch(1))).baseOffset, 4)
  t.match(again.log.logEndOffset, 8)

  for (let i = 0; i < 30; i++) await again.shard.append({}, again.log, batch(5, 1_000))
  await again.shard.close()
  const later = await openLog(disk)
  t.ok(disk.segments.length > 2, 'the damaged segment is sealed')
  t.strictSame(readAll(later.shard, later.log).damaged, [[3, 6]], 'remembered by the index')
  t.strictSame(readAll(later.shard, later.shard.createPartition(topicId, 1)).damaged, [[2, 3]])
})

t.test('one flipped bit of a directory is found, and nothing is lost', async (t) => {
  const disk = new MemoryDisk()
  const { shard } = await openLog(disk)
  await Promise.all(
    [0, 1, 2].map((partition) => shard.append({}, shard.createPartition(topicId, partition), batch(2))),
  )
  await shard.close()
  const [value] = disk.segments[0].values
  const written = new Uint8Array(value)
  const bits = (VALUE_HEADER_BYTES + 3 * ENTRY_BYTES) * 8
  const flip = (bit: number) => {
    value[bit >> 3] ^= 1 << (bit & 7)
  }
  for (let bit = 0; bit < bits; bit++) {
    flip(bit)
    if (!correctBit(value, crc32cTable) || Buffer.compare(value, written) !== 0)
      t.fail(`bit ${bit} was not found`)
  }
  const random = seededRandom(t)
  for (let round = 0; round < 1_000; round++) {
    const first = random.below(bits)
    const second = (first + 1 + random.below(bits - 1)) % bits
    flip(first)
    flip(second)
    if (correctBit(value, crc32cTable)) t.fail(`bits ${first} and ${second} were taken for one`)
    flip(first)
    flip(second)
  }
  flip(VALUE_HEADER_BYTES * 8)
  const warnings: string[] = []
  const again = await openLog(disk, { observer: { warning: (sentence) => warnings.push(sentence) } })
  t.match(warnings, [/^segment 1, value 0 is damaged: .*: one flipped bit, what it said is known$/])
  t.strictSame([again.log.logEndOffset, again.shard.stats().partitions], [2, 3])
  t.strictSame(offsetsOf(again.shard, again.log), [[0, 1]])
})

t.test('runs that the index does not give are found in the values', async (t) => {
  const disk = new MemoryDisk()
  const before = await openLog(disk)
  const others = [1, 2].map((partition) => before.shard.createPartition(topicId, partition))
  for (let i = 0; i < 40; i++)
    await Promise.all([before.log, ...others].map((log) => before.shard.append({}, log, batch(3, 400))))
  await before.shard.close()
  for (const { id, index } of disk.segments) {
    if (!index) continue
    const { summaryBytes } = decodeIndexHead(index, index.length, id)
    index.fill(0xee, summaryBytes, summaryBytes + 2 * RUN_BYTES)
  }
  const warnings: string[] = []
  const { shard, log } = await openLog(disk, { observer: { warning: (sentence) => warnings.push(sentence) } })
  t.strictSame(warnings, [])
  for (let offset = 0; offset < log.logEndOffset; ) {
    await shard.prepare(log, offset, 1_000_000)
    const slice = shard.read(log, offset, log.highWatermark, 1_000_000)
    if (!slice) throw new Error(`nothing at ${offset}`)
    offset = slice.nextOffset
  }
  t.strictSame(offsetsOf(shard, log).length, 40)
  t.match(
    warnings[0],
    /^the index of segment 1 is damaged: .*: the runs of partition 0 were found in its values$/,
  )
  t.equal(shard.stats().damagedPlaces, 0)
  t.ok(shard.stats().indexCache.rebuiltBytes > 0)
})

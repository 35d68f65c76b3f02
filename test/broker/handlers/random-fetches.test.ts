/**
 * Readers with filters on a log that grows and whose beginning goes, with slow connections that break, workers that die and
 * answer in any order: who goes on from where he was told gets every match that was still there, once, and nothing else.
 */
import { crc32c } from '@node-rs/crc32'
import t from 'tap'
import type { RecordPattern } from '../../../broker/filters/pattern.ts'
import { SharingShaper } from '../../../broker/filters/sharing-shaper.ts'
import type { FetchDataSource } from '../../../broker/handlers/context.ts'
import { ErrorCode, ProtocolError } from '../../../client/protocol/errors.ts'
import { baseOffsetAt, batchBytesAt, lastOffsetAt } from '../../../storage/record/batch-header.ts'
import type { CompressionName } from '../../../storage/record/compression.ts'
import { nodeCodecs } from '../../../storage/record/node/node-codecs.ts'
import { checkStoredBatch } from '../../../storage/record/validate.ts'
import { roundsOf } from '../../support/rounds.ts'
import { randomOf, type SeededRandom, seededRandom } from '../../support/seeded-random.ts'
import { RoughPool } from '../filters/support/rough-pool.ts'
import {
  dataBatch,
  filters,
  isFor,
  randomShape,
  recordsOf,
  type Stored,
} from '../filters/support/stored-batches.ts'
import { ManualTime, settled } from '../manual-time.ts'
import { Connection, context, request, setup } from './fetch-harness.ts'

const rounds = process.env.OCTOPUS_SOAK ? 300 : 6

/** One partition, as its reader knows it. */
interface Place {
  readonly startOffset: number
  position: number
  readonly got: number[]
  examined: number
}

class Reader extends Connection {
  readonly filter: RecordPattern
  readonly faults: string[]
  readonly places: readonly Place[]
  isGone = false

  constructor(filter: RecordPattern, startOffsets: readonly number[], faults: string[]) {
    super(20_000)
    this.filter = filter
    this.faults = faults
    this.places = startOffsets.map((startOffset) => ({
      startOffset,
      position: startOffset,
      got: [],
      examined: 0,
    }))
  }

  override data(head: FetchDataSource, value: Uint8Array, start: number, end: number): void {
    super.data(head, value, start, end)
    if (this.isGone) return
    const place = this.places[head.partition]
    place.examined += head.examined
    for (let at = start; at < end; at += batchBytesAt(value, at)) {
      const problem = checkStoredBatch(value, at, end, crc32c)
      if (problem) this.faults.push(problem.sentence)
      if (lastOffsetAt(value, at) < place.position)
        this.faults.push(`${baseOffsetAt(value, at)} comes behind ${place.position}`)
      for (const record of recordsOf(value, at)) {
        if (record.offset < place.position) continue
        if (!isFor(this.filter, record))
          this.faults.push(`${record.offset} does not match ${this.filter.text}`)
        place.got.push(record.offset)
      }
      place.position = lastOffsetAt(value, at) + 1
    }
  }
}

async function run(random: SeededRandom): Promise<{ readonly faults: string[]; readonly matched: number }> {
  const time = new ManualTime()
  const pool = new RoughPool({ crc32c, codecs: nodeCodecs }, random.pick([0, 2_000, 1_000_000]))
  const shaper = new SharingShaper({ pool, crc32c, clock: time, decompressedBytesMax: 16 * 1024 * 1024 })
  const { shard, logs, fetch, purgatory } = await setup({ shaper, time })
  const faults: string[] = []
  const stored: Stored[][] = [[], []]
  const append = async () => {
    const partition = random.below(2)
    const batch = dataBatch(random, randomShape(random))
    const records = recordsOf(batch)
    const { baseOffset } = await shard.append({}, logs[partition], batch)
    stored[partition].push(...records.map((record) => ({ ...record, offset: baseOffset + record.offset })))
  }
  for (let i = random.below(30); i > 0; i--) await append()
  let isOver = false
  const readers: Reader[] = []
  const codecs: readonly CompressionName[] = ['gzip', 'zstd']
  const read = async (reader: Reader, id: number) => {
    while (!isOver || reader.places.some(({ position }, i) => position < logs[i].durableOffset)) {
      const gone = new AbortController()
      if (!isOver && random.below(6) === 0)
        time.after(random.below(50), () => {
          reader.isGone = true
          reader.drain()
          gone.abort()
        })
      const before = reader.places.map(({ position }) => position)
      const asked = request(
        before.map((offset, partition) => ({ partition, offset })),
        {
          filter: reader.filter.text,
          maxWaitMs: random.pick([0, 20, 500]),
          minBytes: random.pick([0, 1, 400]),
          maxBytes: random.pick([1, 3_000, 1_000_000]),
          compressions: random.pick([null, null, [], codecs]),
        },
      )
      try {
        const { partitions } = await fetch(asked, reader, {
          ...context,
          connection: { ...context.connection, id },
          signal: gone.signal,
          clock: time,
        })
        if (!reader.isGone)
          for (const { partition, error, message, logStartOffset } of partitions) {
            if (error === ErrorCode.OFFSET_OUT_OF_RANGE)
              reader.places[partition].position = Math.max(reader.places[partition].position, logStartOffset)
            else if (error !== ErrorCode.NONE && !new ProtocolError(error).retriable)
              faults.push(`partition ${partition}: ${message}`)
          }
      } catch (error) {
        faults.push(String(error))
      }
      // Whoever comes back is on another connection; what was on its way is lost.
      reader.isGone = false
      reader.drain()
      // Or whoever is answered at once would leave nobody a turn.
      await new Promise<void>((resolve) => time.soon(resolve))
    }
  }
  const reading: Promise<void>[] = []
  for (let i = 0; i < 3; i++) {
    const starts = logs.map((log) => random.below(log.durableOffset + 1))
    readers.push(new Reader(random.pick(filters), random.below(2) === 0 ? [0, 0] : starts, faults))
    reading.push(read(readers[i], i + 1))
  }
  const answerOne = () => {
    if (pool.held.length === 0) return
    const index = random.below(pool.held.length)
    if (!isOver && random.below(12) === 0) pool.refuse(index)
    else pool.answer(index)
  }
  const cuts = [0, 0]
  for (let step = 0; step < 120 && faults.length === 0; step++) {
    const what = random.below(10)
    if (what < 2) await append()
    else if (what === 2 && random.below(4) === 0) {
      const partition = random.below(2)
      cuts[partition] = Math.max(cuts[partition], random.below(logs[partition].highWatermark + 1))
      await shard.moveLogStart(logs[partition], cuts[partition])
    } else if (what < 6) answerOne()
    else if (what < 8) random.pick(readers).drain()
    else await time.advance(random.below(30))
    await time.turn()
  }
  isOver = true
  let ended = false
  void Promise.all(reading).then(() => {
    ended = true
  })
  for (let i = 0; i < 5_000 && !ended; i++) {
    answerOne()
    for (const reader of readers) reader.drain()
    await time.advance(10)
  }
  await settled()
  if (!ended)
    faults.push(`it does not end: ${readers.map(({ places }) => places.map(({ position }) => position))}`)
  if (purgatory.size > 0) faults.push(`${purgatory.size} fetches are left`)
  let matched = 0
  for (const { places, filter } of readers)
    places.forEach(({ got, startOffset }, partition) => {
      matched += got.length
      if (got.some((offset, i) => i > 0 && offset <= got[i - 1])) faults.push('offsets do not ascend')
      const from = Math.max(startOffset, cuts[partition])
      const wanted = stored[partition].filter((record) => record.offset >= from && isFor(filter, record))
      const came = new Set(got)
      for (const { offset } of wanted)
        if (!came.has(offset))
          faults.push(`${offset} of partition ${partition} did not come for ${filter.text}`)
    })
  return { faults, matched }
}

t.test('random fetches', async (t) => {
  const seeds = seededRandom(t)
  let matched = 0
  for (const _ of roundsOf(t, rounds)) {
    const seed = process.env.OCTOPUS_SEED ? seeds.seed : seeds.below(2 ** 31)
    const outcome = await run(randomOf(seed))
    matched += outcome.matched
    t.same(outcome.faults.slice(0, 3), [], `seed ${seed}`)
    if (process.env.OCTOPUS_SEED) break
  }
  t.ok(matched > 20 || process.env.OCTOPUS_SEED, `${matched} matched`)
})

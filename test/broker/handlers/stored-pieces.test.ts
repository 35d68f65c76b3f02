/** Values of a log put together: what is read, in what pieces, and what of damage behind the first. */
import t from 'tap'
import { StoredPieces } from '../../../broker/handlers/stored-pieces.ts'
import { DamageError } from '../../../storage/log/log-error.ts'
import type { ReadSlice } from '../../../storage/log/log-reader.ts'
import { PartitionLog } from '../../../storage/log/partition-log.ts'

const KB = 1024
const HEADROOM = 100
const log = new PartitionLog(new Uint8Array(16), 0, { lost() {} })

/** A log whose values hold ten offsets each; its reads lend one and the same memory, as the real one's may. */
function shardOf(sizes: readonly number[], { damagedAt = -1 } = {}) {
  const lent = new Uint8Array(7 + Math.max(...sizes))
  const asked: number[] = []
  return {
    asked,
    read(_log: PartitionLog, offset: number, upTo: number, _bytesMax: number): ReadSlice | undefined {
      asked.push(offset)
      const index = offset / 10
      if (index === damagedAt)
        throw new DamageError({
          topicId: log.topicId,
          partition: 0,
          firstOffset: offset,
          lastOffset: offset + 9,
          segment: 0,
          sequence: undefined,
          reason: 'planted',
        })
      if (index >= sizes.length || offset >= upTo) return undefined
      lent.fill(index + 1)
      return { value: lent, start: 7, end: 7 + sizes[index], nextOffset: offset + 10 }
    },
  }
}

/** Of each value in the piece: its number and how many bytes of it are there. */
function contents({ value, start, end }: ReadSlice): [number, number][] {
  const found: [number, number][] = []
  for (let at = start; at < end; at++) {
    const last = found[found.length - 1]
    if (last?.[0] === value[at]) last[1]++
    else found.push([value[at], 1])
  }
  return found
}

function piecesOf(sizes: readonly number[], options: { damagedAt?: number } = {}) {
  const shard = shardOf(sizes, options)
  return { shard, pieces: new StoredPieces(shard, 256 * KB, HEADROOM) }
}

t.test('as many values as fit, behind free room', async (t) => {
  const { pieces } = piecesOf([64 * KB, 64 * KB, 64 * KB, 64 * KB, 64 * KB])
  const piece = pieces.read(log, 0, 50, 1e9) as ReadSlice
  t.same(contents(piece), [
    [1, 64 * KB],
    [2, 64 * KB],
    [3, 64 * KB],
    [4, 64 * KB],
  ])
  t.equal(piece.nextOffset, 40)
  t.equal(piece.start, HEADROOM)
  const rest = pieces.read(log, 40, 50, 1e9) as ReadSlice
  t.same(contents(rest), [[5, 64 * KB]])
  t.equal(rest.nextOffset, 50)
  t.equal(pieces.read(log, 50, 50, 1e9), undefined)
})

t.test('never more than is asked for, but for the first', async (t) => {
  const { pieces } = piecesOf([60 * KB, 60 * KB, 60 * KB])
  t.same(contents(pieces.read(log, 0, 30, 130 * KB) as ReadSlice), [
    [1, 60 * KB],
    [2, 60 * KB],
  ])
  t.same(contents(pieces.read(log, 0, 30, 10) as ReadSlice), [[1, 60 * KB]])
  t.same(contents(pieces.read(log, 10, 30, 119 * KB) as ReadSlice), [[2, 60 * KB]])
})

t.test('up to the offset that is visible', async (t) => {
  const { pieces, shard } = piecesOf([60 * KB, 60 * KB, 60 * KB])
  const piece = pieces.read(log, 0, 20, 1e9) as ReadSlice
  t.same(contents(piece), [
    [1, 60 * KB],
    [2, 60 * KB],
  ])
  t.equal(piece.nextOffset, 20)
  t.same(shard.asked, [0, 10])
})

t.test('what is little is left where it lies', async (t) => {
  const { pieces, shard } = piecesOf([KB, 60 * KB])
  const piece = pieces.read(log, 0, 20, 1e9) as ReadSlice
  t.same(contents(piece), [[1, KB]])
  t.equal(piece.start, 7)
  t.same(shard.asked, [0])
})

t.test('damage is told of when it comes first', async (t) => {
  const { pieces } = piecesOf([60 * KB, 60 * KB, 60 * KB], { damagedAt: 2 })
  const piece = pieces.read(log, 0, 30, 1e9) as ReadSlice
  t.same(contents(piece), [
    [1, 60 * KB],
    [2, 60 * KB],
  ])
  t.equal(piece.nextOffset, 20)
  t.throws(() => pieces.read(log, 20, 30, 1e9), DamageError)
})

t.test('any other error is an error', async (t) => {
  const { shard, pieces } = piecesOf([60 * KB, 60 * KB])
  const { read } = shard
  shard.read = (...asked) => {
    if (asked[1] > 0) throw new Error('the disk is gone')
    return read(...asked)
  }
  t.throws(() => pieces.read(log, 0, 20, 1e9), /the disk is gone/)
})

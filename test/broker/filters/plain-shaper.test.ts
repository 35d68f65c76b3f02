/** The plain shaper is what the real one is held against: here is what it gives, by hand. */
import t from 'tap'
import type { FetchShaper } from '../../../broker/filters/fetch-shaper.ts'
import type { PartitionLog } from '../../../storage/log/partition-log.ts'
import { decodeBatch } from '../../../storage/record/batch-decoder.ts'
import { nextBatchEnd, stampBatch } from '../../../storage/record/batch-header.ts'
import { encode, plain, source } from '../../storage/record/batches.ts'
import { PlainShaper } from './plain-shaper.ts'

t.test('of two batches two records stay', async (t) => {
  const first = encode([plain(1, null, 'a'), plain(2, null, 'b'), plain(3, null, 'a')])
  const second = encode([plain(4, null, 'b'), plain(5, null, 'a')], { compression: 'gzip' })
  stampBatch(first, 0, 10, 1)
  stampBatch(second, 0, 13, 1)
  const value = new Uint8Array(Buffer.concat([first, second]))
  const shaper: FetchShaper = new PlainShaper((_, record) => record.text() === 'a')
  const filter = { text: '', alternatives: [] }
  const slice = { value, start: 0, end: value.length, nextOffset: 15 }
  const shaped = await shaper.shape({} as PartitionLog, slice, { filter, compressions: undefined }, 11)
  const { value: bytes, start, end } = shaped
  const offsets: number[] = []
  for (let at = start; at < end; at = nextBatchEnd(bytes, at, end))
    offsets.push(...decodeBatch(bytes, at, source).map(({ offset }) => offset))
  t.same(offsets, [12, 14])
  t.match(shaped, { endOffset: 15, nextOffset: 15, examined: 4, notJson: 0 })

  const whole = await shaper.shape(
    {} as PartitionLog,
    slice,
    { filter: undefined, compressions: undefined },
    11,
  )
  t.equal(whole.value, value, 'without a wish it is the slice itself')
})

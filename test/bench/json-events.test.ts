/** The JSON events of the benches: real records of the given size, none of them cut in a text, the same for the same seed. */
import t from 'tap'
import { csvRows, EVENT_BYTES_MAX, jsonEvents } from '../../bench/events/json-events.ts'
import { readJsonEvents } from '../../bench/events/read-data-sets.ts'
import { ByteSum, randomBytes, sumBytes } from '../../bench/figures/values.ts'

t.test('there are tens of thousands, all different, of about 200 bytes, and all JSON', async (t) => {
  const events = await readJsonEvents(1)
  const texts = events.map((bytes) => Buffer.from(bytes).toString())
  t.ok(events.length > 40_000, `${events.length} events`)
  t.equal(new Set(texts).size, events.length)
  const meanBytes = events.reduce((sum, { length }) => sum + length, 0) / events.length
  t.ok(Math.abs(meanBytes - 200) < 10, `${meanBytes} bytes on average`)
  t.ok(events.every(({ length }) => length > 100 && length <= EVENT_BYTES_MAX))
  for (const text of texts) JSON.parse(text)
  const again = await readJsonEvents(1)
  t.ok(Buffer.concat(again).equals(Buffer.concat(events)), 'the same for the same seed')
  t.notSame((await readJsonEvents(2))[0], events[0])
})

t.test('a long record loses whole fields, whichever do not fit, and others nothing', async (t) => {
  // With its braces, quotes and colons it would be one byte too long with the third field, and fits with the fourth.
  const long = 'x'.repeat(EVENT_BYTES_MAX - '{"a":1,"b":"","d":"é"}'.length - 1)
  const nothing = {
    movies: [],
    birdstrikes: [],
    species: [],
    earthquakes: { features: [] },
    flights: [],
    airports: [],
  }
  const [event] = jsonEvents({ ...nothing, movies: [{ a: 1, b: long, c: 'not', d: 'é', e: null }] }, 1)
  t.equal(event, `{"a":1,"b":"${long}","d":"é"}`)
  t.equal(Buffer.byteLength(event), EVENT_BYTES_MAX)
  t.same(
    jsonEvents(
      {
        ...nothing,
        flights: [{ delay: 1, origin: 'A', destination: 'B' }],
        airports: [{ iata: 'A', name: 'Ay', city: 'C', state: 'S' }],
      },
      1,
    ),
    ['{"delay":1,"origin":{"iata":"A","name":"Ay","state":"S"},"destination":{"iata":"B"}}'],
  )
})

t.test('rows of a CSV text', async (t) => {
  t.same(csvRows('a,b,c\r\n1,-2.5,007\r\n"x, ""y""",,1e3\r\n'), [
    { a: 1, b: -2.5, c: '007' },
    { a: 'x, "y"', b: null, c: '1e3' },
  ])
})

t.test('bytes added up four at a time are those added up one by one, wherever they lie', async (t) => {
  const bytes = randomBytes(3, 5000).fill(255, 1000, 4000)
  for (let start = 0; start < 9; start++)
    for (const length of [0, 1, 2, 3, 4, 5, 8, 511, 512, 513, 520, 2047, 4096, 4990]) {
      const value = bytes.subarray(start, start + length)
      const sum = new ByteSum()
      sum.add(value)
      sum.add(value.slice())
      if (sum.total !== 2 * sumBytes(value)) t.fail(`${length} bytes from ${start}: ${sum.total}`)
    }
  t.pass()
})

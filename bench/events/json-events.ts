/**
 * JSON events of about 200 bytes that nobody made up: records of five public data sets, each as its data set tells it. For
 * benches whose figures depend on what is in the events (compression, filters). Pure: the parsed files come in.
 *
 * - `movies`: 3,201 films;
 * - `birdstrikes`: 10,000 collisions of birds with aircraft (FAA);
 * - `species`: 12,361 habitats of animals by county (USGS);
 * - `earthquakes`: what the USGS located in the week before 7 February 2018;
 * - `flights`: 20,000 flights within the United States, each with the name and the state of its two airports.
 *
 * A record that would be longer than {@link EVENT_BYTES_MAX} is cut by leaving out fields, from its first one on whichever does not
 * fit any more; never by cutting a text. The kinds are mixed at random (by seed), so that neighbours are seldom of a kind: a
 * topic of one kind would compress better.
 */

/** JSON text of one event has at most so many bytes. */
export const EVENT_BYTES_MAX = 224

export type Row = Readonly<Record<string, unknown>>

/** The data sets as their files hold them. */
export interface JsonDataSets {
  readonly movies: readonly Row[]
  readonly birdstrikes: readonly Row[]
  readonly species: readonly Row[]
  readonly earthquakes: { readonly features: readonly Feature[] }
  readonly flights: readonly Row[]
  /** By `iata`. */
  readonly airports: readonly Row[]
}

interface Feature {
  readonly id: string
  readonly properties: Row
  readonly geometry: { readonly coordinates: readonly number[] }
}

/** The JSON text of every event, no two of them equal, mixed by seed. */
export function jsonEvents(sets: JsonDataSets, seed: number): string[] {
  const { movies, birdstrikes, species, earthquakes, flights, airports } = sets
  const rows = [
    ...movies,
    ...birdstrikes,
    ...species,
    ...earthquakes.features.map(({ id, properties, geometry: { coordinates } }) => {
      const [longitude, latitude, depth] = coordinates
      return { id, longitude, latitude, depth, ...properties }
    }),
    ...withAirports(flights, airports),
  ]
  const events = [...new Set(rows.map(eventText))]
  shuffle(events, seed)
  return events
}

function withAirports(flights: readonly Row[], airports: readonly Row[]): Row[] {
  const byCode = new Map(airports.map(({ iata, name, state }) => [iata, { iata, name, state }]))
  return flights.map(({ origin, destination, ...flight }) => ({
    ...flight,
    origin: byCode.get(origin as string) ?? { iata: origin },
    destination: byCode.get(destination as string) ?? { iata: destination },
  }))
}

function eventText(row: Row): string {
  const kept: string[] = []
  let bytes = 1
  for (const [name, value] of Object.entries(row)) {
    const field = `${JSON.stringify(name)}:${JSON.stringify(value)}`
    const fieldBytes = Buffer.byteLength(field) + 1
    if (bytes + fieldBytes > EVENT_BYTES_MAX) continue
    kept.push(field)
    bytes += fieldBytes
  }
  return `{${kept.join(',')}}`
}

/** Fisher and Yates, with a small generator that gives the same order everywhere (mulberry32). */
function shuffle(items: string[], seed: number): void {
  let state = seed >>> 0
  for (let i = items.length - 1; i > 0; i--) {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    const j = ((mixed ^ (mixed >>> 14)) >>> 0) % (i + 1)
    const item = items[i]
    items[i] = items[j]
    items[j] = item
  }
}

/**
 * Rows of a CSV text by the names in its first line. Fields of digits become numbers, as whoever publishes such a row as JSON
 * would write them; other fields are text, and empty ones null.
 */
export function csvRows(text: string): Row[] {
  const [names, ...lines] = text.trimEnd().split(/\r?\n/).map(csvFields)
  return lines.map((fields) => Object.fromEntries(names.map((name, i) => [name, csvValue(fields[i] ?? '')])))
}

function csvFields(line: string): string[] {
  const fields = line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)
  return [...fields].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain)
}

function csvValue(field: string): string | number | null {
  if (field === '') return null
  return /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(field) ? Number(field) : field
}

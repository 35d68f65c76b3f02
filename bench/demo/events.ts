/**
 * The events of the demo: real records of two public data sets, as the agents publish them and as the
 * verifier expects them back. Pure: the parsed files come in, so both sides build the same list.
 *
 * - `earthquakes`: what the USGS located in the week before 7 February 2018, keyed by region;
 * - `flights`: 200,000 flights within the United States, in order of the hour of day, keyed by the
 *   band of their distance (the data set names no airports).
 *
 * An event's value is JSON: { source, row, region, data }, where `data` is the row as it stands in the data
 * set. `source` and `row` identify it; every byte of it is compared at the end.
 */

export interface DemoEvent {
  /** Index into {@link topics}. */
  readonly topic: number
  readonly source: string
  readonly row: number
  readonly region: string
  readonly data: unknown
}

export const topics = [
  { name: 'demo.earthquakes', partitions: 4 },
  { name: 'demo.flights', partitions: 8 },
] as const

/** The data sets as their files hold them. */
export interface DataSets {
  readonly earthquakes: { readonly features: readonly Earthquake[] }
  readonly flights: readonly Flight[]
}

interface Earthquake {
  readonly properties: { readonly place: string | null }
}

interface Flight {
  readonly distance: number
}

/**
 * Every `stride`-th row of both data sets as events; 1 takes all. Each set keeps its order, and the smaller
 * one is spread evenly over the larger, so that a demo sees both from beginning to end.
 */
export function demoEvents(sets: DataSets, stride: number): DemoEvent[] {
  const quakes = everyNth(sets.earthquakes.features, stride).map(
    ([row, data]): DemoEvent => ({
      topic: 0,
      source: 'earthquakes',
      row,
      region: regionOfPlace(data.properties.place),
      data,
    }),
  )
  const flights = everyNth(sets.flights, stride).map(
    ([row, data]): DemoEvent => ({
      topic: 1,
      source: 'flights',
      row,
      region: distanceBand(data.distance),
      data,
    }),
  )
  return spread(quakes, flights)
}

function everyNth<T>(rows: readonly T[], stride: number): [row: number, data: T][] {
  const chosen: [number, T][] = []
  for (let row = 0; row < rows.length; row += stride) chosen.push([row, rows[row]])
  return chosen
}

/** Both lists in their own order, each at a constant rate. */
function spread<T>(a: readonly T[], b: readonly T[]): T[] {
  const all: T[] = []
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const takeA = j >= b.length || (i < a.length && i * b.length <= j * a.length)
    all.push(takeA ? a[i++] : b[j++])
  }
  return all
}

export function eventValue(event: DemoEvent): string {
  return JSON.stringify({ source: event.source, row: event.row, region: event.region, data: event.data })
}

/** The abbreviations the data set mixes with full names. */
const fullNames: Readonly<Record<string, string>> = { CA: 'California', MX: 'Mexico', NV: 'Nevada' }

/** `4km W of Castaic, CA` is California; a place without a comma (`Gulf of Alaska`) is a region itself. */
export function regionOfPlace(place: string | null): string {
  const name = place?.split(',').pop()?.trim()
  if (name === undefined || name === '') return 'unknown'
  return fullNames[name] ?? name
}

const bandMiles = 100
const bands = 25

/** `200–299 mi`; the longest share one band. */
export function distanceBand(miles: number): string {
  const band = Math.floor(miles / bandMiles)
  if (band >= bands) return `${bands * bandMiles} mi and more`
  return `${band * bandMiles}–${(band + 1) * bandMiles - 1} mi`
}

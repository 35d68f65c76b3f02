/** Reads the data sets of the demo from the `vega-datasets` package (BSD-3-Clause). */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { DataSets } from './events.ts'

/** Throws when the package is not there: it comes with `npm ci`. */
export async function loadDataSets(): Promise<DataSets> {
  const directory = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '..', 'data')
  const [earthquakes, flights] = await Promise.all([
    readFile(join(directory, 'earthquakes.json'), 'utf8'),
    readFile(join(directory, 'flights-200k.json'), 'utf8'),
  ])
  return { earthquakes: JSON.parse(earthquakes), flights: JSON.parse(flights) }
}

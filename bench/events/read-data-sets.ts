/** Reads the data sets of the JSON events from the `vega-datasets` package (BSD-3-Clause), and makes the events of them. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { csvRows, EVENT_BYTES_MAX, type JsonDataSets, jsonEvents } from './json-events.ts'

/**
 * UTF-8 JSON of every event, mixed by seed, one behind the other in one buffer. Throws when the package is not there: it
 * comes with `npm ci`.
 */
export async function readJsonEvents(seed: number): Promise<Uint8Array[]> {
  const texts = jsonEvents(await readJsonDataSets(), seed)
  const all = new Uint8Array(EVENT_BYTES_MAX * texts.length)
  const encoder = new TextEncoder()
  let at = 0
  return texts.map((text) => {
    const start = at
    at += encoder.encodeInto(text, all.subarray(start)).written
    return all.subarray(start, at)
  })
}

async function readJsonDataSets(): Promise<JsonDataSets> {
  const directory = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '..', 'data')
  const text = (name: string) => readFile(join(directory, name), 'utf8')
  const json = async (name: string) => JSON.parse(await text(name))
  const csv = async (name: string) => csvRows(await text(name))
  const [movies, birdstrikes, species, earthquakes, flights, airports] = await Promise.all([
    json('movies.json'),
    csv('birdstrikes.csv'),
    csv('species.csv'),
    json('earthquakes.json'),
    json('flights-20k.json'),
    csv('airports.csv'),
  ])
  return { movies, birdstrikes, species, earthquakes, flights, airports }
}

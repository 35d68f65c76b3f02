/**
 * What a consumer asks the broker to leave out: the pattern as the JSON text that goes onto the wire, and what came of it. The
 * broker alone knows the language; here only what would not arrive as it was meant is refused.
 */
import {
  type CompressionCodecs,
  type CompressionName,
  compressionCodes,
} from '../../storage/record/compression.ts'
import { type FetchData, FILTER_CHARACTERS_MAX } from '../protocol/messages/fetch.ts'

/** A pattern, as an object or as its JSON text: `{ value: { celsius: [{ numeric: ['>', 30] }] } }`. */
export type RecordFilter = string | { readonly [field: string]: unknown }

/** What was looked at for a consumer, so far. All 0 without a filter. */
export interface FilterCounts {
  /** Records that the broker held against the filter, those that matched included. What is fetched again counts again. */
  readonly examined: number
  /** How many of them have a value that is no JSON, which the filter asks for. */
  readonly notJson: number
}

/** The text of a filter. Throws RangeError naming the option when it is no JSON object, or too long. */
export function filterText(filter: RecordFilter): string {
  const text = typeof filter === 'string' ? filter : written(filter)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new RangeError(`option filter: no JSON: ${(error as Error).message}`, { cause: error })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new RangeError(
      `option filter: expected an object such as {"value":{"kind":["alarm"]}}, got ${text.slice(0, 100)}`,
    )
  if (text.length <= FILTER_CHARACTERS_MAX) return text
  throw new RangeError(
    `option filter: at most ${FILTER_CHARACTERS_MAX} characters of JSON, these are ${text.length}`,
  )
}

/** What JSON has no word for would become null or nothing, and mean something else. */
function written(filter: { readonly [field: string]: unknown }): string {
  try {
    return JSON.stringify(filter, (name, value: unknown) => {
      const isLost =
        value === undefined ||
        typeof value === 'function' ||
        typeof value === 'symbol' ||
        (typeof value === 'number' && !Number.isFinite(value))
      if (isLost) throw new TypeError(`${JSON.stringify(name)} is ${String(value)}`)
      return value
    })
  } catch (error) {
    throw new RangeError(`option filter: no JSON: ${(error as Error).message}`, { cause: error })
  }
}

/** The codecs to tell the broker of; null: none, since there is no other. Throws RangeError naming the option. */
export function readableCompressions(
  wished: readonly CompressionName[] | undefined,
  codecs: CompressionCodecs,
): string[] | null {
  const all = (Object.keys(compressionCodes) as CompressionName[]).filter((name) => name !== 'none')
  const readable = all.filter((name) => codecs[name] !== undefined)
  if (wished === undefined) return readable.length === all.length ? null : readable
  for (const name of wished)
    if (name !== 'none' && !readable.includes(name))
      throw new RangeError(
        `option compressions: this client unpacks ${readable.join(', ')}, not ${JSON.stringify(name)}`,
      )
  return wished.filter((name) => name !== 'none')
}

/** Adds up what comes with the data. */
export class FilterTally {
  #examined = 0
  #notJson = 0

  get counts(): FilterCounts {
    return { examined: this.#examined, notJson: this.#notJson }
  }

  told({ examined, notJson }: Pick<FetchData, 'examined' | 'notJson'>): void {
    this.#examined += examined
    this.#notJson += notJson
  }
}

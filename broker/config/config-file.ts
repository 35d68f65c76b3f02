/** A config file, YAML or JSON (which is YAML too), taken apart into settings with the line of each. */
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type YAMLMap,
} from 'yaml'
import { nearest } from './nearest.ts'
import { fileSettings, type Setting, settings } from './schema.ts'
import type { Given, Source } from './source.ts'

/** Settings by key; what is no setting is a problem. */
export function readConfigFile(path: string, text: string): Source {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number) => `${path}:${lines.linePos(offset).line}`
  if (document.errors.length > 0)
    return {
      given: new Map(),
      problems: document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`),
    }
  const { contents } = document
  if (contents === null) return { given: new Map(), problems: [] }
  if (!isMap(contents))
    return { given: new Map(), problems: [`${path}: holds no settings of the form "name: value"`] }
  const given = new Map<string, Given>()
  const problems: string[] = []
  collect(contents, '', { document, at, given, problems })
  return { given, problems }
}

interface Collected {
  readonly document: Document.Parsed
  readonly at: (offset: number) => string
  readonly given: Map<string, Given>
  readonly problems: string[]
}

function collect(map: YAMLMap, prefix: string, into: Collected): void {
  const { document, at, given, problems } = into
  const isOf = (list: readonly Setting[], key: string) => list.some((setting) => setting.key === key)
  for (const pair of map.items) {
    const key = prefix + keyOf(pair)
    const from = at(isNode(pair.key) ? (pair.key.range?.[0] ?? 0) : 0)
    const isGroup = settings.some((setting) => setting.key.startsWith(`${key}.`))
    if (isGroup && isMap(pair.value)) collect(pair.value, `${key}.`, into)
    else if (isGroup) problems.push(`${key} (${from}): is a group; write its settings below it, indented`)
    else if (isOf(settings, key)) given.set(key, { value: valueIn(pair.value), from })
    else if (isOf(fileSettings, key)) {
      try {
        given.set(key, { value: isNode(pair.value) ? pair.value.toJS(document) : pair.value, from })
      } catch (error) {
        // Aliases that lead nowhere, or that would unfold without end.
        problems.push(`${key} (${from}): ${(error as Error).message}`)
      }
    } else problems.push(`${key} (${from}): ${unknownSetting(key)}`)
  }
}

/** A list is one of plain values; anything else deeper is left for the schema to refuse. */
function valueIn(value: unknown): unknown {
  if (isScalar(value)) return value.value
  return isSeq(value) ? value.items.map((item) => (isScalar(item) ? item.value : item)) : value
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key)
}

export function unknownSetting(key: string): string {
  const meant = nearest(
    key,
    [...settings, ...fileSettings].map((setting) => setting.key),
  )
  return `there is no such setting${meant ? `; did you mean ${meant}?` : ''}`
}

/** A config file, YAML or JSON (which is YAML too), taken apart into settings with the line of each. */
import { isMap, isNode, isScalar, isSeq, LineCounter, type Pair, parseDocument, type YAMLMap } from 'yaml'
import { nearest } from './nearest.ts'
import { settings } from './schema.ts'
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
  collect(contents, '', at, given, problems)
  return { given, problems }
}

function collect(
  map: YAMLMap,
  prefix: string,
  at: (offset: number) => string,
  given: Map<string, Given>,
  problems: string[],
): void {
  for (const pair of map.items) {
    const key = prefix + keyOf(pair)
    const from = at(isNode(pair.key) ? (pair.key.range?.[0] ?? 0) : 0)
    const isGroup = settings.some((setting) => setting.key.startsWith(`${key}.`))
    if (isGroup && isMap(pair.value)) collect(pair.value, `${key}.`, at, given, problems)
    else if (isGroup) problems.push(`${key} (${from}): is a group; write its settings below it, indented`)
    else if (settings.some((setting) => setting.key === key))
      given.set(key, { value: valueIn(pair.value), from })
    else problems.push(`${key} (${from}): ${unknownSetting(key)}`)
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
    settings.map((setting) => setting.key),
  )
  return `there is no such setting${meant ? `; did you mean ${meant}?` : ''}`
}

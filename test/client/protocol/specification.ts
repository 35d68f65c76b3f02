/**
 * The parts of `client/protocol/README.md` that are made from the code: the table of each API, the error
 * table and the worked example. Pure: from the tables and the examples to markdown.
 */
import { type AnyApi, apis, errorsOfEveryApi } from '../../../client/protocol/api.ts'
import { errorTable } from '../../../client/protocol/errors.ts'
import { FLAG_ERROR, FLAG_MORE, FLAG_RESPONSE, FRAME_HEADER_BYTES } from '../../../client/protocol/frame.ts'
import { errorResponse } from '../../../client/protocol/messages/error.ts'
import { fetchData } from '../../../client/protocol/messages/fetch.ts'
import { LIST_COUNT_MAX, type Type } from '../../../client/protocol/schema.ts'
import { type Example, example } from './examples.ts'

/** Section by name, as it belongs between its markers. */
export function sections(): ReadonlyMap<string, string> {
  const inOrder = Object.values(apis).sort((a, b) => a.key - b.key)
  return new Map([
    ['api-list', apiList(inOrder)],
    ['apis', inOrder.map(apiSection).join('\n\n')],
    ['error-response', structTables(errorResponse).join('\n\n')],
    ['errors', errorRows()],
    ['worked-example', ['hello request', 'produce request', 'fetch data'].map(worked).join('\n\n')],
  ])
}

const begin = (name: string) => `<!-- generated: ${name} -->\n`
const end = (name: string) => `<!-- end of ${name} -->`

/** The document with its generated sections as the code has them now. */
export function renewed(document: string): string {
  let text = document
  for (const [name, section] of sections()) {
    const from = text.indexOf(begin(name))
    const to = text.indexOf(end(name))
    if (from < 0 || to < from) throw new Error(`the document has no markers for ${name}`)
    text = `${text.slice(0, from)}${begin(name)}\n${section}\n\n${text.slice(to)}`
  }
  return text
}

/** Aligned, as the formatter of the repository wants tables. */
function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const rows = [head, ...body].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  const [first, ...others] = rows
  return [line(first), line(widths.map((width) => '-'.repeat(width))), ...others.map(line)].join('\n')
}

function apiList(inOrder: readonly AnyApi[]): string {
  const list = table(
    ['number', 'API', 'versions', 'what it does'],
    inOrder.map(({ key, name, versionMin, versionMax, sentence }) => [
      String(key),
      `[${name}](#${name})`,
      versionMin === versionMax ? String(versionMin) : `${versionMin} to ${versionMax}`,
      sentence,
    ]),
  )
  const errors = errorsOfEveryApi.map((error) => `\`${error}\``).join(', ')
  return `${list}\n\nAny API may answer ${errors}.`
}

function apiSection(api: AnyApi): string {
  const { key, name, sentence, request, response, requestBody } = api
  const errors = api.errors.filter((error) => !errorsOfEveryApi.includes(error))
  return [
    `### ${name}`,
    `API ${key}. ${sentence}`,
    `**Request**${requestBody ? ', with record batches as its body' : ''}`,
    ...structTables(request),
    ...(api === apis.fetch
      ? ['**Answer**, the frames with MORE: record batches as body', ...structTables(fetchData)]
      : []),
    api === apis.fetch ? '**Answer**, the last frame' : '**Answer**',
    ...structTables(response),
    `**Errors** besides those of every API: ${errors.length ? errors.map((error) => `\`${error}\``).join(', ') : 'none'}.`,
  ].join('\n\n')
}

/** The struct's own table, then those of the structs inside it. */
function structTables(type: Type<unknown>): string[] {
  const fields = Object.entries(type.fields ?? {})
  const own =
    fields.length === 0
      ? `\`${type.name}\` has no fields yet: an empty array.`
      : table(
          [`\`${type.name}\``, 'type', 'if missing', 'meaning'],
          fields.map(([name, of]) => [
            `\`${name}\``,
            typeText(of),
            of.fallback ? JSON.stringify(of.fallback.value) : 'refused',
            of.meaning ?? '',
          ]),
        )
  return [own, ...fields.flatMap(([, of]) => structsIn(of).flatMap(structTables))]
}

/** A type for the reader of a table; lists are as long as the text says unless noted. */
function typeText(type: Type<unknown>): string {
  if (type.fields) return `\`${type.name}\``
  if (type.present) return `${typeText(type.present)} or null`
  if (!type.element) return type.name
  const bound = type.countMax === LIST_COUNT_MAX ? '' : `, at most ${type.countMax}`
  return `list of ${typeText(type.element)}${bound}`
}

function structsIn(type: Type<unknown>): Type<unknown>[] {
  if (type.fields) return [type]
  const inner = type.element ?? type.present
  return inner ? structsIn(inner) : []
}

function errorRows(): string {
  return table(
    ['code', 'name', 'try again', 'meaning'],
    errorTable.map(({ code, name, retriable, sentence }) => [
      String(code),
      `\`${name}\``,
      retriable ? 'yes' : 'no',
      sentence,
    ]),
  )
}

function worked(name: string): string {
  const shown = example(name)
  return `**${name[0].toUpperCase()}${name.slice(1)}**, ${shown.frame.length} bytes:\n\n\`\`\`text\n${dump(shown)}\n\`\`\``
}

/** Hex digits in front of an explanation. */
const COLUMN = 40

/** Every byte of a frame in order, with what it says beside it. */
function dump({ frame, type, api, body }: Example): string {
  const view = new DataView(frame.buffer, frame.byteOffset)
  const lines: string[] = []
  const take = (from: number, bytes: number, depth: number, saying: string) => {
    const hex = Buffer.from(frame.subarray(from, from + bytes)).toString('hex')
    const indented = ' '.repeat(depth * 2) + hex
    lines.push(`${indented.padEnd(COLUMN)}  ${saying}`)
    return from + bytes
  }
  take(0, 2, 0, `apiKey ${view.getUint16(0)}: ${api.name}`)
  take(2, 1, 0, `apiVersion ${frame[2]}`)
  take(3, 1, 0, `flags: ${flagNames(frame[3])}`)
  take(4, 4, 0, `correlationId ${view.getUint32(4)}`)
  take(8, 4, 0, `headerLength ${view.getUint32(8)}`)

  const walk = (of: Type<unknown>, label: string, at: number, depth: number): number => {
    if (of.present && frame[at] === 0xc0) return take(at, 1, depth, `${label} null`)
    if (of.present) return walk(of.present, label, at, depth)
    const size = tokenBytes(frame, at)
    if (!of.fields && !of.element)
      return take(at, size, depth, `${label} ${shownScalar(frame, at, size)}`.trim())
    const count = frame[at] & 0x0f
    let next = take(
      at,
      size,
      depth,
      `${label} ${of.fields ? `${of.name}, ${count} fields` : `list of ${count}`}`.trim(),
    )
    if (of.fields)
      for (const [key, inner] of Object.entries(of.fields)) next = walk(inner, key, next, depth + 1)
    else if (of.element) for (let i = 0; i < count; i++) next = walk(of.element, '', next, depth + 1)
    return next
  }
  walk(type, '', FRAME_HEADER_BYTES, 0)

  const hex = Buffer.from(body).toString('hex')
  for (let at = 0; at < hex.length; at += COLUMN)
    lines.push(
      hex.slice(at, at + COLUMN).padEnd(COLUMN) + (at === 0 ? `  body: a record batch of two records` : ''),
    )
  return lines.map((line) => line.trimEnd()).join('\n')
}

function flagNames(flags: number): string {
  const names = [
    [FLAG_RESPONSE, 'RESPONSE'],
    [FLAG_MORE, 'MORE'],
    [FLAG_ERROR, 'ERROR'],
  ] as const
  return (
    names
      .filter(([flag]) => flags & flag)
      .map(([, name]) => name)
      .join(' and ') || 'none, a request'
  )
}

/** Bytes of the msgpack token at `at`; of an array only its beginning. Knows the tokens the examples have. */
function tokenBytes(bytes: Uint8Array, at: number): number {
  const token = bytes[at]
  if (token >= 0xa0 && token <= 0xbf) return 1 + (token & 0x1f)
  if (token === 0xc4 || token === 0xd9) return 2 + bytes[at + 1]
  const fixed: Readonly<Record<number, number>> = { 203: 9, 204: 2, 205: 3, 206: 5, 208: 2, 209: 3, 210: 5 }
  return fixed[token] ?? 1
}

function shownScalar(bytes: Uint8Array, at: number, size: number): string {
  const token = bytes[at]
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, size)
  if (token >= 0xa0 && token <= 0xbf)
    return JSON.stringify(Buffer.from(bytes.subarray(at + 1, at + size)).toString())
  if (token < 0x80 || token >= 0xe0) return String(view.getInt8(0))
  if (token === 0xcc) return String(view.getUint8(1))
  if (token === 0xcd) return String(view.getUint16(1))
  if (token === 0xce) return String(view.getUint32(1))
  if (token === 0xcb) return `${view.getFloat64(1)}, as float 64`
  if (token === 0xc4) return `${size - 2} bytes`
  throw new Error(`no words for msgpack token ${token}`)
}

/** The document says what the code does, and the tables keep their own rules. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { protocolErrors } from '@platformatic/kafka'
import t from 'tap'
import { apiByKey, apis, errorsOfEveryApi } from '../../../client/protocol/api.ts'
import { ErrorCode, errorDefinition, errorTable, ProtocolError } from '../../../client/protocol/errors.ts'
import { errorResponse } from '../../../client/protocol/messages/error.ts'
import { fetchData } from '../../../client/protocol/messages/fetch.ts'
import type { Type } from '../../../client/protocol/schema.ts'
import { examples } from './examples.ts'
import { renewed } from './specification.ts'

const ROOM = 'client/protocol'
const DOCUMENT = `${ROOM}/README.md`

t.test('the generated parts of the specification are up to date', async (t) => {
  const present = readFileSync(DOCUMENT, 'utf8')
  const wanted = renewed(present)
  if (process.env.UPDATE === '1') writeFileSync(DOCUMENT, wanted)
  else t.equal(present, wanted, `${DOCUMENT} (UPDATE=1 rewrites it)`)
})

t.test('every field says what it means', async (t) => {
  const walk = (type: Type<unknown>, path: string) => {
    for (const [name, of] of Object.entries(type.fields ?? {})) {
      t.match(of.meaning, /^[A-Z0-9].*\.$/s, `${path}.${name}`)
      walk(of, `${path}.${name}`)
    }
    const inner = type.element ?? type.present
    if (inner) walk(inner, path)
  }
  for (const type of [fetchData, errorResponse]) walk(type, type.name)
  for (const { request, response } of Object.values(apis))
    for (const type of [request, response]) walk(type, type.name)
})

t.test('the API table', async (t) => {
  const all = Object.values(apis)
  t.equal(apiByKey.size, all.length, 'numbers are unique')
  t.equal(new Set(all.map(({ name }) => name)).size, all.length, 'names are unique')
  for (const api of all) {
    t.ok(api.key >= 0 && api.key <= 0xffff, `${api.name}: the number fits a frame`)
    t.ok(api.versionMin >= 1 && api.versionMin <= api.versionMax && api.versionMax <= 0xff)
    t.equal(new Set([...api.errors, ...errorsOfEveryApi]).size, api.errors.length + errorsOfEveryApi.length)
    for (const kind of ['request', 'response'])
      t.ok(
        examples.some((example) => example.api === api && example.kind === kind),
        `${api.name} has an example of its ${kind}`,
      )
  }
  t.strictSame(
    all.filter(({ requestBody }) => requestBody).map(({ name }) => name),
    ['produce'],
  )
})

t.test('the error table', async (t) => {
  t.equal(new Set(errorTable.map(({ code }) => code)).size, Object.keys(ErrorCode).length, 'codes are unique')
  t.strictSame(
    errorTable.map(({ code }) => code),
    errorTable.map(({ code }) => code).sort((a, b) => a - b),
  )
  for (const { code, name, retriable, sentence } of errorTable) {
    t.equal(ErrorCode[name as keyof typeof ErrorCode], code, name)
    t.match(sentence, /^\S.*\.$/)
    if (code >= 1000) continue
    const { code: number, canRetry } = protocolErrors[name as keyof typeof protocolErrors]
    t.strictSame({ code, retriable }, { code: number, retriable: canRetry }, `${name} is Kafka's`)
  }
  t.strictSame(
    errorDefinition(3),
    errorTable.find(({ code }) => code === 3),
  )
  t.match(errorDefinition(999), { code: 999, name: 'UNKNOWN_999', retriable: false })
})

t.test('a protocol error carries its row', async (t) => {
  const cause = new Error('why')
  const error = new ProtocolError(ErrorCode.BACKPRESSURE, undefined, { cause, retryAfterMs: 20 })
  t.match(error, {
    name: 'BACKPRESSURE',
    code: 1002,
    message: 'The broker has no room for more unfinished work; send later.',
    retriable: true,
    retryAfterMs: 20,
  })
  t.equal(error.cause, cause)
  t.equal(new ProtocolError(ErrorCode.CLOSED).retryAfterMs, 0)
})

t.test('nothing here needs Node', async (t) => {
  const files = readdirSync(ROOM, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  )
  t.ok(files.length > 10)
  for (const file of files) {
    const source = readFileSync(`${ROOM}/${file}`, 'utf8')
    for (const [, specifier] of source.matchAll(/ from '([^']+)'/g))
      t.match(specifier, /^\.{1,2}\/|^msgpackr$/, `${file} imports ${specifier}`)
    t.notMatch(source, /\b(?:Buffer|process|require)\b[.(]/, file)
  }
})

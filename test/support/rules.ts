/**
 * The rules every source file of the project keeps, as pure functions from sources to findings.
 *
 * `test/rooms.test.ts` runs them on the repository, and on a planted violation each, so that a rule that
 * no longer bites is noticed. What is allowed where is data in that test, with its reason.
 */
import { posix } from 'node:path'
import { lineAt, type Source } from './source.ts'

export interface Finding {
  readonly path: string
  readonly line: number
  readonly message: string
}

export type Rooms = Readonly<Record<string, readonly string[]>>

/** The longest room whose folder holds the file; undefined outside every room. */
export function roomOf(path: string, rooms: Rooms): string | undefined {
  return Object.keys(rooms)
    .filter((room) => path.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0]
}

/** The file a relative import leads to, from the root; undefined for a package or a Node module. */
function target(source: Source, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(source.path), specifier) : undefined
}

/** Imports between rooms that the table does not allow, and relative imports that leave every room. */
export function forbiddenArrows(sources: readonly Source[], rooms: Rooms): Finding[] {
  const findings: Finding[] = []
  for (const source of sources) {
    const from = roomOf(source.path, rooms)
    if (from === undefined) {
      findings.push({ path: source.path, line: 1, message: 'is in no room' })
      continue
    }
    for (const { specifier, line } of source.imports) {
      const path = target(source, specifier)
      if (path === undefined) continue
      const to = roomOf(path, rooms)
      if (to !== from && !(to !== undefined && rooms[from].includes(to)))
        findings.push({
          path: source.path,
          line,
          message: `${from} must not import ${to ?? 'what is in no room'} (${specifier})`,
        })
    }
  }
  return findings
}

/** Imports from a folder by files that must be handed what is in it. */
export function strayImporters(
  sources: readonly Source[],
  folder: string,
  allowed: (path: string) => boolean,
): Finding[] {
  return sources
    .filter(({ path }) => !allowed(path))
    .flatMap((source) =>
      source.imports
        .filter(({ specifier }) => target(source, specifier)?.startsWith(`${folder}/`))
        .map(({ specifier, line }) => ({
          path: source.path,
          line,
          message: `must take what ${specifier} has as an argument`,
        })),
    )
}

/** A way to touch the world: words of code and modules. */
export interface Effect {
  readonly words?: RegExp
  readonly modules?: readonly string[]
  readonly instead: string
}

export interface Performer {
  readonly may: readonly string[]
  readonly reason: string
}

interface Use {
  readonly effect: string
  readonly what: string
  readonly line: number
}

function uses(source: Source, effects: Readonly<Record<string, Effect>>): Use[] {
  const found: Use[] = []
  for (const [effect, { words, modules = [] }] of Object.entries(effects)) {
    for (const { specifier, line } of source.imports)
      if (modules.includes(specifier)) found.push({ effect, what: specifier, line })
    if (!words) continue
    for (const match of source.code.matchAll(words))
      found.push({ effect, what: match[0].trim(), line: lineAt(source.code, match.index) })
  }
  return found
}

/**
 * Effects outside the listed performers, and permissions nobody uses any more: a list that only grows
 * would end up allowing everything.
 */
export function unlistedEffects(
  sources: readonly Source[],
  effects: Readonly<Record<string, Effect>>,
  performers: Readonly<Record<string, Performer>>,
): Finding[] {
  const findings: Finding[] = []
  const paths = new Set(sources.map(({ path }) => path))
  for (const path of Object.keys(performers))
    if (!paths.has(path))
      findings.push({ path, line: 1, message: 'is listed as a performer but does not exist' })
  for (const source of sources) {
    const may = performers[source.path]?.may ?? []
    const found = uses(source, effects)
    for (const { effect, what, line } of found)
      if (!may.includes(effect))
        findings.push({
          path: source.path,
          line,
          message: `uses ${what} (${effect}): ${effects[effect].instead}`,
        })
    for (const effect of may)
      if (!found.some((use) => use.effect === effect))
        findings.push({
          path: source.path,
          line: 1,
          message: `may use '${effect}' but does not: take it off the list`,
        })
  }
  return findings
}

/** Packages a file imports that it must not: for rooms that have to run in a browser. */
export function packagesOutside(sources: readonly Source[], allowed: readonly string[]): Finding[] {
  const nodeGlobals = /\b(?:Buffer|process|global|__dirname|require)\b(?!\s*[:?])/g
  return sources.flatMap((source) => [
    ...source.imports
      .filter(({ specifier }) => !specifier.startsWith('.') && !allowed.includes(specifier))
      .map(({ specifier, line }) => ({
        path: source.path,
        line,
        message: `must run in a browser but imports ${specifier}`,
      })),
    ...[...source.code.matchAll(nodeGlobals)]
      .filter((match) => source.code[match.index - 1] !== '.')
      .map((match) => ({
        path: source.path,
        line: lineAt(source.code, match.index),
        message: `must run in a browser but uses ${match[0]}`,
      })),
  ])
}

/** Files that do not begin with a comment that says what they are. */
export function missingHeaders(sources: readonly Source[]): Finding[] {
  return sources
    .filter(({ text }) => !/^(?:#!.*\n)?\/\*\*/.test(text))
    .map(({ path }) => ({ path, line: 1, message: 'has no header comment' }))
}

/** Files nobody reaches from an entry point. */
export function orphans(sources: readonly Source[], entries: (path: string) => boolean): Finding[] {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const queue = sources.filter(({ path }) => entries(path))
  const reached = new Set(queue.map(({ path }) => path))
  for (const source of queue)
    for (const { specifier } of source.imports) {
      const path = target(source, specifier)
      const next = path === undefined || reached.has(path) ? undefined : byPath.get(path)
      if (!next) continue
      reached.add(next.path)
      queue.push(next)
    }
  return sources
    .filter(({ path }) => !reached.has(path))
    .map(({ path }) => ({ path, line: 1, message: 'is imported by nobody and is no entry point' }))
}

const leftovers: readonly { pattern: RegExp; where: 'code' | 'comments'; why: string }[] = [
  { pattern: /\b(?:TODO|FIXME|XXX|HACK)\b/g, where: 'comments', why: 'unfinished work belongs in an issue' },
  { pattern: /@ts-(?:ignore|nocheck)/g, where: 'comments', why: 'a type error is mended, not silenced' },
  { pattern: /\bas any\b/g, where: 'code', why: 'a cast to any hides the next mistake' },
]

/** Words that mark something left over; strings do not count. */
export function leftoverWords(sources: readonly Source[]): Finding[] {
  return sources.flatMap((source) =>
    leftovers.flatMap(({ pattern, where, why }) =>
      [...source[where].matchAll(pattern)].map((match) => ({
        path: source.path,
        line: lineAt(source.text, match.index),
        message: `has '${match[0]}': ${why}`,
      })),
    ),
  )
}

const emptyCatch =
  /\bcatch\s*(?:\([^)]*\))?\s*\{\s*\}|\.catch\(\s*\(\)\s*=>\s*(?:\{\s*\}|undefined|null)\s*\)/g

/** Errors swallowed without a word, in place or just above, on why that is right. */
export function emptyCatches(sources: readonly Source[]): Finding[] {
  return sources.flatMap(({ path, code, comments }) =>
    [...code.matchAll(emptyCatch)]
      .filter(
        ({ index, 0: found }) =>
          comments.slice(lineStart(code, index, 2), index + found.length).trim() === '',
      )
      .map(({ index }) => ({
        path,
        line: lineAt(code, index),
        message: 'swallows an error without saying why that is right',
      })),
  )
}

/** Where the line begins that is so many lines above the one of `index`. */
function lineStart(text: string, index: number, above: number): number {
  let start = index + 1
  for (let i = 0; i <= above; i++) start = Math.max(0, text.lastIndexOf('\n', start - 1))
  return start
}

/** Files above the bound. */
export function longFiles(sources: readonly Source[], linesMax: number): Finding[] {
  return sources.flatMap(({ path, text }) => {
    const lines = text.split('\n').length - 1
    return lines > linesMax
      ? [{ path, line: linesMax, message: `has ${lines} lines; above ${linesMax} it is more than one idea` }]
      : []
  })
}

/** The number of first-level headings outside code fences must be one. */
export function titleFindings(path: string, markdown: string): Finding[] {
  const titles = markdown.replace(/^(```|~~~)[\s\S]*?^\1/gm, '').match(/^# .+$/gm) ?? []
  return titles.length === 1 ? [] : [{ path, line: 1, message: `has ${titles.length} titles, not one` }]
}

/** Dependencies asked for in a way that another day could answer differently than by a compatible release. */
export function loosePins(dependencies: Readonly<Record<string, string>>): Finding[] {
  return Object.entries(dependencies)
    .filter(([, range]) => !/^(?:npm:[\w@/.-]+@)?[\^~]?\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(range))
    .map(([name, range]) => ({
      path: 'package.json',
      line: 1,
      message: `${name} is asked for as '${range}', not as a version`,
    }))
}

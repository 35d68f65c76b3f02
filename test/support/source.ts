/**
 * A source file as the tidiness rules see it: its code with every comment and the inside of every string
 * blanked, so that a word in prose or in a fixture is no finding, and its imports.
 *
 * A light lexer, not a parser: the compiler has no JavaScript API. It knows comments, the three kinds of
 * strings, `${}` inside templates and regular expression literals, which is all TypeScript needs here.
 */

export interface SourceImport {
  readonly specifier: string
  readonly line: number
}

export interface Source {
  /** From the root of the repository, with forward slashes. */
  readonly path: string
  readonly text: string
  /** `text` without comments and the insides of strings; same length and lines. */
  readonly code: string
  /** `text` with nothing but the comments; same length and lines. */
  readonly comments: string
  /** Modules, and as their sources the scripts it names by `new URL('x.js', import.meta.url)`. */
  readonly imports: readonly SourceImport[]
}

/** A `/` after one of these starts a regular expression, otherwise it divides. */
const beforeRegex =
  /(?:^|[({[,;=:?!&|+\-*%<>~^}]|=>|\b(?:return|typeof|case|in|of|do|else|void|await|yield))\s*$/

/** The end (exclusive) of a quoted string or regular expression that starts at `start`. */
function literalEnd(text: string, start: number, quote: string): number {
  let inClass = false
  for (let i = start + 1; i < text.length; i++) {
    const c = text[i]
    if (c === '\\') i++
    else if (c === '\n') return i
    else if (quote === '/' && c === '[') inClass = true
    else if (quote === '/' && c === ']') inClass = false
    else if (c === quote && !inClass) return i + 1
  }
  return text.length
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ')
}

/** Comments and the insides of strings become spaces in `code`, all but comments in `comments`. */
export function separate(text: string): { code: string; comments: string } {
  let code = ''
  let comments = ''
  /** Open braces inside each template substitution we are in. */
  const templates: number[] = []
  let inTemplate = false
  let i = 0
  const comment = (end: number) => {
    comments += blank(text.slice(comments.length, i)) + text.slice(i, end)
    code += blank(text.slice(i, end))
    i = end
  }
  const literal = (end: number) => {
    code += end - i < 2 ? text.slice(i, end) : text[i] + blank(text.slice(i + 1, end - 1)) + text[end - 1]
    i = end
  }
  while (i < text.length) {
    const c = text[i]
    if (inTemplate) {
      if (c === '\\') {
        code += blank(text.slice(i, i + 2))
        i += 2
      } else if (c === '$' && text[i + 1] === '{') {
        code += '${'
        i += 2
        templates.push(0)
        inTemplate = false
      } else {
        if (c === '`') inTemplate = false
        code += c === '`' || c === '\n' ? c : ' '
        i++
      }
      continue
    }
    if (text.startsWith('//', i) || (i === 0 && text.startsWith('#!'))) {
      const end = text.indexOf('\n', i)
      comment(end < 0 ? text.length : end)
    } else if (text.startsWith('/*', i)) {
      const end = text.indexOf('*/', i + 2)
      comment(end < 0 ? text.length : end + 2)
    } else if (c === "'" || c === '"') literal(literalEnd(text, i, c))
    else if (c === '/' && beforeRegex.test(code.slice(-40).trimEnd())) literal(literalEnd(text, i, '/'))
    else {
      if (c === '`') inTemplate = true
      else if (templates.length > 0 && c === '{') templates[templates.length - 1]++
      else if (templates.length > 0 && c === '}' && templates[templates.length - 1]-- === 0) {
        templates.pop()
        inTemplate = true
      }
      code += c
      i++
    }
  }
  return { code, comments: comments + blank(text.slice(comments.length)) }
}

export function lineAt(text: string, index: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i >= 0 && i < index; i = text.indexOf('\n', i + 1)) line++
  return line
}

/** `from '…'`, `import '…'`, `import('…')`: positions in blanked code, names from the text. */
const importing = /(?<![.\w])(?:from\s*|import\s*\(?\s*)(['"]) *\1/g
/** `new URL('…', import.meta.url)`: how a program names a script it starts. */
const locating = /\bnew URL\(\s*(['"]) *\1\s*,\s*import\.meta\.url/g

function quoted(text: string, code: string, pattern: RegExp): SourceImport[] {
  return [...code.matchAll(pattern)].map((match) => {
    const start = code.indexOf(match[1], match.index) + 1
    return { specifier: text.slice(start, code.indexOf(match[1], start)), line: lineAt(text, match.index) }
  })
}

export function parseSource(path: string, text: string): Source {
  const { code, comments } = separate(text)
  const scripts = quoted(text, code, locating)
    .filter(({ specifier }) => specifier.endsWith('.js'))
    .map(({ specifier, line }) => ({ specifier: `./${specifier.replace(/\.js$/, '.ts')}`, line }))
  return { path, text, code, comments, imports: [...quoted(text, code, importing), ...scripts] }
}

/**
 * Patterns by their text, so that the fetches of a reader, which all bring the same text, share one pattern, and it is
 * parsed once. So is the refusal of a text that is wrong. Those used least lately are forgotten; what is kept is bounded by the
 * characters of the texts.
 */
import { parseRecordPattern } from './parse-pattern.ts'
import type { RecordPattern } from './pattern.ts'
import { PatternError } from './pattern-error.ts'

const CHARACTERS_MAX = 4 * 1024 * 1024

export class CompiledPatterns {
  readonly #charactersMax: number
  /** The one used last at the end. */
  readonly #byText = new Map<string, RecordPattern | PatternError>()
  #characters = 0

  constructor(charactersMax = CHARACTERS_MAX) {
    this.#charactersMax = charactersMax
  }

  get size(): number {
    return this.#byText.size
  }

  /** Throws {@link PatternError}. */
  of(text: string): RecordPattern {
    let pattern = this.#byText.get(text)
    if (pattern) this.#byText.delete(text)
    else {
      pattern = parsed(text)
      this.#characters += text.length
      for (const [oldest] of this.#byText) {
        if (this.#characters <= this.#charactersMax) break
        this.#byText.delete(oldest)
        this.#characters -= oldest.length
      }
    }
    this.#byText.set(text, pattern)
    if (pattern instanceof PatternError) throw pattern
    return pattern
  }

  /** Whether it is known what the text is, so that asking costs nothing. */
  has(text: string): boolean {
    return this.#byText.has(text)
  }
}

function parsed(text: string): RecordPattern | PatternError {
  try {
    return parseRecordPattern(text)
  } catch (error) {
    if (error instanceof PatternError) return error
    throw error
  }
}

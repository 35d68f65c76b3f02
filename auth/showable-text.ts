/**
 * Which text may be a name or a note: that of which every character shows, and none does anything else. Refused are
 * control characters, lone surrogates, separators of lines, formatting characters, which turn the direction of writing
 * or take no room, and all that Unicode calls ignorable: with them a name could look like another one, break a line
 * of a log, or command the terminal it is shown on. Pure.
 */
const UNSHOWABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

/** What is wrong with the text, to be read behind it; undefined: nothing. */
export function unshowableProblem(text: string): string | undefined {
  const foreign = UNSHOWABLE.exec(text)
  if (!foreign) return undefined
  const code = (foreign[0].codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')
  return `has the character U+${code} at ${foreign.index}, which cannot be shown`
}

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
  return `has the character U+${codeOf(foreign[0])} at ${foreign.index}, which cannot be shown`
}

const UNSHOWABLE_ONES = new RegExp(UNSHOWABLE, 'gu')

/** The text with each of those characters written out, as `\u{001B}`: for a terminal, whoever it comes from. */
export function showable(text: string): string {
  return text.replace(UNSHOWABLE_ONES, (character) => `\\u{${codeOf(character)}}`)
}

function codeOf(character: string): string {
  return (character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')
}

/**
 * What ignoring case means: a character of the pattern stands for itself, its lower and its upper case form
 * (Unicode's full mappings, of no language, each character for itself), as in event-ruler. So `ß` takes `ß` and
 * `SS`; `SS` does not take `ß`, and `k` does not take the Kelvin sign. No form of a character begins or ends
 * with another form of it, so that reading in either direction never has to go back.
 */

/** The forms of one character (code point), each once, itself first. */
export function caseForms(character: string): readonly string[] {
  return [...new Set([character, character.toLowerCase(), character.toUpperCase()])]
}

/** What stands in a filter or a record, as a sentence shows it: never more than a bit of it. */

export function shortened(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`
}

export const quoted = (text: string) => shortened(JSON.stringify(text.slice(0, 40)))

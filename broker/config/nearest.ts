/** Which known name somebody may have meant. */

/** Longer than any name that is known. */
const NAME_LENGTH_MAX = 100

/** The known name nearest to `given` by single-character edits; undefined when none is near. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  // Counting the edits of a text of any length would take as long as somebody likes.
  if (given.length > NAME_LENGTH_MAX) return undefined
  let best: string | undefined
  let bestEdits = Math.max(2, Math.floor(given.length / 3)) + 1
  for (const name of known) {
    const edits = editDistance(given.toLowerCase(), name.toLowerCase())
    if (edits >= bestEdits) continue
    best = name
    bestEdits = edits
  }
  return best
}

/** Levenshtein distance, one row at a time. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, row[j] + 1, next[j - 1] + 1))
    }
    row = next
  }
  return row[b.length]
}

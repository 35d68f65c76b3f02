/**
 * How large a filter may be: what a stranger can make the broker hold and look at for one fetch. The text
 * bounds everything; the others bound what little text can grow into.
 */

export const patternLimits = {
  /** Of the text, as UTF-8. */
  textBytesMax: 64 * 1024,
  /** How deeply objects and lists of the text may be nested. */
  depthMax: 64,
  /** Rules in the whole text; each entry of an `anything-but` is one. */
  rulesMax: 4096,
  /** What the `$or`s multiply to when they are written out; EventBridge has the same number. */
  alternativesMax: 1000,
  /** Rules in all alternatives together: one beside a `$or` counts in each of its branches. */
  writtenRulesMax: 32_768,
} as const

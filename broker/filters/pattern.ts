/**
 * A filter as the program holds it: what {@link parseRecordPattern} makes of the text, and what matchers are
 * built from. Data only, never changed after it was made.
 *
 * What it means (broker/filters/README.md says it with examples; EventBridge's language, on all of a record):
 *
 * - A record matches when one of the alternatives does; an alternative, when all it names do.
 * - `value` and `key` as fields: the bytes are read as JSON (UTF-8, RFC 8259). Bytes that are not JSON match
 *   nothing, and neither do null and an absent key. The JSON may be any: what is no object has no fields.
 * - `value` and `key` as a leaf: rules on the whole as text; null and an absent key are JSON null, for which
 *   `exists` is false. `headers`: on the value of each header of that name as text, or null; one that
 *   satisfies the leaf is enough, and `exists` says whether there is one of the name. `timestamp`: on ms
 *   since 1970.
 * - The scalars of a field are its value, or the scalars of an array, however deeply arrays are nested in
 *   it. A leaf is satisfied by one scalar that one of its rules takes; and by `exists: false` if there are
 *   no scalars: the field is missing, an object, or an array without any. Of a key written twice in an
 *   object the last one counts.
 * - Fields are satisfied by an object if each is, and one of `or` as well, if there are any. By an array
 *   (with those nested in it laid out flat) if one of its objects satisfies all of them and at least one
 *   leaf of them with a scalar; or if nothing in the whole array has a scalar where they look, and all of
 *   them are satisfied by that. By anything else, as by an object without fields.
 */

/** What a scalar can be asked. A rule on text takes no number, and the other way around. */
export type Rule =
  /** Numbers are compared as IEEE doubles: 300, 300.0 and 3e2 are one number. */
  | { readonly kind: 'exact'; readonly value: string | number | boolean | null }
  /** With `ignoreCase` each character of `text` stands for all of its {@link caseForms}. */
  | { readonly kind: 'prefix' | 'suffix'; readonly text: string; readonly ignoreCase: boolean }
  | { readonly kind: 'equals-ignore-case'; readonly text: string }
  /** As written: `*` is any text, also none; `\*` and `\\` are an asterisk and a backslash. Nothing else is escaped. */
  | { readonly kind: 'wildcard'; readonly text: string }
  /** A scalar of any type, null too, that none of these takes. */
  | { readonly kind: 'anything-but'; readonly rules: readonly Rule[] }
  /** An end that is open is ±Infinity, and inclusive. */
  | {
      readonly kind: 'numeric'
      readonly low: number
      readonly lowInclusive: boolean
      readonly high: number
      readonly highInclusive: boolean
    }
  /** True: any scalar, null too. False: see above. */
  | { readonly kind: 'exists'; readonly exists: boolean }
  /** Text that is an address ({@link parseIpAddress}) of as many bytes, 4 or 16, with the same first bits. */
  | { readonly kind: 'cidr'; readonly bytes: Uint8Array; readonly prefixBits: number }

/** Any of the rules. */
export interface LeafPattern {
  readonly kind: 'leaf'
  readonly rules: readonly Rule[]
}

/** All of the fields, and one of `or` (none: there is no `$or`). Not both are empty. */
export interface FieldsPattern {
  readonly kind: 'fields'
  readonly fields: ReadonlyMap<string, PatternNode>
  readonly or: readonly FieldsPattern[]
}

export type PatternNode = LeafPattern | FieldsPattern

/** A whole filter. */
export interface RecordPattern {
  /** As it was given. */
  readonly text: string
  /** Any of them; at least one. */
  readonly alternatives: readonly RecordAlternative[]
}

/** All of what it names; at least one is named. */
export interface RecordAlternative {
  readonly value?: PatternNode
  readonly key?: PatternNode
  readonly headers?: ReadonlyMap<string, LeafPattern>
  readonly timestamp?: LeafPattern
}

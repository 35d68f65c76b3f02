/** A rule as one writes it: what {@link parseRecordPattern} read it from, but for spelling and order. */
import type { LeafPattern, Rule } from './pattern.ts'

/** The list of a leaf as JSON. */
export function leafText({ rules }: LeafPattern): string {
  return JSON.stringify(rules.map(ruleJson))
}

export function ruleJson(rule: Rule): unknown {
  switch (rule.kind) {
    case 'exact':
      return rule.value
    case 'prefix':
    case 'suffix':
      return { [rule.kind]: rule.ignoreCase ? { 'equals-ignore-case': rule.text } : rule.text }
    case 'equals-ignore-case':
    case 'wildcard':
      return { [rule.kind]: rule.text }
    case 'anything-but':
      return { 'anything-but': anythingBut(rule.rules) }
    case 'numeric':
      return { numeric: bounds(rule) }
    case 'exists':
      return { exists: rule.exists }
    case 'cidr':
      return { cidr: `${addressText(rule.bytes)}/${rule.prefixBits}` }
  }
}

/** All rules inside are of one kind: the language has no other way to write them. */
function anythingBut(rules: readonly Rule[]): unknown {
  const [first] = rules
  const single = (list: unknown[]) => (list.length === 1 ? list[0] : list)
  if (first.kind === 'exact') return single(rules.map(ruleJson))
  const texts = single(rules.map((rule) => ('text' in rule ? rule.text : '')))
  const ignoresCase = 'ignoreCase' in first && first.ignoreCase
  return { [first.kind]: ignoresCase ? { 'equals-ignore-case': texts } : texts }
}

function bounds({ low, lowInclusive, high, highInclusive }: Rule & { kind: 'numeric' }): unknown[] {
  if (low === high) return ['=', low]
  const lower = low === Number.NEGATIVE_INFINITY ? [] : [lowInclusive ? '>=' : '>', low]
  const upper = high === Number.POSITIVE_INFINITY ? [] : [highInclusive ? '<=' : '<', high]
  return [...lower, ...upper]
}

function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => (bytes[2 * index] << 8) | bytes[2 * index + 1])
  const text = groups.map((group) => group.toString(16)).join(':')
  // The longest run of zeros is what :: stands for (RFC 5952).
  const runs = [...text.matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)].sort(
    (a, b) => b[0].length - a[0].length,
  )
  const [longest] = runs
  if (longest === undefined) return text
  const before = text.slice(0, longest.index).replace(/:$/, '')
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, '')
  return `${before}::${after}`
}

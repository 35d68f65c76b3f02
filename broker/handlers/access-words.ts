/** Rights as requests spell them, taken apart; what is none is refused by name with INVALID_REQUEST. */
import { problemOfOperations } from '../../auth/acl/entry.ts'
import { meaninglessProblem } from '../../auth/acl/grants.ts'
import type { Operation } from '../../auth/acl/operation.ts'
import { formatResourcePattern, parseResourcePattern, type ResourcePattern } from '../../auth/acl/resource.ts'
import type { Scope } from '../../auth/identity.ts'
import { bareIdProblem, kindBefore, type PrincipalName, parseWrittenPrincipal } from '../../auth/principal.ts'
import { unshowableProblem } from '../../auth/showable-text.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'

type WireScope = readonly { readonly operations: readonly string[]; readonly resource: string }[] | null

export function invalid(sentence: string): ProtocolError {
  return new ProtocolError(ErrorCode.INVALID_REQUEST, sentence)
}

export function resourceOf(text: string): ResourcePattern {
  const parsed = parseResourcePattern(text)
  if ('problem' in parsed) throw invalid(`resource ${shown(text)} ${parsed.problem}`)
  return parsed
}

export function principalOf(text: string): PrincipalName {
  const parsed = parseWrittenPrincipal(text)
  if ('problem' in parsed) throw invalid(`principal ${shown(text)} ${parsed.problem}`)
  return parsed
}

export function operationsOf(words: readonly string[]): Operation[] {
  const problem = problemOfOperations(words)
  if (problem !== undefined) throw invalid(`operations ${problem}`)
  return words as Operation[]
}

/** Operations on a resource, each of which means something there. */
export function rightOf(words: readonly string[], text: string): Right {
  const right = { operations: operationsOf(words), resource: resourceOf(text) }
  const problem = meaninglessProblem(right.operations, right.resource)
  if (problem !== undefined) throw invalid(problem)
  return right
}

interface Right {
  readonly operations: Operation[]
  readonly resource: ResourcePattern
}

export function scopeOf(scope: WireScope): Scope | undefined {
  if (scope === null) return undefined
  return scope.map(({ operations, resource }) => rightOf(operations, resource))
}

export function wireScope(scope: Scope | null | undefined) {
  return (
    scope?.map(({ operations, resource }) => ({
      operations: [...operations],
      resource: formatResourcePattern(resource),
    })) ?? null
  )
}

/** Owners of namespaces: users and groups; others could be everybody. */
export function ownersOf(texts: readonly string[]): string[] {
  for (const text of texts) {
    const kind = kindBefore(text)
    if (kind !== 'user' && kind !== 'group')
      throw invalid(`${shown(text)} cannot own a namespace; user:ID and group:ID can`)
    principalOf(text)
  }
  return [...new Set(texts)]
}

/** IDs without their kind. */
export function checkIds(what: string, ids: readonly string[]): void {
  for (const id of ids) {
    const problem = bareIdProblem(id)
    if (problem !== undefined) throw invalid(`${what} ${shown(id)} ${problem}`)
  }
}

/** What is written for people: each character of it shows. */
export function checkShowable(what: string, text: string): void {
  const problem = unshowableProblem(text)
  if (problem !== undefined) throw invalid(`${what} ${problem}`)
}

const AHEAD_YEARS_MAX = 100
const AHEAD_MS_MAX = AHEAD_YEARS_MAX * 366 * 86_400_000

/** Beyond what people mean there are moments that no calendar has, and programs that show them fail. */
export function checkExpiry(expiresAtMs: number | null, nowMs: number): void {
  if (expiresAtMs === null) return
  if (expiresAtMs <= nowMs) throw invalid(`expiresAtMs is ${expiresAtMs}, which is past: it is ${nowMs} now`)
  if (expiresAtMs > nowMs + AHEAD_MS_MAX)
    throw invalid(
      `expiresAtMs is ${expiresAtMs}, more than ${AHEAD_YEARS_MAX} years ahead: it is ${nowMs} now; without it there is no end`,
    )
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

/** Rights as requests spell them, taken apart; what is none is refused by name with INVALID_REQUEST. */
import { problemOfOperations } from '../../auth/acl/entry.ts'
import type { Operation } from '../../auth/acl/operation.ts'
import { formatResourcePattern, parseResourcePattern, type ResourcePattern } from '../../auth/acl/resource.ts'
import type { Scope } from '../../auth/identity.ts'
import { type PrincipalName, parsePrincipalName, principalIdProblem } from '../../auth/principal.ts'
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
  const parsed = parsePrincipalName(text)
  if ('problem' in parsed) throw invalid(`principal ${shown(text)} ${parsed.problem}`)
  return parsed
}

export function operationsOf(words: readonly string[]): Operation[] {
  const problem = problemOfOperations(words)
  if (problem !== undefined) throw invalid(`operations ${problem}`)
  return words as Operation[]
}

export function scopeOf(scope: WireScope): Scope | undefined {
  if (scope === null) return undefined
  return scope.map(({ operations, resource }) => ({
    operations: operationsOf(operations),
    resource: resourceOf(resource),
  }))
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
    const { kind } = principalOf(text)
    if (kind !== 'user' && kind !== 'group')
      throw invalid(`${shown(text)} cannot own a namespace; user:ID and group:ID can`)
  }
  return [...new Set(texts)]
}

/** IDs without their kind. */
export function checkIds(what: string, ids: readonly string[]): void {
  for (const id of ids) {
    const problem = principalIdProblem(id)
    if (problem !== undefined) throw invalid(`${what} ${shown(id)} ${problem}`)
  }
}

export function checkExpiry(expiresAtMs: number | null, nowMs: number): void {
  if (expiresAtMs !== null && expiresAtMs <= nowMs)
    throw invalid(`expiresAtMs is ${expiresAtMs}, which is past: it is ${nowMs} now`)
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

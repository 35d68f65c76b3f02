/**
 * How rights look in metadata: resources in their text form, operations as words, everything checked on the way in.
 */
import { z } from 'zod'
import { operations } from '../../auth/acl/operation.ts'
import { formatResourcePattern, parseResourcePattern, type ResourcePattern } from '../../auth/acl/resource.ts'
import type { Scope } from '../../auth/identity.ts'
import { parsePrincipalName } from '../../auth/principal.ts'

export const storedOperations = z.array(z.enum(operations)).min(1)

export const storedResource = z.string().transform((text, context): ResourcePattern => {
  const parsed = parseResourcePattern(text)
  if (!('problem' in parsed)) return parsed
  context.addIssue(`${JSON.stringify(text)} ${parsed.problem}`)
  return z.NEVER
})

export const storedPrincipal = z.string().refine((text) => !('problem' in parsePrincipalName(text)))

const storedScopePart = z.strictObject({ operations: storedOperations, resource: storedResource })
export const storedScope = z.array(storedScopePart).nullable()

export function encodeScope(scope: Scope | null) {
  return (
    scope?.map(({ operations, resource }) => ({ operations, resource: formatResourcePattern(resource) })) ??
    null
  )
}

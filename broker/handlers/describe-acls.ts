/** Describe ACLs: the entries the caller may see, in order of what they are about. */
import type { Policy } from '../../auth/acl/policy.ts'
import { formatResourcePattern, meetsPattern } from '../../auth/acl/resource.ts'
import type { DescribedAcl } from '../../client/protocol/messages/acls.ts'
import { principalOf, resourceOf } from './access-words.ts'
import { visibleEntries } from './acl-rights.ts'
import type { Handler } from './handlers.ts'

export function describeAclsHandler(policy: Policy): Handler<'describeAcls'> {
  return async ({ principal, resource }, { session }) => {
    if (principal !== null) principalOf(principal)
    const about = resource === null ? undefined : resourceOf(resource)
    const isVisible = visibleEntries(session)
    const entries: DescribedAcl[] = []
    for (const entry of principal === null ? policy.entries() : policy.entriesOf(principal)) {
      if ((about && !meetsPattern(about, entry.resource)) || !isVisible(entry)) continue
      const { operations, resource: pattern, ...rest } = entry
      entries.push({ ...rest, operations: [...operations], resource: formatResourcePattern(pattern) })
    }
    return { entries: entries.sort(byResource) }
  }
}

function byResource(a: DescribedAcl, b: DescribedAcl): number {
  if (a.resource !== b.resource) return a.resource < b.resource ? -1 : 1
  return a.principal < b.principal ? -1 : a.principal > b.principal ? 1 : a.id < b.id ? -1 : 1
}

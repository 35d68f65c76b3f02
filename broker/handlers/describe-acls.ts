/**
 * Describe ACLs: the entries the caller may see, in order of what they are about. There may be a hundred thousand: only
 * those of whom, and of the namespaces, that can be visible to the caller are looked at, a few milliseconds at a time for
 * all who ask. An answer has a bound; who meets it asks about less.
 */
import type { AclEntry } from '../../auth/acl/entry.ts'
import type { Policy } from '../../auth/acl/policy.ts'
import { formatResourcePattern, meetsPattern, type ResourcePattern } from '../../auth/acl/resource.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { DescribedAcl } from '../../client/protocol/messages/acls.ts'
import type { Timers } from '../ports.ts'
import { principalOf, resourceOf } from './access-words.ts'
import { entriesToLookAt, visibleEntries } from './acl-rights.ts'
import type { RequestSession } from './context.ts'
import type { Handler } from './handlers.ts'
import { type Scan, ScanQueue } from './scan-queue.ts'

const ENTRIES_MAX = 10_000
/** Entries between two looks at the clock. */
const STEP = 50

export function describeAclsHandler(
  policy: Policy,
  timers: Pick<Timers, 'soon'>,
  entriesMax = ENTRIES_MAX,
): Handler<'describeAcls'> {
  const scans = new ScanQueue(timers)

  function* scan(
    session: RequestSession,
    principal: string | null,
    about: ResourcePattern | undefined,
  ): Scan<DescribedAcl[]> {
    const found: AclEntry[] = []
    let isVisible = visibleEntries(session)
    let looked = 0
    for (const entry of principal === null ? entriesToLookAt(session, policy) : policy.entriesOf(principal)) {
      if (++looked % STEP === 0) {
        yield
        // Rights may have changed meanwhile.
        isVisible = visibleEntries(session)
      }
      if ((about && !meetsPattern(about, entry.resource)) || !isVisible(entry)) continue
      if (found.push(entry) > entriesMax)
        throw new ProtocolError(
          ErrorCode.POLICY_VIOLATION,
          `there are more than ${entriesMax} entries; ask for those of one principal, or about one resource`,
        )
    }
    return found.map(described).sort(byResource)
  }

  return async ({ principal, resource }, { session, clock, signal, connection }) => {
    if (principal !== null) principalOf(principal)
    const about = resource === null ? undefined : resourceOf(resource)
    const entries = await scans.run(connection.id, signal, clock, scan(session, principal, about))
    return { entries: entries ?? [] }
  }
}

function described({ operations, resource, ...rest }: AclEntry): DescribedAcl {
  return { ...rest, operations: [...operations], resource: formatResourcePattern(resource) }
}

function byResource(a: DescribedAcl, b: DescribedAcl): number {
  if (a.resource !== b.resource) return a.resource < b.resource ? -1 : 1
  return a.principal < b.principal ? -1 : a.principal > b.principal ? 1 : a.id < b.id ? -1 : 1
}

/**
 * Describe ACLs: the entries the caller may see, in order of what they are about. There may be a hundred thousand, and
 * each is looked at: a few milliseconds at a time, so that nobody else waits for it. An answer has a bound; who meets it
 * asks about less.
 */
import type { AclEntry } from '../../auth/acl/entry.ts'
import type { Policy } from '../../auth/acl/policy.ts'
import { formatResourcePattern, meetsPattern } from '../../auth/acl/resource.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { DescribedAcl } from '../../client/protocol/messages/acls.ts'
import type { Timers } from '../ports.ts'
import { principalOf, resourceOf } from './access-words.ts'
import { visibleEntries } from './acl-rights.ts'
import type { Handler } from './handlers.ts'

const ENTRIES_MAX = 10_000
const TURN_MS_MAX = 3
/** Entries between two looks at the clock. */
const STEP = 50

export function describeAclsHandler(
  policy: Policy,
  timers: Pick<Timers, 'soon'>,
  entriesMax = ENTRIES_MAX,
): Handler<'describeAcls'> {
  return async ({ principal, resource }, { session, clock, signal }) => {
    if (principal !== null) principalOf(principal)
    const about = resource === null ? undefined : resourceOf(resource)
    const found: AclEntry[] = []
    let isVisible = visibleEntries(session)
    let turnMs = clock.monotonicMs()
    let looked = 0
    for (const entry of principal === null ? policy.entries() : policy.entriesOf(principal)) {
      if (++looked % STEP === 0 && clock.monotonicMs() - turnMs > TURN_MS_MAX) {
        await new Promise<void>((resolve) => timers.soon(resolve))
        if (signal.aborted) return { entries: [] }
        turnMs = clock.monotonicMs()
        isVisible = visibleEntries(session)
      }
      if ((about && !meetsPattern(about, entry.resource)) || !isVisible(entry)) continue
      if (found.push(entry) > entriesMax)
        throw new ProtocolError(
          ErrorCode.POLICY_VIOLATION,
          `there are more than ${entriesMax} entries; ask for those of one principal, or about one resource`,
        )
    }
    return { entries: found.map(described).sort(byResource) }
  }
}

function described({ operations, resource, ...rest }: AclEntry): DescribedAcl {
  return { ...rest, operations: [...operations], resource: formatResourcePattern(resource) }
}

function byResource(a: DescribedAcl, b: DescribedAcl): number {
  if (a.resource !== b.resource) return a.resource < b.resource ? -1 : 1
  return a.principal < b.principal ? -1 : a.principal > b.principal ? 1 : a.id < b.id ? -1 : 1
}

/** Delete ACLs: each entry succeeds or fails on its own, and is in force no longer when it is answered. */
import type { AclEntry } from '../../auth/acl/entry.ts'
import type { Policy } from '../../auth/acl/policy.ts'
import { ErrorCode, ProtocolError } from '../../client/protocol/errors.ts'
import type { AclStore } from '../access/acl-store.ts'
import { visibleEntries, writeRefusal } from './acl-rights.ts'
import type { RequestSession } from './context.ts'
import { entryResult } from './entry-result.ts'
import type { Handler } from './handlers.ts'

/** Asked about in place of one that does not exist, so that it takes the same steps as one that may not be seen. */
const NO_ENTRY: AclEntry = {
  id: '',
  principal: '',
  resource: { type: 'topic', name: '-', match: 'literal' },
  operations: [],
  effect: 'allow',
  expiresAtMs: null,
  grantedBy: '',
  createdAtMs: 0,
  note: null,
}

export function deleteAclsHandler(
  policy: Pick<Policy, 'entry'>,
  acls: Pick<AclStore, 'delete'>,
  onProblem: (error: Error) => void,
): Handler<'deleteAcls'> {
  async function deleteOne(id: string, session: RequestSession): Promise<void> {
    const entry = policy.entry(id)
    const unknown = new ProtocolError(
      ErrorCode.RESOURCE_NOT_FOUND,
      `there is no entry ${JSON.stringify(id)} in the access control list`,
    )
    const refusal = writeRefusal(session, entry ?? NO_ENTRY)
    const isVisible = visibleEntries(session)(entry ?? NO_ENTRY)
    if (!entry || (refusal && !isVisible)) throw unknown
    if (refusal) throw refusal
    const [isGone] = await acls.delete([id])
    if (!isGone) throw unknown
  }

  return async ({ ids }, { session }) => ({
    entries: await Promise.all(
      ids.map(async (id) => ({ id, ...(await entryResult(() => deleteOne(id, session), onProblem)) })),
    ),
  })
}
